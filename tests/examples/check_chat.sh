#!/bin/sh
# usage: check_chat.sh <folder with server and client> <the command netproto>
#
# Runs examples/chat over a unix socket and over TCP at once: who is in a room hears what is said in
# it, wherever they connected; finding, files, an older version, refusals, and an orderly end.
set -eu
programs=$1
netproto=$2
work=$(mktemp -d)
XDG_CONFIG_HOME=$work/config # where keys and known hosts lie
export XDG_CONFIG_HOME
server_pid=
trap 'test -z "$server_pid" || kill -KILL "$server_pid" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() {
    echo "failed: $*"
    for file in "$work"/*.out "$work"/*.err; do
        echo "--- ${file##*/}"
        cat "$file"
    done
    exit 1
}

# expect <file> <text>: waits until a line of the file has the text, at most 10 seconds.
expect() {
    tries=0
    until grep -qF -- "$2" "$work/$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || fail "no \"$2\" in $1"
        sleep 0.05
    done
}

# Both tell how they are used, and take no option for an address.
for program in server client; do
    "$programs/$program" --help >"$work/help.out" 2>"$work/help.err" || fail "$program --help"
    expect help.out "usage: $program "
    expect help.out "Exit codes: "
    [ ! -s "$work/help.err" ] || fail "$program --help complains"
    code=0
    "$programs/$program" --nix tcp://127.0.0.1:0 x >"$work/help.out" 2>"$work/help.err" || code=$?
    [ $code = 2 ] || fail "$program --nix exits with $code"
    expect help.err "usage: $program "
    [ ! -s "$work/help.out" ] || fail "$program --nix prints"
done

# Without keys nothing starts, and the words say what to do.
if "$programs/server" "unix://$work/chat.sock" >"$work/nokey.out" 2>&1; then
    fail "a server without a key"
fi
expect nokey.out "run netproto keygen --server"
if "$programs/client" "unix://$work/chat.sock" ann garden >"$work/nokey.out" 2>&1; then
    fail "a client without a key"
fi
expect nokey.out "run netproto keygen"
"$netproto" keygen >"$work/keygen.out"
"$netproto" keygen --server >>"$work/keygen.out"

# The server, on a port that the system chooses.
setpriv --pdeathsig KILL "$programs/server" tcp://127.0.0.1:0 "unix://$work/chat.sock" \
    >"$work/server.out" 2>"$work/server.err" &
server_pid=$!
expect server.out "listening on unix://"
expect server.out "key np1:"
tcp=$(sed -n 's/^listening on \(tcp:.*\)/\1/p' "$work/server.out")
key=$(sed -n 's/^key //p' "$work/server.out")
[ "$key" = "$("$netproto" key --server)" ] || fail "the server shows another key"

# A server that is not known is not talked to, nor one that has another key than it had.
if "$programs/client" "$tcp" ann garden </dev/null >"$work/unknown.out" 2>&1; then
    fail "an unknown server is trusted"
fi
expect unknown.out "$tcp is not known; it shows the key $key"
expect unknown.out "chat.so handshake $tcp"
expect server.err "perhaps it does not trust the key of this side"
echo "$tcp $("$netproto" key)" >"$XDG_CONFIG_HOME/netproto/known_hosts"
if "$programs/client" "$tcp" ann garden </dev/null >"$work/changed.out" 2>&1; then
    fail "a changed key is trusted"
fi
expect changed.out "HAS ANOTHER KEY THAN IT HAD"
printf '%s\n' "$tcp $key" "unix://$work/chat.sock $key" >"$XDG_CONFIG_HOME/netproto/known_hosts"

# Two people, whose input are pipes that stay open; a third who speaks version 1.
start() { # name, address, options
    name=$1
    address=$2
    shift 2
    mkfifo "$work/$name.in"
    setpriv --pdeathsig KILL "$programs/client" "$@" "$address" "$name" garden \
        <"$work/$name.in" >"$work/$name.out" 2>"$work/$name.err" &
    eval "${name}_pid=$!"
}
start ann "unix://$work/chat.sock"
exec 3>"$work/ann.in"
expect ann.out "* connected, version 2, 1 in the room"
start bob "$tcp"
exec 4>"$work/bob.in"
expect ann.out "* bob is here"
expect bob.out "* ann is here"
start old "$tcp" --old
exec 5>"$work/old.in"
expect old.out "* connected, version 1"
expect bob.out "* old is here"

# What one says, all hear, also who says it; version 1 has no moods.
echo "hello, all :)" >&3
expect ann.out "ann (glad): hello, all :)"
expect bob.out "ann (glad): hello, all :)"
expect old.out "ann: hello, all :)"
echo "hello, ann" >&5
expect ann.out "old: hello, ann"

# Nothing that a terminal would obey gets through.
printf 'red \033[31m\n' >&4
expect ann.out 'bob: red \u001b[31m'

# A line that is too long is not sent, and no part of it either.
{ head -c 9000 /dev/zero | tr '\0' x; echo; echo "short again"; } >&4
expect bob.out "* not sent: the line is too long"
expect ann.out "bob: short again"
! grep -q xxxx "$work/ann.out" || fail "the rest of a line that is too long is sent"

# Requests, answered and refused.
echo "/find bob" >&3
expect ann.out "* found bob in garden, here, has said 2"
echo "/find nobody" >&3
expect ann.out "* not found: nobody has that name"
echo "/away" >&4
expect ann.out "* bob is away since"

# A file of 3 MiB, for all but its sender.
head -c 3145728 /dev/zero >"$work/zeros"
echo "/send $work/zeros" >&3
expect bob.out "* ann sends zeros, 3145728 bytes"
expect old.out "* ann sends zeros, 3145728 bytes"

# A name is given once; the reason reaches who wanted it. Input that ends is no hurry: what was
# asked is answered first.
if sleep 1 | "$programs/client" "$tcp" ann garden >"$work/again.out" 2>&1; then
    fail "a name was given twice"
fi
expect again.out "* not let in: somebody has that name"
echo "/find old" | "$programs/client" "unix://$work/chat.sock" eve cellar >"$work/eve.out" 2>&1 ||
    fail "a client whose input ends"
expect eve.out "* found old in garden"
! grep -q eve "$work/ann.out" || fail "another room was heard"

# One leaves by itself, the others when the server stops.
echo "/quit" >&5
expect ann.out "* old is gone"
# shellcheck disable=SC2154 # set by start
wait "$old_pid" || fail "old ended with status $?"
kill -TERM "$server_pid"
wait "$server_pid" || fail "the server ended with status $?"
server_pid=
expect server.out "stopped"
# shellcheck disable=SC2154
wait "$ann_pid" || fail "ann ended with status $?"
# shellcheck disable=SC2154
wait "$bob_pid" || fail "bob ended with status $?"
expect ann.out "closed by the peer"
test ! -e "$work/chat.sock" || fail "the socket file is still there"
expect server.err 'event=chat.joined conn='
expect server.err 'name=bob room=garden'
# It complains of the two clients that did not trust it, and of nothing else.
grep -E 'level=(warn|error)' "$work/server.err" >"$work/complaints.err"
[ "$(grep -c 'stage=hello err=NP_ERR_REFUSED' "$work/complaints.err")" = 2 ] &&
    [ "$(wc -l <"$work/complaints.err")" = 2 ] || fail "the server complains"
echo "chat over unix and TCP: as it should be"
