#!/bin/sh
# usage: check.sh
#
# The command ./dev: what it says to who calls it otherwise than it is meant, what it says while a
# step goes on, and which clang-format it takes. Nothing is built or installed: steps run in a copy, with
# programs that stand in for the real ones.
set -eu
command -v ragel >/dev/null 2>&1 || { echo "SKIPPED: ragel is missing"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/tree/codegen" "$work/bin"
cp dev "$work/tree"

fail() {
    echo "failed: $*"
    cat "$work/out" "$work/err"
    exit 1
}
# dev STATUS [ARG...]: runs it so, and it ends with that status.
dev() {
    wanted=$1
    shift
    status=0
    PATH=$work/bin:$PATH "$work/tree/dev" "$@" >"$work/out" 2>"$work/err" || status=$?
    [ $status = "$wanted" ] || fail "./dev $* ends with $status"
}
says() { # out|err WORDS
    grep -qF -- "$2" "$work/$1" || fail "std$1 lacks: $2"
}
silent() { # out|err
    [ ! -s "$work/$1" ] || fail "something on std$1"
}

# Asked for help, it helps; called with nothing, it shows how to, as a mistake.
for help in help --help -h; do
    dev 0 $help
    says out "usage: ./dev COMMAND"
    silent err
done
dev 2
says err "usage: ./dev COMMAND"
silent out
for command in run test gen format fuzz bench coverage debian clean help; do
    grep -qE "^  $command( |\$)" "$work/err" || fail "the help lacks $command"
done

# meant WORD COMMAND: suggests it; nothing for no COMMAND.
meant() {
    dev 2 "$1"
    says err "there is no command \"$1\"${2:+; did you mean $2?}"
    [ -n "$2" ] || ! grep -q "did you mean" "$work/err" || fail "$1 is like nothing"
    says err "./dev help"
    silent out
}
meant tset test
meant tests test
meant rnu run
meant frmat format
meant Bench bench
meant fuzzz fuzz
meant trixie ""
meant x ""
meant -x ""
meant "a b" ""
meant 'commands[0]' ""

# What a command does not take is no reason to begin an hour's work.
dev 2 test unit.frame
says err "test takes no arguments, and not \"unit.frame\"; one test: ctest --preset dev -R NAME"
dev 2 gen schema/base.np
dev 2 format dev
dev 2 clean everything
dev 2 fuzz 1 frame more
says err "fuzz takes at most 2 arguments, and not \"more\""
dev 2 fuzz
says err "fuzz takes a number of seconds"
dev 2 fuzz frame
dev 0 test --help
says out "usage: ./dev COMMAND"

# A step says that it begins, that it goes on, and how it ended; and nothing of it stays behind: who
# reads what ./dev prints waits for no one else.
printf '#!/bin/sh\nsleep 3\necho "generated: x"\n' >"$work/tree/codegen/regenerate.sh"
chmod +x "$work/tree/codegen/regenerate.sh"
DEV_TICK_S=1 dev 0 gen
[ "$(head -n 1 "$work/out")" = "  ...     generate (build/log/generate.log)" ] ||
    fail "no word of the beginning"
says out "  ...     generate (build/log/generate.log), for 0 min 1 s"
says out "  ok      generate ("
[ "$(tail -n 1 "$work/out")" = "generated: x" ] || fail "not the last word"
printf '#!/bin/sh\necho "it is so"\nexit 3\n' >"$work/tree/codegen/regenerate.sh"
dev 3 gen
says out "  FAILED  generate (status 3)"
says out "it is so"
# (a minute's wait of the one who tells the time would be waited for here)
printf '#!/bin/sh\n' >"$work/tree/codegen/regenerate.sh"
timeout 40 sh -c '"$1" gen | cat' sh "$work/tree/dev" >"$work/out" || fail "something stays behind"

# formatter VERSION: clang-format, by both of its names, and what apt knows of it.
formatter() {
    for name in clang-format clang-format-14; do
        printf '#!/bin/sh\nif [ "$1" = --version ]; then echo "Debian clang-format version %s (1)"; exit; fi\n' \
            "$1" >"$work/bin/$name"
        # shellcheck disable=SC2016
        printf 'echo "$0 $*" >>"%s"\n' "$work/formatted" >>"$work/bin/$name"
        chmod +x "$work/bin/$name"
    done
    rm -f "$work/formatted"
}
printf '#!/bin/sh\nexit 1\n' >"$work/bin/apt-cache"
chmod +x "$work/bin/apt-cache"
echo "int x;" >"$work/tree/x.c"
for version in 19.1.7 15.0.0 1.4 140.1; do
    formatter $version
    dev 1 format
    says err "clang-format 14"
    [ ! -e "$work/formatted" ] || fail "clang-format $version formats"
done
formatter 14.0.6
dev 0 format
grep -q -- '-i x.c' "$work/formatted" || fail "nothing is formatted"
echo "./dev: all as told"
