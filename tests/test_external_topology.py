"""External nodes in a topology: what they are, what is refused, and which faults they take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons import get_platform, load_topology
from edge_lab.bringup.admission import Demand
from edge_lab.bringup.saving import unsaved
from edge_lab.core.errors import InputError, MissingCapability, NotPossible
from edge_lab.core.hostmemory import EMULATOR_MIB
from edge_lab.faults.fault import Fault
from edge_lab.faults.kinds import Cut, Kill, Pause, PowerOff, Reboot, SlowDisk
from edge_lab.handle.picture import lab_svg
from edge_lab.machines.guest import cluster_hosts, wire_nics
from edge_lab.stacks.node import masquerade_rules
from edge_lab.topology import (
    Ability,
    Topology,
    abilities,
    booted_nodes,
    external_nodes,
    host_links,
    outside_names,
    parse_topology,
)
from tests.external.topologies import EXTERNAL, POWER, with_more
from tests.small_topology import GOOD, refusal

HOST_KEY = "      host_key: SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg\n"


@pytest.fixture
def topology() -> Topology:
    return parse_topology(EXTERNAL)


def test_it_is_a_node_and_not_something_outside(topology: Topology) -> None:
    assert [node.name for node in external_nodes(topology)] == ["board"]
    assert [node.name for node in booted_nodes(topology)] == ["server"]
    assert [link.name for link in host_links(topology)] == ["board-cloud"]
    assert outside_names(topology) == ()
    assert str(cluster_hosts(topology)["board"]) == "10.77.0.2"
    assert "external" in lab_svg(topology)


def test_it_outlives_a_state_file(topology: Topology) -> None:
    assert Topology.model_validate_json(topology.model_dump_json()) == topology


def test_a_topology_without_one_is_written_as_before_there_were_any() -> None:
    assert "external" not in parse_topology(GOOD).model_dump_json()
    assert "node_interface" not in parse_topology(GOOD).model_dump_json()


def test_its_interface_has_the_name_that_it_has_there(topology: Topology) -> None:
    assert [nic.name for nic in wire_nics(topology, "board", {"board-cloud": (1, 2)})] == ["eth1"]
    assert "-o eth1 -j MASQUERADE" in masquerade_rules(topology, topology.node("board"))
    assert "-o cloud0 -j MASQUERADE" in masquerade_rules(topology, topology.server)


def test_its_memory_is_not_the_hosts(topology: Topology) -> None:
    assert Demand.of(topology).memory_mib == 2048 + EMULATOR_MIB
    assert Demand.of(topology).cpus == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((HOST_KEY, ""), "host_key or known_hosts"),
        ((HOST_KEY, HOST_KEY + "      known_hosts: known\n"), "host_key or known_hosts"),
        (("SHA256:n4bQ", "SHA256:n4b"), "neither a fingerprint"),
        (("host_key: SHA256", "host_key: MD5"), "neither a fingerprint"),
        (("address: 127.0.0.1", "address: 'a b'"), "a b"),
        (("address: 127.0.0.1", "address: -oProxyCommand=x"), "address"),
        (("user: root", "user: 'root;x'"), "user"),
        (("role: edge", "role: server"), "more than one node has the role server"),
        (("    host-interface: eth7\n", ""), "host-interface"),
        (("    node-interface: eth1\n", ""), "node-interface"),
        (("memory: 512MiB", "virtualization: true"), "CPU"),
        (("memory: 512MiB", "cpu_model: cortex-a76"), "CPU"),
        (("node-interface: eth1", "node-interface: eth1\n    port: 22"), "port"),
        (
            (
                "endpoint: server, network: cloud",
                "endpoint: server, node-interface: eth0, network: cloud",
            ),
            "not an external",
        ),
        (("      port: 2222", "      pport: 2222"), "pport"),
        (("      port: 2222", "      power: {}"), "driver"),
    ],
)
def test_mistakes_are_named_with_file_and_line(change: tuple[str, str], said: str) -> None:
    assert change[0] in EXTERNAL
    mistake = refusal(EXTERNAL.replace(*change))
    assert said in str(mistake)
    assert mistake.file == "lab.yaml"
    assert mistake.line > 4


def test_the_server_is_not_external() -> None:
    text = EXTERNAL.replace("role: server}", "role: edge}").replace(
        "role: edge\n", "role: server\n"
    )
    mistake = refusal(text)
    assert "'board' is not an edge node" in mistake.message
    assert mistake.remedy


def test_its_files_are_beside_the_topology(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(EXTERNAL)
    with pytest.raises(InputError, match="id_board") as caught:
        load_topology(file)
    assert caught.value.line == EXTERNAL[: EXTERNAL.index("key: id_board")].count("\n") + 1
    (tmp_path / "id_board").touch()
    external = load_topology(file).node("board").external
    assert external is not None
    assert external.key == tmp_path / "id_board"


# -- what can be done to it ------------------------------------------------------------------


def test_only_a_power_driver_gives_it_an_ability(topology: Topology) -> None:
    assert abilities(topology.server) == frozenset(Ability)
    assert abilities(topology.node("board")) == frozenset()
    powered = parse_topology(with_more(POWER))
    assert abilities(powered.node("board")) == {Ability.POWER}


def test_tests_can_ask_for_abilities_as_capabilities(topology: Topology) -> None:
    able = get_platform("kubernetes+kubelet", topology).capabilities(topology)
    assert {"pause", "power", "snapshot", "disk-pace"} <= able["server"]
    assert not {"pause", "power", "snapshot", "disk-pace"} & able["board"]
    assert "exec" in able["board"]


IMPOSSIBLE = (
    PowerOff(node="board"),
    Reboot(node="board"),
    Pause(node="board"),
    SlowDisk(node="board", iops=5),
)


@pytest.mark.parametrize("fault", IMPOSSIBLE, ids=lambda fault: fault.fault)
def test_what_it_cannot_is_a_skip_for_a_test_and_wrong_input_for_a_command(
    topology: Topology, fault: Fault
) -> None:
    with pytest.raises(NotPossible, match="board is an external node") as caught:
        fault.check(topology)
    assert isinstance(caught.value, MissingCapability)
    assert caught.value.exit_code == InputError.exit_code
    fault.model_copy(update={"node": "server"}).check(topology)


@pytest.mark.parametrize(
    "fault",
    [
        Kill(node="board", service="kubelet.service"),
        Reboot(node="board", orderly=True),
        Cut(link="board-cloud"),
    ],
    ids=lambda fault: fault.fault,
)
def test_what_needs_a_shell_or_a_wire_alone_is_possible(topology: Topology, fault: Any) -> None:
    fault.check(topology)


def test_faults_of_power_need_its_driver() -> None:
    powered = parse_topology(with_more(POWER))
    PowerOff(node="board").check(powered)
    Reboot(node="board").check(powered)
    with pytest.raises(NotPossible):
        Pause(node="board").check(powered)


def test_a_lab_with_one_cannot_be_saved(topology: Topology) -> None:
    assert unsaved(topology) == "board"
    assert unsaved(parse_topology(GOOD)) == ""
