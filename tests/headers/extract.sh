#!/bin/sh
# usage: extract.sh <header> [<file>]
#
# Prints the example in a public header, or writes it to a file: the first lines of its first comment
# that are indented by five blanks. Where it listens is put where a test may: on a port that the system
# chooses, and on the socket that the variable example_socket names.
[ $# -lt 2 ] || exec >"$2"
awk '
    /\*\// || (begun && !/^ \*     /) { exit }
    /^ \*     [^ ]/ { begun = 1 }
    begun { sub(/^ \*     /, ""); print }
' "$1" | sed 's,"tcp://127.0.0.1:7000","tcp://127.0.0.1:0",; s,"unix:///run/chat.sock",example_socket,'
