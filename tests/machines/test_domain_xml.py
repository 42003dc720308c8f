"""The domain XML: the same for the same spec, and other ports change nothing but ports."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines import GuestSpec
from edge_lab.machines.domain import (
    EMULATORS,
    QEMU_NAMESPACE,
    DomainFiles,
    domain_xml,
    kernel_command_line,
    wire_xml,
)
from edge_lab.machines.emulated import TRANSLATIONS_MIB
from edge_lab.machines.guest import MANAGEMENT_ADDRESS, MANAGEMENT_MAC
from edge_lab.topology import Arch
from tests.budget import examples

MakeSpec = Callable[..., GuestSpec]

NODES = {"server": Arch.X86_64, "edge-arm": Arch.AARCH64, "edge-riscv": Arch.RISCV64}
SNAPSHOTS = Path(__file__).parent / "snapshots"


def xml_of(
    spec: GuestSpec,
    accelerator: str = "tcg",
    run: Path = Path("/run/lab"),
    tsc_khz: int | None = None,
) -> str:
    files = DomainFiles(
        overlay=run / "disks" / f"{spec.name}.qcow2",
        seed=run / "disks" / f"{spec.name}.seed.tar",
        console=run / "consoles" / f"{spec.name}.log",
        console_socket=run / "consoles" / f"{spec.name}.sock",
        debugger=run / "consoles" / f"{spec.name}.gdb",
    )
    kind = "kvm" if accelerator == "kvm" else "tcg"
    emulator = f"/usr/bin/{EMULATORS[spec.arch]}"
    return domain_xml(spec, files, run, kind, emulator, tsc_khz)  # type: ignore[arg-type]


def arguments(domain: ET.Element) -> list[str]:
    return [each.attrib["value"] for each in domain.iter(f"{{{QEMU_NAMESPACE}}}arg")]


@pytest.mark.parametrize("name", NODES)
def test_each_architecture_has_the_domain_that_is_on_record(name: str, make_spec: MakeSpec) -> None:
    recorded = (SNAPSHOTS / f"{NODES[name].value}.xml").read_text()
    assert xml_of(make_spec(name)) == recorded


def test_only_an_emulated_guest_has_a_cache_of_translations(make_spec: MakeSpec) -> None:
    found = ET.fromstring(xml_of(make_spec("server"))).find("features/tcg/tb-cache")
    assert found is not None
    assert (found.text, found.attrib) == (str(TRANSLATIONS_MIB), {"unit": "MiB"})
    assert ET.fromstring(xml_of(make_spec("server"), "kvm")).find("features/tcg") is None


@pytest.mark.parametrize("name", NODES)
def test_each_guest_has_a_balloon_that_never_gives_memory_back_by_itself(
    name: str, make_spec: MakeSpec
) -> None:
    domain = ET.fromstring(xml_of(make_spec(name)))
    (balloon,) = domain.iter("memballoon")
    assert balloon.attrib == {"model": "virtio", "autodeflate": "off"}
    slots = [address.get("slot") for address in domain.iter("address") if address.get("slot")]
    assert len(slots) == len(set(slots))


def test_an_arm_guest_never_gets_the_maximum_cpu(make_spec: MakeSpec) -> None:
    domain = ET.fromstring(xml_of(make_spec("edge-arm")))
    assert domain.findtext("cpu/model") == "cortex-a72"


def test_a_riscv_guest_has_timers_that_can_be_wound_up_after_a_restore(make_spec: MakeSpec) -> None:
    found = arguments(ET.fromstring(xml_of(make_spec("edge-riscv"), run=Path("/a,b"))))
    assert found[found.index("-cpu") + 1] == "rv64,sstc=off"
    assert found[found.index("-gdb") + 1].startswith("unix:/a,,b/consoles/edge-riscv.gdb,server=on")
    assert "-gdb" not in arguments(ET.fromstring(xml_of(make_spec("server"))))


def test_hardware_acceleration_passes_the_host_cpu_through(make_spec: MakeSpec) -> None:
    domain = ET.fromstring(xml_of(make_spec("server"), "kvm"))
    cpu = domain.find("cpu")
    assert domain.get("type") == "kvm"
    assert cpu is not None
    assert cpu.get("mode") == "host-passthrough"


def test_an_emulated_guest_goes_by_the_counter_of_its_host(make_spec: MakeSpec) -> None:
    said = ET.fromstring(xml_of(make_spec("server"), tsc_khz=2_445_410)).findtext("os/cmdline")
    assert said is not None
    assert "tsc=reliable tsc_early_khz=2445410" in said
    # With hardware acceleration it has a clock that is made for guests.
    assert "tsc" not in xml_of(make_spec("server"), "kvm", tsc_khz=2_445_410)


def test_an_emulated_kernel_keeps_no_books_that_nobody_reads() -> None:
    left_out = "cgroup_disable=hugetlb,rdma,misc,pressure"
    assert all(left_out in kernel_command_line(arch, "tcg") for arch in Arch)
    assert all("damon_stat.enabled=N" in kernel_command_line(arch, "tcg") for arch in Arch)
    assert not any("cgroup_disable" in kernel_command_line(arch, "kvm") for arch in Arch)


def test_only_an_emulated_aarch64_kernel_shares_its_page_tables_with_user_space() -> None:
    assert "kpti=0" in kernel_command_line(Arch.AARCH64, "tcg").split()
    assert "kpti" not in kernel_command_line(Arch.AARCH64, "kvm")
    assert not any("kpti" in kernel_command_line(a, "tcg") for a in (Arch.X86_64, Arch.RISCV64))


def test_the_console_of_the_kernel_is_the_serial_port_of_the_machine() -> None:
    assert "console=ttyAMA0" in kernel_command_line(Arch.AARCH64, "tcg")
    assert "console=ttyS0" in kernel_command_line(Arch.RISCV64, "tcg")
    assert "quiet" not in kernel_command_line(Arch.X86_64, "tcg")


def test_the_management_nic_is_restricted_and_its_ports_are_on_loopback(
    make_spec: MakeSpec,
) -> None:
    netdev = next(a for a in arguments(ET.fromstring(xml_of(make_spec()))) if "user," in a)
    assert "restrict=on" in netdev
    assert re.findall(r"hostfwd=(\S+?)(?:,|$)", netdev) == [
        "tcp:127.0.0.1:21000-10.0.2.15:22",
        "tcp:127.0.0.1:21001-10.0.2.15:6443",
    ]


@pytest.mark.parametrize("name", NODES)
def test_what_the_lab_says_to_a_node_crosses_no_wire_that_a_fault_could_touch(
    name: str, make_spec: MakeSpec
) -> None:
    spec = make_spec(name)
    wires = {port for nic in spec.nics for port in (nic.local_port, nic.peer_port)}
    forwarded = {forward.host_port for forward in spec.forwards}
    assert spec.ssh_port in forwarded
    assert not forwarded & wires
    domain = ET.fromstring(xml_of(spec))
    netdev = next(each for each in arguments(domain) if each.startswith("user,"))
    assert all(f":{port}-" in netdev for port in forwarded)
    on_wires = [wire.find("mac") for wire in domain.iter("interface")]
    macs = {mac.attrib["address"] for mac in on_wires if mac is not None}
    assert macs == {nic.mac for nic in spec.nics}
    assert MANAGEMENT_MAC not in macs
    # A wire's addresses never lead to the management NIC, nor its to a wire.
    for nic in spec.nics:
        assert not nic.address.network.overlaps(MANAGEMENT_ADDRESS.network)
        routes = [route.destination for route in nic.routes]
        assert not any(route.overlaps(MANAGEMENT_ADDRESS.network) for route in routes)


def test_qemu_carries_the_mark_of_its_lab(make_spec: MakeSpec) -> None:
    domain = ET.fromstring(xml_of(make_spec()))
    found = {e.attrib["name"]: e.attrib["value"] for e in domain.iter(f"{{{QEMU_NAMESPACE}}}env")}
    assert found == {"EDGE_LAB_RUN": "/run/lab"}


def test_other_ports_change_only_ports_so_a_saved_machine_can_be_restored(
    make_spec: MakeSpec,
) -> None:
    def without_ports(text: str) -> str:
        return re.sub(r'port="\d{5}"|127\.0\.0\.1:\d+', "PORT", text)

    before, after = xml_of(make_spec(first_port=21000)), xml_of(make_spec(first_port=25000))
    assert before != after
    assert without_ports(before) == without_ports(after)


def test_every_device_has_a_pci_address_of_its_own(make_spec: MakeSpec) -> None:
    domain = ET.fromstring(xml_of(make_spec()))
    devices = domain.find("devices")
    assert devices is not None
    needing = [*devices.iter("disk"), *devices.iter("interface"), *devices.iter("rng")]
    slots = [each.find("address").attrib["slot"] for each in needing]  # type: ignore[union-attr]
    management = next(a for a in arguments(domain) if a.startswith("virtio-net"))
    slots.append(re.search(r"addr=(0x\w+)", management)[1])  # type: ignore[index]
    assert len({int(slot, 16) for slot in slots}) == len(needing) + 1


def test_a_pulled_cable_is_the_same_nic_with_its_link_down(make_spec: MakeSpec) -> None:
    spec = make_spec()
    whole = ET.fromstring(xml_of(spec)).findall("devices/interface")[1]
    down = ET.fromstring(wire_xml(spec.nics[1], 1, carrier=False))
    link = down.find("link")
    assert link is not None
    assert link.get("state") == "down"
    down.remove(link)
    ET.indent(down)
    ET.indent(whole)
    assert ET.tostring(down).split() == ET.tostring(whole).split()


def test_more_links_than_slots_are_refused(make_spec: MakeSpec) -> None:
    spec = make_spec()
    with pytest.raises(LabError, match="at most 23"):
        xml_of(dataclasses.replace(spec, nics=spec.nics * 12))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(50))
@given(
    folder=st.text(
        st.characters(
            min_codepoint=33,
            exclude_characters="/\x7f",
            codec="utf-8",
            categories=("L", "N", "P", "S"),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_a_strange_path_comes_back_from_the_xml_as_it_was(folder: str, make_spec: MakeSpec) -> None:
    run = Path("/") / folder
    domain = ET.fromstring(xml_of(make_spec(), run=run))
    source = domain.find("devices/disk/source")
    assert source is not None
    assert source.get("file") == str(run / "disks" / "edge-arm.qcow2")


def test_a_machine_keeps_its_identity_between_runs(make_spec: MakeSpec, run: RunDir) -> None:
    assert make_spec().uuid == make_spec(first_port=30000).uuid
    assert make_spec("server").uuid != make_spec("edge-arm").uuid
    assert make_spec(lab="other").uuid != make_spec().uuid
