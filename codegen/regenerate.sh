#!/bin/sh
# usage: regenerate.sh [--check]
#
# Brings the generated code that is under version control up to date: files that differ are
# replaced, files that nothing generates any more are removed. --check changes nothing and fails if
# there is anything to do. Prints one line for each file. Status 77: Ragel is missing.
#
# PYTHON names the interpreter; without it the system's own is taken.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
check=no
[ "${1:-}" != --check ] || check=yes

if ! command -v ragel >/dev/null 2>&1; then
    echo "SKIPPED: ragel is missing (apt-get install ragel)"
    exit 77
fi
export PYTHONPATH=codegen PYTHONDONTWRITEBYTECODE=1
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
total=0
stale=0

# compare <generated folder>: with the fresh files in $fresh/<generated folder>
compare() {
    for file in "$fresh/$1"/* "$1"/*; do
        [ -f "$file" ] || continue
        name=$1/${file##*/}
        [ "$file" != "$name" ] || [ ! -f "$fresh/$name" ] || continue # seen among the fresh ones
        total=$((total + 1))
        if cmp -s "$fresh/$name" "$name"; then
            continue
        fi
        stale=$((stale + 1))
        if [ $check = yes ]; then
            echo "differs: $name"
            diff "$name" "$fresh/$name" 2>&1 | head -20
        elif [ -f "$fresh/$name" ]; then
            echo "generated: $name"
            mkdir -p "$1"
            cp "$fresh/$name" "$name"
        else
            echo "removed: $name"
            rm "$name"
        fi
    done
}

# generate <gen or tests> <generated folder> <schema>...
generate() {
    command=$1
    out=$2
    shift 2
    [ -e "$1" ] || return 0 # the pattern met no file
    mkdir -p "$fresh/$out"
    "$python" -m npgen "$command" "$@" --out "$fresh/$out"
    compare "$out"
}

generate gen generated schema/*.np
generate gen tests/golden tests/schema/everything.np
for folder in examples/*/; do
    folder=${folder%/}
    generate gen "$folder/generated" "$folder"/*.np
    generate tests "$folder/generated/tests" "$folder"/*.np
done

if [ $check = yes ]; then
    if [ $stale -gt 0 ]; then
        echo "$stale of $total generated files are not what schema and generator give: ./dev gen" >&2
        exit 1
    fi
    echo "$total files are identical"
fi
