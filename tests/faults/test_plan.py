"""Plans: what is accepted, what is drawn from the seed, and what each mistake is answered with."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.cli.faults import kind_rows
from edge_lab.core.durations import show_duration
from edge_lab.core.errors import InputError
from edge_lab.faults.kinds import FAULT, Cut, Drop, Flap, Impair, Kill, OnDevice, Reboot
from edge_lab.faults.plan import (
    FAULT_KINDS,
    Plan,
    PlanFile,
    check_fault,
    load_plan,
    parse_fault,
    parse_plan,
    plan_schema,
)
from edge_lab.faults.schedule import Planned
from edge_lab.topology import Topology, load_topology
from tests.mistakes import assert_answered, line_with, with_mistake

ROOT = Path(__file__).resolve().parents[2]
PLANS = ROOT / "plans"
TOPOLOGY = load_topology(ROOT / "labs" / "default.yaml")

unhurried = settings(deadline=None)
"""How long one example takes is the machine's affair, and it may be busy."""

GOOD = """\
name: uplink-cut-and-bad-line
seed: 7
lasts: 3m
faults:
  - {fault: cut, link: arm-cloud, at: 10s, for: 60s}
  - {fault: impair, link: riscv-cloud, delay_ms: 300, jitter_ms: 50, at: 10s, for: 60s}
  - {fault: kill, node: edge-arm, service: kubelet.service, at: 20s}
  - at_random:
      count: 5
      between: [0s, 160s]
      for: [5s, 20s]
      choose:
        - {fault: drop, link: arm-cloud}
        - {fault: flap, link: riscv-cloud, period_s: 4, count: 3}
"""


def plan_of(*faults: str, lasts: str = "10m", seed: int = 0) -> str:
    head = f"name: test\nseed: {seed}\nlasts: {lasts}\nfaults:\n"
    return head + "".join(f"  - {each}\n" for each in faults)


def refusal(text: str, topology: Topology = TOPOLOGY) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_plan(text, topology, "plan.yaml")
    return caught.value


# -- plans that are good ----------------------------------------------------------------------


def shipped() -> list[Path]:
    return sorted(PLANS.glob("*.yaml"))


@pytest.mark.parametrize("file", shipped(), ids=lambda file: file.stem)
def test_each_shipped_plan_is_possible_in_the_default_lab_and_fits_the_schema(file: Path) -> None:
    plan = load_plan(file, TOPOLOGY)
    assert plan.name == file.stem
    assert faults_of(plan.schedule(), plan) == []
    jsonschema.validate(YAML(typ="safe").load(file.read_text(encoding="utf-8")), plan_schema())


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
    assert "takes 18s, more than `for` gives it" in str(refusal(plan_of(f"{{{flap}, for: 17s}}")))


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
    assert "contradicts" in str(refusal(text.replace("for: 30s", "for: 31s")))
    trouble = str(refusal(text.replace(", for: 30s", "")))
    assert "reset of edge-arm is over at 2m1s, and the plan lasts 1m" in trouble
    assert "`for` says otherwise" in trouble


def test_faults_may_touch_in_time() -> None:
    text = plan_of(
        "{fault: cut, link: arm-cloud, at: 0s, for: 10s}",
        "{fault: drop, link: arm-cloud, at: 10s, for: 10s}",
    )
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 2


def test_the_two_directions_of_a_link_are_two_targets() -> None:
    text = plan_of(
        "{fault: impair, link: arm-cloud, direction: tx, delay_ms: 50, at: 0s, for: 10s}",
        "{fault: impair, link: arm-cloud, direction: rx, loss: 0.5, at: 0s, for: 10s}",
    )
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 2


@pytest.mark.parametrize("shut", ["cut", "drop"])
def test_while_one_way_is_shut_nothing_can_be_seen_of_the_other(shut: str) -> None:
    text = plan_of(
        f"{{fault: {shut}, link: arm-cloud, direction: tx, at: 0s, for: 10s}}",
        "{fault: impair, link: arm-cloud, direction: rx, loss: 0.5, at: 5s, for: 10s}",
    )
    with pytest.raises(InputError, match="both lay hold of link arm-cloud rx"):
        parse_plan(text, TOPOLOGY)


def test_a_drop_of_one_port_leaves_the_other_way_to_be_seen() -> None:
    text = plan_of(
        "{fault: drop, link: arm-cloud, direction: tx, at: 0s, for: 10s,"
        " match: {protocol: tcp, ports: [6443]}}",
        "{fault: impair, link: arm-cloud, direction: rx, loss: 0.5, at: 5s, for: 10s}",
    )
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 2


def test_a_bad_line_may_last_while_the_server_goes_and_comes() -> None:
    text = plan_of(
        "{fault: profile, link: arm-cloud, name: 3g, at: 10s, for: 5m}",
        "{fault: power-off, node: server, at: 1m, for: 1m}",
    )
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 2


# -- mistakes ---------------------------------------------------------------------------------

# Each mistake: what is replaced by what, what the message says, the line it names.
MISTAKES = {
    "an unknown fault": (
        "fault: cut",
        "fault: cutt",
        ["faults.0.fault: there is no 'cutt'", "Did you mean 'cut'?", "half-open"],
        "cutt",
    ),
    "a fault that is not named": (
        "fault: cut, ",
        "",
        ["'faults.0.fault' is missing", "Known are: cut, drop"],
        "link: arm-cloud, at",
    ),
    "an entry that is no mapping": (
        "faults:\n",
        "faults:\n  - cut the wire\n",
        ["an entry is a mapping with `fault` or with `at_random`"],
        "cut the wire",
    ),
    "an unknown field names the one that was meant": (
        "delay_ms",
        "dealy_ms",
        ["unknown key 'faults.1.dealy_ms'", "Did you mean 'delay_ms'?", ", at, for."],
        "dealy_ms",
    ),
    "a misspelt time": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s, fro: 60s}\n  - {fault: impair",
        ["unknown key 'faults.0.fro'", "Did you mean 'for'?"],
        "fro",
    ),
    "a negative time": (
        "at: 20s",
        "at: -20s",
        ["faults.2.at", "'-20s' is negative", "90s, 5m"],
        "-20s",
    ),
    "a time that is none": ("at: 20s", "at: soon", ["'soon' is no duration"], "soon"),
    "a fault without a beginning": (
        ", at: 20s",
        "",
        ["'faults.2.at' is missing"],
        "kubelet",
    ),
    "a fault for ever": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s}\n  - {fault: impair",
        ["cut on arm-cloud has no `for`: it would last for ever", "for: 60s"],
        "fault: cut",
    ),
    "a fault for no time": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 10s, for: 0s}\n  - {fault: impair",
        ["`for: 0` is no time for a fault to be seen"],
        "for: 0s",
    ),
    "an unknown link": (
        "link: arm-cloud, at",
        "link: arm-clod, at",
        ["there is no link 'arm-clod'", "Did you mean 'arm-cloud'?", "boiler-plant"],
        "arm-clod",
    ),
    "an unknown node": (
        "node: edge-arm",
        "node: edge-amd",
        ["there is no node 'edge-amd'", "server, edge-arm, edge-riscv"],
        "edge-amd",
    ),
    "an unknown link in a random block": (
        "{fault: drop, link: arm-cloud}",
        "{fault: drop, link: arm}",
        ["there is no link 'arm'"],
        "link: arm}",
    ),
    "a service with a space in it": (
        "kubelet.service",
        '"kubelet service"',
        ["faults.2.service", "'kubelet service'"],
        "kubelet service",
    ),
    "a service without its suffix": (
        "kubelet.service",
        "kubelet",
        ["'kubelet' names no service", "Write it as kubelet.service."],
        "service: kubelet",
    ),
    "the service over which the lab heals": (
        "kubelet.service",
        "ssh.service",
        ["without ssh.service the lab could not reach edge-arm to heal it"],
        "ssh.service",
    ),
    "an end beyond the plan's": (
        "at: 10s, for: 60s}\n  - {fault: impair",
        "at: 130s, for: 60s}\n  - {fault: impair",
        ["cut on arm-cloud ends at 3m10s, and the plan lasts 3m"],
        "130s",
    ),
    "a plan that lasts no time": ("lasts: 3m", "lasts: 0s", ["lasts: ", "than 0"], "lasts"),
    "a plan that lasts for years": ("lasts: 3m", "lasts: 9000h", ["lasts: "], "lasts"),
    "a plan without an end": ("lasts: 3m\n", "", ["'lasts' is missing"], "name"),
    "a plan without faults": (
        GOOD[GOOD.index("faults:") :],
        "faults: []\n",
        ["faults: ", "at least 1"],
        "faults",
    ),
    "a name with capitals": ("name: uplink", "name: Uplink", ["name: "], "Uplink"),
    "a negative seed": ("seed: 7", "seed: -7", ["seed: "], "seed"),
    "two faults on one link at once": (
        "link: riscv-cloud, delay",
        "link: arm-cloud, delay",
        [
            "delay 300 ms ± 50 ms on arm-cloud at 10s for 1m contradicts cut on arm-cloud at 10s",
            "both lay hold of link arm-cloud",
        ],
        "delay_ms",
    ),
    "more random faults than there is room for": (
        "count: 5",
        "count: 50",
        ["no room for 50 faults between 0s and 2m40s with the seed 7", "fewer or shorter"],
        "at_random",
    ),
    "no random faults": ("count: 5", "count: 0", ["at_random.count"], "count: 0"),
    "a random block that reaches beyond the plan": (
        "[0s, 160s]",
        "[0s, 200s]",
        ["`between` reaches to 3m20s, and the plan lasts 3m"],
        "200s",
    ),
    "a random block backwards": (
        "[0s, 160s]",
        "[160s, 20s]",
        ["faults.3.at_random.between: 2m40s is more than 20s"],
        "160s",
    ),
    "a random block for ever": (
        "      for: [5s, 20s]\n",
        "",
        ["`for` is missing: the faults would last for ever"],
        "at_random",
    ),
    "a random block for no time": (
        "[5s, 20s]",
        "[0s, 20s]",
        ["no time for a fault to be seen"],
        "for: [0s",
    ),
    "random faults with times of their own": (
        "{fault: drop, link: arm-cloud}",
        "{fault: drop, link: arm-cloud, at: 5s}",
        ["unknown key 'faults.3.at_random.choose.0.at'"],
        "at: 5s",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_line_and_remedy(mistake: str) -> None:
    text = with_mistake(GOOD, MISTAKES[mistake])
    trouble = refusal(text)
    assert_answered(trouble, MISTAKES[mistake], text, "plan.yaml")


# What no lab should be asked for: the second fault, and what is said of it.
SENSELESS = {
    "{fault: device, device: boiler, does: {kind: untrusted}, at: 0, for: 9}": (
        "boiler: the fault 'untrusted' does not exist on modbus-tcp"
    ),
    "{fault: device, device: oven, does: {kind: junk}, at: 0, for: 9}": (
        "there is no device 'oven'"
    ),
    "{fault: device, device: boiler, does: {kind: junk, probability: 0}, at: 0, for: 9}": (
        "a fault with probability 0 has no effect"
    ),
    "{fault: device, device: boiler, does: {kind: slow, delay_ms: 0}, at: 0, for: 9}": (
        "a fault with delay_ms 0 has no effect"
    ),
    "{fault: profile, link: arm-cloud, name: 5g, at: 0, for: 9}": "there is no line profile '5g'",
    "{fault: impair, link: arm-cloud, at: 0, for: 9}": "an impairment that changes nothing",
    "{fault: clock-jump, node: server, seconds: 0, at: 0, for: 9}": "no effect that could be seen",
    "{fault: clock-skew, node: server, ppm: 0, at: 0, for: 9}": "no effect that could be seen",
    "{fault: disk-full, node: server, path: /proc, at: 0, for: 9}": "/proc is no place on a disk",
    "{fault: disk-full, node: server, path: /run/x, at: 0, for: 9}": "/run/x is no place on a disk",
    "{fault: disk-full, node: server, path: /var/../dev, at: 0, for: 9}": "is no place on a disk",
    "{fault: freeze, node: server, service: sshd.service, at: 0, for: 9}": "could not reach server",
    "{fault: kill, node: server, service: ssh@1.service, at: 0}": "could not reach server",
}


@pytest.mark.parametrize("fault", SENSELESS)
def test_a_fault_without_sense_is_refused_alone_and_in_a_random_block(fault: str) -> None:
    text = plan_of(fault)
    assert SENSELESS[fault] in str(refusal(text))
    assert refusal(text).line == line_with(text, fault)
    plain = fault.replace(", at: 0, for: 9", "").replace(", at: 0", "")
    block = f"at_random: {{count: 1, between: [0, 60], for: [5, 9], choose: [{plain}]}}"
    assert SENSELESS[fault] in str(refusal(plan_of(block)))


# What contradicts what: two faults, the second at the given time, and why.
CONTRADICTIONS = {
    "a cut link has nothing else": (
        "{fault: cut, link: arm-cloud, at: 10, for: 60}",
        "{fault: drop, link: arm-cloud, direction: tx, at: 30, for: 5}",
        "both lay hold of link arm-cloud tx",
    ),
    "a node without power does nothing else": (
        "{fault: power-off, node: edge-arm, at: 10, for: 60}",
        "{fault: kill, node: edge-arm, service: kubelet.service, at: 30}",
        "the other needs node edge-arm",
    ),
    "a node that starts anew does nothing else": (
        "{fault: reboot, node: edge-arm, at: 10}",
        "{fault: disk-full, node: edge-arm, at: 100, for: 5}",
        "the other needs node edge-arm",
    ),
    "a node that stands still shows no fault of its link": (
        "{fault: pause, node: edge-arm, at: 10, for: 60}",
        "{fault: cut, link: arm-plant, at: 30, for: 5}",
        "the other needs node edge-arm",
    ),
    "a server that is cut off and has no power": (
        "{fault: cut, link: server-cloud, at: 10, for: 60}",
        "{fault: power-off, node: server, at: 30, for: 120}",
        "the other needs node server",
    ),
    "a link is seen by way of the server's": (
        "{fault: cut, link: server-cloud, at: 10, for: 60}",
        "{fault: drop, link: arm-cloud, at: 30, for: 5}",
        "is seen by way of link",
    ),
    "a cure is seen by way of the server": (
        "{fault: cut, link: arm-cloud, at: 10, for: 60}",
        "{fault: pause, node: server, at: 65, for: 20}",
        "cut on arm-cloud is seen by way of node server, when it begins and when it ends",
    ),
    "a device's wire is seen from its neighbour": (
        "{fault: drop, link: arm-plant, at: 10, for: 60}",
        "{fault: drop, link: boiler-plant, at: 30, for: 5}",
        "seen by way of link arm-plant",
    ),
    "a device behind a dead wire shows nothing": (
        "{fault: cut, link: boiler-plant, at: 10, for: 60}",
        "{fault: device, device: boiler, does: {kind: junk}, at: 30, for: 5}",
        "the other needs",
    ),
    "a clock goes wrong in one way at a time": (
        "{fault: clock-jump, node: edge-arm, seconds: 60, at: 10, for: 60}",
        "{fault: clock-skew, node: edge-arm, ppm: 500, at: 30, for: 5}",
        "both lay hold of node edge-arm clock",
    ),
    "one service is not killed twice at once": (
        "{fault: kill, node: edge-arm, service: kubelet.service, at: 10}",
        "{fault: freeze, node: edge-arm, service: kubelet.service, at: 15, for: 5}",
        "both lay hold of node edge-arm kubelet.service",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_faults_that_contradict_each_other_are_refused(case: str) -> None:
    one, other, why = CONTRADICTIONS[case]
    for text in (plan_of(one, other), plan_of(other, one)):
        trouble = refusal(text)
        assert "contradicts" in str(trouble)
        assert why in str(trouble)
        assert trouble.line == 6
    at = other.index("at: ")
    later = f"{other[:at]}at: 400{other[other.index(',', at) :] if ',' in other[at:] else '}'}"
    assert parse_plan(plan_of(one, later), TOPOLOGY)


def test_a_link_that_no_probe_can_cross_takes_no_faults() -> None:
    # In a lab of one node and devices, one device's wire has nobody to ask over the other's.
    text = (ROOT / "labs" / "default.yaml").read_text(encoding="utf-8")
    lonely = text.replace("{name: arm-plant, endpoint: edge-arm, network: plant", "#").replace(
        "{name: riscv-plant, endpoint: edge-riscv, network: plant", "#"
    )
    lonely = re.sub(r", twins: \[[^]]*\]", "", lonely)
    lonely = "\n".join(line for line in lonely.splitlines() if "- #" not in line)
    from edge_lab.topology import parse_topology

    topology = parse_topology(lonely)
    trouble = refusal(plan_of("{fault: cut, link: boiler-plant, at: 0, for: 9}"), topology)
    assert "no probe can cross the link 'boiler-plant'" in str(trouble)


def test_too_many_faults_are_refused() -> None:
    one = "{fault: kill, node: edge-arm, service: kubelet.service, at: 0}"
    assert "500" in str(refusal(plan_of(*[one] * 501, lasts="7h")))


def test_the_example_in_a_random_block_that_leaves_little_room_is_placed_for_many_seeds() -> None:
    text = GOOD.replace("160s", "120s")
    for seed in range(50):
        plan = parse_plan(text, TOPOLOGY, seed=seed)
        assert faults_of(plan.schedule(), plan) == []


# -- schedules --------------------------------------------------------------------------------


def faults_of(schedule: Sequence[Planned], plan: Plan) -> list[str]:
    """What is wrong with a schedule, judged apart from the code that made it."""
    found = []
    if [each.at_s for each in schedule] != sorted(each.at_s for each in schedule):
        found.append("not in order")
    for each in schedule:
        if each.at_s < 0 or each.at_s + (each.for_s or 0) > plan.lasts_s:
            found.append(f"{each} is not within the plan")
    for one, other in itertools.combinations(schedule, 2):
        if one.ends_s <= other.at_s or other.ends_s <= one.at_s:
            continue
        if one.fault.targets & other.fault.targets:
            found.append(f"{one} and {other} share a target")
        for off, else_ in ((one.fault, other.fault), (other.fault, one.fault)):
            node = getattr(off, "node", None)
            if off.fault not in ("power-off", "reboot", "pause"):
                continue
            links = [link.name for link in TOPOLOGY.links_of(str(node))]
            if getattr(else_, "node", None) == node or getattr(else_, "link", None) in links:
                found.append(f"{one} and {other}: {node} is not there")
    return found


def test_the_judge_of_schedules_sees_what_is_wrong() -> None:
    plan = parse_plan(GOOD, TOPOLOGY)
    good = list(plan.schedule())
    assert faults_of(good, plan) == []
    assert faults_of(good[::-1], plan)
    assert faults_of([*good, Planned(179.0, 5.0, Drop(link="arm-plant"))], plan)
    assert faults_of([good[0], Planned(69.0, 5.0, Drop(link="arm-cloud"))], plan)
    assert faults_of([good[0], Planned(60.0, None, Reboot(node="edge-arm"), 9.0)], plan)
    assert not faults_of([good[0], Planned(70.0, 5.0, Drop(link="arm-cloud"))], plan)


LINKS = [link.name for link in TOPOLOGY.links]
NODES = [node.name for node in TOPOLOGY.nodes]
SERVICES = ["kubelet.service", "containerd.service"]

some_faults: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["cut", "drop", "half-open"]),
            "link": st.sampled_from(LINKS),
            "direction": st.sampled_from(["both", "tx", "rx"]),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.just("flap"),
            "link": st.sampled_from(LINKS),
            "period_s": st.integers(1, 9),
            "count": st.integers(1, 9),
            "jitter": st.sampled_from([0, 0.25]),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["power-off", "reboot", "pause", "disk-full"]),
            "node": st.sampled_from(NODES),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.sampled_from(["kill", "freeze"]),
            "node": st.sampled_from(NODES),
            "service": st.sampled_from(SERVICES),
        }
    ),
    st.fixed_dictionaries(
        {
            "fault": st.just("device"),
            "device": st.sampled_from(["boiler", "press"]),
            "does": st.just({"kind": "junk"}),
        }
    ),
)

blocks: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda count, begin, width, shortest, more, choose: {
        "at_random": {
            "count": count,
            "between": [begin, begin + width],
            "for": [shortest, shortest + more],
            "choose": choose,
        }
    },
    st.integers(1, 8),
    st.integers(0, 200),
    st.integers(60, 800),
    st.integers(1, 30),
    st.integers(0, 60),
    st.lists(some_faults, min_size=1, max_size=4),
)

fixed: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda fault, at, lasting: {**fault, "at": at, "for": lasting},
    some_faults,
    st.integers(0, 800),
    st.integers(20, 200),
)


@settings(deadline=None, max_examples=150)
@given(
    entries=st.lists(fixed, max_size=3).flatmap(
        lambda some: st.lists(blocks, min_size=1, max_size=3).map(lambda more: [*some, *more])
    ),
    seed=st.integers(0, 2**40),
)
def test_any_plan_that_is_accepted_has_a_good_schedule_that_follows_from_its_seed(
    entries: list[dict[str, Any]], seed: int
) -> None:
    text = json.dumps({"name": "any", "lasts": 1000, "faults": entries})
    try:
        plan = parse_plan(text, TOPOLOGY, seed=seed)
    except InputError:
        assume(False)
    schedule = plan.schedule()
    assert faults_of(schedule, plan) == []
    assert schedule == parse_plan(text, TOPOLOGY, seed=seed).schedule()
    drawn = sum(each["at_random"]["count"] for each in entries if "at_random" in each)
    assert len(schedule) == drawn + sum("at_random" not in each for each in entries)
    for block in (each["at_random"] for each in entries if "at_random" in each):
        begin, end = block["between"]
        kinds = [FAULT.validate_python(each) for each in block["choose"]]
        within = [
            each
            for each in schedule
            if begin <= each.at_s and each.ends_s <= end + 1e-6
            if any(kind.targets == each.fault.targets for kind in kinds)
        ]
        assert len(within) >= block["count"]


def test_another_seed_is_another_schedule() -> None:
    schedules = {parse_plan(GOOD, TOPOLOGY, seed=seed).schedule() for seed in range(20)}
    assert len(schedules) == 20


def test_a_schedule_does_not_change_with_the_version() -> None:
    """Whoever notes a seed wants the same faults from it next year."""
    drawn = [str(each) for each in parse_plan(GOOD, TOPOLOGY).schedule()[3:]]
    assert drawn == [
        "drop on arm-cloud at 1m21.8s for 7.8s",
        "drop on arm-cloud at 1m46.9s for 10.6s",
        "flap, 3 times 4 s on riscv-cloud at 2m0.8s for 16.3s",
        "drop on arm-cloud at 2m18.1s for 6.7s",
        "flap, 3 times 4 s on riscv-cloud at 2m19.6s for 12s",
    ]


# -- the schema -------------------------------------------------------------------------------


def test_the_exported_schema_is_valid_and_knows_the_keys() -> None:
    schema = plan_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(PlanFile.model_fields)
    assert schema["additionalProperties"] is False


def test_the_schema_file_for_editors_is_the_exported_one() -> None:
    shipped = json.loads((PLANS / "schema.json").read_text(encoding="utf-8"))
    assert shipped == plan_schema(), "`lab schema plan > plans/schema.json` writes it anew"


@pytest.mark.parametrize("old", ["fault: cut", "delay_ms", "at: 20s", "count: 5", "lasts"])
def test_the_schema_refuses_an_unknown_key_too(old: str) -> None:
    tree = YAML(typ="safe").load(GOOD.replace(old, f"x{old}", 1))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, plan_schema())


def test_the_schema_takes_the_good_plan() -> None:
    jsonschema.validate(YAML(typ="safe").load(GOOD), plan_schema())


# -- a fault by hand ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["{fault: drop, link: arm-cloud, direction: tx}"],
        ["drop", "link=arm-cloud", "direction=tx"],
        ["{fault: drop,", "link: arm-cloud, direction: tx}"],
    ],
)
def test_a_fault_is_read_in_long_and_in_short(words: list[str]) -> None:
    assert parse_fault(words) == Drop(link="arm-cloud", direction="tx")


def test_the_short_form_reaches_into_fields_and_reads_values_as_yaml() -> None:
    drop = parse_fault(["drop", "link=arm-cloud", "match.protocol=tcp", "match.ports=[502, 4840]"])
    assert isinstance(drop, Drop)
    assert drop.match is not None
    assert (drop.match.protocol, drop.match.ports) == ("tcp", (502, 4840))
    device = parse_fault(["device", "device=boiler", "does.kind=slow", "does.delay_ms=1500"])
    assert isinstance(device, OnDevice)
    assert device.title == "boiler slow by 1.5 s"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no fault is named"),
        (["drop", "arm-cloud"], "'arm-cloud' is no field of a fault"),
        (["drop", "=x"], "'=x' is no field of a fault"),
        (["drop", "lnk=arm-cloud"], "Did you mean 'link'?"),
        (["drip", "link=arm-cloud"], "Did you mean 'drop'?"),
        (["drop", "link=[", "x=1"], "not valid YAML"),
        (["drop", "link=a", "link.b=c"], "'link' has a value already"),
        (["{fault: drop"], "not valid YAML"),
        (["{fault: drop, link: arm-cloud, at: 5s}"], "unknown key 'at'"),
    ],
)
def test_a_fault_by_hand_that_is_none_says_why(words: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_fault(words)
    assert says in str(caught.value)


def test_a_fault_by_hand_is_held_against_the_topology() -> None:
    check_fault(Drop(link="arm-cloud"), TOPOLOGY)
    with pytest.raises(InputError, match=r"there is no link 'arm'"):
        check_fault(Drop(link="arm"), TOPOLOGY)
    with pytest.raises(InputError, match=r"could not reach server"):
        check_fault(Kill(node="server", service="ssh.service"), TOPOLOGY)


# -- commands that need no lab -------------------------------------------------------------------


def test_a_dry_run_prints_the_schedule_and_the_seed_without_a_lab(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["chaos", "plans/random.yaml", "--dry-run", "--seed", "5"])
    assert done.exit_code == 0, done.output
    assert "lab chaos plans/random.yaml --seed 5" in done.output
    plan = load_plan(PLANS / "random.yaml", TOPOLOGY, seed=5)
    for each in plan.schedule():
        assert show_duration(each.at_s) in done.output


def test_a_dry_run_for_machines_holds_each_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(app, ["chaos", "plans/random.yaml", "--dry-run", "--json"])
    told = json.loads(done.output)
    assert told["seed"] == 20
    plan = load_plan(PLANS / "random.yaml", TOPOLOGY)
    assert [FAULT.validate_python(each["fault"]) for each in told["faults"]] == [
        each.fault for each in plan.schedule()
    ]


def test_the_schema_command_writes_the_schema_of_plans() -> None:
    done = CliRunner().invoke(app, ["schema", "plan"])
    assert json.loads(done.output) == plan_schema()
    assert "nodes" in json.loads(CliRunner().invoke(app, ["schema"]).output)["properties"]


def test_the_table_of_kinds_has_every_fault_with_all_its_fields() -> None:
    rows = kind_rows()
    assert {name for name, _, _ in rows} == {
        str(model.model_fields["fault"].default) for model in FAULT_KINDS
    }
    by_name = {name: fields for name, fields, _ in rows}
    assert by_name["cut"] == "link, [direction=both]"
    for model in FAULT_KINDS:
        fields = by_name[str(model.model_fields["fault"].default)]
        assert all(field in fields for field in model.model_fields if field != "fault")
    assert all(what for _, _, what in rows)
    assert CliRunner().invoke(app, ["fault", "kinds"]).exit_code == 0


PAGE = ROOT / "docs" / "break-a-lab.md"


def test_the_plan_on_the_page_is_a_good_one() -> None:
    text = PAGE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]
    assert len(parse_plan(text, TOPOLOGY).schedule()) == 8


def test_the_page_names_every_plan_and_every_fault() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert all(f"`plans/{file.name}`" in page for file in shipped())
    for name, fields, _ in kind_rows():
        assert f"`{name}`" in page
        if "kind: " in fields:
            assert f"`{fields.split('kind: ')[1].split(',')[0].rstrip('}')}`" in page
