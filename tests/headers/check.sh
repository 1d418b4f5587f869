#!/bin/sh
# usage: check.sh <C compiler> <C++ compiler or empty> <include path>... -- <header>...
#
# Every public and every generated header compiles alone, without warnings, as C11 and as C++.
set -eu
c=$1
cxx=$2
shift 2
includes=
while [ "$1" != -- ]; do
    includes="$includes -I$1"
    shift
done
shift
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
count=0
bad=0

# A translation unit must declare something, which a header of macros does not.
unit() {
    printf '#include "%s"\ntypedef int only_headers;\n' "$1"
}

for header in "$@"; do
    # shellcheck disable=SC2086 # lists of words
    {
        unit "$header" |
            $c -std=c11 $warnings $includes -fsyntax-only -x c - || bad=$((bad + 1))
        [ -z "$cxx" ] || unit "$header" |
            $cxx -std=c++17 $warnings $includes -fsyntax-only -x c++ - || bad=$((bad + 1))
    }
    count=$((count + 1))
done
[ -n "$cxx" ] || echo "no C++ compiler: C++ was not tried"
echo "$count headers, $bad failures"
[ $bad -eq 0 ]
