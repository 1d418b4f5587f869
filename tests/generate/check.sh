#!/bin/sh
# usage: check.sh <root of the tree> <C compiler>
#
# netproto_generate(): what triggers it, what does not, and what it says where a tool is missing.
set -eu
ours=$1
compiler=$2
export PYTHONDONTWRITEBYTECODE=1
command -v ragel >/dev/null 2>&1 || { echo "SKIPPED: ragel is missing"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r "$ours/tests/generate" "$work/project"
cd "$work/project"

fail() {
    echo "failed: $*"
    cat "$work/log"
    exit 1
}
configure() { # folder, options
    folder=$1
    shift
    cmake -S . -B "$folder" -G Ninja -DOURS="$ours" -DCMAKE_C_COMPILER="$compiler" "$@" \
        >"$work/log" 2>&1
}
build() {
    cmake --build "$1" >"$work/log" 2>&1
}

# In the build tree.
configure tree || fail "configure"
build tree || fail "build"
test -f tree/netproto/objects/room.h || fail "no header in the build tree"
build tree || fail "build again"
grep -q "no work to do" "$work/log" || fail "an unchanged tree has work to do"
sed -i 's/max 64/max 63/' parts/person.np
build tree || fail "build with a changed import"
grep -q "Generating room" "$work/log" || fail "a changed import does not generate"
sed -i 's/who: Person/whom: Person/' room.np
build tree || fail "build with a changed schema"
grep -q whom tree/netproto/objects/room.h || fail "a changed schema does not generate"

# Checked in: generated once, then used without any tool while the digest holds.
no_tools="-DNETPROTO_python3=/nonexistent/python3 -DNETPROTO_ragel=/nonexistent/ragel"
configure first -DCHECKED_IN=ON || fail "configure checked in"
test -f checked-in/room.c || fail "nothing was checked in"
touch room.np parts/person.np # git gives files any times
# shellcheck disable=SC2086 # options are words
configure second -DCHECKED_IN=ON $no_tools || fail "fresh code needs a tool"
build second || fail "build from checked-in code"
sed -i 's/whom: Person/who: Person/' room.np
build second && fail "a stale digest was accepted"
build first || fail "build with stale checked-in code"
grep -q whom checked-in/room.h && fail "stale code was not generated anew"

# A wrong schema is refused with npgen's own words.
sed -i 's/who: Person/who: Nobody/' room.np
build tree && fail "a wrong schema was accepted"
grep -q "room.np:6" "$work/log" || fail "npgen's diagnostic is not shown"

# A missing tool is named with the way to get it.
cmake -DOURS="$ours" "-DCMAKE_IGNORE_PATH=/usr/bin;/bin;/usr/local/bin" \
    -P missing.cmake >"$work/log" 2>&1 && fail "a missing tool was not noticed"
grep -q "apt-get install python3 ragel" "$work/log" || fail "the apt line is missing"
echo "netproto_generate: all as documented"
