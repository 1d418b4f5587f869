#!/bin/sh
# usage: check.sh <build folder>
#
# The programs in README.md and docs/tutorial.md are taken from the page, built against an
# installation of the build, and run. In a page, a fence behind
#
#   <!-- file: NAME -->     is a file,
#   <!-- patch -->          changes files that were there before; a build follows.
set -eu
build=$1
tree=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
pid=
trap 'test -z "$pid" || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
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
quietly() {
    "$@" >"$work/log" 2>&1 || fail "$@"
}

# extract <page> <folder>: its files, and its patches as 1.patch, 2.patch...
extract() {
    mkdir -p "$2"
    awk -v folder="$2" '
        /^<!-- file: .* -->$/ { file = folder "/" $3; next }
        /^<!-- patch -->$/ { file = folder "/" ++patches ".patch"; next }
        /^```/ && open { close(file); file = ""; open = 0; next }
        /^```/ && file != "" { open = 1; printf "" >file; next }
        open { print >file }
    ' "$1"
}

compile() { # folder
    quietly cmake -S "$1" -B "$1/build" -G Ninja -DCMAKE_C_COMPILER="$compiler" \
        -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_FLAGS="-Wall -Wextra -Werror"
    quietly cmake --build "$1/build"
}

# serve <folder> <address>: starts its server and waits for the socket.
serve() {
    setpriv --pdeathsig KILL "$1/build/server" "unix://$2" >"$work/log" 2>&1 &
    pid=$!
    tries=0
    until [ -S "$2" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "the server does not listen"
        sleep 0.05
    done
}
stop() {
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}

# expect <text> <command>...
expect() {
    text=$1
    shift
    "$@" >"$work/log" 2>&1 || fail "$@"
    grep -qF -- "$text" "$work/log" || fail "$* does not print: $text"
}

quietly cmake --install "$build" --prefix "$prefix"

extract "$tree/README.md" "$work/hello"
compile "$work/hello"
! "$work/hello/build/server" "unix://$work/hello.sock" >"$work/log" 2>&1 || fail "no key, and it serves"
grep -q "server.key" "$work/log" || fail "no cause"
grep -q "netproto keygen --out server.key" "$work/log" || fail "no next step"
cd "$work"
quietly "$prefix/bin/netproto" keygen --out server.key
key=$("$prefix/bin/netproto" key server.key)
serve "$work/hello" "$work/hello.sock"
expect "hello, world" "$work/hello/build/client" "$key" "unix://$work/hello.sock"
quietly "$prefix/bin/netproto" keygen --out other.key
other=$("$prefix/bin/netproto" key other.key)
! "$work/hello/build/client" "$other" "unix://$work/hello.sock" >"$work/log" 2>&1 || fail "any key does"
grep -q "key is not trusted: $key" "$work/log" || fail "no cause"
stop
! "$work/hello/build/client" "$key" "unix://$work/nobody.sock" >"$work/log" 2>&1 || fail "nobody answered"
grep -q "the connection could not be made" "$work/log" || fail "no cause"
echo "README.md: the example works"

[ -f "$tree/docs/tutorial.md" ] || exit 0
extract "$tree/docs/tutorial.md" "$work/echo"
compile "$work/echo"
serve "$work/echo" "$work/echo.sock"
say() { # text [times]
    "$work/echo/build/client" "unix://$work/echo.sock" "$key" "$@"
}
expect "the server says: hi there" say "hi there"
! "$work/echo/build/client" "unix://$work/echo.sock" "$other" "hi there" >"$work/log" 2>&1 || fail "any key does"
grep -q "key is not trusted: $key" "$work/log" || fail "no cause"
stop
for patch in "$work/echo"/*.patch; do
    quietly patch --directory "$work/echo" --strip 1 --fuzz 0 --input "$patch"
    ! grep -q offset "$work/log" || fail "line numbers of $patch"
done
compile "$work/echo"
rm -f "$work/echo.sock"
serve "$work/echo" "$work/echo.sock"
expect "the server says: hi there" say "hi there"
expect "HI THERE! HI THERE! HI THERE!" say "hi there" 3
! say "hi there" 4 >"$work/log" 2>&1 ||
    fail "four times is more than the schema allows"
grep -qF "echo.Shout.times: 4 is not in range 1..3 at byte" "$work/log" || fail "no words about the range"
stop
quietly ctest --test-dir "$work/echo/build" --no-tests=error --output-on-failure
grep -q "echo.roundtrip" "$work/log" || fail "the protocol's own tests did not run"
echo "docs/tutorial.md: every step works"
