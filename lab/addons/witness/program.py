"""Records which revision of which part runs on this node, independently of cluster and kubelet.

    witness.py --log FILE [--every SECONDS]

A process of a part has the part and its revision in its arguments: `part=agent revision=r7`. A
line is written when one is seen for the first time (`runs`), and when it is not there any more
(`ended`):

    {"time": 1700000000.5, "what": "runs", "part": "agent", "revision": "r7", "process": "8/47"}

and one when it starts, with `"what": "looks"`: what ran when the node lost its power has ended
before that. `time` is in seconds since 1970 by the node's clock, `process` the process's number and
its start in ticks since boot.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

PROC = Path("/proc")
Seen = dict[str, tuple[str, str]]


def part_processes(proc: Path = PROC) -> Seen:
    """By process, part and revision."""
    found: Seen = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            given = dict(word.split("=", 1) for word in words if "=" in word)
            if {"part", "revision"} <= given.keys():
                start = (entry / "stat").read_text().rpartition(")")[2].split()[19]
                found[f"{entry.name}/{start}"] = given["part"], given["revision"]
        except (OSError, IndexError):
            continue  # it has ended meanwhile
    return found


class Log:
    """Lines that are on the disk when they are written."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_DSYNC, 0o644)

    def add(self, what: str, part: str = "", revision: str = "", process: str = "") -> None:
        record = {
            "time": time.time(),
            "what": what,
            "part": part,
            "revision": revision,
            "process": process,
        }
        # A line that was torn by a loss of power must not take this one with it.
        os.write(self._file, b"\n" + json.dumps(record).encode() + b"\n")


def compare(log: Log, before: Seen, now: Seen) -> None:
    for process in sorted(before.keys() - now.keys()):
        log.add("ended", *before[process], process)
    for process in sorted(now.keys() - before.keys()):
        log.add("runs", *now[process], process)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--every", type=float, default=1.0)
    given = parser.parse_args()
    log = Log(given.log)
    log.add("looks")
    seen: Seen = {}
    while True:
        now = part_processes()
        compare(log, seen, now)
        seen = now
        time.sleep(given.every)


if __name__ == "__main__":
    main()
