"""The stacks by name: control planes and edge runtimes of edge-lab and of other distributions.

Another distribution provides them by entry points of the groups `edge_lab.control_planes` and
`edge_lab.edge_runtimes`, whose names are theirs and whose objects are their classes.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.core.plugins import PluginGroup
from edge_lab.stacks.base import ControlPlane, EdgeRuntime
from edge_lab.stacks.k3s import K3s
from edge_lab.stacks.k3s_agent import K3sAgent
from edge_lab.stacks.kubeedge import KubeEdge
from edge_lab.stacks.kubelet import Kubelet
from edge_lab.stacks.kubernetes import Kubernetes
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.stacks.pairs import fit
from edge_lab.stacks.stack import Stack

CONTROL_PLANES: Mapping[str, Callable[[], ControlPlane]] = {
    "kubernetes": Kubernetes,
    "k3s": K3s,
}
EDGE_RUNTIMES: Mapping[str, Callable[[], EdgeRuntime]] = {
    "openyurt": OpenYurt,
    "kubelet": Kubelet,
    "kubeedge": KubeEdge,
    "k3s": K3sAgent,
}


def _named(loaded: Any, name: str) -> bool:
    return getattr(loaded, "name", None) == name


_CONTROL_PLANES: PluginGroup[ControlPlane] = PluginGroup(
    "edge_lab.control_planes", "control plane", lambda: CONTROL_PLANES, _named
)
_EDGE_RUNTIMES: PluginGroup[EdgeRuntime] = PluginGroup(
    "edge_lab.edge_runtimes", "edge runtime", lambda: EDGE_RUNTIMES, _named
)


def edge_runtime_names() -> tuple[str, ...]:
    """All edge runtimes, including those of other distributions."""
    return _EDGE_RUNTIMES.names()


def stack_names() -> tuple[str, ...]:
    """The names of all stacks."""
    return tuple(
        f"{control}+{runtime}"
        for control in _CONTROL_PLANES.names()
        for runtime in _EDGE_RUNTIMES.names()
        if fit(control, runtime)
    )


def get_stack(name: str) -> Stack:
    """The stack called `<control plane>+<edge runtime>`; InputError if there is none."""
    control, _, runtime = name.partition("+")
    if control in _CONTROL_PLANES.names() and runtime in _EDGE_RUNTIMES.names():
        return Stack(_CONTROL_PLANES.find(control), _EDGE_RUNTIMES.find(runtime))
    near = difflib.get_close_matches(name, stack_names(), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"there is no stack {name!r}", remedy=f"{hint}Available: {', '.join(stack_names())}."
    )
