"""Which nodes have gVisor, and what containerd and the cluster are told of it."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from edge_lab.addons.gvisor import containerd
from edge_lab.addons.gvisor.addon import Gvisor, ReleasedGvisor, runtime_class
from edge_lab.addons.gvisor.containerd import SHIM_CONFIG, shim_config
from edge_lab.addons.gvisor.names import (
    DEBIAN_RUNSC,
    GVISOR,
    GVISOR_RELEASE,
    NODE_LABEL,
    gvisor_addon,
    is_default,
    runsc_path,
)
from edge_lab.addons.workload.manifests import (
    collector_manifest,
    sampler_manifest,
    sampling_nodes,
)
from edge_lab.artifacts import Want
from edge_lab.core.errors import LabError
from edge_lab.stacks import get_stack
from edge_lab.topology import Arch, Topology, TopologyProblem

GVISOR_ARCHITECTURES = (Arch.X86_64, Arch.AARCH64)


def containerd_config(arch: Arch, *, default: bool, addon: Gvisor | None = None) -> str:
    return containerd.containerd_config(arch, (addon or Gvisor()).runtime, default=default)


def test_containerd_waits_for_an_emulated_node() -> None:
    timeouts = tomllib.loads(containerd_config(Arch.AARCH64, default=False))["timeouts"]
    assert set(timeouts.values()) == {"60s"}


def runtimes(text: str) -> dict[str, Any]:
    section = tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]["containerd"]
    assert isinstance(section, dict)
    return section


@pytest.mark.parametrize("arch", GVISOR_ARCHITECTURES)
def test_a_runtime_is_added_to_those_of_the_root_image(arch: Arch) -> None:
    section = runtimes(containerd_config(arch, default=False))
    assert set(section["runtimes"]) == {"runc", "runsc"}
    assert section["default_runtime_name"] == "runc"
    assert section["runtimes"]["runsc"]["options"]["BinaryName"] == "/opt/edge-lab/bin/edge-runsc"


@pytest.mark.parametrize("arch", GVISOR_ARCHITECTURES)
def test_a_release_runs_behind_its_own_shim(arch: Arch) -> None:
    text = containerd_config(arch, default=False, addon=ReleasedGvisor())
    runtime = runtimes(text)["runtimes"]["runsc"]
    assert runtime["runtime_type"] == "io.containerd.runsc.v1"
    assert runtime["runtime_path"] == "/opt/edge-lab/bin/containerd-shim-runsc-v1"
    assert runtime["options"]["ConfigPath"] == SHIM_CONFIG
    assert tomllib.loads(shim_config())["binary_name"] == "/opt/edge-lab/bin/runsc"


def test_the_two_ways_to_install_it_exclude_each_other(default_topology: Topology) -> None:
    both = default_topology.model_copy(update={"addons": ("workload", GVISOR, GVISOR_RELEASE)})
    for addon in (Gvisor(), ReleasedGvisor()):
        with pytest.raises(TopologyProblem) as caught:
            addon.check(both)
        assert caught.value.loc == ("addons", 2)


@pytest.mark.parametrize(
    ("name", "path"), [(GVISOR, DEBIAN_RUNSC), (GVISOR_RELEASE, "/opt/edge-lab/bin/runsc")]
)
def test_proofs_compare_with_the_program_that_is_installed(
    default_topology: Topology, name: str, path: str
) -> None:
    topology = default_topology.model_copy(update={"addons": ("workload", name)})
    assert (gvisor_addon(topology), runsc_path(topology)) == (name, path)


def test_a_lab_without_it_has_no_such_addon(default_topology: Topology) -> None:
    assert gvisor_addon(default_topology) == ""


@pytest.mark.parametrize("arch", GVISOR_ARCHITECTURES)
def test_it_can_be_the_default(arch: Arch) -> None:
    assert runtimes(containerd_config(arch, default=True))["default_runtime_name"] == "runsc"


RUNC = """\
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        'default_runtime_name = "runc"\n',
        "version = 3\n",
        f"{RUNC}[timeouts]\n",
        f'{RUNC}[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runsc]\n',
    ],
)
def test_a_configuration_without_runc_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(containerd, "root_config", lambda arch: text)
    with pytest.raises(LabError):
        containerd_config(Arch.X86_64, default=False)


def test_riscv64_lacks_it(default_topology: Topology) -> None:
    addon, stack = Gvisor(), get_stack("kubernetes+openyurt")
    able = {
        node.name: addon.capabilities(default_topology, node, stack)
        for node in default_topology.nodes
    }
    assert able == {"server": {GVISOR}, "edge-arm": {GVISOR}, "edge-riscv": frozenset()}
    assert set(addon.wants(default_topology, stack)) == {
        Want("edge-runsc", arch) for arch in GVISOR_ARCHITECTURES
    }
    assert set(ReleasedGvisor().wants(default_topology, stack)) == {
        Want(name, arch)
        for name in ("runsc", "containerd-shim-runsc-v1")
        for arch in GVISOR_ARCHITECTURES
    }


def test_a_lab_of_riscv64_alone_is_refused(default_topology: Topology) -> None:
    alone = default_topology.model_copy(
        update={
            "addons": ("workload", GVISOR),
            "nodes": tuple(node for node in default_topology.nodes if node.arch is Arch.RISCV64),
        }
    )
    with pytest.raises(TopologyProblem) as caught:
        Gvisor().check(alone)
    assert caught.value.loc == ("addons", 1)


def test_pods_that_ask_for_it_go_to_nodes_that_have_it() -> None:
    wanted = runtime_class()
    assert wanted["metadata"]["name"] == GVISOR
    assert wanted["scheduling"]["nodeSelector"] == {NODE_LABEL: "true"}


def test_it_is_the_default_where_the_runtime_knows_no_runtime_class_or_the_node_says_so(
    default_topology: Topology,
) -> None:
    arm = default_topology.node("edge-arm")
    openyurt, kubeedge = get_stack("kubernetes+openyurt"), get_stack("kubernetes+kubeedge")
    assert not is_default(default_topology, arm, openyurt)
    assert is_default(default_topology, arm, kubeedge)
    assert not is_default(default_topology, default_topology.server, kubeedge)
    named = arm.model_copy(update={"container_runtime": GVISOR})
    assert is_default(default_topology, named, openyurt)
    assert not is_default(default_topology, default_topology.node("edge-riscv"), kubeedge)


def test_the_server_is_no_node_of_sandboxes_alone(default_topology: Topology) -> None:
    """Pods of it are in the node's network (hostNetwork), which a sandbox is not."""
    named = default_topology.server.model_copy(update={"container_runtime": GVISOR})
    nodes = tuple(
        named if node == default_topology.server else node for node in default_topology.nodes
    )
    with pytest.raises(TopologyProblem) as refused:
        Gvisor().check(default_topology.model_copy(update={"nodes": nodes}))
    assert refused.value.loc[0] == "nodes"


def test_no_pod_of_the_lab_on_an_edge_node_is_in_its_network(topology: Topology) -> None:
    workload = (sampler_manifest(node) for node in sampling_nodes(topology))
    pods = [*workload, collector_manifest(topology)]
    asking = {pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("hostNetwork")}
    assert asking == {topology.server.name}
