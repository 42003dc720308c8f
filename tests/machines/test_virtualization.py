"""A node's option `virtualization`: the CPU and modules with it, nothing at all without it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edge_lab.core.errors import InputError
from edge_lab.machines import GuestSpec, domain_on_paper
from edge_lab.machines.domain import QEMU_NAMESPACE
from edge_lab.machines.guest import AcceleratorName
from edge_lab.machines.virtualization import MODULES_FILE, check_virtualization, guest_files
from edge_lab.topology import Arch, Node

MakeSpec = Callable[..., GuestSpec]


def virtualizing(spec: GuestSpec) -> GuestSpec:
    node = spec.node.model_copy(update={"virtualization": True})
    return dataclasses.replace(spec, node=node)


def domain_of(spec: GuestSpec, accelerator: AcceleratorName = "tcg") -> ET.Element:
    return ET.fromstring(domain_on_paper(spec, accelerator))


def arguments(domain: ET.Element) -> list[str]:
    return [argument.attrib["value"] for argument in domain.iter(f"{{{QEMU_NAMESPACE}}}arg")]


def test_an_x86_cpu_offers_svm_with_nested_pages(make_spec: MakeSpec) -> None:
    domain = domain_of(virtualizing(make_spec("server")))
    required = {
        feature.get("name") for feature in domain.iterfind("cpu/feature[@policy='require']")
    }
    assert required == {"svm", "npt"}
    assert domain.find("cpu").get("mode") == "maximum"  # type: ignore[union-attr]


def test_an_arm_machine_starts_its_kernel_at_el2(make_spec: MakeSpec) -> None:
    domain = domain_of(virtualizing(make_spec("edge-arm")))
    assert [controller.get("version") for controller in domain.iterfind("features/gic")] == ["3"]
    found = arguments(domain)
    assert found[found.index("-machine") + 1] == "virtualization=on"


def test_a_riscv_cpu_has_the_hypervisor_extension_and_no_other_timers(make_spec: MakeSpec) -> None:
    found = arguments(domain_of(virtualizing(make_spec("edge-riscv"))))
    assert found[found.index("-cpu") + 1] == "rv64,sstc=off,h=true"


@pytest.mark.parametrize("node", ["server", "edge-arm", "edge-riscv"])
def test_what_the_option_adds_is_all_that_changes(make_spec: MakeSpec, node: str) -> None:
    without = domain_on_paper(make_spec(node), "tcg").splitlines()
    with_it = domain_on_paper(virtualizing(make_spec(node)), "tcg").splitlines()
    gone = [line.strip() for line in without if line not in with_it]
    assert len(gone) <= 1, gone
    assert with_it != without


def test_hardware_that_nests_passes_the_host_cpu_through_as_it_is(make_spec: MakeSpec) -> None:
    spec = make_spec("server")
    assert domain_on_paper(virtualizing(spec), "kvm") == domain_on_paper(spec, "kvm")


def test_modules_are_loaded_where_they_are_not_built_in() -> None:
    loaded = {arch: {file.path: file.content for file in guest_files(arch, "tcg")} for arch in Arch}
    assert loaded == {
        Arch.X86_64: {MODULES_FILE: b"kvm_amd\n"},
        Arch.AARCH64: {},
        Arch.RISCV64: {MODULES_FILE: b"kvm\n"},
    }


# -- hardware ---------------------------------------------------------------------------------


def a_node(arch: Arch = Arch.X86_64, *, virtualization: bool = True) -> Node:
    return Node(name="edge", arch=arch, role="edge", virtualization=virtualization)


def modules(folder: Path, name: str, nested: str) -> Path:
    (folder / name / "parameters").mkdir(parents=True)
    (folder / name / "parameters/nested").write_text(f"{nested}\n")
    return folder


@pytest.mark.parametrize(("name", "nested"), [("kvm_amd", "1"), ("kvm_intel", "Y")])
def test_a_host_that_nests_will_do(tmp_path: Path, name: str, nested: str) -> None:
    check_virtualization(a_node(), "kvm", modules(tmp_path, name, nested))


@pytest.mark.parametrize(("name", "nested"), [("kvm_amd", "0"), ("kvm_intel", "N")])
def test_a_host_that_does_not_nest_is_refused(tmp_path: Path, name: str, nested: str) -> None:
    with pytest.raises(InputError) as caught:
        check_virtualization(a_node(), "kvm", modules(tmp_path, name, nested))
    assert f"modprobe {name} nested=1" in caught.value.remedy


def test_a_host_that_says_nothing_of_nesting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        check_virtualization(a_node(), "kvm", tmp_path)


def test_other_architectures_are_not_nested_on_hardware(tmp_path: Path) -> None:
    system = modules(tmp_path, "kvm_amd", "1")
    for arch in (Arch.AARCH64, Arch.RISCV64):
        with pytest.raises(InputError):
            check_virtualization(a_node(arch), "kvm", system)


@pytest.mark.parametrize("arch", list(Arch))
def test_emulation_always_will_do_and_nodes_without_it_are_not_asked(
    tmp_path: Path, arch: Arch
) -> None:
    check_virtualization(a_node(arch), "tcg", tmp_path)
    check_virtualization(a_node(arch, virtualization=False), "kvm", tmp_path)
