"""`lab watch`: the live state of a lab in a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from edge_lab.cli.common import LabName, chosen, out
from edge_lab.cli.render import BAD, GOOD, devices_table, links_table, nodes_table, plain_table
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.interrupts import interrupts_noted

if TYPE_CHECKING:
    from edge_lab.handle.status import PodStatus
    from edge_lab.live.snapshot import FaultSeen, LabSnapshot, Part

T = TypeVar("T")

ONCE_SECONDS = 20.0
"""Seconds to wait for the first answer of each part with `--once`."""


def watch(
    lab: LabName = None,
    every: Annotated[
        float, typer.Option(min=0.2, max=10, help="Seconds between two updates.")
    ] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="Print the state once, when it is known, and exit.")
    ] = False,
) -> None:
    """Watch a lab in the terminal until Ctrl-C: nodes, links, devices, pods, samples, faults."""
    from edge_lab.live.lab import LiveLab
    from edge_lab.live.place import RunningLab

    name = chosen(lab)
    if not once and not sys.stdout.isatty():
        raise InputError(
            "standard output is no terminal",
            remedy="Use `lab watch --once`, or `lab status --json` for programs.",
        )
    place = RunningLab(name)
    if once:
        place.look()
    over = threading.Event()
    with LiveLab(name, place, read_only=True) as live, interrupts_noted(over.set):
        if once:
            limit = Deadline.scaled(ONCE_SECONDS)
            while not limit.expired and not is_complete(live.snapshot()) and not over.is_set():
                over.wait(every / 4)
            out.print(picture(live.snapshot()))
            return
        with Live(console=out, screen=True, auto_refresh=False) as shown:
            while not over.is_set():
                shown.update(picture(live.snapshot()), refresh=True)
                over.wait(every)


def is_complete(seen: LabSnapshot) -> bool:
    """Whether each part has answered, or has failed to."""
    from edge_lab.live.lab import LOOKING

    if not seen.generation:
        return seen.condition.message != LOOKING
    return all(part.seen is not None or part.unknown_since is not None for part in seen.parts)


def picture(seen: LabSnapshot) -> RenderableType:
    """The known state, and since when other parts are unknown."""
    from edge_lab.live.snapshot import Stage

    lines = [
        f"lab [bold]{escape(seen.lab)}[/]  stack [bold]{escape(seen.stack or '-')}[/]"
        f"  {_clock(seen.now)}"
    ]
    if seen.condition.stage is not Stage.UP:
        lines.append(
            f"{BAD} {escape(seen.condition.message)} (since {_clock(seen.condition.since)})"
        )
        if seen.condition.remedy:
            lines.append(f"[dim]{escape(seen.condition.remedy)}[/]")
    return Group(Text.from_markup("\n".join(lines)), *_parts(seen))


def _parts(seen: LabSnapshot) -> Iterator[RenderableType]:
    if not seen.generation:
        return
    yield from _shown("nodes", seen.nodes, nodes_table)
    yield from _shown("links", seen.links, links_table)
    statuses = [part.value.status for part in seen.devices.values() if part.value]
    if statuses:
        yield devices_table(statuses)
    for name, device in seen.devices.items():
        yield from _unknown(f"device {name}", device)
    yield from _samples(seen)
    yield from _shown("pods", seen.pods, _pods_line)
    yield from _shown("faults", seen.faults, _faults)
    if plan := seen.plan.value:
        at = min(plan.lasts_s, (seen.now - plan.began) / 1e9)
        yield Text(f"plan {plan.name}, seed {plan.seed}: {at:.0f} of {plan.lasts_s:.0f} s")


def _samples(seen: LabSnapshot) -> Iterator[RenderableType]:
    rows = [row for part in seen.samples.values() for row in part.value or ()]
    if rows:
        table = plain_table(
            "samples", *("device", "node", "sampled", "arrived", "waiting", "lost", "repeated")
        )
        for row in rows:
            lost = "unknown" if row.lost is None else f"[red]{row.lost}[/]" if row.lost else "0"
            table.add_row(
                row.device,
                row.node,
                str(row.sampled),
                _number(row.arrived),
                str(row.waiting),
                lost,
                _number(row.repeated),
            )
        yield table
    for node, part in seen.samples.items():
        yield from _unknown(f"samples of {node}", part)


def _pods_line(pods: Sequence[PodStatus]) -> RenderableType:
    ready = sum(pod.ready for pod in pods)
    lines = [f"{GOOD if ready == len(pods) else BAD} {ready} of {len(pods)} pods ready"]
    lines += [
        f"  {escape(pod.namespace)}/{escape(pod.name)} on {escape(pod.node or '-')}: "
        f"{escape(pod.reason or pod.phase)}"
        for pod in pods
        if not pod.ready
    ]
    return Text.from_markup("\n".join(lines))


def _faults(faults: Sequence[FaultSeen]) -> RenderableType:
    active = [fault for fault in faults if fault.healed is None]
    if not active:
        return Text("no active faults", style="dim")
    table = plain_table("active faults", "id", "fault", "since", "proof")
    for fault in active:
        proof = escape(fault.proof) if fault.seen else "not seen yet"
        table.add_row(str(fault.id), f"{BAD} {escape(fault.title)}", _clock(fault.began), proof)
    return table


def _shown(
    name: str, part: Part[T], draw: Callable[[T], RenderableType]
) -> Iterator[RenderableType]:
    if part.value is not None:
        yield draw(part.value)
    yield from _unknown(name, part)


def _unknown(name: str, part: Part[T]) -> Iterator[RenderableType]:
    """A note that the part shows its last known state."""
    if part.unknown_since is None:
        return
    last = "no value yet" if part.seen is None else f"last known {_clock(part.seen)}"
    text = f"{name}: unknown since {_clock(part.unknown_since)} ({last}): {part.trouble}"
    yield Text(text, style="yellow")


def _number(value: int | None) -> str:
    return "unknown" if value is None else str(value)


def _clock(ns: int) -> str:
    """In local time."""
    return f"{datetime.fromtimestamp(ns / 1e9):%H:%M:%S}"
