"""`lab chaos`: runs a fault plan against a lab and judges the effects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
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
from edge_lab.cli.render import plain_table, wrapped
from edge_lab.core.errors import InputError, LabError

if TYPE_CHECKING:
    from edge_lab.faults.plan import Plan
    from edge_lab.faults.runner import PlanRun
    from edge_lab.handle.lab import Lab
    from edge_lab.report.cells import CellRecord
    from edge_lab.topology import Topology


def chaos(
    plan: Annotated[Path, typer.Argument(help="The plan file.", dir_okay=False)],
    lab: LabName = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Use this seed instead of the plan's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the schedule of the faults.")
    ] = False,
    verdict: Annotated[
        bool, typer.Option("--verdict", help="Watch the edge nodes and judge how they behaved.")
    ] = False,
    times: Annotated[
        int, typer.Option(min=1, help="Number of runs; the verdicts are compared.")
    ] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for recordings, timelines and verdicts."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a fault plan; each fault is verified, and all are healed at the end."""
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
    from edge_lab.faults.board import PlanBoard
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
            board = PlanBoard(running.run.logs)
            run = run_plan(read, engine, deadline=deadline, board=board)
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
            # Show the results even if they cannot be written to the folder.
            try:
                trial.write(output, f"{plan.name}-{number}")
            except OSError as trouble:
                not_kept = trouble
        for judged in trial.verdicts:
            text = str(judged).splitlines()[0] if judged.passed else str(judged)
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
        err.print(
            f"cannot write to {escape(str(output))}: {escape(str(not_kept))}", highlight=False
        )
    if not same:
        raise LabError(
            "the fault logs of runs with the same seed differ",
            remedy="Keep the logs with --output and look for a fault that was not seen or "
            "came too late.",
        )
    if not all(cell.passed for cell in cells):
        raise typer.Exit(1)
    if not_kept is not None:
        raise typer.Exit(LabError.exit_code)


def _topology(lab: str | None) -> Topology:
    """The topology of the running lab, or of the default file if no lab is running."""
    from edge_lab.addons import load_topology
    from edge_lab.core.home import RunDir
    from edge_lab.handle.state import read_state

    name = chosen(lab)
    state = read_state(RunDir(name))
    if state is not None:
        return state.topology
    if lab:
        raise InputError(
            f"there is no lab {name!r}", remedy=f"Run `lab up --name {lab}` to start it."
        )
    return load_topology(topology_file(DEFAULT_TOPOLOGY))


def _schedule_json(plan: Plan) -> dict[str, Any]:
    return {
        "plan": plan.name,
        "seed": plan.seed,
        "lasts_s": plan.lasts_s,
        "faults": [
            {
                "at_s": planned.at_s,
                "for_s": planned.for_s,
                "fault": planned.fault.model_dump(mode="json"),
            }
            for planned in plan.schedule()
        ],
    }


def _schedule_table(plan: Plan) -> Table:
    table = wrapped(plain_table("", "at", "for", "fault"))
    for planned in plan.schedule():
        table.add_row(*planned.times, escape(planned.fault.title))
    return table


def _print_run(file: Path, run: PlanRun, *, as_json: bool) -> None:
    if as_json:
        print_json(run.as_json())
        return
    table = wrapped(plain_table("", "at", "for", "fault", "outcome", "proof"))
    for done in run.happened:
        table.add_row(
            *done.planned.times,
            escape(done.planned.fault.title),
            done.outcome.value,
            escape(done.record.proof if done.record else ""),
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
        f"to repeat this run: lab chaos {escape(str(file))} --seed {plan.seed}",
        highlight=False,
        soft_wrap=True,
        style="dim",
    )
