"""The workload's Kubernetes objects, as worked out from a topology."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from edge_lab.addons.workload.manifests import (
    NAMESPACE,
    sampled_devices,
    sampler_config,
    sampling_nodes,
    workload_manifests,
)
from edge_lab.devices.plant import PLANTS
from edge_lab.topology import Topology, parse_topology


class Identity:
    certificate_pem = b"certificate"
    key_pem = b"key"


@pytest.fixture
def manifests(default_topology: Topology) -> tuple[dict[str, Any], ...]:
    clients = {node.name: Identity() for node in default_topology.edges}
    return workload_manifests(default_topology, clients, b"authority")


@pytest.fixture
def pods(manifests: tuple[dict[str, Any], ...]) -> dict[str, dict[str, Any]]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == "Pod"}


def test_there_is_a_sampler_on_each_edge_node_and_a_collector_on_the_server(
    pods: dict[str, dict[str, Any]],
) -> None:
    assert {name: pod["spec"]["nodeName"] for name, pod in pods.items()} == {
        "collector": "server",
        "sampler-edge-arm": "edge-arm",
        "sampler-edge-riscv": "edge-riscv",
    }


def test_pods_stay_where_they_are_whatever_becomes_of_the_node(
    pods: dict[str, dict[str, Any]],
) -> None:
    for pod in pods.values():
        spec = pod["spec"]
        assert spec["tolerations"] == [{"operator": "Exists"}]
        assert spec["restartPolicy"] == "Always"
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] is False
        (container,) = spec["containers"]
        assert container["imagePullPolicy"] == "Never"


def test_only_the_collector_uses_the_network_of_its_node(pods: dict[str, dict[str, Any]]) -> None:
    assert [name for name, pod in pods.items() if pod["spec"].get("hostNetwork")] == ["collector"]


def test_what_a_pod_keeps_lies_on_its_node(pods: dict[str, dict[str, Any]]) -> None:
    for name, pod in pods.items():
        path = "/var/lib/edge-lab/" + name.partition("-")[0]
        (state,) = [each for each in pod["spec"]["volumes"] if each["name"] == "state"]
        assert state["hostPath"] == {"path": path, "type": "DirectoryOrCreate"}


def test_each_mount_has_its_volume_and_each_volume_its_object(
    manifests: tuple[dict[str, Any], ...], pods: dict[str, dict[str, Any]]
) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    for pod in pods.values():
        volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
        (container,) = pod["spec"]["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == set(volumes)
        for volume in volumes.values():
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in there
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in there


def test_the_namespace_comes_first_and_pods_come_last(
    manifests: tuple[dict[str, Any], ...],
) -> None:
    kinds = [each["kind"] for each in manifests]
    assert kinds[0] == "Namespace"
    assert kinds == [k for k in kinds if k != "Pod"] + [k for k in kinds if k == "Pod"]
    assert {each["metadata"]["namespace"] for each in manifests[1:]} == {NAMESPACE}


def test_manifests_are_plain_data(manifests: tuple[dict[str, Any], ...]) -> None:
    assert list(yaml.safe_load_all(yaml.safe_dump_all(manifests))) == list(manifests)


def test_the_secret_holds_certificate_key_and_authority(
    manifests: tuple[dict[str, Any], ...],
) -> None:
    secret = next(each for each in manifests if each["kind"] == "Secret")
    decoded = {name: base64.b64decode(text) for name, text in secret["data"].items()}
    assert decoded == {"tls.crt": b"certificate", "tls.key": b"key", "ca.crt": b"authority"}


# -- the sampler's configuration -----------------------------------------------------------


def test_a_sampler_is_told_where_each_point_is_found(default_topology: Topology) -> None:
    config = sampler_config(default_topology, default_topology.node("edge-arm"))
    assert config["node"] == "edge-arm"
    assert config["collector"] == "http://10.77.0.1:9100"
    boiler, press = config["devices"]
    assert boiler["address"] == "10.78.0.101:502"
    assert boiler["points"][0] == {"name": "sequence", "register": 0, "kind": "uint32"}
    assert press["address"] == "opc.tcp://10.78.0.102:4840"
    assert press["points"][2] == {"name": "force", "node": "ns=2;s=press.force"}
    for device in config["devices"]:
        names = [point["name"] for point in device["points"]]
        assert names == ["sequence", *(p.name for p in PLANTS[device["name"]].points)]


def test_a_sampler_reads_several_times_in_a_step(default_topology: Topology) -> None:
    for node in sampling_nodes(default_topology):
        poll = sampler_config(default_topology, node)["poll_ms"]
        for device in sampled_devices(default_topology, node):
            assert 2 * poll <= device.period_ms


def test_a_node_samples_only_devices_on_a_network_of_its_own(default_topology: Topology) -> None:
    apart = _without_link(default_topology, "riscv-plant")
    assert [node.name for node in sampling_nodes(apart)] == ["edge-arm"]
    manifests = workload_manifests(apart, {"edge-arm": Identity()}, b"authority")
    names = {each["metadata"]["name"] for each in manifests if each["kind"] == "Pod"}
    assert names == {"collector", "sampler-edge-arm"}


def _without_link(topology: Topology, name: str) -> Topology:
    plain = topology.model_dump(mode="json")
    plain["links"] = [link for link in plain["links"] if link["name"] != name]
    plain["devices"] = [device | {"twins": []} for device in plain["devices"]]
    return parse_topology(yaml.safe_dump(plain))


def test_secrets_do_not_stand_in_config_maps(manifests: tuple[dict[str, Any], ...]) -> None:
    def texts() -> Iterator[str]:
        for each in manifests:
            if each["kind"] == "ConfigMap":
                yield from each["data"].values()

    for text in texts():
        assert json.loads(text)["security"]["key"] == "/etc/edge-lab/opcua/tls.key"
