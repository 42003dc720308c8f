"""Devices are given to a cluster whose nodes are there, and not before."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.stacks import StackContext, get_stack
from edge_lab.stacks.stack import Stack
from edge_lab.topology import Topology
from tests.stacks.provisions import ContextFor


@pytest.fixture(params=["kubernetes+openyurt", "kubernetes+kubeedge"])
def stack(request: pytest.FixtureRequest) -> Stack:
    return get_stack(request.param)


def kinds(manifests: Any) -> set[str]:
    return {each["kind"] for each in manifests}


def test_the_first_objects_define_devices_and_hold_none(
    stack: Stack, context_for: ContextFor
) -> None:
    context: StackContext = context_for(stack)
    first = kinds(stack.manifests(context))
    assert "CustomResourceDefinition" in first
    assert not first & {"Device", "DeviceModel"}


def test_devices_come_when_nodes_are_ready(stack: Stack, topology: Topology) -> None:
    applied: list[Any] = []

    class Applying:
        apply_patiently = Kubectl.apply_patiently

        def apply(self, objects: Any, deadline: Deadline) -> None:
            applied.extend(objects)

    kubectl: Any = Applying()
    stack.give_devices(ClusterAccess(kubectl, {}, topology), Deadline.after(5))
    assert {"Device", "DeviceModel"} <= kinds(applied)
    names = {each["metadata"]["name"] for each in applied if each["kind"] == "Device"}
    assert names == {
        f"{device.name}-{node}" for device in topology.devices for node in device.twins
    }
