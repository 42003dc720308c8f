"""What kwok is told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.artifacts import CATALOG
from edge_lab.fleet.hollow import (
    ANNOTATION,
    NAMESPACE,
    SELECTOR,
    hollow_index,
    hollow_name,
    node_manifest,
    pod_manifest,
    rights,
    twin_manifest,
)
from edge_lab.fleet.kwokconfig import kwok_command, kwok_config


def documents(twin_every_s: float | None = 10.0) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    text = kwok_config(lease_s=20, parallel=50, twin_every_s=twin_every_s)
    first, *stages = yaml.safe_load_all(text)
    return first, stages


def test_it_holds_no_node_but_hollow_ones() -> None:
    options = documents()[0]["options"]
    assert options["manageAllNodes"] is False
    name, value = options["manageNodesWithAnnotationSelector"].split("=")
    assert node_manifest("hollow-00001")["metadata"]["annotations"] == {name: value}
    assert name == ANNOTATION


def test_each_node_has_a_worker_of_its_own_for_its_lease() -> None:
    options = documents()[0]["options"]
    assert (options["nodeLeaseDurationSeconds"], options["nodeLeaseParallelism"]) == (20, 50)


def test_its_stages_touch_nothing_but_what_the_fleet_has() -> None:
    _, stages = documents()
    label, _, value = SELECTOR.partition("=")
    made = [pod_manifest("hollow-00001"), twin_manifest("hollow-00001", 1)]
    assert all(document["metadata"]["labels"] == {label: value} for document in made)
    for stage in stages:
        if stage["spec"]["resourceRef"]["kind"] != "Node":
            assert stage["spec"]["selector"]["matchLabels"] == {label: value}


def test_a_cluster_without_twins_has_no_stage_of_them() -> None:
    kinds = [stage["spec"]["resourceRef"]["kind"] for stage in documents(None)[1]]
    assert "DeviceStatus" not in kinds
    assert "DeviceStatus" in [stage["spec"]["resourceRef"]["kind"] for stage in documents()[1]]


def test_it_may_not_do_what_kubelets_and_mappers_may_not() -> None:
    role, binding = rights()
    verbs = {
        (resource, verb)
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert ("nodes", "delete") not in verbs
    assert ("nodes", "create") not in verbs
    assert not any("secrets" in resource or "*" in resource for resource, _ in verbs)
    (subject,) = binding["subjects"]
    assert subject["kind"] == "User"


def test_nothing_is_scheduled_to_hollow_nodes_and_their_zone_is_their_own() -> None:
    node = node_manifest(hollow_name(1))
    (taint,) = node["spec"]["taints"]
    assert taint["effect"] == "NoSchedule"
    assert node["metadata"]["labels"]["topology.kubernetes.io/zone"]
    assert pod_manifest("hollow-00001")["metadata"]["namespace"] == NAMESPACE


@pytest.mark.parametrize(
    ("name", "index"), [("hollow-00001", 1), ("hollow-01000", 1000), ("edge-arm", None), ("", None)]
)
def test_names_of_hollow_nodes_are_known(name: str, index: int | None) -> None:
    assert hollow_index(name) == index
    if index is not None:
        assert hollow_name(index) == name


def test_the_command_names_its_files_and_the_catalogue_has_it() -> None:
    command = kwok_command(Path("/k"), Path("/c"), Path("/y"))
    assert command[:3] == ["/k", "--kubeconfig=/c", "--config=/y"]
    assert CATALOG["kwok"].go is not None


def _rendered(template: str) -> Any:
    """As kwok would, near enough: each loop goes round once, and functions give a text."""
    without_loops = re.sub(r"\{\{ (range .*?|end) \}\}", "", template)
    return yaml.safe_load(re.sub(r"\{\{ .*? \}\}", '"text"', without_loops))


def test_what_stages_set_is_yaml_once_it_is_filled_in() -> None:
    found = {}
    for stage in documents()[1]:
        then = stage["spec"]["next"]
        if "delete" not in then:
            template = then.get("statusTemplate") or then["patches"][0]["template"]
            found[stage["metadata"]["name"]] = _rendered(template)
    ready = {condition["type"]: condition for condition in found["node-ready"]["conditions"]}[
        "Ready"
    ]
    assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
    assert ready.keys() >= {"lastHeartbeatTime", "lastTransitionTime"}
    assert found["node-ready"]["allocatable"]["pods"] == "110"
    # A heartbeat says nothing of a transition that there was not.
    assert "lastTransitionTime" not in found["node-status"]["conditions"][-1]
    assert found["pod-ready"]["phase"] == "Running"
    assert found["pod-ready"]["containerStatuses"][0]["state"]["running"]
    assert found["twin-reported"]["twins"][0]["reported"]["value"]
