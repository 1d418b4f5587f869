# The libraries, each shared and static from the same objects:
#
#   netproto-core   pure state machines: no sockets, clock, libev, files or randomness of their own
#   netproto        the runtime on libev
#   netproto-json   JSON in and out through the descriptors
#   netproto-tls    TLS by wolfSSL, apart so that who needs none does not meet its licence
#   netproto-selftest   what generated tests and fuzz targets are made of; for tests only
#
# Targets: netproto::core, netproto::netproto, netproto::json, netproto::tls, netproto::selftest are
# the shared ones, each with a static twin ..._static. The tests use the static ones, which also give access to
# functions that are private to a library.
#
# Visibility is hidden. What another library calls is marked NP_API or, in a private header of src/,
# stands between `#pragma GCC visibility push(default)` and `pop`. An "undefined reference" when a
# shared library is linked means that this is missing; the test abi.libraries finds what is exported
# and no other library calls.

# Which versions go together: read by Install.cmake for the CMake package, so that it takes the same
# ones as the system, by the SONAME. Below 1.0 a minor version may break its users, from then on only
# a major one.
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(netproto_soversion "0.${PROJECT_VERSION_MINOR}")
  set(netproto_compatibility SameMinorVersion)
else()
  set(netproto_soversion "${PROJECT_VERSION_MAJOR}")
  set(netproto_compatibility SameMajorVersion)
endif()

# The base protocol's header is generated, and users include it as <netproto/base.h>: here, too.
set(netproto_link_dir "${PROJECT_BINARY_DIR}/include")
file(MAKE_DIRECTORY "${netproto_link_dir}/netproto")
foreach(header base.h base_service.h)
  file(CREATE_LINK "${PROJECT_SOURCE_DIR}/generated/${header}"
    "${netproto_link_dir}/netproto/${header}" SYMBOLIC)
endforeach()

set(netproto_libraries "") # what exists, in order of dependency; read by Install.cmake

# netproto_library(<core|netproto|json|tls|selftest> SOURCES file... [OURS library...] [LINK target...]
#                  [DEFINE macro...])
# OURS: other libraries of this list, passed on to users. LINK: foreign ones, kept private.
function(netproto_library short)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES;OURS;LINK;DEFINE")
  set(name "netproto-${short}")
  if(short STREQUAL "netproto")
    set(name netproto)
  endif()

  add_library(${name}-objects OBJECT ${ARG_SOURCES})
  target_include_directories(${name}-objects
    PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/generated"
    PUBLIC "${PROJECT_SOURCE_DIR}/include" "${netproto_link_dir}")
  target_compile_definitions(${name}-objects PRIVATE ${ARG_DEFINE})
  target_link_libraries(${name}-objects PRIVATE netproto-compile ${ARG_LINK})

  foreach(kind SHARED STATIC)
    set(target ${name})
    set(suffix "")
    if(kind STREQUAL "STATIC")
      set(target ${name}-static)
      set(suffix "_static")
    endif()
    add_library(${target} ${kind} $<TARGET_OBJECTS:${name}-objects>)
    add_library(netproto::${short}${suffix} ALIAS ${target})
    target_include_directories(${target} PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${netproto_link_dir}>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:netproto-compile> ${ARG_LINK})
    foreach(other IN LISTS ARG_OURS)
      target_link_libraries(${target} PUBLIC netproto::${other}${suffix})
    endforeach()
    set_target_properties(${target} PROPERTIES
      OUTPUT_NAME ${name}
      EXPORT_NAME ${short}${suffix}
      VERSION ${PROJECT_VERSION}
      SOVERSION ${netproto_soversion})
  endforeach()

  set(netproto_libraries ${netproto_libraries} ${short} PARENT_SCOPE)
endfunction()

# New files join by being there.
file(GLOB core_sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/util/*.c"
  "${PROJECT_SOURCE_DIR}/src/core/*.c"
  "${PROJECT_SOURCE_DIR}/src/protocol/*.c"
  "${PROJECT_SOURCE_DIR}/generated/base*.c")
# Its handlers and dispatcher belong to the runtime.
list(FILTER core_sources EXCLUDE REGEX "/base_service[.]c$")
file(GLOB runtime_sources CONFIGURE_DEPENDS
  "${PROJECT_SOURCE_DIR}/src/transport/*.c"
  "${PROJECT_SOURCE_DIR}/src/service/*.c"
  "${PROJECT_SOURCE_DIR}/generated/base_service.c")
file(GLOB json_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/json/*.c")
file(GLOB selftest_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/selftest/*.c")
file(GLOB tls_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/tls/*.c")

if(core_sources)
  netproto_library(core
    SOURCES ${core_sources}
    LINK PkgConfig::SODIUM PkgConfig::LZ4 PkgConfig::ZSTD)
endif()

if(runtime_sources)
  netproto_library(netproto
    SOURCES ${runtime_sources}
    OURS core
    LINK LibEv::LibEv PkgConfig::CARES PkgConfig::SODIUM Threads::Threads
    # accept4, SO_PEERCRED and their like; defined as empty, as files that say it themselves do.
    DEFINE _GNU_SOURCE=)
endif()

if(json_sources)
  netproto_library(json SOURCES ${json_sources} OURS core LINK PkgConfig::JANSSON)
endif()

if(tls_sources)
  netproto_library(tls
    SOURCES ${tls_sources}
    OURS netproto
    LINK PkgConfig::WOLFSSL LibEv::LibEv
    DEFINE _GNU_SOURCE=)
endif()

if(selftest_sources)
  netproto_library(selftest SOURCES ${selftest_sources} OURS core LINK m DEFINE _GNU_SOURCE=)
endif()
