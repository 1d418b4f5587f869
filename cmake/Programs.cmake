# The command `netproto`, the demo and the examples.

# All of our libraries that exist, as static ones.
set(netproto_all_static "")
foreach(short IN LISTS netproto_libraries)
  list(PREPEND netproto_all_static netproto::${short}_static)
endforeach()

function(netproto_program target)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "SOURCES")
  add_executable(${target} ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/generated")
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE=)
  target_link_libraries(${target} PRIVATE netproto-compile ${netproto_all_static} ${CMAKE_DL_LIBS})
endfunction()

file(GLOB tool_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/tool/*.c")
if(tool_sources AND TARGET netproto AND TARGET netproto-json)
  # The shared libraries, as a protocol's plugin does: there must be one runtime, not two.
  add_executable(netproto-tool ${tool_sources})
  target_include_directories(netproto-tool PRIVATE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/generated")
  target_compile_definitions(netproto-tool PRIVATE
    _GNU_SOURCE= NP_TOOL_VERSION="${PROJECT_VERSION}")
  target_link_libraries(netproto-tool PRIVATE
    netproto-compile netproto::netproto netproto::json Threads::Threads ${CMAKE_DL_LIBS})
  file(RELATIVE_PATH lib_from_bin "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
  set_target_properties(netproto-tool PROPERTIES OUTPUT_NAME netproto
    INSTALL_RPATH "$ORIGIN/${lib_from_bin}")
endif()

# Examples are projects of their own, which also build in here: they link netproto::netproto.
file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*/CMakeLists.txt")
if(TARGET netproto)
  block()
    set(BUILD_TESTING ${NETPROTO_TESTS}) # whether they build their generated tests
    foreach(example IN LISTS examples)
      cmake_path(GET example PARENT_PATH folder)
      add_subdirectory("${folder}")
    endforeach()
  endblock()
endif()

# `./dev run` runs build/<preset>/demo.
file(GLOB demo_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/demo/*.c")
if(demo_sources AND TARGET netproto AND NOT TARGET demo)
  netproto_program(demo SOURCES ${demo_sources})
endif()

# All of these and no tests, which take most of the time: what `./dev run` builds.
add_custom_target(programs)
foreach(target IN ITEMS demo netproto-tool chat-plugin chat-server chat-client)
  if(TARGET ${target})
    add_dependencies(programs ${target})
  endif()
endforeach()

# Benchmarks: `./dev bench` and some tests. Not built by default, since they generate code, and
# building the libraries is to need neither Python nor Ragel.
if(NETPROTO_BENCH)
  add_subdirectory(bench)
endif()
