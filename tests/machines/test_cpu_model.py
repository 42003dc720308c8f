"""A node's option `cpu_model`: QEMU's option with it, nothing at all without it."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from edge_lab.machines import GuestSpec
from edge_lab.machines.domain import QEMU_NAMESPACE, domain_on_paper
from edge_lab.machines.guest import AcceleratorName
from edge_lab.topology import Arch, Node, Topology, TopologyProblem
from edge_lab.topology.consistency import check_consistency

MakeSpec = Callable[..., GuestSpec]
MODEL = "cortex-a76"


def with_model(spec: GuestSpec, **more: object) -> GuestSpec:
    update = {"cpu_model": MODEL, **more}
    return dataclasses.replace(spec, node=spec.node.model_copy(update=update))


def domain_of(spec: GuestSpec, accelerator: AcceleratorName = "tcg") -> ET.Element:
    return ET.fromstring(domain_on_paper(spec, accelerator))


def arguments(domain: ET.Element) -> list[str]:
    return [argument.attrib["value"] for argument in domain.iter(f"{{{QEMU_NAMESPACE}}}arg")]


def test_an_emulated_node_has_that_cpu(make_spec: MakeSpec) -> None:
    domain = domain_of(with_model(make_spec("edge-arm")))
    found = arguments(domain)
    assert found[found.index("-cpu") + 1] == MODEL
    assert domain.find("cpu") is None


def test_it_goes_with_virtualization(make_spec: MakeSpec) -> None:
    domain = domain_of(with_model(make_spec("edge-arm"), virtualization=True))
    assert [controller.get("version") for controller in domain.iterfind("features/gic")] == ["3"]
    assert "virtualization=on" in arguments(domain)


def test_with_acceleration_a_node_has_the_hosts(make_spec: MakeSpec) -> None:
    domain = domain_of(with_model(make_spec("edge-arm")), "kvm")
    assert "-cpu" not in arguments(domain)
    assert domain.find("cpu").get("mode") == "host-passthrough"  # type: ignore[union-attr]


def test_nodes_without_it_are_dumped_as_before() -> None:
    node = Node(name="edge", arch=Arch.AARCH64, role="edge")
    assert "cpu_model" not in node.model_dump()
    assert "cpu_model" in node.model_copy(update={"cpu_model": MODEL}).model_dump()


def test_other_architectures_have_no_such_cpu(default_topology: Topology) -> None:
    nodes = tuple(
        node.model_copy(update={"cpu_model": MODEL}) if node.arch is Arch.RISCV64 else node
        for node in default_topology.nodes
    )
    with pytest.raises(TopologyProblem) as raised:
        check_consistency(default_topology.model_copy(update={"nodes": nodes}))
    assert raised.value.loc[-1] == "cpu_model"
