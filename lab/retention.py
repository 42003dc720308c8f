"""Evidence of labs that were taken down: logs and consoles are kept a while, then swept."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from lab.home import RunDir, cache_home

KEPT = 5
"""How many labs' evidence stays."""


def keep_evidence(run: RunDir) -> Path | None:
    """Moves logs, consoles and captures of `run` to the cache; None if there are none."""
    rooms = [room for room in (run.logs, run.consoles, run.captures) if room.is_dir()]
    if not any(any(room.iterdir()) for room in rooms):
        return None
    root = cache_home() / "kept"
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    target = root / f"{stamp}-{run.lab}"
    target.mkdir(parents=True)
    for room in rooms:
        room.rename(target / room.name)
    for old in sorted(root.iterdir())[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return target
