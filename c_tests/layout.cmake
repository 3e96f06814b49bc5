# cmake -DPROGRAM=… -DEXPECTED=… -P layout.cmake: the program prints what the file holds.
execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed RESULT_VARIABLE failed)
file(READ "${EXPECTED}" expected)
if(failed OR NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} (exit ${failed}) differs from ${EXPECTED}:\n${printed}")
endif()
