"""The trace of a start as a file in the Trace Event Format: Perfetto and chrome://tracing open it.

The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

Each step is a complete event ("X"; `ts` and `dur` in µs), each lane a thread, named by metadata
("M"). The resources of the host that the lab's processes used are a counter ("C") at the end, when
they were measured, and also arguments of the outermost step. The rest is in `otherData`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from edge_lab.core.errors import InputError
from edge_lab.core.steprecord import Outcome
from edge_lab.evidence.trace import StartTrace, TracedStep
from edge_lab.handle.hostprocesses import HostProcess

MEMORY, CPU = "host memory, MiB (PSS)", "host CPU, s"
FAILED_COLOUR = "terrible"
"""A colour name of chrome://tracing; Perfetto chooses colours by the title."""


def trace_json(trace: StartTrace) -> str:
    """The contents of the file."""
    events = [*_names(trace), *(_complete(trace, step) for step in trace.steps), *_counters(trace)]
    return json.dumps(
        {
            "traceEvents": [{"pid": _PID, **event} for event in events],
            "displayTimeUnit": "ms",
            "otherData": _About(
                version=trace.version,
                lab=trace.lab,
                stack=trace.stack,
                start=trace.kind,
                began=trace.began,
                processes=trace.processes,
            ).model_dump(mode="json"),
        },
        indent=1,
    )


def write_trace(trace: StartTrace, path: Path) -> None:
    """Replaces the file in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(trace_json(trace) + "\n", encoding="utf-8")
    draft.replace(path)


_PID = 1
"""All steps are of one process; its real id is of no interest."""


def _names(trace: StartTrace) -> Iterator[dict[str, Any]]:
    def named(what: str, lane: int, args: dict[str, Any]) -> dict[str, Any]:
        return {"name": what, "ph": "M", "ts": 0, "tid": lane, "args": args}

    yield named("process_name", 0, {"name": f"lab {trace.lab}: {trace.kind}"})
    for lane in sorted({step.lane for step in trace.steps}):
        yield named("thread_name", lane, {"name": lane_name(lane)})
        yield named("thread_sort_index", lane, {"sort_index": lane})


def lane_name(lane: int) -> str:
    return "lab up" if lane == 1 else f"in parallel {lane - 1}"


def _complete(trace: StartTrace, step: TracedStep) -> dict[str, Any]:
    args: dict[str, Any] = {"step": step.id, "parent": step.parent, "outcome": step.outcome.value}
    if step.detail:
        args["detail"] = step.detail
    if step.cut:
        args["cut"] = step.cut
    if step == trace.steps[0] and trace.processes:
        args[MEMORY] = _by_process(trace, "pss_mib")
        args[CPU] = _by_process(trace, "cpu_seconds")
    event = {
        "name": step.title,
        "cat": "step,failed" if step.failed else "step",
        "ph": "X",
        "ts": step.begin,
        "dur": step.length,
        "tid": step.lane,
        "args": args,
    }
    return {**event, "cname": FAILED_COLOUR} if step.failed else event


def _counters(trace: StartTrace) -> Iterator[dict[str, Any]]:
    for name, figure in ((MEMORY, "pss_mib"), (CPU, "cpu_seconds")):
        if values := _by_process(trace, figure):
            yield {"name": name, "ph": "C", "ts": trace.end, "tid": 0, "args": values}


def _by_process(trace: StartTrace, figure: str) -> dict[str, float]:
    """By role and name; equal names are added up, unknown values are left out."""
    found: dict[str, float] = {}
    for process in trace.processes:
        value = getattr(process, figure)
        if value is not None:
            key = f"{process.role.value} {process.name}"
            found[key] = round(found.get(key, 0.0) + value, 2)
    return found


# -- reading -------------------------------------------------------------------------------------


class _About(BaseModel):
    version: str
    lab: str
    stack: str
    start: str
    began: str
    processes: tuple[HostProcess, ...]


class _Arguments(BaseModel):
    step: int
    parent: int | None
    outcome: Outcome
    detail: str = ""
    cut: int = 0


class _Complete(BaseModel):
    name: str
    ts: int
    dur: int
    tid: int
    args: _Arguments


class _File(BaseModel):
    traceEvents: tuple[dict[str, Any], ...]  # noqa: N815 - the format's name
    otherData: _About  # noqa: N815


def read_trace(path: Path) -> StartTrace:
    """Reads the trace at `path`; InputError if it cannot be read or is not the trace of a start."""
    try:
        file = _File.model_validate_json(path.read_bytes())
        events = [
            _Complete.model_validate(event) for event in file.traceEvents if event.get("ph") == "X"
        ]
    except (OSError, ValueError) as trouble:
        raise InputError(f"not the trace of a start: {_reason(trouble)}", file=path) from trouble
    if not events:
        raise InputError("not the trace of a start: it has no steps", file=path)
    about = file.otherData
    steps = tuple(
        TracedStep(
            id=event.args.step,
            parent=event.args.parent,
            title=event.name,
            lane=event.tid,
            begin=event.ts,
            end=event.ts + event.dur,
            outcome=event.args.outcome,
            detail=event.args.detail,
            cut=event.args.cut,
        )
        for event in events
    )
    return StartTrace(
        lab=about.lab,
        stack=about.stack,
        kind=about.start,
        began=about.began,
        version=about.version,
        steps=steps,
        processes=about.processes,
    )


def _reason(trouble: OSError | ValueError) -> str:
    if isinstance(trouble, ValidationError):
        first = trouble.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
    return getattr(trouble, "strerror", None) or str(trouble)
