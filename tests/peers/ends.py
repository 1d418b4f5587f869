"""Two programs that talk, and whoever sits in between."""

import subprocess
import tempfile
import threading
from typing import IO

# How a program ends; the same numbers stand in each of them. TOLD: the other side said an Error.
FINE, REFUSED, GONE, TOLD = 0, 3, 4, 5
TIMEOUT_S = 20.0  # of one talk: nothing in it takes a second


class End:
    """A program with pipes; what it says about itself goes to a file, which cannot fill up."""

    def __init__(self, command: list[str]) -> None:
        self.words = tempfile.TemporaryFile()
        # It ends with this one, also where that is killed for taking too long.
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.words,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.input: IO[bytes] = self.process.stdin
        self.output: IO[bytes] = self.process.stdout
        # Its end is the end of every read from it, so nothing here waits for ever.
        self.watchdog = threading.Timer(TIMEOUT_S, self.process.kill)
        self.watchdog.start()

    def hang_up(self) -> None:
        try:
            self.input.close()
        except BrokenPipeError:
            pass

    def finish(self) -> tuple[int, str]:
        """Its status and what it said. Negative: it was killed, or crashed."""
        self.hang_up()
        status = self.process.wait()
        self.watchdog.cancel()
        self.output.close()
        self.words.seek(0)
        said = self.words.read().decode("utf-8", "replace").strip()
        self.words.close()
        return status, said


class Tally:
    """Counts the talks, and tells what went otherwise than it should."""

    def __init__(self) -> None:
        self.talks = 0
        self.failures = 0

    def compare(
        self, what: str, wanted: list[set[int]], ends: list[tuple[int, str]]
    ) -> None:
        """wanted: how each of the two may end."""
        self.talks += 1
        if all(status in may for may, (status, _) in zip(wanted, ends, strict=True)):
            return
        self.failures += 1
        print(f"FAILED: {what}: ended with {[status for status, _ in ends]}, not {wanted}")
        for _, said in ends:
            print(f"    {said or '(nothing said)'}")

    def status(self) -> int:
        print(f"{self.talks} talks, {self.failures} failures")
        return 1 if self.failures else 0
