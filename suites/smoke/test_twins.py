"""Each twin works: its device is online, and its reported values follow the device."""

from __future__ import annotations

import allure

from edge_lab.addons.twins.status import ONLINE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.devices.points import SEQUENCE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.twins import LabTwin

pytestmark = [allure.parent_suite("Smoke"), allure.feature("Twins")]

REPORT_SECONDS = 120.0
"""At its first start a mapper compiles its libraries, which takes a minute."""


def reported(twin: LabTwin) -> int | None:
    """The device's reported sequence number, while the device is shown as online."""
    status = twin.status()
    text = status.value(SEQUENCE)
    return int(text) if status.state == ONLINE and text else None


@allure.title("{twin} reports the values of its device")
def test_a_twin_follows_its_device(twin: LabTwin, time_limit: TimeLimit) -> None:
    limit = time_limit(REPORT_SECONDS)
    first = eventually(
        f"{twin} reports a number", lambda: reported(twin), limit, transient=(KubectlError,)
    )
    assert first <= twin.truth.status().seq, "reported before the device has shown it"

    def later() -> bool:
        now = reported(twin)
        return now is not None and now > first

    eventually(f"{twin} reports a later number", later, limit, transient=(KubectlError,))
    last = reported(twin)
    assert last is None or last <= twin.truth.status().seq
