# netproto_generate(TARGET <target> SCHEMA <file>...
#                   [CHECKED_IN <dir>] [IMPORT_DIR <dir>...] [PLUGIN] [TESTS])
#
# Adds the code that npgen makes of each schema to a target, and the folder of the headers to its
# include path. The code is C: a project in C++ enables both languages, project(room LANGUAGES C CXX).
#
#   add_executable(room main.c)
#   netproto_generate(TARGET room SCHEMA chat.np)          # then: #include "chat.h"
#
# The code needs the library. A target that links netproto::netproto, netproto::core or one of the
# static twins, directly or by what it links, keeps its choice, wherever in its folder's CMakeLists.txt
# it says so. One that links none of them is linked with netproto::netproto (where only the component
# core was asked for, with that).
#
# Without CHECKED_IN the code is generated in the build tree, again whenever the schema, one of its
# imports or the generator changes. That takes Python 3.11 and Ragel.
#
# With CHECKED_IN the code lies in a folder of your sources, under version control. While the digest
# in its banner equals that of schema, imports and generator, neither Python nor Ragel is needed;
# where it differs, it is generated anew when CMake configures. Times of files play no part.
#
# IMPORT_DIR: folders in which imports are looked for, after the importing file's own. What a schema
# imports is generated with it, but for the schemas that come with netproto.
#
# PLUGIN also builds <protocol>.so, a module with the protocol's descriptors, which teaches the tool
# the protocol: netproto --protocol ./chat.so ...
#
# TESTS also builds <protocol>-test, a program that tries the generated code with examples of every
# message, and <protocol>-fuzz, a fuzz target, and adds them to ctest: <protocol>.roundtrip runs the
# first, which also writes its examples as seeds, <protocol>.seeds runs the second on these. Call
# enable_testing() first. The same protocol in several targets is tested once. Their sources are kept in the build tree, or in <dir>/tests with CHECKED_IN.
# With -DBUILD_TESTING=OFF nothing is done; with -DNETPROTO_FUZZ=ON and clang <protocol>-fuzz is a
# libFuzzer binary with the address and undefined-behaviour sanitizers in it. See <netproto/selftest.h>.
#
# The project that includes this file sets NETPROTO_CODEGEN_DIR (the folder with the package npgen)
# and NETPROTO_SCHEMA_DIR (the folder with base.np).
include_guard(GLOBAL)

# Functions are global, variables are not: the functions work in whatever folder they are called.
set(NETPROTO_CODEGEN_DIR "${NETPROTO_CODEGEN_DIR}" CACHE INTERNAL "folder of the package npgen")
set(NETPROTO_SCHEMA_DIR "${NETPROTO_SCHEMA_DIR}" CACHE INTERNAL "folder of base.np")

# netproto_find_tool(<variable> <program> <why>): Debian's own Python first, as a python3 of another
# origin in the PATH (pyenv, a virtual environment) may be of any age, or broken.
function(netproto_find_tool variable program why)
  find_program(NETPROTO_${program} NAMES ${program} PATHS /usr/bin /bin NO_DEFAULT_PATH)
  find_program(NETPROTO_${program} NAMES ${program})
  if(NOT NETPROTO_${program})
    message(FATAL_ERROR "${why}, and ${program} is missing.\n"
      "  On Debian: sudo apt-get install python3 ragel")
  endif()
  set(${variable} "${NETPROTO_${program}}" PARENT_SCOPE)
endfunction()

# netproto_find_import(<variable> <name> <folder> <import dirs>): the file that `import "name";` means
# in a schema of that folder; empty for what is nowhere, which npgen reports with its line.
function(netproto_find_import variable name folder import_dirs)
  set(${variable} "" PARENT_SCOPE)
  string(REGEX REPLACE "^netproto/" "" builtin "${name}")
  set(candidates "${folder}/${name}")
  foreach(dir IN LISTS import_dirs)
    list(APPEND candidates "${dir}/${name}")
  endforeach()
  foreach(candidate IN LISTS candidates ITEMS "${NETPROTO_SCHEMA_DIR}/${builtin}")
    if(EXISTS "${candidate}")
      cmake_path(NORMAL_PATH candidate)
      set(${variable} "${candidate}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# netproto_scan_schema(<schema> <import dirs>) sets in its caller:
#   protocol  the name that the generated files take
#   inputs    the schema and all it imports, directly or not
#   imports   its own imports in pairs: file, folder of the header ("./" for none). Those that come
#             with netproto are left out, since the library has them.
function(netproto_scan_schema schema import_dirs)
  set(inputs "")
  set(imports "")
  set(queue "${schema}")
  while(queue)
    list(POP_FRONT queue file)
    if(file IN_LIST inputs)
      continue()
    endif()
    if(NOT EXISTS "${file}")
      message(FATAL_ERROR "netproto_generate: there is no schema ${file}")
    endif()
    list(APPEND inputs "${file}")
    cmake_path(GET file PARENT_PATH folder)
    # Not file(STRINGS): a bracket that stands open in a comment keeps CMake from seeing where the
    # next element of a list begins, and a semicolon begins one.
    file(READ "${file}" text)
    string(REGEX REPLACE "[][;]" " " text "${text}")
    string(REGEX MATCHALL "(^|\n)[ \t]*import[ \t]+\"[^\"\n]+\"" lines "${text}")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^\"]*\"([^\"]+)\"" "\\1" name "${line}")
      netproto_find_import(found "${name}" "${folder}" "${import_dirs}")
      list(APPEND queue ${found})
      cmake_path(IS_PREFIX NETPROTO_SCHEMA_DIR "${found}" builtin)
      if(found AND NOT builtin AND file STREQUAL schema)
        cmake_path(GET name PARENT_PATH header_folder)
        list(APPEND imports "${found}" "./${header_folder}")
      endif()
    endforeach()
  endwhile()

  file(STRINGS "${schema}" lines REGEX "^[ \t]*protocol[ \t]+[a-z]")
  if(NOT lines MATCHES "^[ \t]*protocol[ \t]+([a-z0-9_]+)")
    message(FATAL_ERROR "netproto_generate: ${schema} has no line `protocol NAME version N;`")
  endif()
  set(protocol "${CMAKE_MATCH_1}" PARENT_SCOPE)
  set(inputs "${inputs}" PARENT_SCOPE)
  set(imports "${imports}" PARENT_SCOPE)
endfunction()

# netproto_inputs_digest(<variable> <file>...): as codegen/npgen/freshness.py defines it.
function(netproto_inputs_digest variable)
  file(GLOB_RECURSE generator "${NETPROTO_CODEGEN_DIR}/npgen/*.py"
    "${NETPROTO_CODEGEN_DIR}/npgen/*.txt")
  set(digests "")
  foreach(file IN LISTS ARGN generator)
    file(SHA256 "${file}" digest)
    list(APPEND digests ${digest})
  endforeach()
  list(SORT digests)
  list(REMOVE_DUPLICATES digests)
  list(JOIN digests "\n" text)
  string(SHA256 digest "${text}\n")
  set(${variable} ${digest} PARENT_SCOPE)
endfunction()

# netproto_find_fresh(<variable> <folder> <protocol> <digest>): the generated files of a protocol that
# bear the digest; nothing unless header and code are among them.
function(netproto_find_fresh variable folder protocol digest)
  file(GLOB files "${folder}/${protocol}.[ch]" "${folder}/${protocol}_*.[ch]")
  set(fresh "")
  foreach(file IN LISTS files)
    file(STRINGS "${file}" line LIMIT_COUNT 1 REGEX "Inputs: ${digest}")
    if(line)
      list(APPEND fresh "${file}")
    endif()
  endforeach()
  if(NOT "${folder}/${protocol}.h" IN_LIST fresh OR NOT "${folder}/${protocol}.c" IN_LIST fresh)
    set(fresh "")
  endif()
  set(${variable} "${fresh}" PARENT_SCOPE)
endfunction()

function(netproto_generate)
  cmake_parse_arguments(PARSE_ARGV 0 ARG "PLUGIN;TESTS" "TARGET;CHECKED_IN" "SCHEMA;IMPORT_DIR")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_TARGET OR NOT ARG_SCHEMA)
    message(FATAL_ERROR "usage: netproto_generate(TARGET target SCHEMA file... "
      "[CHECKED_IN dir] [IMPORT_DIR dir...] [PLUGIN] [TESTS])")
  endif()
  # CMake leaves out sources of a language that is not enabled, and says nothing.
  get_property(languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if(NOT "C" IN_LIST languages)
    message(FATAL_ERROR "netproto_generate(TARGET ${ARG_TARGET}): the generated code is C, a language "
      "that this project has not enabled.\n"
      "  Write project(${PROJECT_NAME} LANGUAGES C CXX), or enable_language(C) before this.")
  endif()
  set(import_dirs "")
  set(import_options "")
  foreach(dir IN LISTS ARG_IMPORT_DIR)
    cmake_path(ABSOLUTE_PATH dir NORMALIZE)
    list(APPEND import_dirs "${dir}")
    list(APPEND import_options --import-dir "${dir}")
  endforeach()
  set(out "${CMAKE_CURRENT_BINARY_DIR}/netproto/${ARG_TARGET}")
  if(ARG_CHECKED_IN)
    cmake_path(ABSOLUTE_PATH ARG_CHECKED_IN NORMALIZE OUTPUT_VARIABLE out)
  endif()
  target_include_directories(${ARG_TARGET} PUBLIC $<BUILD_INTERFACE:${out}>)

  set(queue "")
  set(protocols "")
  foreach(schema IN LISTS ARG_SCHEMA)
    cmake_path(ABSOLUTE_PATH schema NORMALIZE)
    netproto_scan_schema("${schema}" "${import_dirs}")
    list(APPEND queue "${schema}" ./)
    list(APPEND protocols ${protocol})
  endforeach()

  # What a schema imports is generated too. Two imports may name one file by different folders: then
  # its header lies in both, as they include it, and its code is compiled once.
  set(done "")
  set(compiled "")
  set(all_sources "")
  while(queue)
    list(POP_FRONT queue schema folder)
    if("${folder}:${schema}" IN_LIST done)
      continue()
    endif()
    list(APPEND done "${folder}:${schema}")
    netproto_scan_schema("${schema}" "${import_dirs}")
    list(APPEND queue ${imports})
    # A changed schema may have other imports: look again.
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${inputs})
    cmake_path(APPEND out "${folder}" OUTPUT_VARIABLE folder)
    cmake_path(NORMAL_PATH folder)
    netproto_generate_one("${schema}" ${protocol} "${folder}" sources)
    if(schema IN_LIST compiled)
      list(FILTER sources EXCLUDE REGEX "\\.c$")
    endif()
    list(APPEND compiled "${schema}")
    list(APPEND all_sources ${sources})
  endwhile()

  target_sources(${ARG_TARGET} PRIVATE ${all_sources})
  # Only once the folder is read through it is known what the target links.
  cmake_language(EVAL CODE "cmake_language(DEFER CALL netproto_link_by_default [[${ARG_TARGET}]])")
  if(ARG_PLUGIN)
    foreach(protocol IN LISTS protocols)
      netproto_add_plugin(${protocol} "${out}" ${all_sources})
    endforeach()
  endif()
  if(ARG_TESTS AND (BUILD_TESTING OR NOT DEFINED BUILD_TESTING))
    foreach(schema IN LISTS ARG_SCHEMA)
      cmake_path(ABSOLUTE_PATH schema NORMALIZE)
      netproto_scan_schema("${schema}" "${import_dirs}")
      if(TARGET ${protocol}-test)
        continue() # several targets may speak one protocol
      endif()
      netproto_generate_tests("${schema}" ${protocol} test_sources)
      netproto_add_code_under_test(${protocol} "${out}" ${all_sources})
      netproto_add_tests(${protocol} ${protocol} ${protocol}-under-test ${test_sources})
    endforeach()
  endif()
endfunction()

# netproto_links(<variable> <target>): whether it links a library of netproto's, directly or by what
# the libraries that it links pass on, under whatever name (netproto::core, netproto-core-static...).
function(netproto_links variable target)
  set(${variable} FALSE PARENT_SCOPE)
  set(seen "")
  get_target_property(queue ${target} LINK_LIBRARIES)
  while(queue)
    list(POP_FRONT queue name)
    if(name IN_LIST seen)
      continue()
    endif()
    list(APPEND seen "${name}")
    # What generator expressions choose from counts as chosen: $<IF:$<CONFIG:Debug>,netproto::...>.
    if(name MATCHES "netproto::|^netproto(-(core|json|tls))?(-static)?$")
      set(${variable} TRUE PARENT_SCOPE)
      return()
    endif()
    if(TARGET "${name}")
      get_target_property(libraries "${name}" INTERFACE_LINK_LIBRARIES)
      if(libraries)
        list(APPEND queue ${libraries})
      endif()
    endif()
  endwhile()
endfunction()

# netproto_link_by_default(<target>): called when the target's folder has been read. The library is
# found by find_package, or is built in the same tree.
function(netproto_link_by_default target)
  netproto_links(linked ${target})
  foreach(library netproto::netproto netproto::core)
    if(NOT linked AND TARGET ${library})
      # By the properties: target_link_libraries() refuses one of its two forms after the other.
      set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES ${library})
      set_property(TARGET ${target} APPEND PROPERTY INTERFACE_LINK_LIBRARIES ${library})
      set(linked TRUE)
    endif()
  endforeach()
endfunction()

# netproto_generate_one(<schema> <protocol> <folder> <variable>): the rules for one schema; the
# variable receives its sources. Uses inputs, import_options and ARG_CHECKED_IN of its caller.
function(netproto_generate_one schema protocol out sources_variable)
  file(GLOB_RECURSE generator CONFIGURE_DEPENDS "${NETPROTO_CODEGEN_DIR}/npgen/*.py"
    "${NETPROTO_CODEGEN_DIR}/npgen/*.txt")
  if(ARG_CHECKED_IN)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${generator})
    netproto_inputs_digest(digest ${inputs})
    netproto_find_fresh(sources "${out}" ${protocol} ${digest})
    if(sources)
      set(${sources_variable} "${sources}" PARENT_SCOPE)
      return()
    endif()
  endif()

  netproto_find_tool(python python3 "Generating code from ${schema} takes Python")
  netproto_find_tool(ragel ragel "Generating code from ${schema} takes Ragel")
  # The schema is named relative to the project, since the name stands in the banner.
  cmake_path(RELATIVE_PATH schema BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
  set(command "${CMAKE_COMMAND}" -E env "PYTHONPATH=${NETPROTO_CODEGEN_DIR}"
    PYTHONDONTWRITEBYTECODE=1 "${python}" -m npgen gen "${name}" --out "${out}" ${import_options})

  # With CHECKED_IN this generates at once, else it only asks for the names. Both print the files.
  set(only_names --list-outputs)
  if(ARG_CHECKED_IN)
    message(STATUS "Generating ${protocol} into ${out}")
    set(only_names "")
  endif()
  execute_process(COMMAND ${command} ${only_names} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE outputs RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "npgen refuses ${schema}; it says why above.")
  endif()
  string(REGEX MATCHALL "[^\n]+" outputs "${outputs}")
  set(sources ${outputs})
  list(FILTER sources INCLUDE REGEX "\\.[ch]$")
  set(${sources_variable} "${sources}" PARENT_SCOPE)

  if(NOT ARG_CHECKED_IN)
    file(MAKE_DIRECTORY "${out}")
    add_custom_command(
      OUTPUT ${outputs}
      COMMAND ${command}
      DEPENDS ${inputs} ${generator}
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      COMMENT "Generating ${protocol} from ${name}"
      VERBATIM)
  endif()
endfunction()

# netproto_add_plugin(<protocol> <folder of its header> <source>...): see <netproto/plugin.h>.
function(netproto_add_plugin protocol out)
  if(TARGET ${protocol}-plugin) # server and client of one protocol may both ask for it
    return()
  endif()
  set(source "${CMAKE_CURRENT_BINARY_DIR}/netproto/${protocol}_plugin.c")
  file(CONFIGURE OUTPUT "${source}" CONTENT
    "#include \"@protocol@.h\"\n#include <netproto/plugin.h>\nNP_PLUGIN(@protocol@_protocol)\n" @ONLY)
  add_library(${protocol}-plugin MODULE "${source}" ${ARGN})
  add_dependencies(${protocol}-plugin ${ARG_TARGET}) # one of the two runs the generator, not both
  target_include_directories(${protocol}-plugin PRIVATE "${out}")
  set_target_properties(${protocol}-plugin PROPERTIES PREFIX "" OUTPUT_NAME ${protocol})
  if(TARGET netproto::netproto)
    target_link_libraries(${protocol}-plugin PRIVATE netproto::netproto)
  else()
    target_link_libraries(${protocol}-plugin PRIVATE netproto::core)
  endif()
endfunction()

# netproto_generate_tests(<schema> <protocol> <variable>): the rules for NAME_test.c and NAME_fuzz.c,
# which the variable receives. Uses inputs, import_options, out, ARG_TARGET and ARG_CHECKED_IN of its
# caller. Ragel has no part in it.
function(netproto_generate_tests schema protocol sources_variable)
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/netproto/${protocol}-tests")
  if(ARG_CHECKED_IN)
    set(folder "${out}/tests")
  endif()
  set(sources "${folder}/${protocol}_test.c" "${folder}/${protocol}_fuzz.c")
  set(${sources_variable} "${sources}" PARENT_SCOPE)

  file(GLOB_RECURSE generator CONFIGURE_DEPENDS "${NETPROTO_CODEGEN_DIR}/npgen/*.py"
    "${NETPROTO_CODEGEN_DIR}/npgen/*.txt")
  if(ARG_CHECKED_IN)
    netproto_inputs_digest(digest ${inputs})
    set(stale "")
    foreach(file IN LISTS sources)
      set(line "")
      if(EXISTS "${file}")
        file(STRINGS "${file}" line LIMIT_COUNT 1 REGEX "Inputs: ${digest}")
      endif()
      if(NOT line)
        set(stale "${file}")
      endif()
    endforeach()
    if(NOT stale)
      return()
    endif()
  endif()

  netproto_find_tool(python python3 "Generating tests from ${schema} takes Python")
  cmake_path(RELATIVE_PATH schema BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE name)
  set(command "${CMAKE_COMMAND}" -E env "PYTHONPATH=${NETPROTO_CODEGEN_DIR}"
    PYTHONDONTWRITEBYTECODE=1 "${python}" -m npgen tests "${name}" --out "${folder}"
    ${import_options})
  if(ARG_CHECKED_IN)
    message(STATUS "Generating the tests of ${protocol} into ${folder}")
    execute_process(COMMAND ${command} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      OUTPUT_QUIET RESULT_VARIABLE status)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "npgen refuses ${schema}; it says why above.")
    endif()
    return()
  endif()
  add_custom_command(
    OUTPUT ${sources}
    COMMAND ${command}
    DEPENDS ${inputs} ${generator}
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    COMMENT "Generating the tests of ${protocol} from ${name}"
    VERBATIM)
endfunction()

# netproto_add_code_under_test(<protocol> <folder of its header> <source>...): the codecs once more, as
# <protocol>-under-test, so that they can be built with sanitizers and for a fuzzer. Handlers and
# dispatcher are left out: they take the runtime, and no payload is read in them.
function(netproto_add_code_under_test protocol out)
  set(sources ${ARGN})
  list(FILTER sources EXCLUDE REGEX "_service\\.[ch]$")
  add_library(${protocol}-under-test OBJECT ${sources})
  add_dependencies(${protocol}-under-test ${ARG_TARGET}) # one of the two runs the generator, not both
  target_include_directories(${protocol}-under-test PUBLIC "${out}")
  target_compile_features(${protocol}-under-test PUBLIC c_std_11)
  target_link_libraries(${protocol}-under-test PUBLIC netproto::selftest)
  if(NETPROTO_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
      message(FATAL_ERROR "NETPROTO_FUZZ takes clang: cmake -DCMAKE_C_COMPILER=clang ...")
    endif()
    target_compile_options(${protocol}-under-test PUBLIC
      -g -O1 -fno-omit-frame-pointer -fno-sanitize-recover=all
      -fsanitize=fuzzer-no-link,address,undefined)
    target_link_options(${protocol}-under-test PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

# netproto_add_tests(<protocol> <name> <library> <NAME_test.c> <NAME_fuzz.c>): the programs
# <name>-test and <name>-fuzz, which link the library, and their tests.
function(netproto_add_tests protocol name library test_source fuzz_source)
  set(seeds "${CMAKE_CURRENT_BINARY_DIR}/netproto/${protocol}-seeds")
  file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/netproto")
  add_executable(${name}-test "${test_source}")
  target_link_libraries(${name}-test PRIVATE ${library})
  add_executable(${name}-fuzz "${fuzz_source}")
  target_link_libraries(${name}-fuzz PRIVATE ${library})

  add_test(NAME ${name}.roundtrip COMMAND ${name}-test --seeds "${seeds}")
  set_tests_properties(${name}.roundtrip PROPERTIES FIXTURES_SETUP ${name}-seeds)
  if(NETPROTO_FUZZ)
    target_link_options(${name}-fuzz PRIVATE -fsanitize=fuzzer)
    return()
  endif()
  add_test(NAME ${name}.seeds COMMAND ${name}-fuzz "${seeds}")
  set_tests_properties(${name}.seeds PROPERTIES FIXTURES_REQUIRED ${name}-seeds)
endfunction()
