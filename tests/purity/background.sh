#!/bin/sh
# usage: background.sh
#
# What a test starts ends with it, also where ctest kills the test for taking too long: scripts start
# what runs in the background by `setpriv --pdeathsig KILL`, so does Python; C has support/fork.c.
# Here is a script that does, killed; then the scripts there are.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The fifo ends when the last who holds it does, whoever that is.
mkfifo "$work/held"
sh -c 'setpriv --pdeathsig KILL sleep 1000 >"$1" & echo "up" >"$1"; exec sleep 1000 >"$1"' sh "$work/held" &
pid=$!
exec 3<"$work/held"
read -r word <&3
[ "$word" = up ]
sleep 0.2 # until setpriv has begun
kill -KILL $pid
timeout 60 cat <&3 >/dev/null || { echo "failed: what a killed script had started lives on"; exit 1; }

# With the lines that are continued joined; "&& ..." and "2>&1" start nothing.
bad=0
for script in $(find tests -name '*.sh' ! -name background.sh; echo tests/debian/run); do
    sed -e :more -e '/\\$/{N; s/\\\n//; b more' -e '}' "$script" |
        grep -nE '(^|[^&>])&($|[ ;#])' | grep -vE '&&|^[0-9]+: *#|setpriv --pdeathsig KILL' | sed "s,^,$script:," >"$work/found" || true
    [ ! -s "$work/found" ] || { cat "$work/found"; bad=1; }
done
for script in $(grep -lr --include='*.py' Popen tests); do
    grep -q 'setpriv' "$script" || { echo "$script: Popen without setpriv --pdeathsig KILL"; bad=1; }
done
[ $bad -eq 0 ] || { echo "failed: the above is not started by setpriv --pdeathsig KILL"; exit 1; }
