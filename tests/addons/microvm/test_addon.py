"""Which nodes the add-on `microvm` is for, what they are given, and when it is ready."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.addons import AddOnContext, Cluster, find_addon, load_topology
from edge_lab.addons.microvm.addon import Microvm, offered
from edge_lab.addons.microvm.names import DEVICE_GROUP, KVM, MICROVM, RESOURCE, UNIT
from edge_lab.artifacts import Artifact, Want
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.data import LABS
from edge_lab.images.recipe import load_recipe
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import get_stack
from edge_lab.topology import Arch, Topology
from tests.stacks.provisions import ContextFor, units_of

LAB = LABS / "microvm.yaml"
STACK = get_stack("kubernetes+kubelet")
WORKS = {
    "device": "/dev/kvm",
    "arch": "arm64",
    "open": "",
    "version": 12,
    "vm": "",
    "vcpu": "",
    "capabilities": {"IRQFD": 1, "ONE_REG": 0},
}


@pytest.fixture(scope="module")
def lab() -> Topology:
    return load_topology(LAB)


def without_virtualization(folder: Path) -> Path:
    text = LAB.read_text(encoding="utf-8")
    assert ", virtualization: true" in text
    file = folder / "lab.yaml"
    file.write_text(text.replace(", virtualization: true", ""), encoding="utf-8")
    return file


def test_only_nodes_that_offer_virtualization_have_it(lab: Topology) -> None:
    addon = find_addon(MICROVM)
    able = {node.name: addon.capabilities(lab, node, STACK) for node in lab.nodes}
    assert able == {"server": frozenset(), "edge-arm": frozenset({KVM, MICROVM})}
    assert set(addon.wants(lab, STACK)) == {
        Want(name, Arch.AARCH64) for name in ("edge-kvm", "edge-hostile")
    }
    assert addon.units(lab, lab.server, STACK) == ()
    assert addon.units(lab, lab.node("edge-arm"), STACK) == (UNIT,)


def test_a_lab_without_such_a_node_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_topology(without_virtualization(tmp_path))
    text = (tmp_path / "lab.yaml").read_text(encoding="utf-8").splitlines()
    assert text[caught.value.line - 1].startswith("addons:")


def test_the_group_of_the_device_is_that_of_the_root_images() -> None:
    groups = {group.name: group.id for group in load_recipe().groups}
    assert groups["kvm"] == DEVICE_GROUP


# -- what nodes are given ---------------------------------------------------------------------


@pytest.fixture
def given(lab: Topology, context_for: ContextFor, tmp_path: Path) -> Any:
    """By node, what the add-on gives it."""
    files = {name: tmp_path / name for name in ("kernel", "busybox", "edge-hostile", "edge-kvm")}
    for name, file in files.items():
        file.write_text(name)
    artifacts = {
        Want(name, Arch.AARCH64): Artifact(name, "v1", Arch.AARCH64, files[name], "0", "a test")
        for name in ("edge-hostile", "edge-kvm")
    }
    image: Any = SimpleNamespace(kernel=files["kernel"], busybox=files["busybox"])
    context = dataclasses.replace(
        context_for(STACK),
        topology=lab,
        artifacts=artifacts,
        root_images={Arch.AARCH64: image},
    )
    ctx = AddOnContext(context, STACK)
    return lambda node: Microvm().provision(ctx, lab.node(node))


def test_the_server_is_given_nothing(given: Any) -> None:
    assert given("server") == Provision()


def test_a_node_has_the_plugin_the_kernel_and_the_ram_disk(given: Any) -> None:
    provision = given("edge-arm")
    by_path = {file.path: file for file in provision.payload}
    assert set(by_path) == {"bin/edge-kvm", "microvm/kernel", "microvm/initrd"}
    kernel, disk = by_path["microvm/kernel"], by_path["microvm/initrd"]
    assert kernel.source.read_text() == "kernel"
    for file in (kernel, disk):
        assert file.sha256 == hashlib.sha256(file.source.read_bytes()).hexdigest()
    content = disk.source.read_bytes()
    assert b"edge-hostile" in content
    assert b"\ninit\0" in content or b"init\0" in content
    assert provision.units == (UNIT,)
    unit = units_of(provision)[UNIT]
    assert f"--resource {RESOURCE}" in unit


def test_equal_programs_make_one_ram_disk(given: Any) -> None:
    first, second = given("edge-arm"), given("edge-arm")
    assert first == second


# -- until it works ---------------------------------------------------------------------------


def cluster(lab: Topology, report: dict[str, Any], shares: str = "4") -> Cluster:
    machine = SimpleNamespace(run=lambda *_, **__: SimpleNamespace(stdout=json.dumps(report)))
    node = {"status": {"allocatable": {RESOURCE: shares}}}
    access: Any = SimpleNamespace(
        topology=lab,
        machines={"edge-arm": machine},
        kubectl=SimpleNamespace(get_json=lambda *_, **__: node),
        watch=lambda: None,
    )
    return Cluster(access, STACK, Deadline.after(0.2))


def test_it_is_ready_when_kvm_works_and_pods_can_have_it(lab: Topology) -> None:
    Microvm().wait_ready(cluster(lab, WORKS))


@pytest.mark.parametrize(
    "broken", [{"open": "ENOENT"}, {"vm": "ENODEV"}, {"vcpu": "EINVAL"}, {"version": 11}]
)
def test_a_node_whose_kvm_does_not_work_is_an_error_of_the_lab(
    lab: Topology, broken: dict[str, Any]
) -> None:
    with pytest.raises(LabError, match="edge-arm"):
        Microvm().wait_ready(cluster(lab, {**WORKS, **broken}))


def test_it_is_not_ready_while_no_pod_can_have_the_device(lab: Topology) -> None:
    with pytest.raises(LabError):
        Microvm().wait_ready(cluster(lab, WORKS, shares="0"))
    assert offered({"status": {}}) == 0
