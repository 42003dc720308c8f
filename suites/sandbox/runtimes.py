"""Which nodes can run sandboxed pods, and which can run others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.addons.gvisor.names import FLAVORS, GVISOR, gvisor_addon
from edge_lab.addons.hostile.pods import runtime_class_of
from edge_lab.addons.hostile.settings import Setting
from edge_lab.core.errors import MissingCapability
from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.stacks import Capability

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

HOSTILE = "hostile"
"""The add-on with the image."""


def sandboxes(lab: Lab, node: str) -> bool:
    """Whether pods of the node can be sandboxed."""
    return GVISOR in lab.platform.capabilities(lab.topology)[node]


def need_addon(lab: Lab, name: str) -> None:
    """MissingCapability if the topology does not list the add-on."""
    if name not in lab.topology.addons:
        raise MissingCapability(f"the topology {lab.topology.name} lists no add-on {name!r}")


def need_gvisor(lab: Lab) -> None:
    """MissingCapability if the topology lists no add-on that installs gVisor."""
    if not gvisor_addon(lab.topology):
        raise MissingCapability(
            f"the topology {lab.topology.name} lists neither {' nor '.join(FLAVORS)}"
        )


def need_sandboxes(lab: Lab, node: str) -> None:
    """MissingCapability if no pod of the node can be sandboxed."""
    need_addon(lab, HOSTILE)
    if not sandboxes(lab, node):
        raise MissingCapability(f"{node} has no {GVISOR!r} on the stack {lab.stack_name}")


def resolves_runtime_class(lab: Lab) -> bool:
    """Whether the edge runtime supports RuntimeClass; if not, nodes with sandboxes use them for
    every pod (https://github.com/kubeedge/kubeedge/issues/4416)."""
    return Capability.RUNTIME_CLASS in lab.stack.runtime.capabilities


def is_always_sandboxed(lab: Lab, node: str) -> bool:
    """Whether all pods of the node are sandboxed, including those that do not request it."""
    return default_runtime(lab, lab.topology.node(node)) == GVISOR


def runtime_class(lab: Lab, node: str, setting: Setting) -> str | None:
    """The RuntimeClass of a pod of the setting on that node.

    Raises:
        MissingCapability: it is not available there.
    """
    need_addon(lab, HOSTILE)
    resolved = resolves_runtime_class(lab)
    if setting.sandboxed:
        need_sandboxes(lab, node)
    elif is_always_sandboxed(lab, node):
        raise MissingCapability(f"every pod of {node} is sandboxed: none of it runs under runc")
    return runtime_class_of(setting, resolved=resolved)
