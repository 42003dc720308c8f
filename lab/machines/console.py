"""The serial console of a machine: a log that is read from marks, and its fatal lines.

QEMU appends the guest's output to one file for the lifetime of the lab.  Take a mark before
waiting for a line, so that no earlier line matches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError


class Fatal(StrEnum):
    """Why a machine cannot continue."""

    PANIC = "kernel panic"
    """The kernel died; includes an oops, which the lab's kernels turn into a panic."""
    OUT_OF_MEMORY = "out of memory"
    FAILED_UNIT = "failed unit"
    SILENT = "silence"
    """The kernel did not print its first line in time: the firmware hangs."""


@dataclass(frozen=True)
class FatalLine:
    """The line of the console that ends a wait."""

    kind: Fatal
    line: str


class MachineDied(LabError):
    """The console shows that the machine cannot continue; `fatal` is the line that shows it."""

    def __init__(self, machine: str, fatal: FatalLine, log: Path) -> None:
        super().__init__(
            f"{machine}: {fatal.kind} on its console: {fatal.line}", remedy=f"Console: {log}"
        )
        self.fatal = fatal


_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-B]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>78cM])"
)

# The kernel's prefix of a message: a time stamp, and possibly the id of the caller.
_STAMP = r"^\s*(?:<\d>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])?\s+"

_PATTERNS: tuple[tuple[Fatal, re.Pattern[str]], ...] = (
    (
        Fatal.PANIC,
        re.compile(
            _STAMP + r"(?:"
            r"(?:---\[ end )?Kernel panic - not syncing\b"
            r"|Oops(?: - [\w ]+)?(?::| \[#\d+\])"  # riscv: "Oops [#1]"; x86: "Oops: 0002 [#1]"
            r"|Internal error: .*\[#\d+\]"  # arm64
            r"|(?:int3|general protection fault|stack segment|divide error|invalid opcode)\b.*:"
            r" 0000 \[#\d+\]"
            r"|BUG: (?:kernel NULL pointer|unable to handle|stack guard page|TASK stack|Bad page)"
            r"|kernel BUG at "
            r"|Unable to handle kernel "
            r"|VFS: Unable to mount root "
            r")"
        ),
    ),
    # The initial RAM disk of the lab's images prints the reason before it ends with a panic.
    (Fatal.PANIC, re.compile(r"^edge-lab: FATAL: ")),
    (
        Fatal.OUT_OF_MEMORY,
        re.compile(
            _STAMP + r"(?:"
            r"(?:Memory cgroup out|Out) of memory: Killed process \d+"
            r"|oom-kill:constraint="
            r"|[\w.:/()-]+ invoked oom-killer:"
            r")"
        ),
    ),
    (
        Fatal.FAILED_UNIT,
        re.compile(r"^\s*\[\s*FAILED\s*\] Failed to (?:start|mount) (?P<unit>\S+)"),
    ),
)


def plain(text: str) -> str:
    """`text` without terminal escapes and carriage returns."""
    return _ESCAPES.sub("", text).replace("\r", "")


def fatal_in(line: str) -> FatalLine | None:
    """Why a line of a console is fatal; None if it is not."""
    clean = plain(line).rstrip()
    for kind, pattern in _PATTERNS:
        if pattern.search(clean):
            return FatalLine(kind, clean.strip())
    return None


class ConsoleLog:
    """The console of one machine, kept across boots in the file `path`."""

    def __init__(self, machine: str, path: Path) -> None:
        self.machine = machine
        self.path = path

    def mark(self) -> int:
        """The current end of the log, in bytes, to read from later."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def text(self, from_mark: int = 0) -> str:
        """The output since `from_mark`, without terminal escapes."""
        try:
            with self.path.open("rb") as log:
                log.seek(from_mark)
                return plain(log.read().decode(errors="replace"))
        except FileNotFoundError:
            return ""

    def tail(self, lines: int = 20) -> str:
        """The last lines."""
        return "\n".join(self.text(max(0, self.mark() - 64 * 1024)).splitlines()[-lines:])

    def fatal_line(
        self,
        from_mark: int = 0,
        kinds: frozenset[Fatal] = frozenset(Fatal),
        allowed_units: frozenset[str] = frozenset(),
    ) -> FatalLine | None:
        """The first fatal line since `from_mark`, of one of `kinds`; None if there is none.

        A unit whose name is in `allowed_units` may fail.  A panic takes precedence over earlier
        lines, since it is the cause.
        """
        found: list[FatalLine] = []
        complete, newline, _ = self.text(from_mark).rpartition("\n")
        for line in complete.split("\n") if newline else ():
            fatal = fatal_in(line)
            if not fatal or fatal.kind not in kinds:
                continue
            if fatal.kind is Fatal.FAILED_UNIT and any(u in fatal.line for u in allowed_units):
                continue
            found.append(fatal)
        panics = [fatal for fatal in found if fatal.kind is Fatal.PANIC]
        return next(iter(panics or found), None)

    def check(
        self,
        from_mark: int = 0,
        kinds: frozenset[Fatal] = frozenset(Fatal),
        allowed_units: frozenset[str] = frozenset(),
    ) -> None:
        """Raises MachineDied if there is a fatal line since `from_mark`."""
        fatal = self.fatal_line(from_mark, kinds, allowed_units)
        if fatal:
            raise MachineDied(self.machine, fatal, self.path)

    def wait_for(self, pattern: str, deadline: Deadline, from_mark: int = 0) -> re.Match[str]:
        """Waits until a line since `from_mark` matches the regular expression `pattern`.

        Raises MachineDied immediately if the kernel panics, unless `pattern` matches the panic
        itself.
        """
        wanted = re.compile(pattern, re.MULTILINE)

        def seen() -> re.Match[str] | None:
            found = wanted.search(self.text(from_mark))
            if not found:
                self.check(from_mark, frozenset({Fatal.PANIC}))
            return found

        return deadline.wait_for(f"{self.machine}: {pattern!r} on the console", seen)
