"""Names of a schema beside those of C's headers: what would not compile is refused, and the rest does
compile, whatever a program includes first."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import ROOT, errors_of, inside, protocol_of

from npgen import taken
from npgen.claims import CODEC_WORDS
from npgen.load import load_text
from npgen.names import C_HEADERS, FOREIGN_PREFIXES, UNUSABLE, VALUE_NAME

sys.path.insert(0, str(ROOT / "codegen"))

from collect_c_names import OUTPUT, POSIX, Names, add_macros, read, write  # noqa: E402

GCC = shutil.which("gcc")
GXX = shutil.which("g++")

MORE = ("ifaddrs.h", "net/ethernet.h", "netinet/ip.h", "netinet/ip6.h", "netinet/icmp6.h", "netinet/udp.h",
        "sys/epoll.h", "sys/ioctl.h", "sys/param.h", "sys/sysmacros.h", "endian.h", "error.h", "getopt.h",
        "pty.h", "resolv.h", "shadow.h", "sys/signalfd.h", "sys/ucontext.h", "ucontext.h")  # fmt: skip
"""What programs include besides POSIX's headers."""

ORDINARY = """
    log round exp pow floor index time stat signal select name type data state open close read write
    wait sigmask environ small near far interface abs remove rename link exit access pipe bind listen
    accept send recv hash user group mode flags size count key value path port host addr status code
    version message text id kind next prev first last left right x y z sun mon uid gid pid error
""".split()
"""Words that schemas want; C's functions and macros with arguments are among them."""


def preprocessed(header: str, *flags: str) -> str:
    """A header of this machine; empty if it has none."""
    assert GCC is not None
    result = subprocess.run([GCC, *flags, "-E", "-"], input=f"#include <{header}>\n",
                            capture_output=True, text=True, errors="replace")  # fmt: skip
    return result.stdout if result.returncode == 0 else ""


class List(unittest.TestCase):
    """The list that is under version control."""

    def test_it_is_as_the_script_writes_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "names.txt"
            write(path, read(OUTPUT))
            self.assertEqual(path.read_text(), OUTPUT.read_text())
        versions = read(OUTPUT).versions
        for library in ("glibc ", "musl "):
            self.assertTrue(any(v.startswith(library) for v in versions), versions)

    def test_what_stands_in_it(self) -> None:
        for name in ("si_status", "h_errno", "s6_addr16", "s6_addr32", "st_atime", "sa_handler",
                     "ifr_name", "uh_sport", "th_block", "errno", "ut_name"):  # fmt: skip
            self.assertIn(name, taken.members())
        for name in ("SO_REUSEADDR", "IPPROTO_TCP", "in_addr", "sem_post", "time_t", "SI_USER"):
            self.assertIn(name, taken.whole())
        self.assertFalse(set(ORDINARY) & UNUSABLE)

    @unittest.skipIf(GCC is None, "gcc is not installed")
    def test_the_headers_of_this_machine_have_nothing_more(self) -> None:
        names = Names()
        for header in (*sorted(POSIX), *MORE):
            for flags in (("-D_GNU_SOURCE",), ("-std=c11",), ("-xc++", "-D_GNU_SOURCE")):
                add_macros(preprocessed(header, *flags, "-dM"), header in POSIX, names)
        self.assertGreater(len(names.members), 50)
        hint = "run codegen/collect_c_names.py"
        self.assertEqual(names.members - UNUSABLE, set(), hint)
        # Each release brings some more of these, which does not break the schemas that there are.
        self.assertLess(len(names.whole - taken.whole()), len(names.whole) / 10, hint)

    def test_every_header_of_posix_is_there(self) -> None:
        plain = {h.removesuffix(".h") for h in POSIX if "/" not in h} - {"trace", "ndbm"}
        self.assertEqual(plain - C_HEADERS, set())


class Refused(unittest.TestCase):
    def rules(self, text: str, header: str = "protocol demo version 1;\n") -> list[tuple[str, str]]:
        """What is refused: the rule and the word under the caret."""
        return [(d.rule, d.source_line[d.span.column - 1 :][: d.span.length])
                for d in errors_of(text, header)]  # fmt: skip

    def test_members(self) -> None:
        for name in sorted(taken.members()):
            if not VALUE_NAME.fullmatch(name):
                continue
            with self.subTest(name):
                expected = [("keyword", name)]
                self.assertEqual(self.rules(f"struct S {{ {name}: u8; }}"), expected)
                self.assertEqual(self.rules(f"message M = 1 {{ {name}: u8; }}"), expected)
                self.assertEqual(self.rules(f"enum E {{ {name} = 1 {{ a: u8; }}; }}"), expected)
                self.assertEqual(self.rules(f"packet p {{ {name}: u8; }}"), expected)
                protocol_of(f"enum E {{ {name} = 1; }}")  # a constant, with a prefix
        self.assertEqual(self.rules("packet p { si: flags8 { status: 8; }; }"), [("keyword", "status")])

    def test_protocols_that_hide_headers(self) -> None:
        for name in sorted(C_HEADERS):
            with self.subTest(name):
                (found,) = errors_of("", f"protocol {name} version 1;\n")
                self.assertEqual(found.rule, "keyword")
                self.assertIn(f"would hide the system's <{name}.h>", found.text)
        for name in ("regex", "search", "fts", "utime", "pwd", "grp", "glob", "syslog", "termios",
                     "spawn", "aio", "iconv", "float", "stdatomic"):  # fmt: skip
            self.assertIn(name, C_HEADERS)

    def test_protocols_named_like_handlers(self) -> None:
        for name in ("on", "on_air"):
            (found,) = errors_of("message Say = 1 {}", f"protocol {name} version 1;\n")
            self.assertEqual((found.rule, found.span.line), ("keyword", 1))
        protocol_of("message Say = 1 {}", "protocol one version 1;\n")

    def test_names_put_together(self) -> None:
        for protocol, text, word in (
            ("so", "const REUSEADDR = 1;", "REUSEADDR"), ("in", "struct Addr {}", "Addr"),
            ("sem", "message Post = 1 {}", "Post"), ("const", "struct Cast {}", "Cast"),
            ("static", "enum Assert { a = 0; }", "Assert"), ("thread", "message Local = 1 {}", "Local"),
            ("int8", "struct T {}", "T"), ("va", "struct List {}", "List"),
            ("s6", "packet addr { a: u8; }", "addr"), ("si", "enum X { a = 0; } const USER = 1;", "USER"),
            ("tcp", "const NODELAY = 1;", "NODELAY"),
        ):  # fmt: skip
            with self.subTest(protocol):
                self.assertEqual(self.rules(text, f"protocol {protocol} version 1;\n"), [("keyword", word)])

    def test_members_that_hide_types(self) -> None:
        for text, word in (
            ("message M = 1 { a: map<u8, u8> max 2; demo_m_a: u8; }", "demo_m_a"),
            ("message M = 1 { a: map<u8, u8> max 2; demo_m_a_entry: u8; }", "demo_m_a_entry"),
            ("struct S { a: (u8, u16); demo_s_a: u8; }", "demo_s_a"),
            ("enum E { a = 0 { x: u8; }; demo_e_a = 1 { y: u8; }; }", "demo_e_a"),
            ("enum E { a = 0; } struct S { demo_e: u8; b: E; }", "demo_e"),
            ("enum E { a = 0 { x: u8; }; } struct S { demo_e_tag: u8; }", "demo_e_tag"),
            ("message M = 1 { demo_m: u8; }", "demo_m"),
        ):
            self.assertEqual(self.rules(text), [("name-collision", word)])


@unittest.skipIf(GCC is None or GXX is None, "gcc and g++ are not both installed")
class Compiled(unittest.TestCase):
    """What is accepted compiles behind all of POSIX's headers, in C and in C++."""

    maxDiff = 2000

    def words(self) -> list[str]:
        """Every word of the headers that a field may be called."""
        found = set(ORDINARY)
        for header in (*sorted(POSIX), *MORE):
            for flags in (("-P",), ("-dM",), ("-D_GNU_SOURCE", "-P"), ("-D_GNU_SOURCE", "-dM")):
                found |= set(re.findall(r"\b[a-z][a-z0-9_]*\b", preprocessed(header, *flags)))
        fields = {w for w in found if VALUE_NAME.fullmatch(w) and len(w) <= 64} - UNUSABLE
        refused = load_text("protocol nasty version 1;\nstruct S {\n"
                            + "".join(f"{w}: u8;\n" for w in sorted(fields)) + "}\n", "nasty.np")[1]  # fmt: skip
        for diagnostic in refused:  # types of the generated code, as uint8_t
            fields -= {diagnostic.source_line.partition(":")[0]}
        return sorted(fields)

    def schema(self) -> str:
        words = self.words()
        self.assertGreater(len(words), 2000)
        self.assertEqual(set(ORDINARY) - set(words), set())
        parts = [words[i : i + 500] for i in range(0, len(words), 500)]
        text = ["protocol nasty version 1;\n"]
        for i, part in enumerate(parts):
            text.append(f"struct S{i} {{\n" + "".join(f"    {w}: u8;\n" for w in part) + "}\n")
        text.append("enum E {\n" + "".join(f"    {w} = {i} {{ {w}: u8; }};\n" for i, w in enumerate(w for w in words[::7] if w not in (*CODEC_WORDS, "item")))
                    + "}\n")  # fmt: skip
        text.append("enum P {\n" + "".join(f"    {w} = {i};\n" for i, w in
                    enumerate(w for w in sorted(UNUSABLE) if VALUE_NAME.fullmatch(w))) + "}\n")  # fmt: skip
        text.append("packet head {\n" + "".join(f"    {w}: u8;\n" for w in words[::9]) + "}\n")
        text += [f"message M{i} = {i} {{ s: S{i}; e: E; p: P; }}\n" for i in range(len(parts))]
        for i, word in enumerate(("Errno", "Stdin", "Delete", "Class", "Log", "Signal", "Exit", "Unix", "Linux")):
            text.append(f"message {word} = {100 + i} stream {{ log: u8; body: bytes max 9; }}\n")
        return "".join(text)

    def test_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("nasty.np").write_text(self.schema(), encoding="utf-8")
            command = [sys.executable, "-m", "npgen", "gen", "nasty.np", "--out", "."]
            made = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "codegen"), "PATH": "/usr/bin:/bin"},
                                  capture_output=True, text=True)  # fmt: skip
            self.assertEqual((made.returncode, made.stderr), (0, ""))
            headers = [h for h in (*sorted(POSIX), *MORE) if preprocessed(h)]
            text = "".join(f"#include <{h}>\n" for h in headers)
            cxx = text.replace("#include <tgmath.h>\n", "").replace("#include <stdatomic.h>\n", "")
            cxx = cxx.replace("#include <complex.h>\n", "")  # C++ has these in ways of its own
            text += '#include "nasty.h"\n#include "nasty_service.h"\n'
            cxx += '#include "nasty.h"\n#include "nasty_service.h"\n'
            for compiler, source, flags in (
                (GCC, text, ["-xc", "-std=c11"]), (GCC, text, ["-xc", "-std=gnu17", "-D_GNU_SOURCE"]),
                (GXX, cxx, ["-xc++", "-std=c++17"]), (GXX, cxx, ["-xc++", "-std=gnu++20"]),
            ):  # fmt: skip
                with self.subTest(flags):
                    result = subprocess.run(
                        [str(compiler), *flags, "-Wall", "-Wextra", "-fsyntax-only", "-I.",
                         f"-I{ROOT}/include", f"-I{ROOT}/generated", "-"],
                        input=source, capture_output=True, text=True,
                    )  # fmt: skip
                    self.assertEqual((result.returncode, result.stderr[:1500]), (0, ""))


# Behind these Ragel puts words of its own; it calls the machine of the protocol's messages 'parser'.
MACHINES = {"Session": "conversation session { start a; state a { client *; } }",
            "Frame": "packet frame { kind: u8 = 7; len: u8 max 9; }", "Parser": ""}  # fmt: skip
RAGELS = ("Start", "Error", "FirstFinal", "EnMain", "EnMessage", "EnReply", "EnRagelTree")


@unittest.skipIf(GCC is None or shutil.which("ragel") is None, "gcc or ragel is not installed")
class Ragels(unittest.TestCase):
    def test_a_message_may_be_called_what_ragel_defines(self) -> None:
        text = "protocol ragel version 1;\nstruct Tree depth 4 max 99 { kids: list<Tree> max 2; }\n"
        names = [machine + word for machine in MACHINES for word in RAGELS]
        text += "".join(f"message {name} = {i} {{ a: u8; }}\n" for i, name in enumerate(names))
        text += "request Ask = 99 { tree: Tree; } -> Tree;\n" + "\n".join(MACHINES.values())
        with tempfile.TemporaryDirectory() as folder, inside(Path(folder)):
            Path("ragel.np").write_text(text, encoding="utf-8")
            command = [sys.executable, "-m", "npgen", "gen", "ragel.np", "--out", "."]
            made = subprocess.run(command, env={"PYTHONPATH": str(ROOT / "codegen"), "PATH": "/usr/bin:/bin"},
                                  capture_output=True, text=True)  # fmt: skip
            self.assertEqual((made.returncode, made.stderr), (0, ""))
            for source in ("ragel_parse.c", "ragel_conversation.c"):
                with self.subTest(source):
                    result = subprocess.run(
                        [str(GCC), "-std=c11", "-fsyntax-only", "-I.", f"-I{ROOT}/include",
                         f"-I{ROOT}/generated", source],
                        capture_output=True, text=True,
                    )  # fmt: skip
                    self.assertEqual((result.returncode, result.stderr[:1500]), (0, ""))


class Prefixes(unittest.TestCase):
    def test_they_are_words(self) -> None:
        self.assertTrue(all(VALUE_NAME.fullmatch(prefix) for prefix in FOREIGN_PREFIXES))


if __name__ == "__main__":
    unittest.main()
