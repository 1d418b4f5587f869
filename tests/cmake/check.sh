#!/bin/sh
# usage: check.sh <build folder>
#
# Projects that use what is installed, well and badly. Those that cannot work say why, and what to
# do; find_package and netproto_generate() do what cmake/netprotoConfig.cmake.in,
# cmake/NetprotoGenerate.cmake and docs/building.md say. See also tests/consumer, tests/generate.
set -eu
build=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
export PYTHONDONTWRITEBYTECODE=1
unset PYTHONPATH

command -v ragel >/dev/null 2>&1 || { echo "SKIPPED: ragel is missing"; exit 77; }
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")

fail() {
    cat "$work/log"
    echo "failed: $*"
    exit 1
}

# project NAME LANGUAGES: a project of that name, whose CMakeLists.txt goes on with what comes in.
project() {
    name=$1
    mkdir -p "$work/$name"
    cp "$tree/tests/consumer/greet.np" "$tree/tests/consumer/main.c" "$work/$name"
    {
        echo "cmake_minimum_required(VERSION 3.25)"
        echo "project($name LANGUAGES $2)"
        cat
    } >"$work/$name/CMakeLists.txt"
}
configure() { # [option...]
    cmake -S "$work/$name" -B "$work/$name/build" -G Ninja -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_PREFIX_PATH="$prefix" "$@" >"$work/log" 2>&1
}
works() {
    configure || fail "$name: configure"
    cmake --build "$work/$name/build" >"$work/log" 2>&1 || fail "$name: build"
}
# refused WORDS...: CMake stops with these words, however it breaks them into lines.
refused() {
    configure && fail "$name: nobody minds"
    says "$@"
}
says() {
    tr -s '\n ' ' ' <"$work/log" >"$work/line"
    for words in "$@"; do
        grep -qF -- "$words" "$work/line" || fail "$name: it does not say: $words"
    done
}
# needs PROGRAM: the libraries of ours that it was linked with, as it says itself.
needs() {
    objdump -p "$work/$name/build/$1" | sed -n 's/.*NEEDED *\(libnetproto[^.]*\).*/\1/p' | sort | tr '\n' ' '
}
# links PROGRAM LIBRARIES: it runs, and was linked with these.
links() {
    "$work/$name/build/$1" >"$work/log" 2>&1 || fail "$name: $1 does not run"
    [ "$(needs "$1")" = "$2" ] || fail "$name: $1 links $(needs "$1"), not $2"
}

cmake --install "$build" --prefix "$prefix" >"$work/log" 2>&1 || fail "install"

# A component that this build has not.
for absent in tls nonsense "core tls" "nonsense static"; do
    project absent C <<TXT
find_package(netproto CONFIG REQUIRED COMPONENTS $absent)
TXT
    what=$(echo "$absent" | sed -E 's/(core|static)//; s/ //g')
    refused "this build of netproto has no component $what." \
        "There are: core, netproto, json, selftest, and static for the static libraries of these."
done
project optional C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS json OPTIONAL_COMPONENTS tls)
if(netproto_tls_FOUND OR NOT netproto_json_FOUND OR NOT TARGET netproto::json)
  message(FATAL_ERROR "tls: ${netproto_tls_FOUND}, json: ${netproto_json_FOUND}")
endif()
find_package(netproto CONFIG COMPONENTS tls)
if(netproto_FOUND)
  message(FATAL_ERROR "what is absent is found")
endif()
TXT
configure || fail "optional components"
says "this build of netproto has no component tls."

# The static libraries without what they stand on.
project static C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS static json)
TXT
PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR="$work/nothing" configure && fail "static without libsodium"
says "its component static takes libsodium, which is missing." "sudo apt-get install libsodium-dev"

project hopeful C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS json OPTIONAL_COMPONENTS static)
if(netproto_static_FOUND OR TARGET netproto::json_static OR NOT TARGET netproto::json)
  message(FATAL_ERROR "static: ${netproto_static_FOUND}")
endif()
TXT
PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR="$work/nothing" configure || fail "optional static without libsodium"

# Every target that the package defines is told in docs/building.md.
project targets C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS core netproto json selftest static)
get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
list(FILTER targets INCLUDE REGEX "^netproto::")
file(WRITE "${CMAKE_BINARY_DIR}/targets" "${targets}")
TXT
configure || fail "targets"
tr ';' '\n' <"$work/targets/build/targets" | sort >"$work/log"
[ "$(wc -l <"$work/log")" -ge 7 ] || fail "too few targets"
while read -r target; do
    grep -qF "\`$target\`" "$tree/docs/building.md" || fail "docs/building.md does not tell $target"
done <"$work/log"

# C++ alone: the generated .c files would be left out, and nobody told.
project cxx CXX <<'TXT'
find_package(netproto CONFIG REQUIRED)
add_executable(program main.cpp)
netproto_generate(TARGET program SCHEMA greet.np)
TXT
echo 'int main() { return 0; }' >"$work/cxx/main.cpp"
if command -v c++ >/dev/null 2>&1; then
    refused "netproto_generate(TARGET program): the generated code is C" \
        "project(cxx LANGUAGES C CXX), or enable_language(C)"
    project both "C CXX" <"$work/cxx/CMakeLists.txt"
    sed -i '/^project(cxx/d' "$work/both/CMakeLists.txt"
    cat >"$work/both/main.cpp" <<'TXT'
#include "greet_service.h"
#include <netproto/loop.h>
int main()
{
    greet_handlers handlers = {};
    np_loop *loop = nullptr;
    bool good = np_loop_new(&loop, nullptr) == NP_OK &&
                greet_service(&handlers).protocol == &greet_protocol;
    np_loop_free(loop);
    return good ? 0 : 1;
}
TXT
    works
    links program "libnetproto libnetproto-core "
fi

# Imports are seen whatever the comments hold.
project imports C <<'TXT'
find_package(netproto CONFIG REQUIRED)
add_library(codecs SHARED)
netproto_generate(TARGET codecs SCHEMA outer.np)
TXT
for part in one two three; do
    struct=$(echo $part | sed 's/./\U&/')Part
    printf 'protocol %s version 1;\nstruct %s {\n    text: string max 8;\n}\n' $part $struct \
        >"$work/imports/$part.np"
done
cat >"$work/imports/outer.np" <<'TXT'
// [ begins here; and ends not
protocol outer version 1;
import "one.np"; // sizes are in [0, 8; the end is open
import "two.np"; // as in ]0, 8]
import "three.np";
message All = 256 {
    one: OnePart;
    two: TwoPart;
    three: ThreePart;
}
TXT
works
for part in one two three; do
    find "$work/imports/build" -name $part.c | grep -q . || fail "imports: $part.np is not compiled"
done

# Who links nothing of ours is linked; who chose, wherever it stands, keeps the choice.
project link C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS core netproto static)
add_executable(bare main.c)
netproto_generate(TARGET bare SCHEMA greet.np)

add_executable(plain main.c) # target_link_libraries() in its other form
target_link_libraries(plain m)
netproto_generate(TARGET plain SCHEMA greet.np)

add_executable(late main.c)
netproto_generate(TARGET late SCHEMA greet.np)
target_link_libraries(late PRIVATE netproto::netproto_static)

add_library(runtime INTERFACE)
add_library(between INTERFACE)
add_executable(through main.c)
netproto_generate(TARGET through SCHEMA greet.np)
target_link_libraries(through PRIVATE between)
target_link_libraries(between INTERFACE runtime)
target_link_libraries(runtime INTERFACE netproto::netproto_static)

add_executable(chosen main.c)
netproto_generate(TARGET chosen SCHEMA greet.np)
target_link_libraries(chosen PRIVATE $<IF:$<BOOL:1>,netproto::netproto_static,netproto::netproto>)

add_library(protocol STATIC) # and its users get the headers
netproto_generate(TARGET protocol SCHEMA greet.np)
add_executable(user main.c)
target_link_libraries(user PRIVATE protocol)
TXT
works
for program in bare plain user; do
    links $program "libnetproto libnetproto-core "
done
for program in late through chosen; do
    links $program ""
done
project core C <<'TXT'
find_package(netproto CONFIG REQUIRED COMPONENTS core)
add_library(codecs SHARED)
netproto_generate(TARGET codecs SCHEMA greet.np)
TXT
works
[ "$(needs libcodecs.so)" = "libnetproto-core " ] || fail "core: links $(needs libcodecs.so)"

# An installation into the tree that it was built from would mix with it.
mkdir -p "$work/tree/docs"
cd "$tree"
cp -r CMakeLists.txt LICENSE cmake codegen examples generated include schema src "$work/tree"
cp -r docs/man docs/licensing.md "$work/tree/docs"
cmake -S "$work/tree" -B "$work/tree/build" -G Ninja -DCMAKE_C_COMPILER="$compiler" \
    -DNETPROTO_TESTS=OFF >"$work/log" 2>&1 || fail "configure a copy of the tree"
ln -s tree "$work/same"
for over in "$work/tree" "$work/tree/" "$work/tree/build/.." "$work/same"; do
    cmake --install "$work/tree/build" --prefix "$over" >"$work/log" 2>&1 && fail "installed into $over"
    tr -s '\n ' ' ' <"$work/log" | grep -qF "this is the tree that netproto was built from" ||
        fail "it does not say why not into $over"
done
[ ! -e "$work/tree/include/netproto/base.h" ] && [ ! -e "$work/tree/lib" ] || fail "it wrote there"
echo "find_package and netproto_generate: all as documented"
