# Finds libev, which comes with neither a pkg-config nor a CMake file in Debian.
#
# Defines the target LibEv::LibEv, and LibEv_FOUND, LibEv_VERSION.
find_path(LibEv_INCLUDE_DIR NAMES ev.h PATH_SUFFIXES libev)
find_library(LibEv_LIBRARY NAMES ev)
mark_as_advanced(LibEv_INCLUDE_DIR LibEv_LIBRARY)

# libevent's compatibility header is called ev.h too, but names no version.
if(LibEv_INCLUDE_DIR)
  file(STRINGS "${LibEv_INCLUDE_DIR}/ev.h" lines REGEX "EV_VERSION_(MAJOR|MINOR)[ \t]+[0-9]+")
  if(lines MATCHES "EV_VERSION_MAJOR[ \t]+([0-9]+)")
    set(LibEv_VERSION "${CMAKE_MATCH_1}")
    if(lines MATCHES "EV_VERSION_MINOR[ \t]+([0-9]+)")
      string(APPEND LibEv_VERSION ".${CMAKE_MATCH_1}")
    endif()
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibEv
  REQUIRED_VARS LibEv_LIBRARY LibEv_INCLUDE_DIR
  VERSION_VAR LibEv_VERSION)

if(LibEv_FOUND AND NOT TARGET LibEv::LibEv)
  add_library(LibEv::LibEv UNKNOWN IMPORTED)
  set_target_properties(LibEv::LibEv PROPERTIES
    IMPORTED_LOCATION "${LibEv_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${LibEv_INCLUDE_DIR}")
endif()
