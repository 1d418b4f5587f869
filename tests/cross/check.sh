#!/bin/bash
# usage: check.sh <folder to build in> <compiler> <emulator or -> <flag>...
#
# The generated tests of all schemas, and those of the codec, as another machine or ABI runs them. With flags that
# change the ABI (-fshort-enums) everything of one program has to be compiled so: the codec, the
# selftest library, the generated code and the tests are, in one go, without the build's own
# libraries. Status 77: the compiler or the emulator is missing.
set -eu -o pipefail
work=$1
compiler=$2
emulator=$3
shift 3
cd "$(dirname "$0")/../.."

for tool in "$compiler" "$emulator"; do
    if [ "$tool" != - ] && ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: $tool is missing"
        exit 77
    fi
done
run() {
    if [ "$emulator" = - ]; then "$@"; else "$emulator" "$@"; fi
}

export PYTHONPATH=codegen PYTHONDONTWRITEBYTECODE=1
rm -rf "$work"
mkdir -p "$work/include/netproto" "$work/generated" "$work/tests" "$work/objects"
ln -s "$PWD"/generated/base.h "$work/include/netproto/"
"${PYTHON:-/usr/bin/python3}" -m npgen gen tests/schema/*.np --out "$work/generated" >/dev/null
"${PYTHON:-/usr/bin/python3}" -m npgen tests schema/base.np tests/schema/*.np \
    --out "$work/tests" >/dev/null

flags=(-std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -D_GNU_SOURCE=
    -Isrc -Iinclude -I"$work/include" -Igenerated -I"$work/generated" -Itests "$@")

# What takes neither libsodium nor a compressor, which other machines' compilers come without.
sources=(src/core/*.c src/selftest/*.c src/util/arena.c src/util/error.c)
for file in generated/base*.c "$work"/generated/*.c; do
    case $file in *_service.c) ;; *) sources+=("$file") ;; esac
done
support=(tests/support/hex.c tests/support/packet_twin.c)
compile() { # source: one object each, of a name that no other has
    local name=${1#"$work"/}
    local object=$work/objects/${name//\//.}.o
    "$compiler" "${flags[@]}" -c "$1" -o "$object"
}
failed=0
for file in "${sources[@]}"; do
    compile "$file"
done

tests=0
for file in "$work"/tests/*_test.c; do
    program=${file%.c}
    "$compiler" "${flags[@]}" -static "$file" "$work"/objects/*.o -o "$program" -lm
    run "$program" --rounds 5 || failed=$((failed + 1))
    tests=$((tests + 1))
done

# Tests of the codec, with a cmocka of our own. Those that read JSON need jansson and are left out;
# and those of all pairs of cuts take an emulator ten minutes.
names=(arena error framing packets)
[ "$emulator" != - ] || names+=(properties)
for name in "${names[@]}"; do
    program=$work/tests/$name
    "$compiler" "${flags[@]}" -Itests/cross -static tests/unit/test_$name.c "${support[@]}" \
        "$work"/objects/*.o -o "$program" -lm
    echo -n "$name: "
    run "$program" || failed=$((failed + 1))
    tests=$((tests + 1))
done
echo "$tests programs, $failed of them failed"
[ $failed -eq 0 ]
