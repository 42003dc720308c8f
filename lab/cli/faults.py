"""`lab fault`: injects faults by hand and heals them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edge_lab.cli import faultkinds
from edge_lab.cli.common import AsJson, LabName, chosen, err, out, print_json
from edge_lab.cli.progress import showing_steps
from edge_lab.cli.render import plain_table, wrapped
from edge_lab.core.errors import InputError
from edge_lab.core.interrupts import interrupts_noted

if TYPE_CHECKING:
    from edge_lab.faults.engine import FaultEngine
    from edge_lab.faults.fault import Fault
    from edge_lab.faults.records import FaultRecord

fault = typer.Typer(help="Inject faults into a running lab and heal them.", no_args_is_help=True)


@fault.command()
def add(
    spec: Annotated[
        list[str],
        typer.Argument(
            help="As in a plan but without times: '{fault: drop, link: arm-cloud}', "
            "or short: drop link=arm-cloud direction=tx."
        ),
    ],
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Inject a fault and wait until its effect is seen. It lasts until `lab fault heal`."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine
    from edge_lab.faults.shorthand import parse_fault

    wanted = parse_fault(spec)
    running = attach(chosen(lab))
    wanted.check(running.topology)
    engine = FaultEngine.of(running)
    with showing_steps(err):
        record = _momentary(engine, wanted) if wanted.is_momentary else engine.inject(wanted)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    seen = f"fault {record.id}: {wanted.title}; seen: {record.proof}"
    end = (
        f"healed: {record.cure}"
        if wanted.is_momentary
        else f"to heal it: lab fault heal {record.id}"
    )
    out.print(f"{escape(seen)}\n{escape(end)}", highlight=False, soft_wrap=True)


def _momentary(engine: FaultEngine, fault: Fault) -> FaultRecord:
    """Waits until a momentary fault is over; once its effect was seen, interrupts are deferred."""
    try:
        return engine.heal(engine.inject(fault))
    except KeyboardInterrupt:
        with interrupts_noted(lambda: None):
            # The interrupt may come before the injection has returned its record.
            for record in engine.active():
                if record.fault == fault:
                    engine.heal(record)
        raise


@fault.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Include healed faults.")] = False,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """List the active faults."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine

    engine = FaultEngine.of(attach(chosen(lab)))
    records = engine.history() if everything else engine.active()
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
        return
    if not records:
        out.print("no faults" if everything else "no active faults")
        return
    table = wrapped(plain_table("faults", "id", "fault", "since", "until", "proof"))
    for record in records:
        table.add_row(
            str(record.id),
            escape(record.fault.title),
            _clock(record.began),
            "" if record.healed is None else _clock(record.healed),
            escape(record.proof) if record.seen else "[red]no effect seen[/]",
        )
    out.print(table)


@fault.command()
def heal(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="IDs from `lab fault list`.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Heal all active faults.")] = False,
    lab: LabName = None,
) -> None:
    """Heal faults and wait until each recovery is seen."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine

    if bool(ids) == everything:
        raise InputError(
            "specify which faults to heal: IDs or --all",
            remedy="Run `lab fault list` to see the active faults.",
        )
    engine = FaultEngine.of(attach(chosen(lab)))
    records = _to_heal(engine.active(), ids or [], everything=everything)
    healed: list[FaultRecord] = []
    with showing_steps(err):
        if everything:
            engine.heal_all()
            healed += records
        else:
            healed += [engine.heal(record) for record in records]
    if not healed:
        out.print("no active faults")
    for record in healed:
        out.print(f"healed: {escape(record.fault.title)}", highlight=False)


def _to_heal(
    active: tuple[FaultRecord, ...], ids: list[int], *, everything: bool
) -> list[FaultRecord]:
    by_id = {record.id: record for record in active}
    if everything:
        return list(active)
    for number in ids:
        if number not in by_id:
            known = ", ".join(map(str, by_id)) or "none"
            raise InputError(f"there is no active fault {number}", remedy=f"Active: {known}.")
    return [by_id[number] for number in dict.fromkeys(ids)]


def _clock(ns: int) -> str:
    """In local time."""
    return f"{datetime.fromtimestamp(ns / 1e9):%H:%M:%S}"


fault.command()(faultkinds.kinds)
fault.command("profiles")(faultkinds.list_profiles)
