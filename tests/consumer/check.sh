#!/bin/sh
# usage: check.sh <build folder>
#
# Installs the build into a folder of its own and uses it as a stranger would: by find_package with
# shared and static libraries, by pkg-config, and by the installed npgen.
set -eu
build=$1
source=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
export PYTHONDONTWRITEBYTECODE=1

command -v ragel >/dev/null 2>&1 || { echo "SKIPPED: ragel is missing"; exit 77; }
compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")

quietly() {
    "$@" >"$work/log" 2>&1 || { tail -n 30 "$work/log"; echo "failed: $*"; exit 1; }
}

quietly cmake --install "$build" --prefix "$prefix"

for static in OFF ON; do
    quietly cmake -S "$source" -B "$work/$static" -G Ninja -DSTATIC=$static \
        -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix"
    quietly cmake --build "$work/$static"
    "$work/$static/consumer"
    quietly ctest --test-dir "$work/$static" --no-tests=error --output-on-failure
    grep -q "2/2 Test" "$work/log"
    nm -D --defined-only "$work/$static/greet.so" | grep -q ' np_plugin_protocol$'
done

export PKG_CONFIG_PATH
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name netproto.pc)")
flags=$(pkg-config --cflags --libs netproto)
quietly "$prefix/bin/npgen" gen "$source/greet.np" --out "$work/plain"
# shellcheck disable=SC2086 # flags are words
quietly "$compiler" -std=c11 -I"$work/plain" "$source/main.c" \
    "$work/plain"/*.c -o "$work/plain/consumer" $flags
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH") "$work/plain/consumer"
