"""Runs a microVM in a running lab: verdict and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure

from edge_lab.addons.hostile.pods import CONTAINER, HostilePod
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.observe.memory.files import parse_snapshot
from edge_lab.observe.memory.newpods import pod_bytes
from edge_lab.observe.memory.script import snapshot
from edge_lab.observe.podlog import log_command
from edge_lab.oracles.sandbox import PodFacts
from edge_lab.oracles.sandbox.microvm import MicrovmVerdict, judge_microvm
from edge_lab.oracles.sandbox.microvmcost import PodCost, first_word_s
from edge_lab.provisioning.cri import cri_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

FACTS_SECONDS = 900.0
"""Seconds for a microVM to print its first line: a machine in an emulated machine."""
ATTEMPTS_SECONDS = 1800.0
LOOK_SECONDS = 90.0


def judged(
    lab: Lab, pods: HostilePods, pod: HostilePod, uid: str, facts: PodFacts | None
) -> MicrovmVerdict:
    """The verdict on a running pod, by its output and its node's current view."""
    view = pods.outside(pod, uid)
    verdict = judge_microvm(pod.node, lab.stack_name, pod.name, facts, view)
    shown = "\n".join(str(proof) for proof in verdict.proofs)
    allure.attach(shown, f"proofs of {pod.name}", allure.attachment_type.TEXT)
    allure.attach(view.model_dump_json(indent=1), "the node", allure.attachment_type.JSON)
    return verdict


def cost_of(lab: Lab, pods: HostilePods, pod: HostilePod, limit: TimeLimit) -> PodCost:
    """Runs the pod once, until it has reported what it sees."""
    machine = lab.machine(pod.node)
    with pods.applied(pod) as uid:
        pods.facts(pod, uid, seconds=FACTS_SECONDS)
        raw = machine.run(
            log_command(NAMESPACE, pod.name, uid, CONTAINER), limit(LOOK_SECONDS)
        ).stdout
        script = snapshot(cri_of(lab.topology.node(pod.node)))
        seen = pod_bytes(parse_snapshot(machine.run(script, limit(LOOK_SECONDS)).stdout))
        found = lab.kubectl.get_json("pod", pod.name, "-n", NAMESPACE, deadline=limit(LOOK_SECONDS))
    if uid not in seen:
        raise LabError(f"no evidence: {pod.node} shows no memory of {pod.name}")
    return PodCost(first_word_s(raw, str(found["status"]["startTime"])), seen[uid])
