"""What the suite of scheduling is made of: turns, work for CPUs, means, and the kept starts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fixtures import podstarts
from edge_lab.fixtures.podstarts import Starting
from edge_lab.observe.scheduling.metrics import Histogram
from edge_lab.observe.scheduling.podstarts import TOGETHER, Planned
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.observe.scheduling.turns import interleaved
from edge_lab.oracles.scheduling.stages import PodStart, stages_of
from suites.scheduling.busy import BEGIN, END, LEFT, WORK, Work, busy_cpus, parse_work
from suites.scheduling.test_stages import mean_of
from tests.observe.scheduling.fake_node import NODE, FakeNode


@pytest.mark.parametrize("pairs", [1, 3, 4, 6, 11])
def test_either_condition_has_as_many_others_beside_it(pairs: int) -> None:
    base, other = Planned(), Planned("busy")
    plans = interleaved(base, other, pairs)
    assert len(plans) >= 2 * pairs
    for first in range(0, len(plans), 2):
        assert sorted(plan.condition for plan in plans[first : first + 2]) == ["busy", "idle"]
    beside = {base.condition: 0, other.condition: 0}
    for place, plan in enumerate(plans):
        beside[plan.condition] += place % TOGETHER
    assert beside[base.condition] == beside[other.condition]


class Guest:
    """Has a loop on each of two CPUs until it was told to end them, and asked twice whether they
    have. Each look at its work is ten seconds after the one before."""

    def __init__(self, begins: bool = True, had: float = 4.0, ended: bool = False) -> None:
        self.told: list[str] = []
        self._begins, self._had, self._ended = begins, had, ended

    def output(self, command: str) -> str:
        self.told.append(command)
        if command == BEGIN and not self._begins:
            raise LabError("no systemd-run")
        if command == WORK:
            return self._work(self.told.count(WORK))
        return "1" if self.told.count(LEFT) == 1 else "0"

    def _work(self, looks: int) -> str:
        ticks = round(100 * self._had * looks)
        left = (7,) if self._ended else (7, 8)
        stats = [
            f"{pid} (a (b) c) R 1 7 7 0 -1 4194304 90 0 0 0 {ticks // 2} {ticks // 2} 0 0 20 0 1"
            for pid in left
        ]
        return "\n".join(("2", f"{100 + 10 * looks}.00 12.00", *stats))


@pytest.mark.parametrize("begins", [True, False])
def test_work_for_cpus_is_ended_whatever_happens(begins: bool) -> None:
    guest: Any = Guest(begins)
    with pytest.raises((ZeroDivisionError, LabError)), busy_cpus(guest):
        raise ZeroDivisionError
    assert guest.told == [BEGIN, *([WORK] if begins else []), END, LEFT, LEFT]


def test_work_for_cpus_is_done() -> None:
    guest: Any = Guest()
    with busy_cpus(guest):
        pass
    assert guest.told == [BEGIN, WORK, WORK, END, LEFT, LEFT]


@pytest.mark.parametrize(
    ("guest", "why"),
    [
        (Guest(ended=True), "1 of 2 loops"),
        (Guest(had=0.1), r"the loops had 0\.2 s of the CPUs' 20\.0 s"),
    ],
    ids=["ended", "starved"],
)
def test_cpus_that_were_not_busy_are_no_evidence(guest: Any, why: str) -> None:
    with pytest.raises(LabError, match=why), busy_cpus(guest):
        pass
    assert guest.told[-1] == LEFT


def test_the_cpu_time_of_a_loop_is_read_from_proc() -> None:
    with subprocess.Popen(["sh", "-c", "while :; do :; done"]) as loop:

        def work() -> Work:
            files = ("/proc/uptime", f"/proc/{loop.pid}/stat")
            return parse_work("1\n" + "".join(Path(file).read_text() for file in files))

        try:
            before = work()
            Deadline.after(60).wait_for(
                "CPU time", lambda: work().spent[loop.pid] > before.spent[loop.pid] + 0.05
            )
            assert work().at > before.at
        finally:
            loop.kill()


BEFORE, AFTER = Histogram(4, 2.0, {}), Histogram(6, 3.0, {})


def test_a_mean_is_over_the_pods_that_were_started() -> None:
    assert mean_of(2, BEFORE, AFTER) == (0.5, "")


@pytest.mark.parametrize(
    ("pods", "before", "after"),
    [
        pytest.param(2, BEFORE, BEFORE, id="counted none"),
        pytest.param(3, BEFORE, AFTER, id="counted fewer"),
        pytest.param(1, BEFORE, AFTER, id="counted others too"),
        pytest.param(2, AFTER, BEFORE, id="restarted"),
        pytest.param(2, LabError("403: forbidden\nmore"), AFTER, id="refused"),
    ],
)
def test_what_is_no_mean_over_the_pods_has_a_reason(
    pods: int, before: Histogram | LabError, after: Histogram | LabError
) -> None:
    mean, reason = mean_of(pods, before, after)
    assert mean is None
    assert reason
    assert "\n" not in reason


@pytest.fixture
def starting(
    request: pytest.FixtureRequest, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Starting]:
    """Its parameter is how often the container of each pod is started again."""
    node = FakeNode(restarts=getattr(request, "param", 0))
    monkeypatch.setattr("edge_lab.observe.scheduling.podstarts.node_clock", node.clock)
    lab = node.lab()
    with PodWatch(lab.kubectl, "edge-lab") as watch:
        watch.wait_begun(Deadline.after(60))
        lab.stack_name = "kubernetes+kubelet"
        yield Starting(lab, watch, "a scenario", pytestconfig)


def test_what_was_recorded_of_a_pod_is_kept_to_be_judged_again(
    starting: Starting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(podstarts, "results_folder", lambda config: tmp_path)
    shown: list[str] = []
    monkeypatch.setattr("allure.attach", lambda page, *more: shown.append(page))
    monkeypatch.setattr(podstarts, "keep_verdict", lambda *more: None)
    node: Any = SimpleNamespace(name=NODE.name, spec=NODE)
    times = starting.one_by_one(node, [Planned(), Planned("busy")])
    lines = (tmp_path / podstarts.FILE).read_text().splitlines()
    kept = [PodStart.model_validate_json(line) for line in lines]
    assert tuple(map(stages_of, kept)) == times
    assert starting.judge(times, NODE.name).passed
    found = starting.compare(NODE.name, times[:1], times[1:])
    assert (found.condition, found.base, found.ratio.pairs) == ("busy", "idle", 1)
    named = starting.compare(NODE.name, times[:1], times[1:], "gvisor/runc")
    assert (named.condition, named.base) == ("gvisor", "runc")
    monkeypatch.setattr(starting, "_config", SimpleNamespace(stash=pytest.Stash()))
    starting.show()
    assert "busy to idle" in shown[0]


@pytest.mark.parametrize("starting", [1], indirect=True)
def test_a_pod_that_is_restarted_is_the_product_s_fault(starting: Starting) -> None:
    node: Any = SimpleNamespace(name=NODE.name, spec=NODE)
    with pytest.raises(AssertionError, match="restarted"):
        starting.one_by_one(node, [Planned()])
