#!/bin/sh
# usage: libev.sh <root of the sources>
#
# One file of the library knows libev, so that it could be exchanged there.
set -eu
cd "$1"

found=$(grep -rlE '#[ \t]*include[ \t]*[<"]([a-z/]*/)?ev\.h[>"]' src include | sort)
if [ "$found" != src/transport/loop_ev.c ]; then
    printf 'only src/transport/loop_ev.c may include ev.h; these do:\n%s\n' "$found" >&2
    exit 1
fi
