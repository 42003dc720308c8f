"""The key by which a node is known to the API server, and Secrets of which it may read one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edge_lab.addons.hostile.pods import MOUNT, facts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.sandbox import HostilePods
from edge_lab.stacks.kubelet import NODE_CERTIFICATE

if TYPE_CHECKING:
    from edge_lab.cluster.objects import Manifest
    from edge_lab.handle.lab import Lab

KUBELET_FOLDER = "/var/lib/kubelet"
OWN_SECRET, OTHER_SECRET = "edge-lab-hostile-own", "edge-lab-hostile-other"  # names


def node_key(lab: Lab, node: str) -> str:
    """The path of the node's client key.

    Raises:
        MissingCapability: the stack does not declare it.
    """
    for held in lab.stack.certificates(lab.topology):
        if (held.node, held.name) == (node, NODE_CERTIFICATE):
            return held.key
    raise MissingCapability(f"{lab.stack_name} does not say where {node} has its key")


def mounted(path: str) -> str:
    """The path in a pod that has the kubelet's folder at `MOUNT`.

    Raises:
        MissingCapability: it is not in that folder.
    """
    if not PurePosixPath(path).is_relative_to(KUBELET_FOLDER):
        raise MissingCapability(f"{path} is not in {KUBELET_FOLDER}")
    return f"{MOUNT}/{PurePosixPath(path).relative_to(KUBELET_FOLDER)}"


@dataclass(frozen=True)
class Secrets:
    """Two Secrets of the lab's namespace."""

    own: str
    """For a pod of the node."""
    other: str
    """Of a pod of another node, if there is one, and of no pod of the node."""

    def options(self) -> tuple[str, ...]:
        """For attempts with the node's key; they also need `api_options`."""
        names = ("--own-secret", self.own), ("--other-secret", self.other)
        return tuple(word for option, name in names for word in (option, f"{NAMESPACE}/{name}"))


@contextlib.contextmanager
def two_secrets(lab: Lab, pods: HostilePods, node: str, limit: TimeLimit) -> Iterator[Secrets]:
    """Both exist while the block runs, and so does a pod of another edge node that has the second
    as a volume."""
    found = Secrets(OWN_SECRET, OTHER_SECRET)
    others = [edge.name for edge in lab.topology.edges if edge.name != node]

    def remove(name: str) -> None:
        lab.kubectl.delete("secret", name, "-n", NAMESPACE, deadline=limit(60))

    with contextlib.ExitStack() as stack:
        for name in (found.own, found.other):  # they may exist even if the response came too late
            stack.callback(remove, name)
        lab.kubectl.apply([_secret(found.own), _secret(found.other)], limit(60))
        for other in others[:1]:
            plain = facts_pod(other, Setting.RUNC_DEFAULT, None, name=f"bystander-{other}")
            stack.enter_context(pods.applied(replace(plain, secret=found.other)))
        yield found


def _secret(name: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "stringData": {"content": name},
    }
