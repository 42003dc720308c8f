"""The topology: what is accepted, what follows from it, and what each mistake is answered with."""

from __future__ import annotations

import contextlib
import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edge_lab.core.errors import InputError
from edge_lab.topology import (
    Arch,
    Link,
    Protocol,
    Role,
    Topology,
    load_topology,
    parse_topology,
    topology_schema,
)
from tests.mistakes import assert_answered, with_mistake

LABS = Path(__file__).resolve().parent.parent / "labs"

unhurried = settings(deadline=None)
"""How long one example takes is the machine's affair, and it may be busy."""

GOOD = """\
name: small
stacks: [kubernetes+kubelet]
networks:
  - {name: cloud, subnet: 10.77.0.0/24}
  - {name: plant, subnet: 10.78.0.0/24}
nodes:
  - {name: server, arch: x86_64, role: server}
  - {name: edge, arch: riscv64, role: edge, memory: 1GiB}
links:
  - {name: server-cloud, endpoint: server, network: cloud, address: 10.77.0.1}
  - {name: edge-cloud, endpoint: edge, network: cloud, address: 10.77.0.2}
  - {name: edge-plant, endpoint: edge, network: plant, address: 10.78.0.2}
  - {name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.9}
devices:
  - {name: boiler, protocol: modbus-tcp}
"""


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_topology(text, "lab.yaml")
    return caught.value


@pytest.mark.parametrize("file", sorted(LABS.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_shipped_topology_loads_and_fits_the_schema(file: Path) -> None:
    topology = load_topology(file)
    assert topology.name
    tree = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    jsonschema.validate(tree, topology_schema())


def test_the_exported_schema_is_valid_and_knows_the_keys() -> None:
    schema = topology_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Topology.model_fields)
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema


def test_the_schema_file_for_editors_is_the_exported_one() -> None:
    shipped = LABS / "schema.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == topology_schema(), (
        "`make schema` writes it anew"
    )


def test_the_schema_refuses_an_unknown_key_too() -> None:
    tree: dict[str, Any] = YAML(typ="safe").load(GOOD)
    tree["nodes"][0]["ram"] = "2GiB"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree, topology_schema())


def test_a_good_topology_is_read_as_it_is_written() -> None:
    topology = parse_topology(GOOD)
    assert topology.server.name == "server"
    assert [node.name for node in topology.edges] == ["edge"]
    assert topology.node("edge").arch is Arch.RISCV64
    assert topology.node("edge").memory == 1024
    assert topology.node("server").memory == 2048
    assert topology.device("boiler").protocol == Protocol.MODBUS
    assert topology.architectures == (Arch.X86_64, Arch.RISCV64)


def test_two_endpoints_fit_into_a_31() -> None:
    text = GOOD.replace("subnet: 10.78.0.0/24", "subnet: 10.78.0.2/31")
    topology = parse_topology(text.replace("10.78.0.9", "10.78.0.3"))
    assert topology.interface(topology.link("edge-plant")) == IPv4Interface("10.78.0.2/31")
    assert topology.interface(topology.link("boiler-plant")) == IPv4Interface("10.78.0.3/31")


def test_keys_of_the_writer_s_own_hold_anchors_and_are_left_alone() -> None:
    text = "x-node: &node {arch: riscv64, role: edge, memory: 1GiB}\nx-: 1\n" + GOOD
    inline = "arch: riscv64, role: edge, memory: 1GiB"
    assert inline in GOOD
    text = "".join(
        (text[: text.rindex(inline)], "<<: *node", text[text.rindex(inline) + len(inline) :])
    )
    assert parse_topology(text) == parse_topology(GOOD)
    jsonschema.validate(YAML(typ="safe").load(text), topology_schema())
    with pytest.raises(InputError, match="unknown key 'y-node'"):
        parse_topology("y-node: 1\n" + GOOD)


def test_what_follows_from_a_topology_is_settled_by_it_alone() -> None:
    topology = parse_topology(GOOD)
    assert topology.cluster_network.name == "cloud"
    assert topology.cluster_link("edge").name == "edge-cloud"
    assert [link.name for link in topology.links_of("edge")] == ["edge-cloud", "edge-plant"]
    assert topology.interface(topology.link("edge-cloud")) == IPv4Interface("10.77.0.2/24")
    assert topology.pod_cidr("server") == IPv4Network("10.42.1.0/24")
    assert topology.pod_cidr("edge") == IPv4Network("10.42.2.0/24")
    macs = [topology.mac(link) for link in topology.links]
    assert len(set(macs)) == len(macs)


def test_architectures_have_the_names_of_kernel_go_and_debian() -> None:
    assert [(arch.value, arch.go, arch.debian) for arch in Arch] == [
        ("x86_64", "amd64", "amd64"),
        ("aarch64", "arm64", "arm64"),
        ("riscv64", "riscv64", "riscv64"),
    ]


def test_looking_up_what_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parse_topology(GOOD).node("nobody")


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
        ["64 MiB is out of bounds", "512 MiB", "64 GiB"],
        "64MiB",
    ),
    "too much memory names the bounds": (
        "memory: 1GiB",
        "memory: 3000GiB",
        ["out of bounds", "64 GiB"],
        "3000GiB",
    ),
    "memory that is no amount says how to write it": (
        "memory: 1GiB",
        "memory: plenty",
        ["'plenty' is no amount of memory", "2GiB or 512MiB"],
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
        ["'edge' and 'server' both have the address 10.77.0.1", "address of its own"],
        "edge-cloud",
    ),
    "a link to no node lists the nodes": (
        "endpoint: edge, network: plant",
        "endpoint: egde, network: plant",
        ["link 'edge-plant' leads to nowhere", "no endpoint 'egde'", "server, edge, boiler"],
        "egde",
    ),
    "a link to no network lists the networks": (
        "endpoint: edge, network: plant",
        "endpoint: edge, network: moon",
        ["link 'edge-plant' leads to nowhere", "no network 'moon'", "cloud, plant"],
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
        ["10.78.0.255 is the network's own or its broadcast address"],
        "10.78.0.255",
    ),
    "a node and a device cannot share a name": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: edge, protocol: modbus-tcp}",
        ["the name 'edge' is taken already (in nodes)"],
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
        ["'Edge_1' is no usable name", "a-z, 0-9 and -"],
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
        ["10.42.0.0/20 is no /16"],
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
        ["no twin of 'boiler' can be on 'server'", "no edge node"],
        "twins: [server]",
    ),
    "two twins on one node are one too many": (
        "{name: boiler, protocol: modbus-tcp}",
        "{name: boiler, protocol: modbus-tcp, twins: [edge, edge]}",
        ["'edge' is to keep two twins of 'boiler'"],
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
        ["10.78.0.2/32 has room for one address only", "/31"],
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
    assert "a topology is a mapping" in str(refusal(text))


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


@unhurried
@given(mib=st.integers(min_value=512, max_value=65536))
def test_memory_means_the_same_with_and_without_its_unit(mib: int) -> None:
    plain = parse_topology(GOOD.replace("1GiB", str(mib)))
    with_unit = parse_topology(GOOD.replace("1GiB", f"{mib}MiB"))
    assert plain == with_unit
    assert plain.node("edge").memory == mib


@unhurried
@given(mib=st.integers().filter(lambda mib: not 512 <= mib <= 65536))
def test_memory_out_of_bounds_never_passes(mib: int) -> None:
    assert "out of bounds" in str(refusal(GOOD.replace("1GiB", str(mib))))


@unhurried
@given(text=st.text(max_size=200))
def test_any_text_is_a_topology_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_topology(text)


@unhurried
@given(junk=st.text(alphabet=st.characters(codec="utf-8"), max_size=12), at=st.integers(0, 600))
def test_junk_anywhere_in_a_good_file_is_an_input_error_at_worst(junk: str, at: int) -> None:
    with contextlib.suppress(InputError):
        parse_topology(GOOD[:at] + junk + GOOD[at:])


@unhurried
@given(count=st.integers(min_value=1, max_value=40))
def test_any_number_of_edge_nodes_gets_its_own_addresses(count: int) -> None:
    tree: dict[str, Any] = {
        "name": "many",
        "stacks": ["kubernetes+kubelet"],
        "networks": [{"name": "cloud", "subnet": "10.77.0.0/24"}],
        "nodes": [{"name": "server", "arch": "x86_64", "role": "server"}]
        + [{"name": f"edge-{n}", "arch": "aarch64", "role": "edge"} for n in range(count)],
        "links": [
            {
                "name": f"link-{n}",
                "endpoint": "server" if n == 0 else f"edge-{n - 1}",
                "network": "cloud",
                "address": str(IPv4Address("10.77.0.1") + n),
            }
            for n in range(count + 1)
        ],
    }
    topology = Topology.model_validate(tree)
    pods = [topology.pod_cidr(node.name) for node in topology.nodes]
    assert len(set(pods)) == count + 1
    assert all(pod.subnet_of(topology.pod_subnet) for pod in pods)
    assert len({topology.mac(link) for link in topology.links}) == count + 1
    assert all(isinstance(link, Link) for link in topology.links)
    assert topology.server.role is Role.SERVER
