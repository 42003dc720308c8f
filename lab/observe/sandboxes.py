"""Whether pods that report no facts are sandboxed, by their nodes' view.

Uses the management path, so it also works for a node that is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.gvisor.names import GVISOR, gvisor_addon, runsc_path
from edge_lab.addons.workload import NAMESPACE, sampling_nodes
from edge_lab.addons.workload.manifests import (
    COLLECTOR,
    COLLECTOR_FOLDER,
    CONFIG_MOUNT,
    sampler_pod,
)
from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.oracles.sandbox import SandboxVerdict, judge_from_outside
from edge_lab.oracles.sandbox.outside import look_command, parse_node_view
from edge_lab.topology import Cri

if TYPE_CHECKING:
    from edge_lab.core.deadline import Deadline
    from edge_lab.handle.lab import Lab

PROGRAM = "edge"
"""The program of the workload's image, which all its pods run (images/go/workload)."""


@dataclass(frozen=True)
class KnownPod:
    """A pod that runs this program, by the API server."""

    name: str
    node: str
    uid: str
    tag: str = ""
    """A word among its program's arguments that is unique on the node; if empty, its name, and its
    program is found by its control group only."""


def known_pod(lab: Lab, name: str, node: str, deadline: Deadline, tag: str = "") -> KnownPod:
    """The pod of that name in the lab's namespace."""
    found = lab.kubectl.get_json("pod", name, "-n", NAMESPACE, deadline=deadline)
    return KnownPod(name, node, str(found["metadata"]["uid"]), tag or name)


def known_sampler(lab: Lab, node: str, deadline: Deadline) -> KnownPod:
    """The sampler of an edge node."""
    return known_pod(lab, sampler_pod(node), node, deadline, f"{CONFIG_MOUNT}/config.json")


def known_collector(lab: Lab, deadline: Deadline) -> KnownPod:
    """The collector on the server."""
    return known_pod(lab, COLLECTOR, lab.topology.server.name, deadline, COLLECTOR_FOLDER)


def look_from_outside(lab: Lab, pod: KnownPod, deadline: Deadline) -> SandboxVerdict:
    """The verdict on the pod by its node's current view."""
    command = look_command(pod.uid, pod.tag or pod.name, runsc_path(lab.topology), PROGRAM)
    done = lab.machine(pod.node).run(command, deadline)
    return judge_from_outside(pod.node, lab.stack_name, pod.name, parse_node_view(done.stdout))


def sandboxed_samplers(lab: Lab) -> tuple[str, ...]:
    """The nodes whose samplers must be sandboxed, like all their pods without a RuntimeClass."""
    return tuple(
        node.name for node in sampling_nodes(lab.topology) if default_runtime(lab, node) == GVISOR
    )


def runtime_column(lab: Lab, node: str) -> str:
    """The runtime of a node in tables: the stack, with the sandbox if all pods of the node are in
    one, or the container runtime if it is not containerd, so that figures can be compared."""
    if node not in {known.name for known in lab.topology.nodes}:
        return lab.stack_name
    cri = lab.topology.node(node).cri
    if cri is not Cri.CONTAINERD:
        return f"{lab.stack_name} ({cri.value})"
    sandboxed = default_runtime(lab, lab.topology.node(node)) == GVISOR
    return f"{lab.stack_name} ({gvisor_addon(lab.topology)})" if sandboxed else lab.stack_name
