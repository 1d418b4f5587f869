#!/bin/sh
# usage: installed.sh <build folder>
#
# Installs the build into a folder of its own and builds a copy of examples/chat against it, as a
# stranger would: by CMake from the code that is checked in, by the Makefile from code that the
# installed npgen makes. Runs both. Then the demo, as a project of its own.
set -eu
build=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
export PYTHONDONTWRITEBYTECODE=1
unset MAKEFLAGS PYTHONPATH

compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; echo "failed: $*"; exit 1; }
}

quietly cmake --install "$build" --prefix "$prefix"
cp -r "$tree/examples" "$work/examples"

# By CMake, without Python and Ragel: the digests of the checked-in code hold.
for example in chat demo; do
    quietly cmake -S "$work/examples/$example" -B "$work/$example" -G Ninja \
        -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" \
        -DNETPROTO_python3=/nonexistent/python3 -DNETPROTO_ragel=/nonexistent/ragel
    quietly cmake --build "$work/$example"
done
"$tree/tests/examples/check_chat.sh" "$work/chat"
test -f "$work/chat/chat.so"
quietly "$work/demo/demo" --quick

command -v ragel >/dev/null 2>&1 || { echo "SKIPPED the rest: ragel is missing"; exit 77; }
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name netproto.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
cd "$work/examples/chat"
rm -r generated
quietly make gen NPGEN="$prefix/bin/npgen"
quietly make CC="$compiler" CFLAGS="-O2 -Wall -Wextra -Wpedantic -Werror"
"$tree/tests/examples/check_chat.sh" "$work/examples/chat"
