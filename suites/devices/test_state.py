"""An unreachable device is shown as offline until it returns; many twins of one device coexist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.client import TwinClient
from edge_lab.addons.twins.manifests import device_manifest
from edge_lab.addons.twins.names import API_GROUP, NAMESPACE, twin_name, twins_of
from edge_lab.addons.twins.status import OFFLINE, ONLINE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import MissingCapability
from edge_lab.devices.faults import Gone
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import OnDevice
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.twins import LabTwin

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Devices"), allure.feature("Twins")]

NOTICE_SECONDS = 180.0

MANY = 100
MANY_CYCLE_MS = 60_000
MANY_PROPERTIES = (SEQUENCE, REQUESTED_SETPOINT)
"""KubeEdge writes each value of each twin separately: nine for each of a hundred twins, every half
minute, were thirty writes a second, and an emulated API server stopped responding."""
MANY_SECONDS = 600.0
AT_ONCE = 10
"""Objects that an emulated API server accepts within the timeout of one call."""


@pytest.mark.parametrize("how", ["silent", "refused"])
@allure.story("State")
@allure.title(
    "{twin} is offline while its device is unreachable ({how}), and online again afterwards"
)
def test_a_device_that_goes_away_is_offline_and_returns(
    twin: LabTwin, how: str, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    def shows(state: str) -> None:
        eventually(
            f"{twin} is {state}",
            lambda: twin.status().state == state,
            time_limit(NOTICE_SECONDS),
            transient=(KubectlError,),
        )

    shows(ONLINE)
    gone = Gone.model_validate({"how": how})
    with faults.inflict(OnDevice(device=twin.device.name, does=gone)):
        shows(OFFLINE)
        last = twin.status().value(SEQUENCE)
    shows(ONLINE)
    eventually(
        f"{twin} reports new values",
        lambda: twin.status().value(SEQUENCE) != last,
        time_limit(NOTICE_SECONDS),
        transient=(KubectlError,),
    )


@pytest.fixture
def crowd(lab: Lab, edge_node: LabNode, time_limit: TimeLimit) -> Iterator[tuple[str, ...]]:
    """The names of many twins of one device on one node."""
    found = twins_of(lab.topology, edge_node.spec)
    if not found:
        raise MissingCapability(f"{edge_node.name} keeps no twin")
    names = tuple(f"crowd-{number}-{edge_node.name}" for number in range(MANY))
    manifests = [
        device_manifest(
            lab.topology,
            found[0],
            edge_node.name,
            name=name,
            cycle_ms=MANY_CYCLE_MS,
            only=MANY_PROPERTIES,
        )
        for name in names
    ]
    parts = [slice(first, first + AT_ONCE) for first in range(0, MANY, AT_ONCE)]
    limit = time_limit(MANY_SECONDS)
    try:
        for part in parts:
            lab.kubectl.apply_patiently(f"{AT_ONCE} twins are made", manifests[part], limit)
        yield names
    finally:
        limit = time_limit(MANY_SECONDS)
        for part in parts:
            of = (f"devices.{API_GROUP}", *names[part], "-n", NAMESPACE)
            lab.kubectl.delete(*of, deadline=limit, wait=False)


@pytest.mark.fresh_lab("test")  # the other node's hundred would still be active
@allure.story("Scale")
@allure.title("A hundred more twins on {edge_node} report, and the existing ones keep reporting")
def test_a_hundred_twins_on_one_node_all_report(
    lab: Lab,
    edge_node: LabNode,
    crowd: tuple[str, ...],
    twin_client: TwinClient,
    time_limit: TimeLimit,
) -> None:
    def quiet() -> list[str]:
        statuses = twin_client.statuses(time_limit(60))
        return [
            name
            for name in crowd
            if name not in statuses
            or statuses[name].state != ONLINE
            or statuses[name].value(SEQUENCE) is None
        ]

    assert twin_client.status("crowd-none", time_limit(60)).state == ""
    eventually(
        f"all {MANY} twins have reported",
        lambda: not quiet(),
        time_limit(MANY_SECONDS),
        every=2.0,
        transient=(KubectlError,),
    )
    device = twins_of(lab.topology, edge_node.spec)[0]
    truth = {str(step.seq) for step in lab.devices[device.name].steps()}
    statuses = twin_client.statuses(time_limit(60))
    assert {statuses[name].value(SEQUENCE) for name in crowd} <= truth
    usual = twin_name(device.name, edge_node.name)
    before = statuses[usual].value(SEQUENCE)
    eventually(
        f"{usual} keeps reporting",
        lambda: twin_client.status(usual, time_limit(60)).value(SEQUENCE) != before,
        time_limit(NOTICE_SECONDS),
        transient=(KubectlError,),
    )
