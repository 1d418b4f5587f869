#!/bin/sh
# usage: check_mutants.sh <C compiler> <libnetproto-selftest.a> <libnetproto-core.a> <folder of base.h>
#
# Generated tests fail when the generated code is wrong, and say where: the code of examples/chat and
# of tests/schema/odd.np, tampered with in one place after the other.
set -eu
compiler=$1
selftest=$2
core=$3
tree=$(cd "$(dirname "$0")/../.." && pwd)
include="-I$tree/include -I$4 -I$4/netproto"
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$tree/codegen"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cp "$tree"/examples/chat/generated/chat*.[ch] .
cp "$tree"/examples/chat/generated/tests/chat_*.c .
"${PYTHON:-/usr/bin/python3}" -m npgen gen "$tree/tests/schema/odd.np" --out . >/dev/null
"${PYTHON:-/usr/bin/python3}" -m npgen tests "$tree/tests/schema/odd.np" --out . >/dev/null

compile() { # file
    # shellcheck disable=SC2086 # the flags are words
    "$compiler" -std=c11 -w $include -c "$1" -o "${1%.c}.o"
}

# link <protocol> <program>
link() {
    "$compiler" -o "$1-$2" "$1_$2.o" "$1.o" "$1_schema.o" "$1_parse.o" $conversation \
        "$selftest" "$core" -lsodium -llz4 -lzstd -lm
}

mutants=0
# mutant <protocol> <file> <sed script> <pattern>...: the output has a line with each pattern.
mutant() {
    protocol=$1
    file=$2
    script=$3
    shift 3
    conversation=
    [ "$protocol" != chat ] || conversation=chat_conversation.o
    cp "$file" right
    sed -i "$script" "$file"
    if cmp -s "$file" right; then
        echo "failed: the code has changed, so that this changes nothing in $file: $script"
        exit 1
    fi
    compile "$file"
    link "$protocol" test
    status=0
    "./$protocol-test" --rounds 5 >out 2>&1 || status=$?
    [ $status -eq 1 ] || { cat out; echo "failed: status $status with $file: $script"; exit 1; }
    for pattern in "$@"; do
        grep -q -- "$pattern" out || { cat out; echo "failed: no \"$pattern\" with: $script"; exit 1; }
    done
    mv right "$file"
    compile "$file"
    mutants=$((mutants + 1))
}

for file in chat.c chat_schema.c chat_parse.c chat_conversation.c chat_test.c chat_fuzz.c \
    odd.c odd_schema.c odd_parse.c odd_test.c; do
    compile $file
done
conversation=chat_conversation.o
link chat test
link chat fuzz
./chat-test --seeds seeds >/dev/null
conversation=
link odd test
./odd-test --rounds 1 >/dev/null

# A bound of the encoder, of the decoder, of the parser's table.
mutant chat chat.c '/np_meter_str.*"chat.Say.text"/s/4096,/4095,/' \
    'chat.Say, text.longest.*NP_ERR_TOO_LONG (chat.Say.text:'
mutant chat chat.c '/np_meter_str.*"chat.Say.text"/s/4096,/4097,/' \
    'chat.Say, text.too_long.*chat.Say.text must be refused with NP_ERR_TOO_LONG'
mutant chat chat.c '/np_read_str.*"chat.Say.text"/s/4096,/4097,/' \
    'with a length above the bound in chat.Say.text: .*decoder another' 'NP_ERR_TOO_LONG chat.Say.text'
mutant chat chat_schema.c 's/\.max = 4096,/.max = 4095,/' 'chat.Say, text.longest.*the parser refuses it'
# Both at once, so that only the schema knows better.
mutant chat chat.c 's/1, 32, true, "chat.Find.name"/1, 31, true, "chat.Find.name"/' \
    'chat.Find, name.longest.*NP_ERR_TOO_LONG (chat.Find.name:'
# The order of bytes, on one side and on both.
mutant chat chat.c 's/np_put_u64(p, v->at.value)/np_put_u64(p, __builtin_bswap64(v->at.value))/' \
    'chat.Say, typical.*other bytes than the schema says: chat.Say.at, byte'
mutant chat chat.c 's/np_put_u32(p, v->says)/np_put_u32(p, __builtin_bswap32(v->says))/
    s/v->says = np_get_u32(r->p)/v->says = __builtin_bswap32(np_get_u32(r->p))/' \
    'chat.Find (reply), typical.*other bytes than the schema says: chat.Person.says, byte'
# Two fields of the same type in the wrong order, on both sides.
mutant chat chat.c '/^static uint8_t \*chat_join_put/,/^}/{
        s/v->name/v->NAME/; s/v->room/v->name/; s/v->NAME/v->room/
    }
    /^static np_err chat_join_read/,/^}/{
        s/&v->name/\&v->NAME/; s/&v->room/\&v->name/; s/&v->NAME/\&v->room/
    }' \
    'chat.Join, typical.*other bytes than the schema says: chat.Join.name, byte'
# An option's tag.
mutant chat chat.c 's/np_put_bool(p, v->at.has)/np_put_u8(p, v->at.has ? 2 : 0)/' \
    'chat.Say, typical.*chat.Say.at, byte .* is 0x02 instead of 0x01'
mutant chat chat.c 's/np_read_option(r, &v->at.has, "chat.Say.at")/(v->at.has = *r->p++ != 0, NP_OK)/' \
    "with 2 for an option's tag in chat.Say.at"
# A check that is missing, a version that is not looked at, a length that is not announced.
mutant chat chat.c '/^static np_err chat_say_read/,/^}/s/v->mood > 2u/v->mood > 3u/' \
    'with a number above the range in chat.Say.mood' 'does not encode: chat.Say.mood'
mutant chat chat.c 's/if (version >= 2)/if (version >= 1)/' 'chat.Say, typical, version 1'
mutant chat chat.c '/^static np_err chat_say_measure/,/^}/s/m->len += 8;/m->len += 9;/' \
    'chat.Say, typical.*: other bytes than the schema says: chat.Say.mood, 39 bytes instead of 38'
mutant chat chat.c 's/CHAT_PRESENCE_AWAY:/CHAT_PRESENCE_AWAY: case 3:/' 'chat.Presence'
# The conversation: a refused login that lets in, an answer that moves nothing, a message too many.
mutant chat chat_conversation.c 's/case 5: goto st1;/case 5: goto st3;/' \
    'chat.session, greet: place 1: chat.Join, refused by the server: leads to 2 instead of 0'
mutant chat chat_conversation.c '/case 3: goto st3;/d' \
    'chat.Join, answered by the server: is refused, against the schema'
mutant chat chat_conversation.c 's/case 3: goto st3;/case 3: case 6: goto st3;/' \
    'place 1: chat.Say, said by the client: is allowed, against the schema'
# A packet: byte order, a constant that nobody checks.
mutant odd odd.c '/^uint8_t \*odd_odd_head_put/,/^}/s/p\[9\] = 0x05/p[9] = 0x06/' \
    'odd_odd_head, typical: put: byte 9 is 0x06 instead of 0x05'
mutant odd odd.c '/^np_err odd_odd_head_read/,/^}/s/any_bits != 0xFF/any_bits == 0x11/' \
    'read: odd.odd_head.any must be refused with NP_ERR_CONST'
# A variant that is cut to the byte that C's enum may have, an option that keeps what was there.
mutant odd odd.c '/^static np_err odd_data_read/,/^}/s/switch (index)/switch (index % 0x100)/' \
    'with a variant but for one bit above in odd.Data'
mutant chat chat.c 's/v->at.value = 0;/(void)0;/' \
    'decoding leaves in the member at.value what was there before' \
    'copying leaves in the member at.value what was there before'
mutant odd odd.c '/^static np_err odd_data_read/,/^}/s/np_read_clear(r, v, sizeof \*v);//' \
    'decoding leaves in the member'
# Maps: keys that may descend.
mutant odd odd.c 's/NP_ERR_ORDER/NP_ERR_RANGE/' 'key.descends.*must be refused with NP_ERR_ORDER'

# What a test does not see, because it is right, a fuzz target does not see either.
./chat-fuzz seeds >/dev/null
echo "$mutants mutants, all of them found"
