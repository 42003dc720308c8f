"""Faults of one plan that contradict each other, and some that do not."""

from __future__ import annotations

import re

import pytest

from edge_lab.core.errors import InputError
from edge_lab.faults.plan import parse_plan
from edge_lab.topology import parse_topology
from tests.faults.plans import ROOT, TOPOLOGY, plan_of, refusal


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
    with pytest.raises(InputError, match="both lock link arm-cloud rx"):
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


# What contradicts what: two faults, the second at the given time, and why.
CONTRADICTIONS = {
    "a cut link has nothing else": (
        "{fault: cut, link: arm-cloud, at: 10, for: 60}",
        "{fault: drop, link: arm-cloud, direction: tx, at: 30, for: 5}",
        "both lock link arm-cloud tx",
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
    "a link is observed through the server's": (
        "{fault: cut, link: server-cloud, at: 10, for: 60}",
        "{fault: drop, link: arm-cloud, at: 30, for: 5}",
        "is observed through link",
    ),
    "a cure is observed through the server": (
        "{fault: cut, link: arm-cloud, at: 10, for: 60}",
        "{fault: pause, node: server, at: 65, for: 20}",
        "cut on arm-cloud is observed through node server when it begins and when it ends",
    ),
    "a device's wire is seen from its neighbour": (
        "{fault: drop, link: arm-plant, at: 10, for: 60}",
        "{fault: drop, link: boiler-plant, at: 30, for: 5}",
        "observed through link arm-plant",
    ),
    "a device behind a dead wire shows nothing": (
        "{fault: cut, link: boiler-plant, at: 10, for: 60}",
        "{fault: device, device: boiler, does: {kind: junk}, at: 30, for: 5}",
        "the other needs",
    ),
    "a clock goes wrong in one way at a time": (
        "{fault: clock-jump, node: edge-arm, seconds: 60, at: 10, for: 60}",
        "{fault: clock-skew, node: edge-arm, ppm: 500, at: 30, for: 5}",
        "both lock node edge-arm clock",
    ),
    "a node's memory is taken by one at a time": (
        "{fault: memory-hog, node: edge-arm, mib: 500, at: 10, for: 60}",
        "{fault: page-cache, node: edge-arm, at: 30, for: 5}",
        "both lock node edge-arm memory",
    ),
    "a balloon takes what a hog would take": (
        "{fault: memory-hog, node: edge-arm, mib: 500, at: 10, for: 60}",
        "{fault: memory-balloon, node: edge-arm, mib: 500, at: 30, for: 5}",
        "both lock node edge-arm memory",
    ),
    "a service that is killed has all its files again": (
        "{fault: files-exhausted, node: edge-arm, at: 10, for: 60}",
        "{fault: kill, node: edge-arm, service: containerd.service, at: 30}",
        "both lock node edge-arm containerd.service",
    ),
    "a kubelet that is started again limits PIDs as before": (
        "{fault: pids-exhausted, node: edge-arm, at: 10, for: 60}",
        "{fault: replace-certificate, node: edge-arm, certificate: node, at: 30, for: 5}",
        "the other needs node edge-arm services",
    ),
    "a node without power has no memory to take": (
        "{fault: power-off, node: edge-arm, at: 10, for: 60}",
        "{fault: memory-leak, node: edge-arm, at: 30, for: 5}",
        "the other needs node edge-arm",
    ),
    "one service is not killed twice at once": (
        "{fault: kill, node: edge-arm, service: kubelet.service, at: 10}",
        "{fault: freeze, node: edge-arm, service: kubelet.service, at: 15, for: 5}",
        "both lock node edge-arm kubelet.service",
    ),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_faults_that_contradict_each_other_are_refused(case: str) -> None:
    one, other, why = CONTRADICTIONS[case]
    for text in (plan_of(one, other), plan_of(other, one)):
        trouble = refusal(text)
        assert "conflicts" in str(trouble)
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
    topology = parse_topology(lonely)
    trouble = refusal(plan_of("{fault: cut, link: boiler-plant, at: 0, for: 9}"), topology)
    assert "no probe can cross the link 'boiler-plant'" in str(trouble)
