"""``npgen lock`` and ``npgen breaking``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from ..diagnostics import Reporter, TooManyErrors
from ..load import load_result
from ..model import Protocol, Span
from .compare import compare
from .lock_read import read_lock
from .lock_write import lock_text
from .report import Hurts

SUFFIX = ".lock"


@dataclass
class Run:
    """One schema and its release; what is wrong with either lands in ``reporter``."""

    schema: str
    import_dirs: Sequence[Path]
    reporter: Reporter
    protocol: Optional[Protocol] = None

    def load(self) -> bool:
        """Read the schema; whether that went well."""
        result = load_result(Path(self.schema), self.import_dirs, self.schema)
        self.reporter = result.reporter
        self.protocol = result.protocol
        return self.protocol is not None

    @property
    def lock(self) -> str:
        """The lock file, beside the schema."""
        return str(Path(self.schema).with_suffix(SUFFIX))

    def release(self, against: Optional[str]) -> Optional[Protocol]:
        """The release to compare with: a lock file or an older schema."""
        path = self.lock if against is None else against
        if against is not None and not path.endswith(SUFFIX):
            result = load_result(Path(path), self.import_dirs, path)
            self.reporter.diagnostics += result.reporter.diagnostics
            return result.protocol
        if not Path(path).is_file():
            text = f"there is no {path}; record a release with 'npgen lock {self.schema}'"
            if against is not None:
                text = f"there is no {path}"
            self.reporter.error(Span(self.schema, 1, 1), "lock-missing", text)
            return None
        return read_lock(Path(path), path, self.reporter)

    def breaks(self, old: Protocol, allow: Sequence[str], wire_only: bool) -> None:
        """Report what breaks between a release and the schema."""
        assert self.protocol is not None
        for found in compare(old, self.protocol):
            if found.rule in allow or (wire_only and found.hurts is Hurts.SOURCE):
                continue
            try:
                self.reporter.error(found.span, found.rule, found.message)
            except TooManyErrors:
                return


def start(schema: str, import_dirs: Sequence[Path]) -> Run:
    """A run about one schema."""
    return Run(schema, import_dirs, Reporter())


def write_lock(run: Run) -> str:
    """The text of the schema's release."""
    assert run.protocol is not None
    return lock_text(run.protocol)
