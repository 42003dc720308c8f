"""Signs of a lack of memory in logs, and the memory that is available."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError
from edge_lab.handle.lab import Lab

LOG_SECONDS = 60.0
_SHORTAGE = re.compile(
    r"Out of memory[^:]*: Killed process|Kernel panic - not syncing: "
    r"(?:Out of memory|System is deadlocked on memory)|page allocation failure"
    r"|Initramfs unpacking failed|not enough memory"
)
"""For the whole node only, not for a pod at its own limit."""


def shortage_in(text: str) -> list[str]:
    """The lines of a console or a journal that report a lack of memory of the node."""
    return [line.strip() for line in text.splitlines() if _SHORTAGE.search(line)]


def shortage_in_folder(folder: Path, node: str) -> list[str]:
    """Like `shortage_in`, from the evidence of a lab that was taken down."""
    files = (folder / "consoles" / f"{node}.log", folder / "logs" / f"journal-{node}.log")
    return [
        line
        for file in files
        if file.is_file()
        for line in shortage_in(file.read_text(encoding="utf-8", errors="replace"))
    ]


def kernel_log(lab: Lab, node: str) -> str:
    """The kernel log of all boots of a node; empty if it no longer answers."""
    with suppress(EdgeLabError):
        command = "journalctl --no-pager -o cat -k -b all"
        return lab.machine(node).run(command, Deadline.scaled(LOG_SECONDS), check=False).stdout
    return ""


def available_mib(lab: Lab, node: str) -> float | None:
    """MemAvailable of a node; None if it is not reported."""
    with suppress(EdgeLabError):
        said = lab.machine(node).read("/proc/meminfo", Deadline.scaled(LOG_SECONDS)).decode()
        if found := re.search(r"^MemAvailable:\s+(\d+) kB$", said, re.MULTILINE):
            return int(found[1]) / 1024
    return None
