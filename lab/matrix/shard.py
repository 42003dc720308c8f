"""Runs one shard: pytest in a lab of its own, with its results in a folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.home import cache_home
from edge_lab.core.step import step, warn
from edge_lab.matrix.plan import Plan, Shard, digest_of
from edge_lab.matrix.record import (
    ALLURE,
    JUNIT,
    SUMMARY,
    Record,
    new_attempt,
    number_of,
    settled,
    shard_folder,
    write_record,
)
from edge_lab.report.runs import ExitCode
from edge_lab.upkeep.importing import import_archive

GRACE_SECONDS = 120.0
"""Time for pytest to end in order, with its summary and `lab down`, before it is killed."""
IMPORT_SECONDS = 3600.0
PYTHON = sys.executable


def run_shard(plan: Plan, index: int, results: Path, *, more: Sequence[str] = ()) -> Record:
    """Runs the shard, unless it has a final result already; `more` are arguments for pytest.

    Raises:
        InputError: there is no such shard, its topology is not the plan's, or `results` has
            results of another plan.
    """
    shard = plan.shard(index)
    before = settled(plan, results, index)
    if before is not None:
        return before
    _check_topology(shard)
    attempt = new_attempt(shard_folder(results, index))
    began, clock = time.time(), time.monotonic()
    code = _pytest([*arguments(shard, attempt), *more], limit_of(plan.limit_s))
    record = Record(
        plan=plan.digest,
        shards=len(plan.shards),
        shard=shard,
        attempt=number_of(attempt),
        code=code,
        started=began,
        seconds=round(time.monotonic() - clock, 3),
    )
    write_record(attempt, record)
    return record


def arguments(shard: Shard, attempt: Path) -> list[str]:
    """The arguments of pytest."""
    return [
        *(each.path for each in shard.files),
        f"--lab-topology={shard.topology}",
        f"--lab-stack={shard.stack}",
        f"--alluredir={attempt / ALLURE}",
        f"--junitxml={attempt / JUNIT}",
        f"--lab-summary={attempt / SUMMARY}",
    ]


def limit_of(seconds: float) -> Deadline:
    """The time that the matrix file gives is the same on every host."""
    return Deadline.after(seconds)


def _check_topology(shard: Shard) -> None:
    if digest_of(Path(shard.topology)) != shard.topology_digest:
        raise InputError(
            "this topology is not the one of the plan",
            file=shard.topology,
            remedy="Use the files of the plan, in the image or on the host, or plan again.",
        )


def _pytest(words: Sequence[str], deadline: Deadline) -> int:
    process = subprocess.Popen([PYTHON, "-m", "pytest", *words])
    try:
        try:
            code = process.wait(deadline.remaining)
        except subprocess.TimeoutExpired:
            warn(f"the shard has taken {deadline.total:.0f} s, which is its limit: it is ended")
            return int(ExitCode.LAB_BROKE)
        if code < 0:
            warn(f"pytest was ended by signal {-code}")
            return int(ExitCode.LAB_BROKE)
        return code
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Lets it end in order; SIGTERM is to pytest what Ctrl-C is."""
    if process.poll() is not None:
        return
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(Deadline.scaled(GRACE_SECONDS).remaining)
        return
    process.kill()
    process.wait()


def import_cache(archive: Path) -> None:
    """Adds the components of an exported tar to the cache; without them they are built."""
    if not archive.is_file():
        warn(f"there is no {archive}: the cache begins empty")
        return
    with step(f"import {archive}"):
        try:
            import_archive(cache_home(), archive, Deadline.scaled(IMPORT_SECONDS))
        except InputError as trouble:
            warn(f"the cache begins empty: {trouble.message}")


def index_of_pod() -> int | None:
    """JOB_COMPLETION_INDEX, which Kubernetes sets in the pods of an Indexed Job.

    Raises:
        InputError: it is not a number.
    """
    text = os.environ.get("JOB_COMPLETION_INDEX", "")
    if text and not text.isdecimal():
        raise InputError(
            f"JOB_COMPLETION_INDEX is {text!r}", remedy="Kubernetes sets it to a number."
        )
    return int(text) if text else None
