"""`lab fault` and `lab chaos` in a lab that is up, with an engine that only keeps a journal."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

import edge_lab.bringup.attach
import edge_lab.trials.trials
from edge_lab.cli.app import app
from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.evidence.recording import Recording
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Fault
from edge_lab.faults.records import FaultRecord
from edge_lab.faults.runner import PlanRun
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation, judge_autonomy
from edge_lab.report.cells import read_cells
from edge_lab.topology import Topology, load_topology
from tests.oracles.recordings import cut_and_healed

slow = pytest.mark.slow(reason="a plan runs in real seconds")

ROOT = Path(__file__).resolve().parents[2]

PLAN = """\
name: quick
lasts: 2s
faults:
  - {fault: cut, link: arm-cloud, at: 0.1s, for: 0.1s}
  - {fault: kill, node: edge-arm, service: kubelet.service, at: 0s, for: 1s}
"""


class FakeEngine:
    def __init__(self) -> None:
        self.records: list[FaultRecord] = []
        self.trouble: EdgeLabError | None = None
        self.unseen = ""

    def check(self, fault: Fault) -> None:
        if self.unseen == fault.title:
            raise InputError(f"{fault.title} could not be seen")

    def inject(self, fault: Fault) -> FaultRecord:
        if self.trouble:
            raise self.trouble
        record = FaultRecord(
            id=len(self.records) + 1, fault=fault, began=1, seen=2, proof="[3] pings lost"
        )
        self.records.append(record)
        return record

    def heal(self, record: FaultRecord) -> FaultRecord:
        healed = record.model_copy(update={"healed": 3, "cure": "pings answered"})
        self.records[record.id - 1] = healed
        return healed

    def heal_all(self) -> None:
        for record in self.active():
            self.heal(record)

    def active(self) -> tuple[FaultRecord, ...]:
        return tuple(record for record in self.records if record.active)

    def history(self) -> tuple[FaultRecord, ...]:
        return tuple(self.records)


@dataclass
class FakeLab:
    topology: Topology
    run: SimpleNamespace


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeEngine:
    fake = FakeEngine()
    topology = load_topology(ROOT / "labs" / "default.yaml")
    up = FakeLab(topology, SimpleNamespace(logs=tmp_path))
    monkeypatch.setattr(edge_lab.bringup.attach, "attach", lambda name: up)
    monkeypatch.setattr(FaultEngine, "of", lambda running: fake)
    return fake


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})


def test_a_fault_is_added_listed_and_healed(engine: FakeEngine) -> None:
    added = ask("fault", "add", "drop", "link=arm-cloud", "direction=tx")
    assert "fault 1: drop on arm-cloud, tx only; seen: [3] pings lost" in added.output
    assert "lab fault heal 1" in added.output
    listed = ask("fault", "list")
    assert "drop on arm-cloud, tx only" in listed.output
    assert "[3] pings lost" in listed.output
    assert ask("fault", "heal", "1").output.endswith("healed: drop on arm-cloud, tx only\n")
    assert ask("fault", "list").output == "no active faults\n"
    assert "drop on arm-cloud, tx only" in ask("fault", "list", "--all").output


def test_a_momentary_fault_by_hand_is_over_when_the_command_returns(engine: FakeEngine) -> None:
    added = ask("fault", "add", "{fault: reboot, node: edge-arm}")
    assert "healed: pings answered" in added.output
    assert engine.active() == ()


@pytest.mark.parametrize(
    ("words", "left"),
    [(["reboot", "node=edge-arm"], 0), (["cut", "link=arm-cloud"], 1)],
    ids=["momentary", "until it is healed"],
)
def test_an_interrupt_right_after_the_injection_leaves_no_momentary_fault(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, words: list[str], left: int
) -> None:
    inject = engine.inject

    def interrupted(fault: Fault) -> FaultRecord:
        inject(fault)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "inject", interrupted)
    asked = ask("fault", "add", *words)
    assert asked.exit_code != 0
    assert len(engine.history()) == 1
    assert len(engine.active()) == left


def test_a_plan_with_a_fault_that_the_lab_could_not_show_touches_nothing(
    engine: FakeEngine, tmp_path: Path
) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN)
    engine.unseen = "kubelet.service killed on edge-arm"
    refused = ask("chaos", str(tmp_path / "plan.yaml"))
    assert isinstance(refused.exception, InputError)
    assert refused.exception.line == 5
    assert engine.records == []


def test_all_faults_are_healed_at_once(engine: FakeEngine) -> None:
    ask("fault", "add", "cut", "link=arm-cloud")
    ask("fault", "add", "cut", "link=riscv-cloud")
    healed = ask("fault", "heal", "--all").output
    assert "healed: cut on arm-cloud" in healed
    assert "healed: cut on riscv-cloud" in healed
    assert engine.active() == ()
    assert "no active faults" in ask("fault", "heal", "--all").output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["fault", "heal"], "specify which faults to heal"),
        (["fault", "heal", "1", "--all"], "specify which faults to heal"),
        (["fault", "heal", "7"], "there is no active fault 7"),
        (["fault", "add", "cut", "link=nowhere"], "there is no link 'nowhere'"),
        (["fault", "add", "kill", "node=server", "service=ssh.service"], "could not reach server"),
        (["chaos", "none.yaml"], "cannot read the plan"),
    ],
)
def test_what_cannot_be_right_is_an_input_error(
    engine: FakeEngine, words: list[str], says: str
) -> None:
    trouble = ask(*words).exception
    assert isinstance(trouble, InputError)
    assert says in str(trouble)
    assert engine.history() == ()


def test_faults_are_listed_for_machines(engine: FakeEngine) -> None:
    ask("fault", "add", "cut", "link=arm-cloud")
    (told,) = json.loads(ask("fault", "list", "--json").output)
    assert FaultRecord.model_validate(told) == engine.records[0]


@slow
def test_a_plan_runs_and_names_the_seed_to_replay_it_with(
    engine: FakeEngine, tmp_path: Path
) -> None:
    file = tmp_path / "quick.yaml"
    file.write_text(PLAN, encoding="utf-8")
    done = ask("chaos", str(file), "--seed", "9")
    assert done.exit_code == 0, done.output
    assert "plan quick, seed 9, 2s" in done.output
    assert done.output.count("seen and healed") == 2
    assert f"to repeat this run: lab chaos {file} --seed 9" in done.output
    assert [record.fault.fault for record in engine.records] == ["kill", "cut"]
    told = json.loads(ask("chaos", str(file), "--json").stdout)
    assert [each["outcome"] for each in told["faults"]] == ["seen and healed"] * 2


@pytest.mark.slow(reason="a plan runs in real time")
def test_a_plan_that_fails_prints_what_happened_all_the_same(
    engine: FakeEngine, tmp_path: Path
) -> None:
    file = tmp_path / "quick.yaml"
    file.write_text(PLAN, encoding="utf-8")
    engine.trouble = LabError("no effect was seen: nothing")
    done = ask("chaos", str(file))
    assert isinstance(done.exception, LabError)
    assert "no effect was seen: nothing" in str(done.exception)
    assert "no effect seen" in done.output
    assert "--seed 0" in done.output


# -- trials ----------------------------------------------------------------------------------


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each trial sees the same recording of a cut; nothing is waited for."""

    class Watch:
        nodes = ("edge-arm",)
        recording = cut_and_healed()

        def judge(self, node: str, expect: Expectation) -> AutonomyVerdict:
            return judge_autonomy(self.recording, node, expect=expect)

    @contextlib.contextmanager
    def watching(running: FakeLab, limit: object, watchers: object) -> Iterator[Watch]:
        yield Watch()

    monkeypatch.setattr(edge_lab.trials.trials, "watching", watching)
    monkeypatch.setattr(FaultEngine, "of", lambda running, limit=None: FakeEngine())


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    file = tmp_path / "quick.yaml"
    file.write_text(PLAN, encoding="utf-8")
    return file


@pytest.mark.slow(reason="two runs of a plan")
def test_runs_of_one_plan_are_judged_and_compared(
    engine: FakeEngine, watched: None, plan_file: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    done = ask("chaos", str(plan_file), "--times", "2", "--output", str(kept))
    assert done.exit_code == 0, done.output
    assert "2 runs, one fault log; 2 of 2 verdicts passed" in done.output
    assert len(read_cells(kept)) == 2
    again = Recording.read(kept / "quick-1.json")
    assert again.model_dump_json() == cut_and_healed().model_dump_json()
    assert (kept / "quick-1.log").read_text() == (kept / "quick-2.log").read_text()
    assert (kept / "quick-2.svg").read_text().startswith("<svg")


def test_runs_whose_fault_logs_differ_are_a_lab_error(
    engine: FakeEngine, watched: None, plan_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = itertools.count()
    monkeypatch.setattr(PlanRun, "log", lambda run: f"log {next(number)}\n")
    done = ask("chaos", str(plan_file), "--times", "2", "--json")
    assert isinstance(done.exception, LabError)
    told = json.loads(done.stdout)
    assert not told["same_fault_log"]
    assert told["fault_logs"] == ["log 0\n", "log 1\n"]
