"""Which runtime a pod without a RuntimeClass runs in is the node's, not a guess."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.observe.scheduling.runtimes import default_runtime
from edge_lab.stacks import Capability
from edge_lab.topology import Arch, Node

SERVER = Node(name="edge-server", arch=Arch.X86_64, role="server")


def node(arch: Arch = Arch.AARCH64, runtime: str = "runc") -> Node:
    return Node(name="edge", arch=arch, role="edge", container_runtime=runtime)


RESOLVES = frozenset({Capability.RUNTIME_CLASS})


@pytest.mark.parametrize(
    ("edge", "addons", "capabilities", "runtime"),
    [
        pytest.param(node(), (), RESOLVES, "runc", id="no add-on"),
        pytest.param(node(), (), frozenset(), "runc", id="no add-on, no RuntimeClass"),
        pytest.param(node(), ("gvisor",), RESOLVES, "runc", id="beside runc"),
        pytest.param(node(), ("gvisor",), frozenset(), "gvisor", id="no RuntimeClass"),
        pytest.param(node(Arch.RISCV64), ("gvisor",), frozenset(), "runc", id="no port"),
        pytest.param(node(runtime="gvisor"), ("gvisor",), RESOLVES, "gvisor", id="named"),
    ],
)
def test_the_default_runtime_is_what_the_node_is_given(
    edge: Node, addons: tuple[str, ...], capabilities: frozenset[Capability], runtime: str
) -> None:
    lab: Any = SimpleNamespace(
        topology=SimpleNamespace(addons=addons, server=SERVER),
        stack=SimpleNamespace(runtime=SimpleNamespace(capabilities=capabilities)),
    )
    assert default_runtime(lab, edge) == runtime
