#!/bin/sh
# usage: installed.sh <build folder>
#
# Installs the build into a folder of its own and builds a copy of examples/chat against it, as a
# stranger would: by CMake from the code that is checked in, by the Makefile from code that the
# installed npgen makes. Runs both. Then the demo, as a project of its own. The tests that npgen made
# of their schemas run too, and a fuzz target as docs/fuzzing.md builds it.
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
    quietly ctest --test-dir "$work/$example" --no-tests=error --output-on-failure
done
"$tree/tests/examples/check_chat.sh" "$work/chat" "$prefix/bin/netproto"
test -f "$work/chat/chat.so"
quietly "$work/demo/demo" --quick


# As a libFuzzer binary, by CMake.
if command -v clang >/dev/null 2>&1; then
    quietly cmake -S "$work/examples/chat" -B "$work/fuzz" -G Ninja -DCMAKE_C_COMPILER=clang \
        -DCMAKE_PREFIX_PATH="$prefix" -DNETPROTO_FUZZ=ON
    quietly cmake --build "$work/fuzz" --target chat-test chat-fuzz
    quietly ctest --test-dir "$work/fuzz" --no-tests=error --output-on-failure
    quietly "$work/fuzz/chat-fuzz" -runs=2000 "$work/fuzz/netproto/chat-seeds"
    grep -q "Done 2000 runs" "$work/log"
fi

command -v ragel >/dev/null 2>&1 || { echo "SKIPPED the rest: ragel is missing"; exit 77; }
# A changed schema gets other tests, checked in too.
sed -i 's/max 4KiB/max 2KiB/' "$work/examples/chat/chat.np"
quietly cmake "$work/chat" -UNETPROTO_python3 -UNETPROTO_ragel
quietly cmake --build "$work/chat"
grep -q 'v.text = np_selftest_str(t, 2048);' "$work/examples/chat/generated/tests/chat_test.c"
quietly ctest --test-dir "$work/chat" --no-tests=error --output-on-failure

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name netproto.pc)")
LD_LIBRARY_PATH=$(dirname "$PKG_CONFIG_PATH")
export PKG_CONFIG_PATH LD_LIBRARY_PATH
cd "$work/examples/chat"
# Where pkg-config does not know netproto, make says what to set, before the compiler says a lot.
if PKG_CONFIG_PATH='' PKG_CONFIG_LIBDIR="$work" make CC="$compiler" >"$work/log" 2>&1; then
    echo "failed: make without netproto"
    exit 1
fi
grep -q 'pkg-config finds no netproto: PKG_CONFIG_PATH=' "$work/log"
rm -r generated
quietly make gen NPGEN="$prefix/bin/npgen"
quietly make CC="$compiler" CFLAGS="-O2 -Wall -Wextra -Wpedantic -Werror"
"$tree/tests/examples/check_chat.sh" "$work/examples/chat" "$prefix/bin/netproto"

# A plugin by hand.
printf '%s\n' '#include "chat.h"' '#include <netproto/plugin.h>' 'NP_PLUGIN(chat_protocol)' >plugin.c
# shellcheck disable=SC2046 # flags are words
quietly "$compiler" -shared -fPIC -Igenerated plugin.c generated/*.c \
    $(pkg-config --cflags --libs netproto) -o chat.so
quietly "$prefix/bin/netproto" --protocol ./chat.so encode Join '{"name":"ann","room":"garden"}'

# Tests and a fuzz target by hand; its inputs are the examples. It must build as a replayer, too.
quietly "$prefix/bin/npgen" tests chat.np --out tests
flags=$(pkg-config --cflags --libs netproto-selftest netproto)
for program in test fuzz; do
    # shellcheck disable=SC2086 # flags are words
    quietly "$compiler" -std=c11 -O2 -Igenerated "tests/chat_$program.c" generated/*.c -o "chat_$program" \
        $flags
done
quietly ./chat_test --seeds seeds
test -s seeds/Say.name.longest
quietly ./chat_fuzz seeds
if command -v clang >/dev/null 2>&1; then
    # shellcheck disable=SC2086
    quietly clang -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -Igenerated \
        tests/chat_fuzz.c generated/*.c -o chat_fuzzer $flags
    quietly ./chat_fuzzer -runs=2000 seeds
    grep -q "Done 2000 runs" "$work/log"
fi
