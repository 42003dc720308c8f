"""Devices are given to a cluster whose nodes are there, and not before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from edge_lab.addons import Platform, Stage, get_platform
from edge_lab.topology import Topology
from tests.stacks.provisions import ContextFor


@pytest.fixture(params=["kubernetes+openyurt", "kubernetes+kubeedge"])
def platform(request: pytest.FixtureRequest, topology: Topology) -> Platform:
    return get_platform(request.param, topology)


def kinds(by_origin: Mapping[str, Sequence[Any]]) -> set[str]:
    return {each["kind"] for manifests in by_origin.values() for each in manifests}


def test_the_first_objects_define_devices_and_hold_none(
    platform: Platform, context_for: ContextFor
) -> None:
    first = kinds(platform.manifests(context_for(platform), Stage.API_SERVER_UP))
    assert "CustomResourceDefinition" in first
    assert not first & {"Device", "DeviceModel"}


def test_devices_come_when_nodes_are_ready(
    platform: Platform, topology: Topology, context_for: ContextFor
) -> None:
    by_origin = platform.manifests(context_for(platform), Stage.NODES_READY)
    assert {"Device", "DeviceModel"} <= kinds(by_origin)
    names = {each["metadata"]["name"] for each in by_origin["twins"] if each["kind"] == "Device"}
    assert names == {
        f"{device.name}-{node}" for device in topology.devices for node in device.twins
    }
