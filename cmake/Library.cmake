# Builds the library with cargo, stages it under lib/ of the build tree with its links, and gives
# the targets WarpEngine::warp_engine and WarpEngine::warp_engine_static, as an installed package
# does. Cargo decides what is up to date, so it is asked at every build.

set(warp_stage "${PROJECT_BINARY_DIR}/lib")
if(APPLE)
  set(warp_shared "libwarp_engine.dylib")
  set(warp_shared_soname "libwarp_engine.${WARP_ABI_VERSION}.dylib")
  set(warp_shared_real "libwarp_engine.${PROJECT_VERSION}.dylib")
else()
  set(warp_shared "libwarp_engine.so")
  set(warp_shared_soname "libwarp_engine.so.${WARP_ABI_VERSION}")
  set(warp_shared_real "libwarp_engine.so.${PROJECT_VERSION}")
endif()
# What the Rust standard library needs of the system, besides libc and libgcc.
if(APPLE)
  set(warp_static_libs iconv)
else()
  set(warp_static_libs pthread dl m)
endif()

if(WARP_LIBRARY_DIR)
  set(warp_built "${WARP_LIBRARY_DIR}")
  set(warp_cargo "${CMAKE_COMMAND}" -E true)
else()
  find_program(CARGO cargo HINTS "$ENV{HOME}/.cargo/bin" REQUIRED)
  set(WARP_CARGO_TARGET_DIR "${PROJECT_SOURCE_DIR}/target" CACHE PATH "Where cargo builds")
  set(warp_built "${WARP_CARGO_TARGET_DIR}/release")
  set(warp_cargo "${CMAKE_COMMAND}" -E env "CARGO_TARGET_DIR=${WARP_CARGO_TARGET_DIR}"
      "${CARGO}" build --release --no-default-features --lib)
endif()

# The archive with every symbol but ours made local, so that it can be linked next to another Rust
# library; where there is no objcopy, as it is.
if(CMAKE_OBJCOPY AND CMAKE_LINKER AND NOT APPLE)
  set(warp_archive sh "${PROJECT_SOURCE_DIR}/scripts/localize-archive.sh"
      "${warp_built}/libwarp_engine.a" "${warp_stage}/libwarp_engine.a")
else()
  set(warp_archive "${CMAKE_COMMAND}" -E copy_if_different
      "${warp_built}/libwarp_engine.a" "${warp_stage}/libwarp_engine.a")
endif()

add_custom_target(warp_engine_cargo ALL
  COMMAND ${warp_cargo}
  WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
  COMMENT "Building the library with cargo"
  USES_TERMINAL VERBATIM)
add_custom_target(warp_engine_stage ALL
  COMMAND "${CMAKE_COMMAND}" -E make_directory "${warp_stage}"
  COMMAND "${CMAKE_COMMAND}" -E copy_if_different
          "${warp_built}/${warp_shared}" "${warp_stage}/${warp_shared_real}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink
          "${warp_shared_real}" "${warp_stage}/${warp_shared_soname}"
  COMMAND "${CMAKE_COMMAND}" -E create_symlink
          "${warp_shared_soname}" "${warp_stage}/${warp_shared}"
  COMMAND ${warp_archive}
  BYPRODUCTS "${warp_stage}/${warp_shared_real}" "${warp_stage}/libwarp_engine.a"
  VERBATIM)
add_dependencies(warp_engine_stage warp_engine_cargo)

add_library(warp_engine SHARED IMPORTED GLOBAL)
set_target_properties(warp_engine PROPERTIES
  IMPORTED_LOCATION "${warp_stage}/${warp_shared_real}"
  IMPORTED_SONAME "${warp_shared_soname}"
  INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include")
add_library(warp_engine_static STATIC IMPORTED GLOBAL)
set_target_properties(warp_engine_static PROPERTIES
  IMPORTED_LOCATION "${warp_stage}/libwarp_engine.a"
  INTERFACE_LINK_LIBRARIES "${warp_static_libs}"
  INTERFACE_INCLUDE_DIRECTORIES "${PROJECT_SOURCE_DIR}/include")
add_dependencies(warp_engine warp_engine_stage)
add_dependencies(warp_engine_static warp_engine_stage)
add_library(WarpEngine::warp_engine ALIAS warp_engine)
add_library(WarpEngine::warp_engine_static ALIAS warp_engine_static)
