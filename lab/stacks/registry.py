"""The stacks by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from edge_lab.core.errors import InputError
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


def stack_names() -> tuple[str, ...]:
    """All stacks that there are."""
    return tuple(
        f"{control}+{runtime}"
        for control in CONTROL_PLANES
        for runtime in EDGE_RUNTIMES
        if fit(control, runtime)
    )


def get_stack(name: str) -> Stack:
    """The stack called `<control plane>+<edge runtime>`; InputError if there is none."""
    control, _, runtime = name.partition("+")
    if control in CONTROL_PLANES and runtime in EDGE_RUNTIMES:
        return Stack(CONTROL_PLANES[control](), EDGE_RUNTIMES[runtime]())
    near = difflib.get_close_matches(name, stack_names(), n=1)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"there is no stack {name!r}", remedy=f"{hint}Known are: {', '.join(stack_names())}."
    )
