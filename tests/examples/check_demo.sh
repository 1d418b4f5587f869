#!/bin/sh
# usage: check_demo.sh <folder of examples/demo in the build>
#
# The program behind `./dev run` ends well, and shows what it is there to show.
set -eu
out=$(mktemp)
trap 'rm -f "$out"' EXIT

"$1/../../demo" --quick >"$out" 2>&1 || { cat "$out"; exit 1; }
for text in "Data" "500500" 'where: "demo.Note.title", offset: 14' "err=NP_ERR_UTF8" "p99 us" \
    "each has proved its key" "the peer's key is not trusted" "secure connections only"; do
    grep -qF "$text" "$out" || { cat "$out"; echo "failed: it does not show: $text"; exit 1; }
done
test "$(grep -c 'round trips\|^  TCP  \|^  unix  ' "$out")" -eq 9 || { cat "$out"; exit 1; }
echo "the demo shows what it should"
