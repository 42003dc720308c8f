"""Evidence of labs that were taken down: logs and consoles of the newest ones are kept."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from edge_lab.core.home import RunDir, cache_home
from edge_lab.machines.daemonrooms import DaemonRooms

KEPT = 5
"""Number of labs whose evidence is kept."""

_KEPT_NAME = re.compile(r"[0-9]{8}T[0-9]{12}-[-a-z0-9]+")
"""Time and lab. Folders with other names are not removed."""


def keep_evidence(run: RunDir) -> Path | None:
    """Moves logs, consoles and captures of `run` to the cache; None if there are none."""
    _take_emulator_logs(run)
    rooms = [room for room in (run.logs, run.consoles, run.captures) if room.is_dir()]
    if not any(any(room.iterdir()) for room in rooms):
        return None
    root = cache_home() / "kept"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    target = root / f"{stamp}-{run.lab}"
    target.mkdir(parents=True)
    for room in rooms:
        room.rename(target / room.name)
    kept = sorted(entry for entry in root.iterdir() if _KEPT_NAME.fullmatch(entry.name))
    for entry in kept[:-KEPT]:
        shutil.rmtree(entry, ignore_errors=True)
    return target


def _take_emulator_logs(run: RunDir) -> None:
    """Moves the logs of the emulators to the lab's logs."""
    for log in DaemonRooms.of(run).emulator_logs.glob("*.log"):
        if run.logs.is_dir() and log.is_file():
            log.replace(run.logs / f"emulator-{log.name}")
