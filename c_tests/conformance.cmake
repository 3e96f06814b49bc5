# The runners of the conformance suite (tests/conformance), one test a file so that a failure says
# which. The data set is written and read once the files that need a directory are not pending.
file(GLOB warp_conformance_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/conformance/*.json")

function(warp_conformance program)
  foreach(file IN LISTS warp_conformance_files)
    get_filename_component(name "${file}" NAME_WE)
    set(test ${program}_${name})
    add_test(NAME ${test} COMMAND ${warp_runner} $<TARGET_FILE:${program}> run "${file}")
    set_tests_properties(${test} PROPERTIES ENVIRONMENT "${warp_environment}" TIMEOUT 300)
  endforeach()
endfunction()

add_executable(conformance conformance.c)
target_link_libraries(conformance PRIVATE WarpEngine::warp_engine)
warp_conformance(conformance)

find_program(WARP_PYTHON NAMES python3)
if(WARP_PYTHON)
  add_test(NAME conformance_model
    COMMAND "${WARP_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/conformance/model.py")
  add_test(NAME conformance_generated
    COMMAND "${WARP_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/conformance/generate.py" --check)
endif()
