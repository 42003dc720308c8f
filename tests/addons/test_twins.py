"""Twins on each stack: what nodes and cluster are given for them, and by which way they go."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.x509.oid import NameOID

from edge_lab.addons import Platform, Stage, get_platform
from edge_lab.addons.twins.mapperunit import COLLECT_MS, COLLECT_SINGLY_MS, collect_ms
from edge_lab.artifacts import Artifact
from edge_lab.cluster.objects import Manifest
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack, StackContext
from edge_lab.stacks.base import DmiServer
from edge_lab.stacks.openyurt import OpenYurt
from edge_lab.topology import Arch, Topology, load_topology
from tests.keys import keys_made_once
from tests.stacks.provisions import DEFAULT, FakeImage, files_of, units_of
from tests.twins.everywhere import with_all_twins

UNIT = "edge-mapper.service"

ContextFor = Callable[[Platform], StackContext]


@pytest.fixture(scope="module")
def context_for(tmp_path_factory: pytest.TempPathFactory) -> ContextFor:
    folder = tmp_path_factory.mktemp("twins")
    topology = with_all_twins(load_topology(DEFAULT))
    pki = keys_made_once(folder / "keys", topology)
    crd = {"kind": "CustomResourceDefinition"}
    names = ("devices.devices.kubeedge.io", "rules.rules.kubeedge.io")
    documents = [crd | {"metadata": {"name": name}} for name in names]
    file = folder / "artifact"
    file.write_text(yaml.safe_dump_all(documents))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    image: Any = FakeImage(dict.fromkeys(Arch, file))

    def make(platform: Platform) -> StackContext:
        artifacts = {
            want: Artifact(want.component, "v1", want.arch, file, digest, "made up")
            for want in platform.wants(topology)
        }
        return StackContext(topology, artifacts, image, pki, api_host_port=26443)

    return make


class WithDmi(OpenYurt):
    """A runtime that says it keeps twins itself."""

    name = "with-dmi"
    dmi_socket = "/etc/core/dmi.sock"


@dataclass(frozen=True)
class Given:
    """What one edge node is given."""

    provision: Provision

    @property
    def config(self) -> dict[str, Any]:
        content = files_of(self.provision)["/etc/edge-mapper/config.json"].content
        found: dict[str, Any] = json.loads(content)
        return found


def given(platform: Platform, context: StackContext) -> Given:
    return Given(platform.provision(context)["edge-arm"])


def twin_objects(platform: Platform, context: StackContext, stage: Stage) -> tuple[Manifest, ...]:
    return platform.manifests(context, stage)["twins"]


def platform_of(stack: str) -> Platform:
    return get_platform(stack, load_topology(DEFAULT))


def without_twins(topology: Topology, *devices: str) -> Topology:
    changed = tuple(
        each.model_copy(update={"twins": ()}) if each.name in devices else each
        for each in topology.devices
    )
    return topology.model_copy(update={"devices": changed})


def test_an_edge_node_gets_a_mapper_that_is_watched(context_for: ContextFor) -> None:
    platform = platform_of("kubernetes+openyurt")
    context = context_for(platform)
    provision = given(platform, context).provision
    assert UNIT in provision.units
    assert UNIT in platform.units(context.topology)["edge-arm"]
    assert UNIT not in platform.units(context.topology)["server"]
    text = units_of(provision)[UNIT]
    assert "/opt/edge-lab/mapper/edge-mapper.pyz" in text
    assert "RequiresMountsFor=/opt/edge-lab" in text
    assert "Nice=10" in text
    (payload,) = (each for each in provision.payload if each.path.startswith("mapper/"))
    assert payload.source.is_file()


def test_it_goes_to_the_api_server_past_the_runtime_as_nobody_but_itself(
    context_for: ContextFor,
) -> None:
    platform = platform_of("kubernetes+openyurt")
    context = context_for(platform)
    provision = given(platform, context)
    access = provision.config["api"]
    assert access["url"] == "https://10.77.0.1:6443"
    files = files_of(provision.provision)
    assert files[access["key"]].mode == 0o600
    subject = x509.load_pem_x509_certificate(files[access["certificate"]].content).subject
    (name,) = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    (group,) = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert (name.value, group.value) == ("edge-lab:mapper:edge-arm", "edge-lab:mappers")
    devices = [each["kind"] for each in twin_objects(platform, context, Stage.NODES_READY)]
    assert devices.count("Device") == 4


def test_keys_of_opc_ua_are_only_where_such_a_twin_is(context_for: ContextFor) -> None:
    platform = platform_of("kubernetes+openyurt")
    context = context_for(platform)
    assert given(platform, context).config["opcua"]["uri"] == "urn:edge-lab:mapper:edge-arm"
    modbus_only = replace(context, topology=without_twins(context.topology, "press"))
    found = given(platform, modbus_only)
    assert "opcua" not in found.config
    assert not [path for path in files_of(found.provision) if "edge-mapper/opcua" in path]


def test_a_runtime_that_serves_dmi_gets_a_mapper_that_speaks_it(context_for: ContextFor) -> None:
    usual = platform_of("kubernetes+openyurt")
    context = context_for(usual)
    assert not isinstance(usual.stack.runtime, DmiServer)
    platform = replace(usual, stack=Stack(usual.stack.control, WithDmi()))
    found = given(platform, context)
    assert found.config["dmi"] == {
        "socket": "/etc/core/dmi.sock",
        "own": "/run/edge-mapper/mapper.sock",
    }
    assert "api" not in found.config
    # Nor is it given a key for the API server, or a right there.
    assert not [path for path in files_of(found.provision) if "edge-mapper/api" in path]
    names = [
        each["metadata"]["name"] for each in twin_objects(platform, context, Stage.API_SERVER_UP)
    ]
    assert "edge-lab:mappers" not in names


def test_without_twins_there_is_nothing_of_them(context_for: ContextFor) -> None:
    platform = platform_of("kubernetes+openyurt")
    context = context_for(platform)
    bare = replace(context, topology=without_twins(context.topology, "press", "boiler"))
    provision = given(platform, bare).provision
    assert UNIT not in provision.units
    assert not [each for each in provision.payload if each.path.startswith("mapper/")]
    assert UNIT not in platform.units(bare.topology)["edge-arm"]
    assert "kubeedge-crds" not in [each.component for each in platform.wants(bare.topology)]
    assert not any(twin_objects(platform, bare, stage) for stage in Stage)


@pytest.mark.parametrize("name", ["kubernetes+openyurt", "kubernetes+kubelet"])
def test_stacks_without_kubeedge_want_its_definitions_for_twins(
    name: str, context_for: ContextFor
) -> None:
    platform = platform_of(name)
    topology = context_for(platform).topology
    assert "kubeedge-crds" in [each.component for each in platform.wants(topology)]


@pytest.mark.parametrize(
    ("runtime", "least"), [(OpenYurt(), COLLECT_MS), (WithDmi(), COLLECT_SINGLY_MS)]
)
def test_a_twin_is_collected_as_often_as_the_way_bears_and_never_faster_than_its_device(
    runtime: OpenYurt, least: int
) -> None:
    boiler = load_topology(DEFAULT).device("boiler")
    fast, slow = (boiler.model_copy(update={"period_ms": ms}) for ms in (1_000, 60_000))
    assert (collect_ms(fast, runtime), collect_ms(slow, runtime)) == (least, 60_000)
