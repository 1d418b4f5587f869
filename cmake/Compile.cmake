# How everything of ours is compiled. The settings hang on the target `netproto-compile`, so that a
# project which includes this one by add_subdirectory keeps its own flags.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(netproto-compile INTERFACE)
target_compile_options(netproto-compile INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow
  $<$<BOOL:${NETPROTO_WERROR}>:-Werror>
  # Assertions tell src/core/frame.c, not where this machine keeps its sources.
  -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)

if(NETPROTO_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "NETPROTO_FUZZ needs clang (apt-get install clang libclang-rt-14-dev), "
      "e.g. by: cmake --preset fuzz")
  endif()
  target_compile_options(netproto-compile INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(NETPROTO_SANITIZE)
  target_compile_options(netproto-compile INTERFACE
    -fsanitize=${NETPROTO_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(netproto-compile INTERFACE -fsanitize=${NETPROTO_SANITIZE})
else()
  # Fortified libc calls need an optimizer, and hide bugs from the sanitizers.
  target_compile_options(netproto-compile INTERFACE
    -fstack-protector-strong $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
    $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
  # Sanitizers leave their own symbols undefined in a shared library; all others are errors.
  target_link_options(netproto-compile INTERFACE
    -Wl,-z,relro,-z,now $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,SHARED_LIBRARY>:-Wl,-z,defs>)
endif()
