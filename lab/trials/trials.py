"""Runs a fault plan in a lab, with its log, a recording, and verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lab.core.step import step
from edge_lab.evidence.recording import Recording
from edge_lab.faults.board import PlanBoard
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.limits import TimeLimit
from edge_lab.faults.plan import Plan
from edge_lab.faults.runner import PlanRun, plan_deadline, run_plan
from edge_lab.measuring.watcher import Watcher
from edge_lab.observe.watch import watching
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation
from edge_lab.report.cells import CellRecord, write_cell
from edge_lab.report.timeline import timeline_svg

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

ANYTHING_BUT_LOSS = Expectation(may_restart=None, downtime_s=None)
"""The expectation for any plan: downtime and restarts are permitted, lost samples are not."""


@dataclass(frozen=True)
class Trial:
    """One observed run of a plan."""

    run: PlanRun
    recording: Recording
    verdicts: tuple[AutonomyVerdict, ...]
    """One for each edge node."""

    def cells(self) -> Iterator[CellRecord]:
        """Cells of the comparison table."""
        return (CellRecord.of(self.run.plan.name, verdict) for verdict in self.verdicts)

    def write(self, folder: Path, name: str) -> None:
        """Writes recording, picture, fault log and cells to `folder`; creates it if missing."""
        self.recording.write(folder / f"{name}.json")
        svg = timeline_svg(self.recording, self.run.plan.name)
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.log").write_text(self.run.log(), encoding="utf-8")
        for cell in self.cells():
            write_cell(folder, cell)


def try_plan(lab: Lab, plan: Plan, limit: TimeLimit, watchers: Sequence[Watcher] = ()) -> Trial:
    """Runs the plan and observes the lab until it has recovered, then judges.

    Observations of `watchers` are in the recording, too.

    Raises:
        LabError: the lab was not healthy, could not be observed, or the plan failed.
    """
    with step(f"trial of {plan.name}"):
        with watching(lab, limit, watchers=watchers) as watch:
            engine = FaultEngine.of(lab, limit)
            limit_of_all = plan_deadline(plan, limit)
            run = run_plan(plan, engine, deadline=limit_of_all, board=PlanBoard(lab.run.logs))
        verdicts = tuple(watch.judge(node, ANYTHING_BUT_LOSS) for node in watch.nodes)
        return Trial(run, watch.recording, verdicts)
