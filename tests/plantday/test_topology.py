"""labs/plant-day.yaml: everything that a day needs, together on each stack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations

import pytest

from edge_lab.addons import Stage, get_platform
from edge_lab.cluster.objects import Manifest
from edge_lab.core.yamltext import yaml_document
from edge_lab.faults.plan import load_plan
from edge_lab.provisioning.provision import Provision
from edge_lab.topology import Topology
from suites.plantday.conftest import ADDONS
from suites.plantday.dayplan import FILE
from tests.addons.services.conftest import ContextOf, PlatformOf
from tests.plantday.madeup import TOPOLOGY

builds = pytest.mark.slow(reason="it puts together what each node is given")

ProvisionsOf = Callable[[str], dict[str, Provision]]


@pytest.fixture(params=TOPOLOGY.stacks)
def stack_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_it_has_every_add_on_of_a_day() -> None:
    assert set(ADDONS) < set(TOPOLOGY.addons)
    assert any(device.twins for device in TOPOLOGY.devices)


def test_no_two_listen_on_one_port(stack_name: str) -> None:
    platform = get_platform(stack_name, TOPOLOGY)
    owners = {
        "stack": platform.stack.endpoints(TOPOLOGY),
        **{addon.name: addon.endpoints(TOPOLOGY, platform.stack) for addon in platform.addons},
    }
    ports = {
        owner: {(endpoint.node, endpoint.port) for endpoint in endpoints}
        for owner, endpoints in owners.items()
    }
    for (owner, mine), (other, its) in combinations(ports.items(), 2):
        assert not mine & its, f"{owner} and {other}"


@builds
def test_no_two_write_one_file_or_have_one_unit(
    stack_name: str, provisions_of: ProvisionsOf, platform_of: PlatformOf
) -> None:
    provisions = provisions_of(stack_name)  # LabError for two contents of a file
    platform = platform_of(stack_name)
    for node in TOPOLOGY.nodes:
        assert provisions[node.name].files
        units = [
            unit
            for addon in platform.addons
            for unit in addon.units(TOPOLOGY, node, platform.stack)
        ]
        assert [unit for unit, count in Counter(units).items() if count > 1] == []


@builds
def test_no_two_set_one_field_of_a_kubelet(stack_name: str, provisions_of: ProvisionsOf) -> None:
    for name, provision in provisions_of(stack_name).items():
        fields: Counter[str] = Counter()
        for file in provision.files:
            if b"KubeletConfiguration" in file.content and ".d/" in file.path:
                fields.update(yaml_document(file.content.decode()).keys())
        del fields["apiVersion"], fields["kind"]
        assert [field for field, count in fields.items() if count > 1] == [], name


def test_no_two_want_one_object_otherwise(
    stack_name: str, platform_of: PlatformOf, context_of: ContextOf
) -> None:
    platform = platform_of(stack_name)
    given = context_of(platform).given
    for stage in Stage:
        found: dict[tuple[str, str, str], Manifest] = {}
        for owner, objects in platform.manifests(given, stage).items():
            for document in objects:
                if document["kind"] == "CustomResourceDefinition":
                    continue  # these are in artifacts, which are made up here
                about = document["metadata"]
                key = document["kind"], about.get("namespace", ""), about["name"]
                assert found.setdefault(key, document) == document, f"{owner}: {key}"


def test_the_plan_of_an_hour_breaks_what_this_lab_has(topology: Topology) -> None:
    plan = load_plan(FILE, topology)
    units = get_platform(topology.stacks[0], topology).units(topology)
    services = {unit for of_node in units.values() for unit in of_node}
    named = {getattr(planned.fault, "service", None) for planned in plan.schedule()} - {None}
    assert named
    assert named <= services
