"""Links that end at an interface of the host: in a topology, before a start, in `lab doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons import load_topology
from edge_lab.core.errors import EdgeLabError, InputError, LabError
from edge_lab.doctor.host import Examination, Host
from edge_lab.doctor.hostinterfaces import check_host_interfaces
from edge_lab.fabric.hostinterface import InterfaceObjection
from edge_lab.faults import reach
from edge_lab.faults.kinds import Cut, HalfOpen
from edge_lab.handle.picture import lab_svg
from edge_lab.machines.guest import cluster_hosts
from edge_lab.topology import Topology, host_links, outside_names, parse_topology
from tests.small_topology import GOOD, refusal

PLC = (
    "  - {name: plc-plant, endpoint: plc, network: plant, address: 10.78.0.20, "
    "host-interface: eth1}\n"
)
WITH_PLC = GOOD.replace("devices:", PLC + "devices:")


@pytest.fixture
def topology() -> Topology:
    return parse_topology(WITH_PLC)


def test_what_stands_at_an_interface_is_an_endpoint(topology: Topology) -> None:
    (link,) = host_links(topology)
    assert (link.name, link.host_interface, link.port) == ("plc-plant", "eth1", None)
    assert outside_names(topology) == ("plc",)
    assert str(cluster_hosts(topology)["plc"]) == "10.78.0.20"
    assert "plc" in lab_svg(topology)


def test_it_outlives_a_state_file(topology: Topology) -> None:
    assert Topology.model_validate_json(topology.model_dump_json()) == topology


def test_a_topology_without_such_links_has_none() -> None:
    assert not host_links(parse_topology(GOOD))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("endpoint: plc", "endpoint: boiler"), "boiler"),
        (("endpoint: plc", "endpoint: edge"), "edge"),
        (("endpoint: plc", "endpoint: 'The PLC'"), "The PLC"),
        (("eth1", "'../eth1'"), "../eth1"),
        (("eth1", "an-interface-of-a-long-name"), "an-interface-of-a-long-name"),
        ((", host-interface: eth1", ""), "plc"),
        ((", host-interface: eth1", ", port: 502"), "port"),
        ((PLC, PLC + PLC.replace("plc-plant", "plc-two").replace(".20", ".21")), "eth1"),
    ],
)
def test_mistakes_are_named_with_file_and_line(change: tuple[str, str], said: str) -> None:
    mistake = refusal(WITH_PLC.replace(*change))
    assert said in mistake.message
    assert mistake.file == "lab.yaml"
    assert mistake.line >= WITH_PLC[: WITH_PLC.index("plc-plant")].count("\n") + 1


def test_an_interface_that_is_not_there_is_named_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(WITH_PLC.replace("eth1", "no-such-nic"))
    assert load_topology(file).name == "small"  # on any host it can be drawn and looked at
    with pytest.raises(InputError) as caught:
        load_topology(file, here=True)
    mistake = caught.value
    assert mistake.line == WITH_PLC[: WITH_PLC.index("plc-plant")].count("\n") + 1
    assert "no-such-nic" in mistake.message
    assert mistake.remedy


def test_faults_are_possible_where_a_node_is_on_the_wire(topology: Topology) -> None:
    assert not list(Cut(link="plc-plant").objections(topology))
    assert list(HalfOpen(link="plc-plant").objections(topology))


def test_half_open_needs_the_port_that_takes_connections() -> None:
    told = parse_topology(WITH_PLC.replace("eth1}", "eth1, port: 502}"))
    assert not list(HalfOpen(link="plc-plant").objections(told))
    assert str(reach.service(told, told.link("plc-plant"))) == "edge to 10.78.0.20:502"


# -- lab doctor ----------------------------------------------------------------------------


@dataclass
class FakeHost(Host):
    problem: EdgeLabError | None = None
    objection: InterfaceObjection | None = None

    def packet_socket_problem(self) -> EdgeLabError | None:
        return self.problem

    def interface_objection(self, name: str) -> InterfaceObjection | None:
        return self.objection


def seen(topology: Topology, host: FakeHost) -> dict[str, bool]:
    found = check_host_interfaces(Examination(host, topology, Path(), all_cached=True))
    checks = list(found)
    assert all(bool(check.remedy) != check.ok for check in checks)
    return {check.name: check.ok for check in checks}


def test_doctor_looks_at_the_interface_and_the_capability(topology: Topology) -> None:
    assert seen(topology, FakeHost()) == {"CAP_NET_RAW": True, "interface eth1": True}


def test_doctor_says_what_is_lacking(topology: Topology) -> None:
    host = FakeHost(LabError("no", remedy="setpriv"), InterfaceObjection("down", "up"))
    assert seen(topology, host) == {"CAP_NET_RAW": False, "interface eth1": False}


def test_doctor_says_nothing_of_it_without_such_links() -> None:
    assert seen(parse_topology(GOOD), FakeHost(LabError("no", remedy="setpriv"))) == {}
