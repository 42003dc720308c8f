"""What the witness of a node records, and what is read from its log."""

from __future__ import annotations

import json
from pathlib import Path

from edge_lab.addons.witness import parse_runs, running_at
from edge_lab.addons.witness.program import Log, compare, part_processes


def process(proc: Path, pid: int, start: int, *words: str) -> None:
    folder = proc / str(pid)
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes("\0".join((*words, "")).encode())
    fields = " ".join(["S", *["0"] * 18, str(start), "0"])
    (folder / "stat").write_text(f"{pid} (a) b) {fields}\n")


def test_processes_of_parts_are_known_by_their_arguments(tmp_path: Path) -> None:
    process(tmp_path, 7, 100, "/edge", "pause", "part=agent", "revision=r1")
    process(tmp_path, 8, 101, "/edge", "pause")
    process(tmp_path, 9, 102, "/sbin/init", "part=agent")
    (tmp_path / "10").mkdir()
    (tmp_path / "meminfo").write_text("")
    assert part_processes(tmp_path) == {"7/100": ("agent", "r1")}


def test_what_is_recorded_is_read_back(tmp_path: Path) -> None:
    log = Log(tmp_path / "witness.jsonl")
    log.add("looks")
    compare(log, {}, {"7/1": ("agent", "r1")})
    compare(log, {"7/1": ("agent", "r1")}, {"9/2": ("agent", "r2")})
    runs = parse_runs((tmp_path / "witness.jsonl").read_text())
    assert [(run.revision, run.ended is None) for run in runs] == [("r1", False), ("r2", True)]
    assert running_at(runs, "agent", runs[1].began) == ("r2",)


def line(time: float, what: str, revision: str = "", process: str = "") -> str:
    part = "agent" if revision else ""
    record = {"time": time, "what": what, "part": part, "revision": revision, "process": process}
    return "\n" + json.dumps(record) + "\n"


def test_a_witness_that_starts_anew_tells_what_goes_on_from_what_has_ended() -> None:
    before = line(1, "looks") + line(2, "runs", "r1", "7/1") + line(2, "runs", "r2", "8/1")
    runs = parse_runs(before + line(50, "looks") + line(51, "runs", "r1", "7/1"))
    assert sorted((run.revision, run.began, run.ended) for run in runs) == [
        ("r1", 2, None),
        ("r2", 2, 50),
    ]


def test_torn_lines_are_passed_over() -> None:
    torn = line(2, "runs", "r1", "7/1")[:30] + "\0\0\0"
    runs = parse_runs(line(1, "looks") + torn + line(3, "runs", "r2", "8/1"))
    assert [run.revision for run in runs] == ["r2"]
