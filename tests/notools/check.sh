#!/bin/sh
# usage: check.sh <root of the tree> <C compiler>
#
# Building takes neither Python nor Ragel, since generated code is checked in: here is a build that
# finds neither. Once a schema has changed it takes both, and says which one is missing.
set -eu
ours=$1
compiler=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "failed: $*"
    cat "$work/log"
    exit 1
}

# A PATH with what a build takes, and with Python and Ragel only where a case adds them. CMake looks
# into the system's folders whatever the PATH, so it is told not to.
mkdir "$work/bin"
for tool in "$compiler" cc ld as ar nm ranlib strip objcopy objdump readelf cmake ninja pkg-config \
    sh env cat rm; do
    path=$(command -v "$tool") || continue
    ln -sf "$(readlink -f "$path")" "$work/bin/${tool##*/}"
done
ln -sf "$(readlink -f "$(command -v "$compiler")")" "$work/bin/cc"
hidden="/usr/bin;/bin;/usr/local/bin;/usr/sbin;/sbin;/usr/local/sbin;/opt/bin;${HOME:-/root}/.local/bin"

mkdir "$work/tree" "$work/tree/docs"
cd "$ours"
cp -r CMakeLists.txt LICENSE cmake codegen examples generated include schema src "$work/tree"
cp -r docs/man docs/licensing.md "$work/tree/docs"

configure() { # folder
    (
        cd "$work/tree"
        PATH=$work/bin cmake -S . -B "$work/$1" -G Ninja -DCMAKE_C_COMPILER="$work/bin/cc" \
            -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG=-O0 -DNETPROTO_TESTS=OFF \
            "-DCMAKE_IGNORE_PATH=$hidden"
    ) >"$work/log" 2>&1
}

configure fresh || fail "a fresh checkout does not configure"
# All that there is would be built, with nothing but compilers; the core really is.
PATH=$work/bin ninja -C "$work/fresh" -n all >"$work/log" 2>&1 || fail "something is not there"
PATH=$work/bin ninja -C "$work/fresh" -t commands all >"$work/log" 2>&1 || fail "no commands"
grep -qE 'libnetproto-core|libnetproto\.' "$work/log" || fail "the libraries are not built"
grep -nE 'python|ragel|npgen gen' "$work/log" && fail "a command takes Python or Ragel"
PATH=$work/bin ninja -C "$work/fresh" netproto-core >"$work/log" 2>&1 || fail "the core"
test -e "$work/fresh/libnetproto-core.so" || fail "there is no libnetproto-core.so"

# expect <what is missing> <folder>: a changed schema, and what is said about it.
expect() {
    configure "$2" && fail "$1: nobody missed it"
    tr -s '\n ' ' ' <"$work/log" >"$work/line"
    grep -qE "Generating code from [^ ]*chat.np takes [A-Z][a-z]*, and $1 is missing" "$work/line" ||
        fail "it does not say that $1 is missing"
    grep -q "sudo apt-get install python3 ragel" "$work/line" || fail "the apt line is missing"
}
printf '\n// changed\n' >>"$work/tree/examples/chat/chat.np"
expect python3 neither
ln -s "$(readlink -f /usr/bin/python3)" "$work/bin/python3"
expect ragel only-python
# A schema that others import counts as well.
cp "$ours/examples/chat/chat.np" "$work/tree/examples/chat/chat.np"
printf '\n// changed\n' >>"$work/tree/schema/base.np"
expect ragel import
echo "without Python and Ragel: all as documented"
