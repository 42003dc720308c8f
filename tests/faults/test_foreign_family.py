"""A family of faults of another distribution, from its plan to its verdict: that of the page."""

from __future__ import annotations

import importlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import edge_lab.bringup.attach
import edge_lab.faults.engine
from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.kinds import Fault
from edge_lab.faults.plan import parse_plan, plan_schema
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.runner import Clock, Outcome, run_plan
from edge_lab.faults.shorthand import parse_fault
from edge_lab.oracles.autonomy import Expectation, judge_autonomy
from edge_lab.oracles.case import concern_of, faults_of
from edge_lab.topology import Topology
from tests.faults.foreign import Site, site
from tests.faults.plans import TOPOLOGY, plan_of, refusal
from tests.looks import looks
from tests.oracles.recordings import cut_and_healed

__all__ = ["site"]

HOG = "{fault: cpu-hog, node: edge-arm, percent: 80"


@dataclass
class FakeMachine:
    """A guest that runs the hog, unless it only says so."""

    obeys: bool = True
    runs: bool = False
    ticks: int = 0
    done: list[str] = field(default_factory=list)

    def run(self, command: str, deadline: Deadline, check: bool = True) -> SimpleNamespace:
        verb = command.split()[0] if "stat" in command else " ".join(command.split()[:2])
        if command.startswith(("systemd-run", "systemctl stop")):
            self.done.append(verb)
            self.runs = self.obeys and command.startswith("systemd-run")
        if command.startswith("cut"):
            self.ticks += 5 if self.runs else 0
            return SimpleNamespace(stdout=f"{self.ticks}\n")
        return SimpleNamespace(stdout="active\n" if self.runs else "inactive\n")


@dataclass
class FakeLab:
    """As much of a lab as the engine and the commands need."""

    run: SimpleNamespace
    machines: dict[str, FakeMachine]
    topology: Topology = TOPOLOGY


@pytest.fixture
def lab(site: Site, tmp_path: Path) -> FakeLab:
    site.install_the_page_s()
    machines = {node.name: FakeMachine() for node in TOPOLOGY.nodes}
    return FakeLab(SimpleNamespace(logs=tmp_path), machines)


def engine_of(lab: Any) -> FaultEngine:
    return FaultEngine.of(lab, looks)


def hog(**fields: object) -> Fault:
    kinds = importlib.import_module("acme_load.kinds")
    found: Fault = kinds.CpuHog(node="edge-arm", **fields)
    return found


# -- plans ---------------------------------------------------------------------------------------


def test_a_plan_holds_its_faults_fixed_and_drawn(lab: FakeLab) -> None:
    text = plan_of(
        f"{HOG}, at: 10, for: 60}}",
        "at_random: {count: 2, between: [100, 500], for: [5, 9], "
        "choose: [{fault: cpu-hog, node: edge-riscv}]}",
    )
    schedule = parse_plan(text, TOPOLOGY).schedule()
    assert [planned.fault.fault for planned in schedule] == ["cpu-hog"] * 3
    assert str(schedule[0]) == "80 % of a CPU of edge-arm taken at 10s for 1m"
    assert schedule == parse_plan(text, TOPOLOGY).schedule()


@pytest.mark.parametrize(
    "other",
    [
        "{fault: power-off, node: edge-arm, at: 30, for: 120}",
        "{fault: cpu-hog, node: edge-arm, at: 30, for: 5}",
    ],
)
def test_its_claims_hold_against_faults_of_its_own_and_of_other_families(
    lab: FakeLab, other: str
) -> None:
    trouble = refusal(plan_of(f"{HOG}, at: 10, for: 60}}", other))
    assert "conflicts" in trouble.message
    apart = other.replace("at: 30", "at: 200")
    assert len(parse_plan(plan_of(f"{HOG}, at: 10, for: 60}}", apart), TOPOLOGY).schedule()) == 2


@pytest.mark.parametrize(
    ("written", "field", "meant"),
    [
        (HOG.replace("cpu-hog", "cpu-hug"), "fault", "'cpu-hog'"),
        (HOG.replace("cpu-hog", "cutt"), "fault", "'cut'"),
        (HOG.replace("percent", "precent"), "precent", "'percent'"),
        (HOG.replace("edge-arm", "edge-am"), "node", "'edge-arm'"),
        (HOG.replace("80", "1"), "percent", "Give 5 or more"),
    ],
)
def test_a_mistake_is_answered_with_its_line_and_what_was_meant(
    lab: FakeLab, written: str, field: str, meant: str
) -> None:
    text = plan_of("{fault: cut, link: arm-cloud, at: 0, for: 9}", f"{written}, at: 0, for: 9}}")
    trouble = refusal(text)
    assert trouble.line == 6
    assert meant in trouble.remedy
    assert field in text


def test_the_schema_for_editors_has_only_what_comes_with_edge_lab(lab: FakeLab) -> None:
    parse_plan(plan_of(f"{HOG}, at: 10, for: 60}}"), TOPOLOGY)
    assert "cpu-hog" not in json.dumps(plan_schema())


# -- the engine ----------------------------------------------------------------------------------


def test_it_is_injected_seen_and_healed_and_another_process_knows_of_it(lab: FakeLab) -> None:
    record = engine_of(lab).inject(hog())
    assert "ticks" in record.proof
    assert lab.machines["edge-arm"].runs
    (found,) = engine_of(lab).active()
    assert found == record
    assert engine_of(lab).heal(found).cure
    assert not lab.machines["edge-arm"].runs
    assert FaultRecord.model_validate_json(record.model_dump_json()) == record


def test_without_effect_it_is_a_lab_error_and_nothing_of_it_is_left(lab: FakeLab) -> None:
    machine = lab.machines["edge-arm"] = FakeMachine(obeys=False)
    engine = engine_of(lab)
    with pytest.raises(LabError):
        engine.inject(hog())
    assert machine.done == ["systemd-run --collect", "systemctl stop"]
    assert engine.active() == ()


def test_its_targets_are_locked_in_the_book(lab: FakeLab) -> None:
    engine = engine_of(lab)
    engine.inject(hog())
    with pytest.raises(InputError):
        engine.inject(hog(percent=50))
    assert len(engine.history()) == 1


def test_a_plan_of_it_runs(lab: FakeLab) -> None:
    plan = parse_plan(plan_of(f"{HOG}, at: 1, for: 20}}", lasts="30s"), TOPOLOGY)
    engine = engine_of(lab)
    run = run_plan(plan, engine, deadline=Deadline.after(1000), clock=Clock(100))
    assert [done.outcome for done in run.happened] == [Outcome.HEALED]
    assert "\tcpu-hog\t" in run.log()
    assert engine.active() == ()


# -- commands ------------------------------------------------------------------------------------


@pytest.fixture
def command(lab: FakeLab, monkeypatch: pytest.MonkeyPatch) -> FakeLab:
    monkeypatch.setattr(edge_lab.bringup.attach, "attach", lambda name: lab)
    monkeypatch.setattr(edge_lab.faults.engine, "scaled_limit", lambda: looks)
    return lab


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_it_is_added_listed_and_healed_by_hand(command: FakeLab) -> None:
    added = ask("fault", "add", "cpu-hog", "node=edge-arm", "percent=80", "--json")
    assert added.exit_code == 0, added.output
    assert json.loads(added.stdout)["fault"]["percent"] == 80
    assert "80 % of a CPU of edge-arm taken" in ask("fault", "list").output
    assert ask("fault", "heal", "1").exit_code == 0
    assert not command.machines["edge-arm"].runs


def test_it_is_among_the_kinds_with_its_family(command: FakeLab) -> None:
    printed = ask("fault", "kinds").output
    assert re.search(r"load +cpu-hog +node, \[percent=100\] +A process that takes", printed)


# -- oracles -------------------------------------------------------------------------------------


def test_its_scope_says_which_node_it_concerns(lab: FakeLab) -> None:
    record = cut_and_healed().faults[0].model_copy(update={"fault": hog(percent=80)})
    recording = cut_and_healed().model_copy(update={"faults": (record,)})
    assert faults_of(recording, "edge-arm", None) == (record,)
    assert faults_of(recording, "edge-arm", concern_of(TOPOLOGY, "edge-arm")) == (record,)
    assert faults_of(recording, "edge-riscv", concern_of(TOPOLOGY, "edge-riscv")) == ()
    verdict = judge_autonomy(recording, "edge-arm", expect=Expectation(may_restart=None))
    assert any("80 % of a CPU" in line for line in verdict.evidence)
    elsewhere = Expectation(concern=frozenset({"riscv-cloud"}))
    (nothing,) = judge_autonomy(recording, "edge-riscv", expect=elsewhere).problems
    assert "no fault that concerns edge-riscv" in nothing


# -- without it ----------------------------------------------------------------------------------


def test_a_book_with_its_faults_says_what_is_missing_once_it_is_uninstalled(
    lab: FakeLab, site: Site
) -> None:
    engine_of(lab).inject(hog())
    site.uninstall_all()
    with pytest.raises(LabError) as caught:
        FaultJournal(lab.run.logs).history()
    assert "'cpu-hog'" in caught.value.message
    assert "installed" in caught.value.remedy
    with pytest.raises(InputError):
        parse_fault(["cpu-hog", "node=edge-arm"])
