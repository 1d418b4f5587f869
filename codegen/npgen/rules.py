"""The rules of the language, by name.

Every error that npgen reports carries one of these names. They are part of the interface: editors
and scripts match them, the reference explains them, and a test insists that each has a case.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    # Reading and lexing
    "unreadable": "the file cannot be read",
    "file-size": "a schema file is larger than 4 MiB",
    "encoding": "the text is no clean UTF-8 (invalid bytes, control or invisible characters)",
    "bad-character": "a character that no token starts with",
    "unterminated": "a string or character literal does not end on its line",
    "escape": "an escape sequence that does not exist, or a wrong character literal",
    "number": "a malformed number",
    "number-range": "a number that no type of the language can hold",
    # Syntax
    "syntax": "something else stands where the grammar wants a certain token",
    "nesting": "types are nested too deeply",
    "protocol-missing": "the file does not start with its protocol line",
    "import-order": "an import stands after a declaration",
    "line": "an import or the protocol line begins in the middle of a line or runs over two",
    "modifier-order": "modifiers are repeated or not in their order",
    "doc-misplaced": "a doc comment documents nothing",
    "reserved-word": "a word that packets reserve for later",
    # Imports
    "import-missing": "the imported file is found nowhere",
    "import-path": "an import path is absolute or not a .np file",
    "import-cycle": "a file imports itself, directly or through others",
    "import-twice": "a file is imported twice by the same file",
    # Names and constants
    "name-style": "a name is not written as its kind demands",
    "keyword": "a name means something else in C or C++",
    "duplicate-name": "a name is declared twice",
    "name-collision": "two declarations would have the same name in C",
    "file-collision": "files of two protocols would have the same names",
    "file-taken": "a file to be generated is there already and is another's",
    "reserved-name": "a declaration uses a name that the schema reserves",
    "const-unknown": "a constant that is declared nowhere, or only further down",
    "value-kind": "a value of the wrong kind (text instead of a number and so on)",
    # Types
    "type-unknown": "a type that is declared nowhere",
    "type-arity": "a type with the wrong number of type arguments",
    "unbounded": "a type of variable size without 'max'",
    "constraint": "a constraint that the type before it does not take",
    "constraint-twice": "the same bound is given twice",
    "bound-range": "a bound outside of what the language allows",
    "range-empty": "a lower bound above the upper bound",
    "range-type": "a bound that the type cannot hold",
    "array-size": "an array's count is not 1 to 4096",
    "tuple-size": "a tuple with one item or more than 16",
    "map-key": "a type that cannot be a map's key",
    "zero-size-items": "a list of more than 65536 items that take no bytes",
    "struct-size": "a type whose C struct is larger than 64 KiB",
    "stack-size": "a message that can make its decoder take more than 512 KiB of stack",
    "enum-empty": "an enum without variants",
    "index-range": "a variant index beyond 2^31 - 1",
    "index-order": "variant indices do not ascend",
    "duplicate-index": "two variants have the same index",
    # Recursion
    "recursion-unbounded": "a recursive type without 'depth' and 'max'",
    "recursion-endless": "a type that contains itself without a way to end",
    "recursion-shape": "a recursion through a container that does not hold the type directly",
    "recursion-depth": "a depth that is not 1 to 64",
    "recursion-none": "'depth' or 'max' on a type that is not recursive",
    # Evolution
    "version-range": "a protocol version that is not 1 to 65535",
    "since-range": "a 'since' outside of the versions its owner exists in",
    "since-order": "something newer stands before something older",
    "since-count": "more than 256 versions that brought something",
    "since-import": "an imported type with versions of its own is used as a part",
    "since-value": "a type that has no value yet where it must be sent",
    "default-missing": "a field added later has no default",
    "default-without-since": "a default on a field that always exists",
    "default-value": "a default that its field could not hold",
    # Messages
    "duplicate-id": "two messages have the same id",
    "id-range": "a message id outside of the range that is the protocol's own",
    "reserved-id": "a message uses an id that the schema reserves",
    "message-size": "a message could be larger than 16 MiB",
    "reply-type": "a request's reply is not a struct",
    "stream-body": "a stream message does not end in a field of bytes",
    "stream-head": "the fields before a stream's body exceed 64 KiB",
    "duration": "a time that is not 1 ms to 24 h, or has no unit",
    # Packets
    "packet-type": "a type that packets do not have",
    "packet-const": "a constant that its field cannot hold, or that cannot be there",
    "packet-bits": "the parts of a flags field do not fill it exactly",
    "packet-length": "a length that no earlier bounded unsigned field gives",
    "packet-order": "a field of variable size is not the last of its packet",
    # Conversations
    "start": "a conversation does not name exactly one start state",
    "state-unknown": "a state that the conversation does not have",
    "state-unreachable": "no path from the start leads to a state",
    "message-unknown": "a rule names something that is no message",
    "rule-ambiguous": "two rules of a state are about the same message from the same side",
    "base-moves": "a message that the runtime says of itself leads to a state",
    "else-message": "'else' in a rule that is not about requests of the protocol alone",
    "request-crosses": "letters that may cross and part the sides, where requests move",
    "place-count": "a conversation with more than 4096 places, or 262144 messages said in them",
    "final-has-rules": "a final state with rules or a time limit",
    "within": "a second time limit, or one for all states",
}
"""What each rule forbids, in one line."""

LINTS: dict[str, str] = {
    "bytes-as-list": "list<u8> where 'bytes' means the same and is a plain view in C",
    "doc-missing": "a message, struct, enum or packet without a doc comment",
    "unused": "a struct, enum or constant that nothing uses",
    "unmentioned": "a message that no conversation mentions",
    "state-stuck": "a state in which nothing may be said and that is not final",
    "messages-cross": "two messages that may be sent at once and part the sides' states",
    "waits-without-end": "a state in which a moving request may wait without 'within'",
    "id-order": "messages that do not stand in the order of their ids",
    "redundant-name": "a field or variant that repeats its owner's name",
    "negative-name": "a bool whose name is a negation",
    "unit-missing": "a time whose name does not tell its unit",
    "large-bound": "a text field of a plain message with a bound above 1 MiB",
    "float-rounded": "a bound or default that its float type does not hold",
    "deprecated-reason": "a deprecation that does not say what to use instead",
}
"""What each warning of ``npgen lint`` is about."""

BREAKS: dict[str, str] = {
    # The protocol
    "protocol-renamed": "the protocol has another name",
    "version-lowered": "the protocol's version is lower than the released one",
    "version-not-raised": "something new claims a version that is released already",
    "reserved-id-used": "a message takes an id that the release reserves",
    "reserved-name-used": "a declaration takes a name that the release reserves",
    "const-removed": "a constant is gone",
    # Messages
    "message-removed": "a message is gone",
    "message-added": "a message is new and has no 'since'",
    "message-id": "a message has another id",
    "id-reused": "an id means another message",
    "message-renamed": "a message has another name",
    "request-changed": "a message became a request, or a request a message",
    "reply-changed": "a request is answered by another struct",
    "stream-changed": "a message is 'stream' now, or no more",
    "secret-changed": "a message is 'secret' now, or no more",
    "since-changed": "something released claims another version",
    # Fields
    "field-removed": "a field is gone",
    "field-added": "a field is new at the end and has no 'since'",
    "field-inserted": "a field is new before others",
    "field-reordered": "a field has another place",
    "field-retyped": "a field has another type",
    "field-renamed": "a field has another name",
    "default-changed": "a field's default is another",
    "bound-tightened": "a bound excludes values that were allowed",
    "bound-widened": "a bound allows values that were excluded",
    # Types
    "type-removed": "a struct or enum is gone",
    "type-changed": "a struct became an enum, or an enum a struct",
    "type-renamed": "a struct or enum has another name",
    "recursion-changed": "a recursive type may nest less or more deeply, or be smaller or larger",
    "variant-removed": "a variant is gone",
    "variant-added": "a variant is new and has no 'since'",
    "variant-index": "a variant has another index",
    "variant-renamed": "a variant has another name",
    # Packets
    "packet-removed": "a packet is gone",
    "packet-changed": "a packet has another layout",
    # Conversations
    "conversation-removed": "a conversation is gone",
    "conversation-added": "a conversation restricts what was free",
    "conversation-renamed": "a conversation has another name",
    "conversation-order": "a conversation is no more the first, or has become it",
    "state-renamed": "a state has another name",
    "final-changed": "a state is final now, or no more",
    "start-changed": "a conversation starts in another state",
    "rule-removed": "a message is no more legal in a state",
    "rule-added": "a released message is legal in a state where it was not",
    "rule-target": "a message leads to another state",
    "request-moves": "a request moves the conversation when it is answered, or no more",
    "within-changed": "a state's time limit is another",
}
"""What ``npgen breaking`` reports: changes that the other side, or a program, would notice."""

LOCK_ERRORS: dict[str, str] = {
    "lock-missing": "there is no release to compare with",
    "lock-format": "the file of a release is damaged",
}
"""What keeps ``npgen lock`` and ``npgen breaking`` from comparing."""
