"""The topology: what is accepted, and what follows from it."""

from __future__ import annotations

import contextlib
import functools
import json
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
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
from tests.small_topology import GOOD, refusal

LABS = Path(__file__).resolve().parent.parent / "labs"


@functools.cache
def schema_of_topologies() -> jsonschema.Draft202012Validator:
    """Judges trees by the schema. The schema itself is checked once, by a test of its own."""
    return jsonschema.Draft202012Validator(topology_schema())


@pytest.mark.parametrize("file", sorted(LABS.glob("*.yaml")), ids=lambda file: file.stem)
def test_each_shipped_topology_loads_and_fits_the_schema(file: Path) -> None:
    topology = load_topology(file)
    assert topology.name
    schema_of_topologies().validate(YAML(typ="safe").load(file.read_text(encoding="utf-8")))


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
        schema_of_topologies().validate(tree)


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
    schema_of_topologies().validate(YAML(typ="safe").load(text))
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


@given(mib=st.integers(min_value=512, max_value=65536))
def test_memory_means_the_same_with_and_without_its_unit(mib: int) -> None:
    plain = parse_topology(GOOD.replace("1GiB", str(mib)))
    with_unit = parse_topology(GOOD.replace("1GiB", f"{mib}MiB"))
    assert plain == with_unit
    assert plain.node("edge").memory == mib


@given(mib=st.integers().filter(lambda mib: not 512 <= mib <= 65536))
def test_memory_out_of_bounds_never_passes(mib: int) -> None:
    assert "out of range" in str(refusal(GOOD.replace("1GiB", str(mib))))


@given(text=st.text(max_size=200))
def test_any_text_is_a_topology_or_an_input_error(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_topology(text)


@given(junk=st.text(alphabet=st.characters(codec="utf-8"), max_size=12), at=st.integers(0, 600))
def test_junk_anywhere_in_a_good_file_is_an_input_error_at_worst(junk: str, at: int) -> None:
    with contextlib.suppress(InputError):
        parse_topology(GOOD[:at] + junk + GOOD[at:])


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
