"""The command line: ``npgen gen|tests|check|fmt|lint|lock|breaking|digest|graph``.

Exit status: 0 done, 1 the schema has errors (or a command that judges has found something),
2 the command line is wrong. Diagnostics go to standard error, results to standard output.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Callable, Optional, Sequence

from . import GENERATOR_VERSION
from .check_names import check_apart
from .diagnostics import Reporter, format_all
from .format import format_source
from .lint import lint, lint_unmentioned
from .load import Result, load_result
from .model import Protocol
from .overwrite import check_free
from .rules import BREAKS, LINTS
from .source import read_source

OK = 0
FAILED = 1
USAGE = 2

Command = Callable[[argparse.Namespace], int]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run one command; the result is the exit status."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except OSError as error:
        print(f"npgen: {error.filename or 'error'}: {error.strerror or error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="npgen", description="Turns netproto schemas (.np) into C."
    )
    parser.add_argument("--version", action="version", version=f"npgen {GENERATOR_VERSION}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    gen = _add(commands, "gen", _gen, "generate the code of schemas")
    gen.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to put it")
    gen.add_argument(
        "--list-outputs", action="store_true", help="only print the files, for build systems"
    )
    _add_import_dir(gen)

    tests = _add(commands, "tests", _tests, "generate tests and fuzz targets of schemas' code")
    tests.description = (
        "For each schema: NAME_test.c, a program that tries the generated code with examples of "
        "every message, and NAME_fuzz.c, a fuzz target. Both link netproto-selftest and the code "
        "that 'npgen gen' makes; neither has a place in the program itself."
    )
    tests.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to put them")
    tests.add_argument(
        "--list-outputs", action="store_true", help="only print the files, for build systems"
    )
    _add_import_dir(tests)

    check = _add(commands, "check", _check, "report all errors of schemas")
    _add_import_dir(check)

    fmt = _add(commands, "fmt", _fmt, "format schemas")
    mode = fmt.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="only name files that would change")
    mode.add_argument("--write", action="store_true", help="change the files in place")

    linter = _add(commands, "lint", _lint, "report what could be written better")
    _add_import_dir(linter)
    linter.add_argument(
        "--allow", metavar="RULE", action="append", default=[], choices=sorted(LINTS),
        help="do not report this rule",
    )  # fmt: skip

    lock = _add(commands, "lock", _lock, "record a release of schemas, each in a .lock beside it")
    how = lock.add_mutually_exclusive_group()
    how.add_argument(
        "--check", action="store_true",
        help="only compare the schema with the release recorded, as 'breaking' does",
    )  # fmt: skip
    how.add_argument("--force", action="store_true", help="record it even if it breaks peers")
    _add_import_dir(lock)

    breaking = _add(commands, "breaking", _breaking, "report changes that break peers or programs")
    breaking.add_argument(
        "--against", metavar="OLD", help="an older .np, or a .lock (default: the one beside SCHEMA)"
    )
    breaking.add_argument(
        "--wire", action="store_true", help="only what breaks peers, not programs that use the code"
    )
    breaking.add_argument(
        "--allow", metavar="RULE", action="append", default=[], choices=sorted(BREAKS),
        help="do not report this rule",
    )  # fmt: skip
    _add_import_dir(breaking)

    digest = _add(commands, "digest", _digest, "print the digest of what schemas mean, by version")
    digest.add_argument("--at", metavar="N", type=int, help="only at this version")
    digest.add_argument(
        "--text", action="store_true",
        help="print what the digest is of, at version N (default: the newest)",
    )  # fmt: skip
    _add_import_dir(digest)

    graph = _add(commands, "graph", _graph, "draw a schema's conversation, layouts or parser")
    what = graph.add_mutually_exclusive_group()
    what.add_argument("--conversation", metavar="NAME", help="this conversation (default: all)")
    what.add_argument("--message", metavar="NAME", help="the layout of this message")
    what.add_argument("--parser", action="store_true", help="the parse machines of everything")
    graph.add_argument("--format", choices=("dot", "svg"), default="dot", help="default: dot")
    _add_import_dir(graph)
    return parser


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    command: Command,
    text: str,
) -> argparse.ArgumentParser:
    """A subcommand on schema files."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.add_argument("schemas", metavar="SCHEMA", nargs="+", help="a .np file")
    parser.set_defaults(command=command)
    return parser


def _add_import_dir(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--import-dir", "-I", metavar="DIR", type=Path, action="append", default=[],
        help="where to look for imports, after the importing file's own folder",
    )  # fmt: skip


# --------------------------------------------------------------------------------------------
# Commands
# --------------------------------------------------------------------------------------------


def _load(arguments: argparse.Namespace) -> list[Result]:
    return [load_result(Path(s), arguments.import_dir, s) for s in arguments.schemas]


def _print(reporter: Reporter) -> bool:
    """Print what was found; whether that is anything."""
    sys.stderr.write(format_all(reporter.in_order()))
    if reporter.full:
        print("npgen: too many errors; the rest is not shown", file=sys.stderr)
    return reporter.failed


def _warn(result: Result) -> None:
    """Print what is legal, but surely not meant, about a schema without errors."""
    if result.protocol is None or result.unit is None:
        return
    lint_unmentioned(result.protocol, result.unit, result.reporter)
    found = result.reporter.in_order()
    sys.stderr.write(format_all(replace(d, rule=f"warning: {d.rule}") for d in found))


def _gen(arguments: argparse.Namespace) -> int:
    from .emit import RagelMissing, generate, outputs  # the other commands need no emitter

    try:
        return _generate(arguments, outputs, generate)
    except RagelMissing as error:
        print(f"npgen: {error}", file=sys.stderr)
        return FAILED


def _tests(arguments: argparse.Namespace) -> int:
    from .selftest import generate, outputs

    return _generate(arguments, outputs, generate)


def _generate(
    arguments: argparse.Namespace,
    outputs: Callable[[Protocol], list[str]],
    generate: Callable[[Protocol, Path], list[Path]],
) -> int:
    """Make the files of all schemas, or print their names; nothing if a schema has errors."""
    protocols: list[Protocol] = []
    failed = False
    for result in _load(arguments):
        p = result.protocol
        if p is not None:
            others = [(other.name, other.source) for other in protocols]
            check_apart(others, p.name, p.source, p.span, result.reporter)
            if not arguments.list_outputs:
                check_free(arguments.out, p, outputs(p), result.reporter)
            protocols.append(p)
        if _print(result.reporter):
            failed = True
        elif not arguments.list_outputs:
            _warn(result)
    if failed:
        return FAILED
    for protocol in protocols:
        if arguments.list_outputs:
            paths = [arguments.out / name for name in outputs(protocol)]
        else:
            paths = generate(protocol, arguments.out)
        for path in paths:
            print(path)
    return OK


def _check(arguments: argparse.Namespace) -> int:
    status = OK
    for result in _load(arguments):
        if _print(result.reporter):
            status = FAILED
        else:
            _warn(result)
    return status


def _fmt(arguments: argparse.Namespace) -> int:
    status = OK
    for name in arguments.schemas:
        reporter = Reporter()
        source = read_source(Path(name), name, reporter)
        text = format_source(source, reporter) if source is not None else None
        if _print(reporter) or source is None or text is None:
            status = FAILED
        elif arguments.check:
            if _differs(source.path, text):
                print(name)
                status = FAILED
        elif not arguments.write:
            sys.stdout.write(text)
        elif _differs(source.path, text):
            _replace(source.path, text)
    return status


def _differs(path: Path, text: str) -> bool:
    return path.read_bytes() != text.encode()


def _replace(path: Path, text: str) -> None:
    """Write a file so that at any time either the old or the new text is there, whole."""
    path = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with open(handle, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, path.stat().st_mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _lint(arguments: argparse.Namespace) -> int:
    status = OK
    for result in _load(arguments):
        if result.protocol is not None and result.unit is not None:
            lint(result.protocol, result.unit, result.reporter)
            found = result.reporter.diagnostics
            found[:] = [d for d in found if d.rule not in arguments.allow]
        if _print(result.reporter):
            status = FAILED
    return status


def _lock(arguments: argparse.Namespace) -> int:
    from .evolution.commands import start, write_lock

    status = OK
    for schema in arguments.schemas:
        run = start(schema, arguments.import_dir)
        path = Path(run.lock)
        if run.load() and not arguments.force and (arguments.check or path.is_file()):
            old = run.release(None)
            if old is not None:
                run.breaks(old, (), False)
        if _print(run.reporter):
            status = FAILED
            if not arguments.check and run.protocol is not None:
                print(f"npgen: {path} is left as it is; see lock --force", file=sys.stderr)
        elif not arguments.check:
            text = write_lock(run)
            if not path.is_file():
                path.write_bytes(text.encode())
            elif _differs(path, text):
                _replace(path, text)
            print(path)
    return status


def _breaking(arguments: argparse.Namespace) -> int:
    from .evolution.commands import start

    if arguments.against is not None and len(arguments.schemas) > 1:
        print("npgen breaking: --against takes one SCHEMA", file=sys.stderr)
        return USAGE
    status = OK
    for schema in arguments.schemas:
        run = start(schema, arguments.import_dir)
        old = run.release(arguments.against) if run.load() else None
        if old is not None:
            run.breaks(old, arguments.allow, arguments.wire)
        if _print(run.reporter):
            status = FAILED
    return status


def _digest(arguments: argparse.Namespace) -> int:
    from .evolution.meaning import OLDEST, digests, meaning

    if arguments.text and len(arguments.schemas) > 1:
        print("npgen digest: --text takes one SCHEMA", file=sys.stderr)
        return USAGE
    status = OK
    for result in _load(arguments):
        p = result.protocol
        if _print(result.reporter) or p is None:
            status = FAILED
            continue
        if arguments.at is not None and not OLDEST <= arguments.at <= p.version:
            text = f"protocol '{p.name}' has versions {OLDEST} to {p.version}, not {arguments.at}"
            print(f"npgen: {text}", file=sys.stderr)
            status = FAILED
        elif arguments.text:
            text = meaning(p, p.version if arguments.at is None else arguments.at)
            sys.stdout.write(text)
        else:
            for version, digest in enumerate(digests(p), OLDEST):
                if arguments.at in (None, version):
                    print(f"{p.name} {version} {digest}")
    return status


def _graph(arguments: argparse.Namespace) -> int:
    from .graph.command import NothingToDraw, graph
    from .graph.svg import GraphvizMissing, svg

    if len(arguments.schemas) > 1:
        print("npgen graph: one SCHEMA at a time", file=sys.stderr)
        return USAGE
    (result,) = _load(arguments)
    if _print(result.reporter) or result.protocol is None:
        return FAILED
    try:
        wish = (arguments.conversation, arguments.message, arguments.parser)
        text = graph(result.protocol, *wish)
        sys.stdout.write(svg(text) if arguments.format == "svg" else text)
    except (NothingToDraw, GraphvizMissing) as error:
        print(f"npgen: {error}", file=sys.stderr)
        return FAILED
    return OK
