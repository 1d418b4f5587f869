"""Names: how a schema's names become C names, and which names C would not survive.

Names never travel on the wire, so refusing an unlucky one costs a user nothing but a rename, while
a header that breaks because of a macro costs an afternoon.
"""

from __future__ import annotations

import re

from . import taken

TYPE_NAME = re.compile(r"[A-Z][A-Za-z0-9]*")
"""Structs, enums, messages."""

VALUE_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
"""Fields, variants, packets, states, conversations, protocols."""

CONST_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")

MAX_NAME = 64
"""Characters of a name; a generated C identifier consists of at most three of them."""

_WORD_BREAK = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """``SecureHandshakeInit`` -> ``secure_handshake_init``, ``HTTPServer`` -> ``http_server``."""
    return _WORD_BREAK.sub("_", name).lower()


def upper(name: str) -> str:
    """``SecureHandshakeInit`` -> ``SECURE_HANDSHAKE_INIT``: the form of constants."""
    return snake(name).upper()


def member(name: str) -> str:
    """The name as a C struct or union member, with ``_`` appended if C would misread it.

    No name of the schema ends in an underscore, so the result collides with nothing. Fields and
    variants with data need it not: the checker refuses those that are not usable as they are.
    """
    text = snake(name)
    return text + "_" if text in UNUSABLE else text


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


C_KEYWORDS = _words(
    """
    auto break case char const continue default do double else enum extern float for goto if inline
    int long register restrict return short signed sizeof static struct switch typedef union
    unsigned void volatile while bool true false nullptr constexpr typeof typeof_unqual thread_local
    static_assert alignas alignof asm fortran noreturn complex imaginary
    """
)
"""C11, what C23 adds, and the lower-case spellings that C11's headers define."""

CXX_KEYWORDS = _words(
    """
    and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl
    concept const_cast consteval constinit decltype delete dynamic_cast explicit export friend
    mutable namespace new noexcept not not_eq operator or or_eq private protected public
    reinterpret_cast requires static_cast template this throw try typeid typename using virtual
    wchar_t xor xor_eq import module
    """
) - _words("import module")
"""C++20. ``import`` and ``module`` are words of their context only and stay usable."""

MACROS = (
    _words(
        """
        assert major minor makedev i386 offsetof setjmp sigsetjmp va_start va_arg va_copy va_end isnan
        isinf isfinite isnormal signbit fpclassify isgreater isless isunordered putc getc be16toh
        be32toh be64toh htobe16 htobe32 htobe64 le16toh le32toh le64toh htole16 htole32 htole64
        bswap_16 bswap_32 bswap_64 strdupa strndupa s_addr
        """
    )
    | taken.members()
) - C_KEYWORDS - CXX_KEYWORDS
"""Lower-case macros of C, POSIX, glibc and musl. Those without arguments rewrite a member's name; of
those with, only the ones that stand in old headers under names of their own are here, since a member
is never followed by a parenthesis."""

C_TYPES = re.compile(r"u?int(8|16|32|64)_t|size_t|np_[a-z0-9_]+")
"""Types that members of generated structs have: in C++ a member of that name would hide them."""

UPPER_MACROS = re.compile(
    r"NULL|EOF|INFINITY|NAN|I|BUFSIZ|RAND_MAX|CLOCKS_PER_SEC|PATH_MAX|NAME_MAX"
    r"|EXIT_(SUCCESS|FAILURE)"
    r"|SIG[A-Z0-9]+|SEEK_[A-Z]+|[IOFSX]_OK|E[A-Z0-9]{3,}|U?INT(8|16|32|64|PTR|MAX)?_(MAX|MIN|C)"
    r"|(CHAR|SCHAR|UCHAR|SHRT|USHRT|LONG|ULONG|LLONG|ULLONG|SIZE|SSIZE|FLT|DBL|LDBL)_[A-Z_]+"
)
"""Upper-case macros; a bare constant with such a name would be rewritten."""

UNUSABLE = C_KEYWORDS | CXX_KEYWORDS | MACROS
"""Names that no C or C++ struct member may have."""

FILE_SUFFIXES = ("schema", "parse", "service", "conversation", "test", "fuzz")
"""A protocol ``a`` has files ``a.c``, ``a_schema.c`` and so on."""


def takes_files(one: str, other: str) -> bool:
    """Whether files of two protocols would have the same names."""
    short, long = sorted((one, other), key=len)
    return one == other or long in {f"{short}_{suffix}" for suffix in FILE_SUFFIXES}


C_HEADERS = taken.headers()
"""A protocol with such a name would generate a header that hides the system's."""

HANDLER_PREFIX = "on"
"""The members of a protocol's handlers begin so: ``on_say``. In C++ they would hide types of a
protocol ``on``."""

FOREIGN_PREFIXES = _words("np std posix pthread sodium crypto ev wolf lz4 zstd json mem str")
"""Prefixes that the runtime and the libraries below it use for their own functions."""
