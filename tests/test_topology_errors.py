"""Each mistake in a topology is answered with file, line and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.core.errors import InputError
from edge_lab.topology import (
    load_topology,
)
from tests.invalidfiles import assert_answered, with_mistake
from tests.small_topology import GOOD, refusal

# Each mistake: what is replaced by what, what the message says, the line it names.
MISTAKES = {
    "an unknown key names the one that was meant": (
        "arch: riscv64, role: edge, memory: 1GiB",
        "arch: riscv64, role: edge, memroy: 1GiB",
        ["unknown key 'nodes.1.memroy'", "Did you mean 'memory'?"],
        "memroy",
    ),
    "an unknown key at the top lists those there are": (
        "name: small",
        "name: small\nflavour: sweet",
        ["unknown key 'flavour'", "networks", "links"],
        "flavour",
    ),
    "a misspelt name is shown rather than the missing one": (
        "{name: cloud, subnet: 10.77.0.0/24}",
        "{name: cloud, sub_net: 10.77.0.0/24}",
        ["unknown key", "'subnet'"],
        "sub_net",
    ),
    "too little memory names the bounds": (
        "memory: 1GiB",
        "memory: 64MiB",
        ["64 MiB is out of range", "512 MiB", "64 GiB"],
        "64MiB",
    ),
    "too much memory names the bounds": (
        "memory: 1GiB",
        "memory: 3000GiB",
        ["out of range", "64 GiB"],
        "3000GiB",
    ),
    "memory that is not an amount says how to write it": (
        "memory: 1GiB",
        "memory: plenty",
        ["'plenty' is not an amount of memory", "2GiB or 512MiB"],
        "plenty",
    ),
    "memory that is no whole number of MiB is refused": (
        "memory: 1GiB",
        "memory: 1.0001GiB",
        ["not a whole number of MiB"],
        "1.0001GiB",
    ),
    "two endpoints of one address name each other": (
        "address: 10.77.0.2}",
        "address: 10.77.0.1}",
        ["'edge' and 'server' both have the address 10.77.0.1", "its own address"],
        "edge-cloud",
    ),
    "a link to no node lists the nodes": (
        "endpoint: edge, network: plant",
        "endpoint: egde, network: plant",
        ["link 'edge-plant' is not connected", "no endpoint 'egde'", "server, edge, boiler"],
        "egde",
    ),
    "a link to no network lists the networks": (
        "endpoint: edge, network: plant",
        "endpoint: edge, network: moon",
        ["link 'edge-plant' is not connected", "no network 'moon'", "cloud, plant"],
        "moon",
    ),
    "an address outside its network names both": (
        "address: 10.78.0.2}",
        "address: 10.79.0.2}",
        ["10.79.0.2 is not in 10.78.0.0/24", "'plant'"],
        "10.79.0.2",
    ),
    "a broadcast address is refused": (
        "address: 10.78.0.2}",
        "address: 10.78.0.255}",
        ["10.78.0.255 is the network or broadcast address"],
        "10.78.0.255",
    ),
    "a node and a device cannot share a name": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: edge, protocol: modbus-tcp}",
        ["the name 'edge' is already used (in nodes)"],
        "name: edge, protocol",
    ),
    "two links of one name are refused": (
        "{name: edge-plant,",
        "{name: edge-cloud,",
        ["two links are called 'edge-cloud'"],
        "name: edge-cloud, endpoint: edge, network: plant",
    ),
    "two links to one network are refused": (
        "endpoint: edge, network: plant, address: 10.78.0.2",
        "endpoint: edge, network: cloud, address: 10.77.0.3",
        ["'edge' is on network 'cloud' twice"],
        "10.77.0.3",
    ),
    "a lab without a server says how to name one": (
        "role: server}",
        "role: edge}",
        ["no node has the role server", "role: server"],
        "nodes:",
    ),
    "a second server is refused": (
        "role: edge, memory",
        "role: server, memory",
        ["more than one node has the role server"],
        "riscv64",
    ),
    "an unknown architecture lists those there are": (
        "arch: riscv64",
        "arch: arm",
        ["'x86_64', 'aarch64' or 'riscv64'", "'arm'"],
        "arch: arm",
    ),
    "a name with capitals says what a name is": (
        "{name: edge, arch",
        "{name: Edge_1, arch",
        ["'Edge_1' is not a valid name", "a-z, 0-9 and -"],
        "Edge_1",
    ),
    "a network name that names no NIC is refused": (
        "{name: plant, subnet",
        "{name: the-plant-floor, subnet",
        ["networks.1.name", "at most 11"],
        "the-plant-floor",
    ),
    "networks that overlap are refused": (
        "subnet: 10.77.0.0/24",
        "subnet: 10.76.0.0/14",
        ["10.78.0.0/24 overlaps 10.76.0.0/14"],
        "10.78.0.0/24",
    ),
    "the management network is not to be used": (
        "networks:\n",
        "networks:\n  - {name: mine, subnet: 10.0.0.0/16}\n",
        ["10.0.0.0/16 overlaps the management network"],
        "10.0.0.0/16",
    ),
    "an impossible subnet is refused": (
        "subnet: 10.78.0.0/24",
        "subnet: 10.78.0.0/99",
        ["networks.1.subnet"],
        "10.78.0.0/99",
    ),
    "a pod subnet of another size is refused": (
        "name: small",
        "name: small\npod_subnet: 10.42.0.0/20",
        ["10.42.0.0/20 is not a /16"],
        "pod_subnet",
    ),
    "no processors at all is refused": (
        "role: edge, memory",
        "role: edge, cpus: 0, memory",
        ["nodes.1.cpus", "greater than or equal to 1"],
        "cpus: 0",
    ),
    "a device without a link is told to get one": (
        "  - {name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.9}\n",
        "",
        ["'boiler' has no link", "`links`"],
        "modbus-tcp",
    ),
    "a node off the server's network cannot reach it": (
        "  - {name: edge-cloud, endpoint: edge, network: cloud, address: 10.77.0.2}\n",
        "",
        ["node 'edge' cannot reach the server", "Add a link from edge to cloud"],
        "riscv64",
    ),
    "a twin on a node that is not there lists those there are": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: boiler, protocol: modbus-tcp, twins: [edge, egde]}",
        ["no twin of 'boiler' can be on 'egde'", "Edge nodes are: edge."],
        "egde",
    ),
    "a twin on the server is none": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: boiler, protocol: modbus-tcp, twins: [server]}",
        ["no twin of 'boiler' can be on 'server'", "not an edge node"],
        "twins: [server]",
    ),
    "two twins on one node are one too many": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: boiler, protocol: modbus-tcp, twins: [edge, edge]}",
        ["'edge' is listed twice for twins of 'boiler'"],
        "twins: [edge, edge]",
    ),
    "a twin out of the device's reach names the network": (
        "  - {name: edge-plant, endpoint: edge, network: plant, address: 10.78.0.2}\n"
        "  - {name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.9}\n"
        "devices:\n"
        "  - {name: boiler, protocol: modbus-tcp}",
        "  - {name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.9}\n"
        "devices:\n"
        "  - {name: boiler, protocol: modbus-tcp, twins: [edge]}",
        ["'edge' cannot keep a twin of 'boiler'", "Add a link from edge to plant."],
        "twins: [edge]",
    ),
    "a subnet of one address is no network": (
        "subnet: 10.78.0.0/24",
        "subnet: 10.78.0.2/32",
        ["10.78.0.2/32 has only one address", "/31"],
        "10.78.0.2/32",
    ),
    "a key that is the writer's own is so at the top only": (
        "arch: riscv64, role: edge",
        "arch: riscv64, x-mine: 1, role: edge",
        ["unknown key 'nodes.1.x-mine'"],
        "x-mine",
    ),
    "a missing key is named": (
        "arch: riscv64, ",
        "",
        ["'nodes.1.arch' is missing"],
        "name: edge, role",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_line_and_remedy(mistake: str) -> None:
    text = with_mistake(GOOD, MISTAKES[mistake])
    trouble = refusal(text)
    assert_answered(trouble, MISTAKES[mistake], text, "lab.yaml")
    assert trouble.exit_code == 2


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    assert "a topology must be a mapping" in str(refusal(text))


def test_broken_yaml_names_the_line() -> None:
    trouble = refusal("name: small\nnodes: [\n")
    assert "not valid YAML" in str(trouble)
    assert trouble.line >= 2


def test_a_file_that_is_no_text_is_an_input_error(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_bytes(b"name: \xff\xfe")
    with pytest.raises(InputError, match=r"lab\.yaml"):
        load_topology(file)


def test_a_missing_file_says_which_one_is_good_to_begin_with(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labs/default\.yaml"):
        load_topology(tmp_path / "none.yaml")
