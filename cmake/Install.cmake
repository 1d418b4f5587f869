# What `cmake --install` puts where, and how other builds find it: CMake by find_package(netproto),
# everything else by pkg-config.
include(CMakePackageConfigHelpers)

set(netproto_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/netproto")

# Who has cloned netproto to ~/netproto may well say --prefix ~/netproto: bin, lib and headers that are
# generated would mix with the sources. The first rule, so that nothing is written before.
install(CODE "
  file(REAL_PATH \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}\" place)
  file(REAL_PATH \"${PROJECT_SOURCE_DIR}\" tree)
  if(place STREQUAL tree)
    message(FATAL_ERROR \"Not installed into \${place}: this is the tree that netproto was built \"
      \"from. Name another folder by --prefix, e.g. \$ENV{HOME}/.local\")
  endif()")

install(DIRECTORY include/netproto DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_SOURCE_DIR}/generated/base.h" "${PROJECT_SOURCE_DIR}/generated/base_service.h"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/netproto")

# The generator, and the schemas that users' schemas import.
install(DIRECTORY codegen/npgen DESTINATION "${CMAKE_INSTALL_DATADIR}/netproto"
  FILES_MATCHING PATTERN "*.py" PATTERN "c_names.txt" PATTERN "__pycache__" EXCLUDE)
install(FILES schema/base.np DESTINATION "${CMAKE_INSTALL_DATADIR}/netproto")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_DATADIR
  BASE_DIRECTORY "${CMAKE_INSTALL_FULL_BINDIR}" OUTPUT_VARIABLE data_from_bin)
configure_file(cmake/npgen.in npgen @ONLY)
install(PROGRAMS "${PROJECT_BINARY_DIR}/npgen" DESTINATION "${CMAKE_INSTALL_BINDIR}")

if(TARGET netproto-tool)
  install(TARGETS netproto-tool DESTINATION "${CMAKE_INSTALL_BINDIR}")
  install(FILES docs/man/netproto.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
endif()

# One file of targets for each library and kind, so that a user of one needs not what another links.
# The .pc files tell their places relative to their own, so that the installation can be moved and
# `cmake --install --prefix` works. Folders that were given as absolute paths stay so.
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
set(pc_dir "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY "${pc_dir}"
  OUTPUT_VARIABLE prefix_from_pc)

# netproto_pkg_config(<library> <description> <requires> <requires private> <libs private>)
function(netproto_pkg_config name description requires requires_private libs_private)
  configure_file("${PROJECT_SOURCE_DIR}/cmake/netproto.pc.in" ${name}.pc @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${name}.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endfunction()

foreach(short IN LISTS netproto_libraries)
  set(name netproto-${short})
  if(short STREQUAL "netproto")
    set(name netproto)
  endif()
  install(TARGETS ${name} EXPORT netproto-shared-${short})
  install(TARGETS ${name}-static EXPORT netproto-static-${short})
  foreach(export netproto-shared-${short} netproto-static-${short})
    install(EXPORT ${export} NAMESPACE netproto:: DESTINATION "${netproto_package_dir}")
  endforeach()
endforeach()

if("core" IN_LIST netproto_libraries)
  netproto_pkg_config(netproto-core "Pure protocol machines of netproto"
    "" "libsodium, liblz4, libzstd" "")
endif()
if("netproto" IN_LIST netproto_libraries)
  # libev has no .pc file of its own.
  netproto_pkg_config(netproto "netproto's runtime on libev"
    "netproto-core = ${PROJECT_VERSION}" "libcares, libsodium" "-lev -lpthread -lm")
endif()
if("json" IN_LIST netproto_libraries)
  netproto_pkg_config(netproto-json "JSON for netproto's messages"
    "netproto-core = ${PROJECT_VERSION}" "jansson" "")
endif()
if("selftest" IN_LIST netproto_libraries)
  netproto_pkg_config(netproto-selftest "Tests and fuzz targets of netproto's generated code"
    "netproto-core = ${PROJECT_VERSION}" "" "-lm")
endif()
if("tls" IN_LIST netproto_libraries)
  netproto_pkg_config(netproto-tls "TLS for netproto, by wolfSSL (GPL)"
    "netproto = ${PROJECT_VERSION}" "wolfssl" "-lev")
endif()

configure_package_config_file(cmake/netprotoConfig.cmake.in netprotoConfig.cmake
  INSTALL_DESTINATION "${netproto_package_dir}"
  PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(netprotoConfigVersion.cmake
  COMPATIBILITY ${netproto_compatibility})
install(FILES
    "${PROJECT_BINARY_DIR}/netprotoConfig.cmake"
    "${PROJECT_BINARY_DIR}/netprotoConfigVersion.cmake"
    cmake/NetprotoGenerate.cmake
    cmake/FindLibEv.cmake
  DESTINATION "${netproto_package_dir}")
install(FILES LICENSE docs/licensing.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
