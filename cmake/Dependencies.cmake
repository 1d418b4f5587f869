# The libraries that netproto stands on. A missing one stops with the apt line that brings it.
#
# Private to the libraries: none of their types stands in a public header.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# netproto_require_pkg(<PREFIX> <pkg-config name> <Debian package>): defines PkgConfig::<PREFIX>.
function(netproto_require_pkg prefix module package)
  pkg_check_modules(${prefix} QUIET IMPORTED_TARGET GLOBAL ${module})
  if(NOT ${prefix}_FOUND)
    message(FATAL_ERROR "${module} is missing.\n  On Debian: sudo apt-get install ${package}\n"
      "  Everything at once: ./dev run")
  endif()
endfunction()

netproto_require_pkg(SODIUM libsodium libsodium-dev)
netproto_require_pkg(LZ4 liblz4 liblz4-dev)
netproto_require_pkg(ZSTD libzstd libzstd-dev)

if(EXISTS "${PROJECT_SOURCE_DIR}/src/transport")
  netproto_require_pkg(CARES libcares libc-ares-dev)
  find_package(LibEv 4.0)
  if(NOT LibEv_FOUND)
    message(FATAL_ERROR "libev is missing.\n  On Debian: sudo apt-get install libev-dev\n"
      "  Everything at once: ./dev run")
  endif()
endif()

if(EXISTS "${PROJECT_SOURCE_DIR}/src/json")
  netproto_require_pkg(JANSSON jansson libjansson-dev)
endif()

if(EXISTS "${PROJECT_SOURCE_DIR}/src/tls")
  netproto_require_pkg(WOLFSSL wolfssl libwolfssl-dev)
endif()
