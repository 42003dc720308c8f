"""The ways of waking a function, as data; each is a column of every table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from edge_lab.addons.functions.names import FUNCTIONS
from edge_lab.stacks import Stack
from edge_lab.topology import Topology


class Runs(StrEnum):
    """The form in which a function runs."""

    POD = "a pod"
    PROCESS = "a process of the node"


@dataclass(frozen=True)
class Way:
    """One way of waking."""

    name: str
    title: str
    runs: Runs
    from_zero: bool
    """Whether no process runs while no events wait."""
    offline: bool
    """Whether it is woken while the node is cut off from the cloud."""
    own_kubelet: bool = False
    """Whether it needs a kubelet that reads the lab's drop-ins, which KubeEdge's does not."""
    addon: str = FUNCTIONS
    """The add-on that wakes its function; a topology without it does not have the way."""

    @property
    def by_activator(self) -> bool:
        """Whether the activator of the node wakes it."""
        return self.from_zero and self.addon == FUNCTIONS


WARM = Way("warm", "a pod that always runs", Runs.POD, from_zero=False, offline=True)
PROCESS = Way("process", "a systemd unit", Runs.PROCESS, from_zero=True, offline=True)
STATIC_POD = Way("pod", "a static pod", Runs.POD, from_zero=True, offline=True, own_kubelet=True)
KEDA = Way(
    "keda",
    "a Deployment that KEDA scales from the cloud",
    Runs.POD,
    from_zero=True,
    offline=False,
    addon="functions-keda",
)

WAYS: Mapping[str, Way] = {way.name: way for way in (WARM, PROCESS, STATIC_POD, KEDA)}
OWN_WAYS: tuple[Way, ...] = tuple(way for way in WAYS.values() if way.addon == FUNCTIONS)
"""The ways of the add-on `functions` itself."""

OWN_KUBELET = frozenset({"kubelet", "openyurt", "k3s"})
"""Edge runtimes with a kubelet that reads drop-ins."""


def ways_of(topology: Topology, stack: Stack) -> tuple[Way, ...]:
    """The ways that edge nodes of a topology have on a stack."""
    own = stack.runtime.name in OWN_KUBELET
    return tuple(
        way
        for way in WAYS.values()
        if way.addon in topology.addons and (own or not way.own_kubelet)
    )


def has_keda(topology: Topology) -> bool:
    """Whether KEDA runs on the server and asks the brokers of edge nodes."""
    return KEDA.addon in topology.addons


def capability(way: Way) -> str:
    """The capability of nodes that support the way."""
    return f"functions-{way.name}"


def has_functions(topology: Topology) -> bool:
    return FUNCTIONS in topology.addons
