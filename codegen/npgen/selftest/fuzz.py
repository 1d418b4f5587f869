"""NAME_fuzz.c: a fuzz target for a protocol's decoders."""

from __future__ import annotations

from ..emit.banner import banner
from ..emit.code import Code
from ..model import Protocol


def emit_fuzz(p: Protocol) -> str:
    """The text of NAME_fuzz.c."""
    c = Code()
    c("#include <netproto/selftest.h>")
    c()
    c(f'#include "{p.name}.h"')
    c()
    c("/* libFuzzer calls it with inputs that it makes up; see np_selftest_fuzz for what they are. */")
    c("int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);")
    c()
    with c.function("int LLVMFuzzerTestOneInput", ["const uint8_t *data", "size_t len"]):
        c(f"return np_selftest_fuzz(&{p.name}_protocol, data, len);")
    c("/* Weak, since libFuzzer has a main of its own. Without libFuzzer the inputs are the files and")
    c(" * folders that are named on the command line. */")
    with c.function("__attribute__((weak)) int main", ["int argc", "char **argv"]):
        c("return np_selftest_replay(argc, argv, LLVMFuzzerTestOneInput);")
    about = f"{p.name}_fuzz.c - a fuzz target for the decoders of the {p.name} protocol."
    return banner(p, about, command="tests") + c.text()
