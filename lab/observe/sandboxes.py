"""Whether pods that say nothing of themselves are sandboxed, by what their nodes show of them.

Asked over the management path, so that a node that is cut off is seen as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.gvisor.names import GVISOR
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

if TYPE_CHECKING:
    from edge_lab.core.deadline import Deadline
    from edge_lab.handle.lab import Lab

PROGRAM = "edge"
"""The program of the workload's image, of which all its pods are (images/go/workload)."""


@dataclass(frozen=True)
class KnownPod:
    """A pod of that program, as the API server has shown it."""

    name: str
    node: str
    uid: str
    tag: str = ""
    """A word among its program's arguments that no other pod of the node has; its name, if empty:
    then its program is found by its control group alone."""


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
    """The verdict on the pod by its node, now."""
    command = look_command(pod.uid, pod.tag or pod.name, PROGRAM)
    done = lab.machine(pod.node).run(command, deadline)
    return judge_from_outside(pod.node, lab.stack_name, pod.name, parse_node_view(done.stdout))


def sandboxed_samplers(lab: Lab) -> tuple[str, ...]:
    """The nodes whose samplers must be sandboxed, as all pods of them that name no runtime."""
    return tuple(
        node.name for node in sampling_nodes(lab.topology) if default_runtime(lab, node) == GVISOR
    )


def runtime_column(lab: Lab, node: str) -> str:
    """What tables call the runtime of a node: the stack, and the sandbox if all pods of the node
    are in one, so that figures with it stand beside those without."""
    if node not in {known.name for known in lab.topology.nodes}:
        return lab.stack_name
    sandboxed = default_runtime(lab, lab.topology.node(node)) == GVISOR
    return f"{lab.stack_name} ({GVISOR})" if sandboxed else lab.stack_name
