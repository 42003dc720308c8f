"""The witness of edge nodes: a unit that records what runs there (program.py), and its records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.addons.guestprogram import PYTHON, guest_program
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks.unit import Service

PART_LABEL = "edge-lab.local/part"
"""Label of pods with their part, as in the arguments of the process, which the witness reads."""
EVERY_SECONDS = 1.0
"""Polling interval: the maximum delay between a start and its record."""


@dataclass(frozen=True)
class Run:
    """One process of a part on one node."""

    part: str
    revision: str
    process: str
    began: float
    """When it was seen first, seconds since 1970."""
    ended: float | None = None
    """When it was first missing; None if it runs. After a loss of power, the time of the next start
    of the witness."""


def log_path(state: str) -> str:
    """The witness's log, in the folder `state` below /var/lib."""
    return f"/var/lib/{state}/witness.jsonl"


def witness_provision(name: str, home: str, state: str) -> Provision:
    """The unit of that name, with its program in `home` and its log in `state` below /var/lib."""
    program = f"{home}/witness.py"
    service = Service(
        name=name,
        description="Recorder of running revisions",
        command=(
            *(*PYTHON, program),
            *("--log", log_path(state), "--every", f"{EVERY_SECONDS:g}"),
        ),
        state_directory=state,
    )
    return service.provision(GuestFile.text(program, guest_program(__name__, "program")))


def parse_runs(text: str) -> tuple[Run, ...]:
    """The runs of a log, by their beginnings; incomplete lines are ignored."""
    over: list[Run] = []
    running: dict[str, Run] = {}
    before: dict[str, Run] = {}
    for line in text.replace("\0", "").splitlines():
        try:
            record = json.loads(line)
            what, time, process = record["what"], float(record["time"]), record["process"]
        except (ValueError, KeyError, TypeError):
            continue
        if what == "looks":
            # A process that it finds again has kept running: only the witness was restarted.
            before |= {key: _ended(run, time) for key, run in running.items()}
            running = {}
        elif what == "runs":
            known = before.pop(process, None)
            began = known.began if known is not None else time
            running[process] = Run(record["part"], record["revision"], process, began)
        elif process in running:
            over.append(_ended(running.pop(process), time))
    found = (*over, *before.values(), *running.values())
    return tuple(sorted(found, key=lambda run: run.began))


def _ended(run: Run, time: float) -> Run:
    return Run(run.part, run.revision, run.process, run.began, time)


def running_at(runs: Iterable[Run], part: str, time: float) -> tuple[str, ...]:
    """The revisions of a part that ran at a time."""
    return tuple(
        run.revision
        for run in runs
        if run.part == part and run.began <= time and (run.ended is None or run.ended > time)
    )


def first_run(runs: Sequence[Run], part: str, revision: str) -> Run | None:
    return next((run for run in runs if run.part == part and run.revision == revision), None)
