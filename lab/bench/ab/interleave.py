"""Interleaves both sides: A B B A, B A A B, …, each turn in a separate process."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_lab.bench.ab import harness
from edge_lab.bench.ab.benchmarks import Benchmark, Figure
from edge_lab.bench.ab.judging import Block
from edge_lab.bench.ab.sides import Source
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.data import LABS

UNDO_SECONDS = 60.0
"""Seconds to take a lab down."""


@dataclass(frozen=True)
class Turn:
    """The results of one process for one side."""

    values: Mapping[str, float]
    """By figure."""
    failed: Mapping[str, str]
    """By benchmark, why it has no values."""


Take = Callable[[Source], Turn]


@dataclass
class Series:
    """One figure of both sides."""

    benchmark: str
    figure: Figure
    blocks: list[Block] = field(default_factory=list)
    failed: str = ""
    """Why there are no values; there are no blocks then."""


def measure(
    sides: Sequence[Source], benchmarks: Sequence[Benchmark], blocks: int, take: Take
) -> list[Series]:
    """Each figure of each benchmark, `blocks` times two turns of each side.

    One turn of each side is for warm-up, to fill bytecode and file caches.

    Raises:
        LabError: a benchmark fails on B, or intermittently, or lacks a figure there that A has.
    """
    failed: dict[str, str] = {}
    a, b = sides
    given: dict[str, Turn] = {}
    for letter, source in (("A", a), ("B", b)):
        with step(f"warm-up {letter}"):
            turn = given[letter] = take(source)
        for name, why in turn.failed.items():
            if letter == "B":
                raise LabError(f"{name} cannot be measured on B: {why}")
            failed[name] = why
    series = [
        Series(benchmark.name, figure, failed=failed.get(benchmark.name, ""))
        for benchmark in benchmarks
        for figure in benchmark.figures
    ]
    for each_series in series:
        _require_figure(each_series, [given["A"]], [given["B"]])
    for number in range(1, blocks + 1):
        order = "ABBA" if number % 2 else "BAAB"
        turns: dict[str, list[Turn]] = {"A": [], "B": []}
        with step(f"block {number} of {blocks}: {order}") as block:
            for turn_number, letter in enumerate(order):
                block.progress(f"turn {turn_number + 1}, {letter}", turn_number / len(order))
                turns[letter].append(take(a if letter == "A" else b))
        for each_series in series:
            _append(each_series, turns)
    return series


def _append(series: Series, turns: Mapping[str, Sequence[Turn]]) -> None:
    if series.failed:
        return
    for letter, taken in turns.items():
        for turn in taken:
            if why := turn.failed.get(series.benchmark):
                raise LabError(f"{series.benchmark} failed on {letter}, not at first: {why}")
    _require_figure(series, turns["A"], turns["B"])
    name = series.figure.name
    a, b = (
        tuple(turn.values[name] for turn in turns[letter] if name in turn.values)
        for letter in ("A", "B")
    )
    if a and b:
        series.blocks.append(Block(a, b))
    elif not series.blocks:
        series.failed = "its benchmark did not give it"


def _require_figure(series: Series, a: Sequence[Turn], b: Sequence[Turn]) -> None:
    name = series.figure.name
    if any(name in turn.values for turn in a) and not any(name in turn.values for turn in b):
        raise LabError(f"{series.benchmark} gives no {name!r} on B, and does on A")


def taking(benchmarks: Sequence[Benchmark]) -> Take:
    """Runs a turn of these benchmarks in a process."""
    names = [benchmark.name for benchmark in benchmarks]
    return lambda source: _taken(source, names)


def _taken(source: Source, names: Sequence[str]) -> Turn:
    side = source.side
    topology = side.topology or LABS / "default.yaml"
    argv = [sys.executable, "-P", str(Path(harness.__file__).resolve())]
    argv += ["--topology", str(topology), *(["--stack", side.stack] if side.stack else [])]
    with _ending(
        subprocess.Popen(
            [*argv, *names],
            env=_environment(source),
            stdout=subprocess.PIPE,
            stderr=source.log,
            text=True,
            # Only this process handles Ctrl-C; it lets the other one undo its work undisturbed.
            start_new_session=True,
        )
    ) as process:
        answer, _ = process.communicate()
    if process.returncode:
        source.log.seek(0)
        last = source.log.read().strip().splitlines()[-1:]
        raise LabError(
            f"{side.text}: the benchmarks ended with {process.returncode}: {''.join(last)}"
        )
    said = json.loads(answer)
    imported = (source.folder / "edge_lab").resolve()
    if Path(said["source"]) != imported:
        raise LabError(f"{side.text}: {said['source']} was measured in place of {imported}")
    return Turn(said["values"], said["failed"])


@contextlib.contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """If the block is interrupted, lets the process undo its work, such as a lab or a fabric."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(Deadline.scaled(UNDO_SECONDS).remaining)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _environment(source: Source) -> dict[str, str]:
    """The side's sources come first. Bytecode is kept from the warm-up."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join(filter(None, (str(source.folder), given.get("PYTHONPATH", ""))))
    return {**given, "PYTHONPATH": path, **dict(source.side.environment)}
