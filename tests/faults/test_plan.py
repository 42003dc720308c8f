"""Plans that are good: what is read of them, and what is drawn from the seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from edge_lab.faults.kinds import Cut, Flap, Impair, Kill
from edge_lab.faults.plan import load_plan, parse_plan
from edge_lab.faults.schedule import Planned
from tests.faults.plans import (
    GOOD,
    PLANS,
    TOPOLOGY,
    faults_of,
    plan_of,
    refusal,
    schema_of_plans,
    shipped,
)


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_each_shipped_plan_is_possible_in_the_default_lab_and_fits_the_schema(file: Path) -> None:
    plan = load_plan(file, TOPOLOGY)
    assert plan.name == file.stem
    assert faults_of(plan.schedule(), plan) == []
    schema_of_plans().validate(YAML(typ="safe").load(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize("seed", range(20))
def test_the_random_plan_is_possible_with_any_seed(seed: int) -> None:
    plan = load_plan(PLANS / "random.yaml", TOPOLOGY, seed=seed)
    assert len(plan.schedule()) == 16
    assert faults_of(plan.schedule(), plan) == []


def test_there_are_the_plans_that_the_page_names() -> None:
    names = {"five-minute-partition", "one-way", "flapping", "bad-lines", "random"}
    assert names <= {file.stem for file in shipped()}


def test_a_plan_is_read_as_it_is_written() -> None:
    plan = parse_plan(GOOD, TOPOLOGY)
    assert (plan.name, plan.seed, plan.lasts_s) == ("uplink-cut-and-bad-line", 7, 180.0)
    schedule = plan.schedule()
    assert len(schedule) == 8
    assert schedule[0] == Planned(10.0, 60.0, Cut(link="arm-cloud"))
    assert schedule[1] == Planned(
        10.0, 60.0, Impair(link="riscv-cloud", delay_ms=300, jitter_ms=50)
    )
    kill = schedule[2]
    assert (kill.at_s, kill.for_s) == (20.0, None)
    assert kill.fault == Kill(node="edge-arm", service="kubelet.service")
    assert kill.times == ("20s", "")
    assert str(schedule[0]) == "cut on arm-cloud at 10s for 1m"


def test_a_flap_lasts_as_long_as_its_count_says() -> None:
    flap = "fault: flap, link: arm-cloud, period_s: 4, count: 3, jitter: 0.5, at: 1s"
    (alone,) = parse_plan(plan_of(f"{{{flap}}}"), TOPOLOGY).schedule()
    assert alone.for_s == 18
    (longer,) = parse_plan(plan_of(f"{{{flap}, for: 30s}}"), TOPOLOGY).schedule()
    assert longer.for_s == 30
    assert "takes 18s, more than its `for`" in str(refusal(plan_of(f"{{{flap}, for: 17s}}")))


def test_what_a_flap_leaves_to_chance_follows_from_the_plan_s_seed() -> None:
    def flap(seed: int, own: str = "") -> Flap:
        text = plan_of(
            "{fault: flap, link: arm-cloud, period_s: 4, count: 3, jitter: 0.5, at: 1s" + own + "}",
            seed=seed,
        )
        fault = parse_plan(text, TOPOLOGY).schedule()[0].fault
        assert isinstance(fault, Flap)
        return fault

    assert flap(1) == flap(1)
    assert flap(1).seed != flap(2).seed
    assert flap(1, ", seed: 5").seed == flap(2, ", seed: 5").seed == 5


def test_a_momentary_fault_may_say_what_is_kept_for_it() -> None:
    text = plan_of(
        "{fault: reboot, node: edge-arm, at: 1s, for: 30s}",
        "{fault: cut, link: arm-cloud, at: 31s, for: 5s}",
        lasts="60s",
    )
    reboot = parse_plan(text, TOPOLOGY).schedule()[0]
    assert (reboot.for_s, reboot.ends_s) == (None, 31)
    assert "conflicts" in str(refusal(text.replace("for: 30s", "for: 31s")))
    trouble = str(refusal(text.replace(", for: 30s", "")))
    assert "reset of edge-arm is over at 2m1s, and the plan lasts 1m" in trouble
    assert "set a shorter `for`" in trouble
