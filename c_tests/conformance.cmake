# The runners of the conformance suite (tests/conformance), one test a file so that a failure says
# which, and the data set that programs write and read for each other.
file(GLOB warp_conformance_files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/conformance/*.json")

function(warp_conformance program)
  foreach(file IN LISTS warp_conformance_files)
    get_filename_component(name "${file}" NAME_WE)
    set(test ${program}_${name})
    add_test(NAME ${test} COMMAND ${warp_runner} $<TARGET_FILE:${program}> run "${file}")
    set_tests_properties(${test} PROPERTIES ENVIRONMENT "${warp_environment}" TIMEOUT 300)
  endforeach()
endfunction()

# Each program writes the data set, each reads what each wrote.
function(warp_dataset name)
  set(commands "")
  foreach(program IN LISTS ARGN)
    list(APPEND commands $<TARGET_FILE:${program}>)
  endforeach()
  add_test(NAME ${name}
    COMMAND sh "${PROJECT_SOURCE_DIR}/tests/conformance/cross.sh" ${commands})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${warp_environment}" TIMEOUT 300)
endfunction()

add_executable(conformance conformance.c)
target_link_libraries(conformance PRIVATE WarpEngine::warp_engine)
warp_conformance(conformance)
warp_dataset(dataset conformance)

find_program(WARP_PYTHON NAMES python3)
if(WARP_PYTHON AND NOT WARP_SANITIZE AND NOT WARP_VALGRIND)
  add_test(NAME conformance_model
    COMMAND "${WARP_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/conformance/model.py")
  add_test(NAME conformance_generated
    COMMAND "${WARP_PYTHON}" -B "${PROJECT_SOURCE_DIR}/tests/conformance/generate.py" --check)
endif()
