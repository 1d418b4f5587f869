#!/bin/sh
# usage: check.sh <libnetproto-core.so> <allowed.txt>
#
# The core is pure: bytes and time go in, bytes and events come out. This keeps the rule mechanical:
# every symbol that the library takes from outside must be on the list.
set -eu
library=$1
allowed=$2

symbols=$(nm -D --undefined-only "$library" | awk '{ sub(/@.*/, "", $NF); print $NF }' | sort -u)
[ -n "$symbols" ] || { echo "$library takes nothing from outside: that cannot be" >&2; exit 1; }

printf '%s\n' "$symbols" | awk -v list="$allowed" '
    BEGIN {
        while ((getline line < list) > 0) {
            if (line == "" || line ~ /^#/) continue
            if (sub(/\*$/, "", line)) prefixes[line] = 1
            else names[line] = 1
        }
    }
    # Even where a prefix allows it: these draw randomness.
    /^randombytes/ || /_keypair$/ || /_keygen$/ { print "impure: " $0; bad++; next }
    $0 in names { next }
    {
        for (prefix in prefixes) if (index($0, prefix) == 1) next
        print "not allowed: " $0
        bad++
    }
    END {
        if (bad) {
            print bad " symbols that the core must not need; see tests/purity/allowed.txt"
            exit 1
        }
        print NR " symbols, all allowed"
    }'
