# Installs headers, both libraries, the pkg-config file and the CMake package. All of them find
# each other by relative paths, so the installed tree may be moved.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(warp_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/WarpEngine")
set(warp_generated "${PROJECT_BINARY_DIR}/package")

file(RELATIVE_PATH warp_pc_to_prefix
  "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
set(warp_libs_private "")
foreach(lib IN LISTS warp_static_libs)
  string(APPEND warp_libs_private " -l${lib}")
endforeach()
configure_file(cmake/warp-engine.pc.in "${warp_generated}/warp-engine.pc" @ONLY)

configure_package_config_file(cmake/WarpEngineConfig.cmake.in
  "${warp_generated}/WarpEngineConfig.cmake"
  INSTALL_DESTINATION "${warp_package_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
# Before 1.0 a minor version may change the interface; the SONAME says whether it did.
write_basic_package_version_file("${warp_generated}/WarpEngineConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)

install(FILES include/warp_engine.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES include/warp_engine.hpp DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" OPTIONAL)
install(PROGRAMS "${warp_stage}/${warp_shared_real}" DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${warp_stage}/${warp_shared_soname}" "${warp_stage}/${warp_shared}"
              "${warp_stage}/libwarp_engine.a"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(FILES "${warp_generated}/warp-engine.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES "${warp_generated}/WarpEngineConfig.cmake"
              "${warp_generated}/WarpEngineConfigVersion.cmake"
        DESTINATION "${warp_package_dir}")
