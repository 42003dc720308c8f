"""The workload with identities, and without the add-on exactly as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_lab.addons.spire.names import SPIRE
from edge_lab.addons.workload.accounts import (
    COLLECTOR_ID,
    SAMPLER_ID,
    SPIFFE_IMAGE,
    account_nodes,
    identified,
    workload_images,
)
from edge_lab.addons.workload.endpoints import workload_endpoints
from edge_lab.addons.workload.manifests import IMAGE, sampling_nodes, workload_manifests
from edge_lab.topology import Topology
from tests.workload.test_manifests import Identity


@pytest.fixture
def with_spire(default_topology: Topology) -> Topology:
    return default_topology.model_copy(update={"addons": (*default_topology.addons, SPIRE)})


def manifests(topology: Topology) -> list[dict[str, Any]]:
    clients = {node.name: Identity() for node in sampling_nodes(topology)}
    return list(identified(topology, workload_manifests(topology, clients, b"authority")))


def of_kind(found: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in found if each["kind"] == kind}


def test_without_the_add_on_nothing_changes(default_topology: Topology) -> None:
    clients = {node.name: Identity() for node in sampling_nodes(default_topology)}
    plain = workload_manifests(default_topology, clients, b"authority")
    assert identified(default_topology, plain) == plain
    assert [image.reference for image in workload_images(default_topology)] == [IMAGE]
    assert [each.name for each in workload_endpoints(default_topology)] == ["collector"]


def test_pods_of_suites_find_their_image_beside_that_with_identities(with_spire: Topology) -> None:
    assert [image.reference for image in workload_images(with_spire)] == [IMAGE, SPIFFE_IMAGE]


def test_pods_have_accounts_and_the_workload_api(with_spire: Topology) -> None:
    found = manifests(with_spire)
    kinds = [each["kind"] for each in found]
    assert kinds[:3] == ["Namespace", "ServiceAccount", "ServiceAccount"]
    for name, pod in of_kind(found, "Pod").items():
        spec = pod["spec"]
        assert spec["serviceAccountName"] == ("collector" if name == "collector" else "sampler")
        (container,) = spec["containers"]
        assert container["image"] == SPIFFE_IMAGE
        (volume,) = [each for each in spec["volumes"] if each["name"] == "workload-api"]
        assert volume["hostPath"]["path"] == "/run/spire/agent"
        mounts = {each["mountPath"] for each in container["volumeMounts"]}
        assert "/run/spire/agent" in mounts


def test_samplers_give_to_the_collector_alone_and_it_takes_from_them(
    with_spire: Topology,
) -> None:
    found = manifests(with_spire)
    config = json.loads(of_kind(found, "ConfigMap")["sampler-edge-arm"]["data"]["config.json"])
    assert config["collector"] == "https://10.77.0.1:9101"
    assert config["identity"] == {
        "workload_api": "unix:///run/spire/agent/agent.sock",
        "collector": COLLECTOR_ID,
    }
    command = of_kind(found, "Pod")["collector"]["spec"]["containers"][0]["command"]
    assert command[command.index("--admit") + 1] == SAMPLER_ID
    assert [each.name for each in workload_endpoints(with_spire)] == [
        "collector",
        "collector-mtls",
    ]


def test_accounts_are_of_the_workload(with_spire: Topology) -> None:
    without = with_spire.model_copy(update={"addons": (SPIRE,)})
    assert set(account_nodes(with_spire)) == {"sampler", "collector"}
    assert account_nodes(without) == {}
