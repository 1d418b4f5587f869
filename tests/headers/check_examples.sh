#!/bin/sh
# usage: check_examples.sh <header>...
#
# Every public header with an example has a program here that compiles and runs it, example_NAME.c.
set -eu
bad=0
for header in "$@"; do
    name=$(basename "$header" .h)
    program=tests/headers/example_$name.c
    # What looks like C, and not like a table of words.
    if tests/headers/extract.sh "$header" | grep -qE '[;{]$|^#|^[a-zA-Z_]+\(.*\)'; then
        [ -f "$program" ] || { echo "$header has an example, and there is no $program"; bad=1; }
    elif [ -f "$program" ]; then
        echo "$header has no example for $program"
        bad=1
    fi
done
exit $bad
