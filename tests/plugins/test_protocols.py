"""A device protocol that another distribution brings: served, checked, and refused as any other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.core.errors import InputError
from edge_lab.core.ports import choose_ports
from edge_lab.devices import TruthStep, device_spec
from edge_lab.devices.faults import BadCrc, Gone, Late, Slow
from edge_lab.devices.protocols import protocol_of
from edge_lab.topology import Protocol, Topology, known_protocols, topology_schema
from tests.devices.plant_site import Site as DeviceSite
from tests.devices.plant_site import as_client, require_namespaces, start_site
from tests.plugins.site import Site, topology_with

slow = pytest.mark.slow(reason="a device as a process, asked on a wire")

HERE = Path(__file__).parent
DEVICE = "{name: line, protocol: acme-line, seed: 5, period_ms: 50, options: {separator: ';'}}"


def loaded(folder: Path, device: str = DEVICE, addons: str = "[twins, workload]") -> Topology:
    return load_topology(topology_with(folder, device, addons))


def line_of(file: Path, part: str) -> int:
    return next(n for n, line in enumerate(file.read_text().splitlines(), 1) if part in line)


def test_a_topology_may_have_its_devices(acme: Site, tmp_path: Path) -> None:
    topology = loaded(tmp_path, addons="[twins, workload, acme]")
    device = topology.device("line")
    assert (device.protocol, device.options) == ("acme-line", {"separator": ";"})
    assert protocol_of("acme-line").port(device) == 7000
    again = Topology.model_validate_json(topology.model_dump_json())
    assert again == topology


def test_it_is_in_the_schema_while_it_is_installed(acme: Site) -> None:
    def listed() -> list[str]:
        protocol = topology_schema()["$defs"]["Device"]["properties"]["protocol"]
        return list(protocol["enum"])

    assert listed() == list(known_protocols())
    assert "acme-line" in listed()
    acme.uninstall("lab-acme")
    assert listed() == [str(protocol) for protocol in Protocol]


def test_a_lab_that_is_up_is_read_without_its_distribution(acme: Site, tmp_path: Path) -> None:
    text = loaded(tmp_path).model_dump_json()
    acme.uninstall("lab-acme")
    assert Topology.model_validate_json(text).device("line").protocol == "acme-line"


def test_nobody_samples_what_the_sampler_cannot_speak(acme: Site, tmp_path: Path) -> None:
    topology = loaded(tmp_path)
    read = {device.name for node in topology.edges for device in sampled_devices(topology, node)}
    assert read == {"boiler", "press"}


def test_a_device_may_be_kept_from_samplers(acme: Site, tmp_path: Path) -> None:
    topology = loaded(tmp_path, "{name: line, protocol: modbus-tcp, sampled: false}")
    read = {device.name for node in topology.edges for device in sampled_devices(topology, node)}
    assert read == {"boiler", "press"}
    topology = loaded(tmp_path, "{name: line, protocol: modbus-tcp, sampled: true}")
    read = {device.name for node in topology.edges for device in sampled_devices(topology, node)}
    assert read == {"boiler", "press", "line"}


REFUSED = {
    "an unknown protocol": ("{name: line, protocol: acme-lin}", "'acme-line'"),
    "an option that there is not": (
        "{name: line, protocol: acme-line, options: {separater: ','}}",
        "'separator'",
    ),
    "an option out of bounds": (
        "{name: line, protocol: acme-line, options: {separator: ', '}}",
        "separator",
    ),
    "options of another protocol": (
        "{name: line, protocol: acme-line, modbus: {word_order: little}}",
        "options",
    ),
    "options of a protocol that has a key of its own": (
        "{name: line, protocol: modbus-tcp, options: {word_order: little}}",
        "",
    ),
    "an option that firmware does not have": (
        "{name: line, protocol: modbus-tcp-rtos, options: {connection: 2}}",
        "connections",
    ),
    "a watchdog that would bite at once": (
        "{name: line, protocol: modbus-tcp-rtos, options: {watchdog_ms: 10}}",
        "watchdog_ms",
    ),
    "a period that is no whole number of ticks": (
        "{name: line, protocol: modbus-tcp-rtos, period_ms: 125}",
        "Use 120.",
    ),
    "a word order of firmware": (
        "{name: line, protocol: modbus-tcp-rtos, modbus: {word_order: little}}",
        "",
    ),
    "a twin": ("{name: line, protocol: acme-line, twins: [edge-arm]}", "twins"),
    "to be sampled": ("{name: line, protocol: acme-line, sampled: true}", "sampled"),
    "to be sampled in a form that samplers do not speak": (
        "{name: line, protocol: modbus-rtu-tcp, sampled: true}",
        "sampled",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_with_its_line(acme: Site, tmp_path: Path, what: str) -> None:
    device, remedy = REFUSED[what]
    file = topology_with(tmp_path, device, "[twins, workload]")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert (caught.value.file, caught.value.line) == (str(file), line_of(file, device))
    assert remedy in caught.value.remedy


def test_the_line_is_that_of_the_option(acme: Site, tmp_path: Path) -> None:
    text = "name: line\n    protocol: acme-line\n    options:\n      separator: ', '"
    file = topology_with(tmp_path, text, "[twins, workload]")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.line == line_of(file, "separator")


def test_before_it_is_installed_its_topology_is_refused(site: Site, tmp_path: Path) -> None:
    file = topology_with(tmp_path, DEVICE, "[twins, workload]")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.line == line_of(file, "acme-line")
    assert "opcua" in caught.value.remedy


def test_sampled_needs_the_workload_and_a_node_in_reach(tmp_path: Path) -> None:
    device = "{name: line, protocol: modbus-tcp, sampled: true}"
    file = topology_with(tmp_path, device, "[twins]")
    with pytest.raises(InputError) as caught:
        load_topology(file)
    assert caught.value.line == line_of(file, device)
    assert "workload" in caught.value.remedy


@pytest.mark.parametrize(
    "entry", ["acme-lines = lab_acme.line:AcmeLine", "acme-line = no_such_module:AcmeLine"]
)
def test_one_that_cannot_be_used_names_its_distribution(
    site: Site, tmp_path: Path, entry: str
) -> None:
    site.install_acme()
    site.uninstall("lab-acme")
    site.install("lab-other", f"[edge_lab.device_protocols]\n{entry}\n")
    name = entry.split()[0]
    with pytest.raises(InputError, match="lab-other"):
        loaded(tmp_path, f"{{name: line, protocol: {name}}}")


def test_a_name_that_edge_lab_has_is_refused(site: Site) -> None:
    site.install("lab-other", "[edge_lab.device_protocols]\nopcua = lab_other:OpcUa\n")
    with pytest.raises(InputError, match="lab-other"):
        known_protocols()


def test_the_relay_s_faults_exist_on_it_and_no_others(acme: Site) -> None:
    for fault in (Gone(), Gone(how="refused"), Slow(delay_ms=10)):
        fault.check("acme-line")
    for wrong in (Late(), BadCrc()):
        with pytest.raises(InputError, match="acme-line"):
            wrong.check("acme-line")
    with pytest.raises(InputError) as caught:
        Slow(delay_ms=10).check("container")
    assert "acme-line" in caught.value.remedy


# -- the device itself -------------------------------------------------------------------


@pytest.fixture
def line(acme: Site, tmp_path: Path) -> Iterator[DeviceSite]:
    require_namespaces()
    topology = loaded(tmp_path)
    fabric, endpoint = choose_ports(2)
    spec = device_spec(
        topology,
        topology.device("line"),
        fabric_port=fabric,
        endpoint_port=endpoint,
        folder=tmp_path / "line",
    )
    site = start_site(spec)
    yield site
    site.end()


@slow
def test_a_device_serves_its_values_and_keeps_its_ground_truth(line: DeviceSite) -> None:
    said = as_client([line], HERE / "line_client.py", str(line.spec.address.ip))
    seq, *values = said.split(";")
    (step,) = [each for each in line.client.steps() if f"seq={each.seq}" == seq]
    assert isinstance(step, TruthStep)
    assert values == [f"{name}={value}" for name, value in step.values.items()]
    status = line.client.status()
    assert (status.protocol, status.reachable) == ("acme-line", True)
    slow = line.client.set_fault(Slow(delay_ms=300))
    assert slow.answer_ms is not None
    assert slow.answer_ms >= 300
    assert line.client.set_fault(None).fault is None
