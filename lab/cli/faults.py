"""The commands that break a lab: `lab chaos` for plans, `lab fault` by hand."""

from __future__ import annotations

import typing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import BaseModel
from rich.markup import escape
from rich.table import Table

from edge_lab.cli.common import (
    DEFAULT_TOPOLOGY,
    AsJson,
    LabName,
    chosen,
    err,
    out,
    print_json,
    topology_file,
)
from edge_lab.cli.outputs import check_folder
from edge_lab.cli.progress import showing_steps
from edge_lab.cli.render import plain_table
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.interrupts import interrupts_noted

if TYPE_CHECKING:
    from edge_lab.faults.engine import FaultEngine
    from edge_lab.faults.plan import Plan
    from edge_lab.faults.records import FaultRecord
    from edge_lab.faults.runner import PlanRun
    from edge_lab.handle.lab import Lab
    from edge_lab.report.cells import CellRecord
    from edge_lab.topology import Topology

fault = typer.Typer(help="Break a running lab by hand, and heal it.", no_args_is_help=True)


# -- plans -----------------------------------------------------------------------------------


def chaos(
    plan: Annotated[Path, typer.Argument(help="The plan file.", dir_okay=False)],
    lab: LabName = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="In place of the seed in the file.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be done, and when.")
    ] = False,
    verdict: Annotated[
        bool, typer.Option("--verdict", help="Watch the edge nodes, and judge what they did.")
    ] = False,
    times: Annotated[
        int, typer.Option(min=1, help="Run it so often, and show how the verdicts vary.")
    ] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Keep recordings, pictures and verdicts here."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a plan of faults; each proves itself, and all are healed at the end."""
    from edge_lab.faults.plan import load_plan

    if output is not None and not dry_run:
        check_folder(output, "--output")
    if dry_run:
        read = load_plan(plan, _topology(lab), seed=seed)
        if as_json:
            print_json(_schedule_json(read))
        else:
            _print_heading(read)
            out.print(_schedule_table(read))
            _print_replay(plan, read)
        return
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine
    from edge_lab.faults.limits import scaled_limit
    from edge_lab.faults.runner import PlanFailed, plan_deadline, run_plan

    running = attach(chosen(lab))
    engine = FaultEngine.of(running)
    read = load_plan(plan, running.topology, seed=seed, ask=engine.check)
    if verdict or times > 1 or output is not None:
        _try(running, plan, read, times, output, as_json=as_json)
        return
    deadline = plan_deadline(read, scaled_limit())
    try:
        with showing_steps(err):
            run = run_plan(read, engine, deadline=deadline)
    except PlanFailed as trouble:
        _print_run(plan, trouble.run, as_json=as_json)
        raise
    _print_run(plan, run, as_json=as_json)


def _try(
    lab: Lab, file: Path, plan: Plan, times: int, output: Path | None, *, as_json: bool
) -> None:
    from edge_lab.faults.limits import scaled_limit
    from edge_lab.report.compare import comparison_of, comparison_table
    from edge_lab.trials.trials import try_plan

    logs: list[str] = []
    cells: list[CellRecord] = []
    not_kept: OSError | None = None
    for number in range(1, times + 1):
        with showing_steps(err):
            trial = try_plan(lab, plan, scaled_limit())
        logs.append(trial.run.log())
        cells += trial.cells()
        if output is not None:
            # What three minutes have shown is told, whether it can be kept or not.
            try:
                trial.write(output, f"{plan.name}-{number}")
            except OSError as trouble:
                not_kept = trouble
        for each in trial.verdicts:
            text = str(each).splitlines()[0] if each.passed else str(each)
            err.print(f"run {number}: {escape(text)}", highlight=False)
    comparison = comparison_of(cells)
    same = len(set(logs)) == 1
    if as_json:
        print_json(
            {
                "plan": plan.name,
                "seed": plan.seed,
                "times": times,
                "same_fault_log": same,
                "fault_logs": sorted(set(logs)),
                "comparison": comparison.model_dump(mode="json"),
            }
        )
    else:
        _print_heading(plan)
        out.print(comparison_table(comparison))
        out.print(
            f"{times} runs, {'one' if same else len(set(logs))} fault log"
            f"{'' if same else 's'}; {sum(cell.passed is True for cell in cells)} of {len(cells)} "
            "verdicts passed",
            highlight=False,
        )
        _print_replay(file, plan)
    if not_kept is not None:
        err.print(f"not kept in {escape(str(output))}: {escape(str(not_kept))}", highlight=False)
    if not same:
        raise LabError(
            "the fault log differs between runs of one seed",
            remedy="Look at the logs with --output: a fault was not seen, or came too late.",
        )
    if not all(cell.passed for cell in cells):
        raise typer.Exit(1)
    if not_kept is not None:
        raise typer.Exit(LabError.exit_code)


def _topology(lab: str | None) -> Topology:
    """Of the lab that is up, or of the default topology file if none is."""
    from edge_lab.addons import load_topology
    from edge_lab.core.home import RunDir
    from edge_lab.handle.state import read_state

    name = chosen(lab)
    state = read_state(RunDir(name))
    if state is not None:
        return state.topology
    if lab:
        raise InputError(f"there is no lab {name!r}", remedy="`lab up` brings one up.")
    return load_topology(topology_file(DEFAULT_TOPOLOGY))


def _schedule_json(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.name,
        "seed": plan.seed,
        "lasts_s": plan.lasts_s,
        "faults": [
            {"at_s": each.at_s, "for_s": each.for_s, "fault": each.fault.model_dump(mode="json")}
            for each in plan.schedule()
        ],
    }


def _schedule_table(plan: Plan) -> Table:
    table = _wrapping(plain_table("", "at", "for", "fault"))
    for each in plan.schedule():
        table.add_row(*each.times, escape(each.fault.title))
    return table


def _print_run(file: Path, run: PlanRun, *, as_json: bool) -> None:
    if as_json:
        print_json(run.as_json())
        return
    table = _wrapping(plain_table("", "at", "for", "fault", "outcome", "seen"))
    for each in run.happened:
        table.add_row(
            *each.planned.times,
            escape(each.planned.fault.title),
            each.outcome.value,
            escape(each.record.proof if each.record else ""),
        )
    _print_heading(run.plan)
    out.print(table)
    _print_replay(file, run.plan)


def _print_heading(plan: Plan) -> None:
    from edge_lab.core.durations import show_duration

    lasts = show_duration(plan.lasts_s)
    out.print(f"plan [bold]{plan.name}[/], seed {plan.seed}, {lasts}", highlight=False)


def _print_replay(file: Path, plan: Plan) -> None:
    out.print(
        f"the same again: lab chaos {escape(str(file))} --seed {plan.seed}",
        highlight=False,
        soft_wrap=True,
        style="dim",
    )


# -- by hand ---------------------------------------------------------------------------------


@fault.command()
def add(
    spec: Annotated[
        list[str],
        typer.Argument(
            help="As in a plan, without times: '{fault: drop, link: arm-cloud}', "
            "or in short: drop link=arm-cloud direction=tx."
        ),
    ],
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """Inject a fault; returns when its effect was seen. It lasts until `lab fault heal`."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine
    from edge_lab.faults.plan import check_fault, parse_fault
    from edge_lab.faults.schedule import is_momentary

    wanted = parse_fault(spec)
    running = attach(chosen(lab))
    check_fault(wanted, running.topology)
    engine = FaultEngine.of(running)
    with showing_steps(err):
        record = engine.inject(wanted)
        if is_momentary(wanted):
            record = _over(engine, record)
    if as_json:
        print_json(record.model_dump(mode="json"))
        return
    seen = f"fault {record.id}: {wanted.title}; seen: {record.proof}"
    end = f"over: {record.cure}" if is_momentary(wanted) else f"end it: lab fault heal {record.id}"
    out.print(f"{escape(seen)}\n{escape(end)}", highlight=False, soft_wrap=True)


def _over(engine: FaultEngine, record: FaultRecord) -> FaultRecord:
    """Waits until a fault is over that ends by itself; an interrupt is put off until then."""
    try:
        return engine.heal(record)
    except KeyboardInterrupt:
        with interrupts_noted(lambda: None):
            engine.heal(record)
        raise


@fault.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that are healed, too.")] = False,
    lab: LabName = None,
    as_json: AsJson = False,
) -> None:
    """The faults in force."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine

    engine = FaultEngine.of(attach(chosen(lab)))
    records = engine.history() if everything else engine.in_force()
    if as_json:
        print_json([record.model_dump(mode="json") for record in records])
        return
    if not records:
        out.print("no faults" if everything else "no faults in force")
        return
    table = _wrapping(plain_table("faults", "id", "fault", "since", "until", "seen"))
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
        list[int] | None, typer.Argument(metavar="[ID]...", help="See `lab fault list`.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are in force.")] = False,
    lab: LabName = None,
) -> None:
    """Heal faults; returns when each cure was seen."""
    from edge_lab.bringup.attach import attach
    from edge_lab.faults.engine import FaultEngine

    if bool(ids) == everything:
        raise InputError(
            "say which faults are to be healed: ids, or --all",
            remedy="`lab fault list` shows what is in force.",
        )
    engine = FaultEngine.of(attach(chosen(lab)))
    records = _to_heal(engine.in_force(), ids or [], everything=everything)
    healed: list[FaultRecord] = []
    with showing_steps(err):
        if everything:
            engine.heal_all()
            healed += records
        else:
            healed += [engine.heal(record) for record in records]
    if not healed:
        out.print("no faults in force")
    for record in healed:
        out.print(f"healed: {escape(record.fault.title)}", highlight=False)


def _to_heal(
    in_force: tuple[FaultRecord, ...], ids: list[int], *, everything: bool
) -> list[FaultRecord]:
    by_id = {record.id: record for record in in_force}
    if everything:
        return list(in_force)
    for each in ids:
        if each not in by_id:
            known = ", ".join(map(str, by_id)) or "none"
            raise InputError(f"no fault {each} is in force", remedy=f"In force: {known}.")
    return [by_id[each] for each in dict.fromkeys(ids)]


def _clock(ns: int) -> str:
    """In the reader's own time."""
    return f"{datetime.fromtimestamp(ns / 1e9):%H:%M:%S}"


@fault.command()
def kinds() -> None:
    """All faults there are, with their fields."""
    table = _wrapping(plain_table("faults", "fault", "fields", "what it does"))
    for kind, fields, what in kind_rows():
        table.add_row(escape(kind), escape(fields), escape(what))
    out.print(table)


@fault.command("profiles")
def list_profiles() -> None:
    """Kinds of lines by name, for the fault `profile`."""
    from edge_lab.faults.profiles import PROFILES

    table = _wrapping(plain_table("line profiles", "name", "what", "up", "down", "source"))
    for each in PROFILES.values():
        cells = (each.name, each.what, str(each.up), str(each.down), each.source)
        table.add_row(*map(escape, cells))
    out.print(table)


def kind_rows() -> list[tuple[str, str, str]]:
    """Name, fields and meaning of each fault; each thing that a device may do has its own row."""
    from edge_lab.faults.kinds import OnDevice
    from edge_lab.faults.plan import FAULT_KINDS

    rows = []
    for model in FAULT_KINDS:
        name = _constant(model, "fault")
        if model is OnDevice:
            for does in typing.get_args(OnDevice.model_fields["does"].annotation):
                inner = f"kind: {_constant(does, 'kind')}" + "".join(
                    f", {field}" for field in _fields(does, "kind")
                )
                rows.append((name, f"device, does={{{inner}}}", _meaning(does)))
        else:
            rows.append((name, ", ".join(_fields(model, "fault")), _meaning(model)))
    return rows


def _constant(model: type[BaseModel], field: str) -> str:
    return str(model.model_fields[field].default)


def _fields(model: type[BaseModel], tag: str) -> list[str]:
    """Those that must be given first; the others in brackets, with their defaults."""
    own = {name: field for name, field in model.model_fields.items() if name != tag}
    must = [name for name, field in own.items() if field.is_required()]
    may = [
        f"[{name}]" if field.default in (None, ()) else f"[{name}={field.default}]"
        for name, field in own.items()
        if name not in must
    ]
    return must + may


def _meaning(model: type[BaseModel]) -> str:
    paragraph = (model.__doc__ or "").strip().partition("\n\n")[0]
    return " ".join(paragraph.split())


def _wrapping(table: Table) -> Table:
    """Long cells are shown in full, on several lines."""
    for column in table.columns[1:]:
        column.no_wrap = False
        column.overflow = "fold"
    return table
