"""What the sampler of a node loses beside a hostile pod that makes noise, with limits and without.

The figures are open: nothing is promised of them. That each pod makes its noise, and that limits
bound it, is judged."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.addons.hostile.pods import HostilePod, bomb_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.cluster.kubectl import NOT_YET, KubectlError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import POD_SECONDS, HostilePods
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.sandbox.bombs import end_of
from edge_lab.oracles.sandbox.neighbours import Look, Window, lost_percent, parse_load
from edge_lab.oracles.sandbox.records import BombProgress, parse_bomb
from suites.edges import is_ready
from suites.sandbox.runtimes import runtime_class

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Sandbox"), allure.feature("Noisy neighbours")]

SECONDS = 40
"""Of noise, on the node's clock."""
READY_SECONDS = 150.0
REQUEST_SECONDS = 60.0
CPU_MILLI, MEMORY_MIB = 300, 128
NO_LIMITS = {"memory_mib": 0}
ALONE, FREE, LIMITED = "idle", "without limits", "with limits"

LIMITS: dict[str, dict[str, Any] | None] = {
    "cpu": {"memory_mib": 0, "cpu_milli": CPU_MILLI},
    "cache": {"memory_mib": MEMORY_MIB},
    # Nothing in a lab limits a pod's network: its CNI configuration has no bandwidth plugin.
    "flood": None,
}


@dataclass(frozen=True)
class Victim:
    """The sampler of a node, as it takes one device."""

    lab: Lab
    node: LabNode
    workload: Workload
    device: str
    nic: str

    def look(self, uid: str) -> Look:
        """At sampler and device, and at what the pod takes."""
        group = f"/sys/fs/cgroup/kubepods*/**/pod{uid}"
        script = (
            "cut -d ' ' -f 1 /proc/uptime;"
            f" awk '$1 == \"usage_usec\" {{print $2}}' {group}/cpu.stat;"
            f" cat {group}/memory.current /sys/class/net/{self.nic}/statistics/tx_packets"
        )
        load = parse_load(self.node.output(f"bash -O globstar -c {shlex.quote(script)}"))
        counts = self.workload.counts(self.node.name)[self.device]
        step = self.lab.devices[self.device].steps()[-1].seq
        return Look(step, counts.sampled, counts.read_errors, load)


def window(victim: Victim, pods: HostilePods, pod: HostilePod, time_limit: TimeLimit) -> Window:
    """The seconds in which the pod makes its noise; its start and its end are no part of them."""
    with pods.applied(pod) as uid:

        def said(done: bool) -> BombProgress | None:
            found = parse_bomb(pods.log(pod, uid))
            if found and (found.done or not done):
                return found
            current = victim.lab.kubectl.get_json(
                *("pod", pod.name, "-n", NAMESPACE), deadline=time_limit(REQUEST_SECONDS)
            )
            assert current["status"].get("phase") != "Failed", end_of(current, found)
            return None

        eventually(
            f"{pod.name} begins",
            partial(said, False),
            time_limit(POD_SECONDS),
            every=1.0,
            transient=NOT_YET,
        )
        before = victim.look(uid)
        progress = eventually(
            f"{pod.name} has finished",
            partial(said, True),
            time_limit(POD_SECONDS),
            every=2.0,
            transient=NOT_YET,
        )
        after = victim.look(uid)
    assert (progress.reached, progress.errno) == (SECONDS, ""), progress.detail
    return Window(before, after)


@pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT], ids=str)
@pytest.mark.parametrize("noise", LIMITS)
@allure.title("On {edge_node}, samples lost next to a noisy pod ({noise}) with {setting}")
def test_what_a_neighbour_loses(
    lab: Lab,
    edge_node: LabNode,
    noise: str,
    setting: Setting,
    hostile_pods: HostilePods,
    workload: Workload,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    workload.must_sample(edge_node.spec)
    asked = runtime_class(lab, edge_node.name, setting)
    cluster = lab.topology.cluster_link(edge_node.name)
    server = lab.topology.cluster_link(lab.topology.server.name).address
    device = workload.devices_of(edge_node.spec)[0]
    victim = Victim(lab, edge_node, workload, device, f"{cluster.network}0")

    def beside(kind: str, what: str, limits: dict[str, Any]) -> Window:
        pod = bomb_pod(
            edge_node.name,
            setting,
            asked,
            kind,
            SECONDS,
            # Not /tmp, which gVisor keeps in the sandbox's memory: there is no page cache of it.
            options=("--hold", "--to", f"{server}:9", "--folder", "/"),
            what=what,
            **limits,
        )
        return window(victim, hostile_pods, pod, time_limit)

    found = {ALONE: beside("idle", "alone", NO_LIMITS), FREE: beside(noise, "free", NO_LIMITS)}
    bounded = LIMITS[noise]
    if bounded is not None:
        found[LIMITED] = beside(noise, "limited", bounded)
    record(measure, edge_node.name, noise, setting, found)
    eventually(
        f"{edge_node} is Ready",
        partial(is_ready, lab, edge_node.name, time_limit),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
    assert_noise(noise, found)


def record(
    measure: Measuring, node: str, noise: str, setting: Setting, found: dict[str, Window]
) -> None:
    """Into the report: what the sampler took and lost, and what the pod took."""
    alone = found[ALONE]
    for what, one in found.items():
        label = f"{setting}, {what}"
        evidence = (
            f"{one.steps} steps of the device in {one.seconds:.0f} s; {one.read_errors} read "
            f"errors; the pod took {one.cpus:.2f} CPUs and {one.after.load.memory_mib:.0f} MiB, "
            f"and the node sent {one.frames_per_s:.0f} frames/s"
        )
        title = f"samples lost next to {noise}"
        lost = lost_percent(alone, one)
        measure(title, lost, unit="%", better="lower", node=node, label=label, evidence=evidence)
        measure(f"CPUs of {noise}", one.cpus, unit="CPUs", node=node, label=label)


def assert_noise(noise: str, found: dict[str, Window]) -> None:
    """That there was noise, as a pod that does nothing makes none, and that limits bound it."""
    alone, free, limited = found[ALONE], found[FREE], found.get(LIMITED)
    if noise == "flood":
        assert free.frames_per_s > 2 * alone.frames_per_s
        return
    assert limited is not None
    assert free.cpus > alone.cpus
    if noise == "cpu":
        assert limited.cpus <= 1.2 * CPU_MILLI / 1000 < free.cpus
    else:
        assert limited.after.load.memory_mib <= 1.5 * MEMORY_MIB
        assert free.after.load.memory_mib > limited.after.load.memory_mib
