#!/bin/sh
# usage: emulated.sh <aarch64|x86_64> <folder to build in>
#
# Runs tests/utf8/main.c on a processor that is emulated: aarch64, which has NEON, or an x86-64 as
# old as to lack SSSE3, which must take the portable way. Exit status 77 (ctest: skipped) where
# compiler or emulator are missing.
set -eu
machine=$1
dir=$2

case $machine in
    aarch64)
        compiler=aarch64-linux-gnu-gcc processor=cortex-a57 way=vector
        packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
        ;;
    x86_64)
        compiler=x86_64-linux-gnu-gcc processor=qemu64 way=portable
        packages="gcc qemu-user-static"
        ;;
    *)
        sed -n '2s/^# //p' "$0" >&2
        exit 2
        ;;
esac

emulator=
for name in "qemu-$machine" "qemu-$machine-static"; do
    ! command -v "$name" >/dev/null || emulator=$name
done
mkdir -p "$dir"
program=$dir/utf8-$machine
echo 'int main(void) { return 0; }' >"$program.c"
# Linked statically, so that no libraries of that machine are sought when it runs.
if [ -z "$emulator" ] || ! "$compiler" -static -o "$program" "$program.c" 2>/dev/null ||
    ! "$emulator" -cpu "$processor" "$program"; then
    echo "skipped: nothing here that builds or runs programs for $machine: apt-get install $packages"
    exit 77
fi

"$compiler" -std=c11 -O2 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -static \
    -Isrc -Iinclude -Itests -o "$program" \
    tests/utf8/main.c tests/support/utf8_check.c src/core/text.c src/core/utf8*.c
exec "$emulator" -cpu "$processor" "$program" "$way"
