"""A twin with a wrong address in one property: the others work, and the wrong one is reported."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.client import TwinClient
from edge_lab.addons.twins.manifests import properties_of
from edge_lab.addons.twins.missing import MISSING, partial_twin
from edge_lab.addons.twins.names import API_GROUP, NAMESPACE
from edge_lab.addons.twins.status import ONLINE, TwinStatus
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.devices.points import SEQUENCE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.twins import LabTwin
from edge_lab.stacks.base import DmiServer

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Devices"), allure.feature("Twins")]

READY_SECONDS = 300.0
"""Seconds for a new twin to report all of its properties, on an emulated node."""


@pytest.fixture
def partial(lab: Lab, twin: LabTwin, time_limit: TimeLimit) -> Iterator[tuple[str, str]]:
    """The name of a second twin of the same device, and where the mapper's log ended before."""
    name = f"partial-{twin.name}"
    mark = twin.log_mark()
    cycle_ms = round(twin.collect_s * 1000)
    manifests = partial_twin(
        lab.topology, twin.device, twin.node.name, name=name, cycle_ms=cycle_ms
    )
    try:
        lab.kubectl.apply_patiently("the twin is made", manifests, time_limit(READY_SECONDS))
        yield name, mark
    finally:
        limit = time_limit(READY_SECONDS)
        for kind in ("devices", "devicemodels"):
            of = (f"{kind}.{API_GROUP}", name, "-n", NAMESPACE)
            lab.kubectl.request_deletion(*of, deadline=limit)


@allure.story("Reported values")
@allure.title("{twin}: a property that the device does not have does not affect the others")
def test_a_property_that_is_not_there_hides_no_other_and_is_named(
    lab: Lab,
    twin: LabTwin,
    partial: tuple[str, str],
    twin_client: TwinClient,
    time_limit: TimeLimit,
) -> None:
    name, mark = partial
    wanted = {twin_property.point.name for twin_property in properties_of(twin.device)}

    def status() -> TwinStatus:
        return twin_client.status(name, time_limit(60))

    def reported() -> set[str]:
        now = status()
        return {point for point in wanted if now.value(point) is not None}

    eventually(
        f"{name} reports all properties that exist",
        lambda: reported() == wanted,
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
    lines = eventually(
        f"{name} names it in the log",
        lambda: [line for line in twin.logged(mark, name) if f"cannot read {MISSING}" in line],
        time_limit(READY_SECONDS),
    )
    assert len(lines) == 1, "the property is named more than once"
    before = status().value(SEQUENCE)
    eventually(
        f"{name} keeps reporting",
        lambda: status().value(SEQUENCE) != before,
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
    now = status()
    assert now.value(MISSING) is None
    eventually(
        f"{name} is online",
        lambda: status().state == ONLINE,
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
    # The usual twin of the same device has no errors.
    usual = twin.status()
    assert usual.read_errors == {}
    assert not [line for line in twin.logged(mark) if "cannot read" in line]
    if not isinstance(lab.stack.runtime, DmiServer):  # edgecore only passes on values
        assert set(now.read_errors) == {MISSING}
