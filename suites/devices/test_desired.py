"""Desired values of a twin reach the device and are confirmed; invalid ones are refused."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.status import ONLINE, TwinStatus
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.devices import TruthStep, TruthWrite
from edge_lab.devices.points import REQUESTED_SETPOINT, SEQUENCE
from edge_lab.devices.protocols import plant_of
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import enough, eventually, preparing
from edge_lab.fixtures.twins import LabTwin
from edge_lab.fixtures.wires import Wires
from suites.edges import until_lost, uplink
from suites.known import KUBEEDGE_TRACKER

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Devices"), allure.feature("Twins")]

SETTLE_SECONDS = 180.0
"""Seconds for a desired value to be written and confirmed, on an emulated node."""


def newest(twin: LabTwin) -> TruthStep:
    """The current step of the device."""
    return enough(twin.truth.steps(), f"steps of {twin.device.name}")[-1]


def fit(twin: LabTwin) -> str:
    """A setpoint in range that differs from the current one."""
    setpoint = plant_of(twin.device.protocol).setpoint
    now = setpoint.point.value(newest(twin).requested)
    middle = (setpoint.low + setpoint.high) / 2
    return f"{middle + (0.5 if abs(now - middle) < 0.25 else 0):.1f}"


def writes(twin: LabTwin) -> list[TruthWrite]:
    """What clients have written to the device, by its own log."""
    return [entry for entry in twin.truth.truth() if isinstance(entry, TruthWrite)]


def asked(twin: LabTwin) -> float:
    """The last setpoint written to the device, in its unit."""
    point = plant_of(twin.device.protocol).setpoint.point
    return float(point.value(newest(twin).requested))


def reached(twin: LabTwin, value: str, time_limit: TimeLimit) -> None:
    # A step shows the state at its beginning: only the next one shows a recent write.
    eventually(
        f"{twin.device.name} received {value}",
        lambda: asked(twin) == float(value),
        time_limit(SETTLE_SECONDS),
    )


def confirmed(twin: LabTwin, value: str) -> bool:
    status = twin.status()
    return (
        status.observed(REQUESTED_SETPOINT) == value and status.value(REQUESTED_SETPOINT) == value
    )


def until_confirmed(twin: LabTwin, value: str, time_limit: TimeLimit, when: str = "") -> None:
    eventually(
        f"{twin} confirms {value}{when}",
        lambda: confirmed(twin, value),
        time_limit(SETTLE_SECONDS),
        transient=(KubectlError,),
    )


def all_confirmed(status: TwinStatus) -> dict[str, str]:
    """Confirmed values, by property; on KubeEdge the properties arrive one after the other."""
    return {
        name: twin_property.observed
        for name, twin_property in status.properties.items()
        if twin_property.observed
    }


def running(twin: LabTwin, time_limit: TimeLimit) -> None:
    eventually(
        f"{twin} is online",
        lambda: twin.status().state == ONLINE,
        time_limit(SETTLE_SECONDS),
        transient=(KubectlError,),
    )


@allure.story("Desired values")
@allure.title("A desired value of {twin} reaches the device and is confirmed")
def test_what_is_desired_reaches_the_device_and_is_confirmed(
    twin: LabTwin, time_limit: TimeLimit
) -> None:
    running(twin, time_limit)
    value = fit(twin)
    assert not confirmed(twin, value)
    before = len(writes(twin))
    with twin.desiring({REQUESTED_SETPOINT: value}):
        until_confirmed(twin, value, time_limit)
    reached(twin, value, time_limit)
    assert len(writes(twin)) == before + 1, "a desired value was not written exactly once"


@allure.story("Desired values")
@pytest.mark.known_failure(
    runtime="kubeedge",
    tracker=f"{KUBEEDGE_TRACKER}/3804",
    seen="v1.23.1: cloudcore sends a change of a Device once; one that is made while the node is "
    "away is lost, and the node reports on as if nothing had been asked of it",
    look_again="2027-05-27",
)
@allure.title("A value desired of {twin} while its node is offline is written after the heal")
def test_what_was_desired_while_the_node_was_offline_is_done_after_the_heal(
    lab: Lab, twin: LabTwin, wires: Wires, time_limit: TimeLimit
) -> None:
    with preparing():
        running(twin, time_limit)
    value = fit(twin)
    before = len(writes(twin))
    with contextlib.ExitStack() as wish:
        with wires.cut(uplink(lab, twin.node.name)), preparing():
            # Long enough for every connection to be closed, not only to stall.
            last = newest(twin).seq + round(until_lost(lab) * 1000 / twin.device.period_ms)
            wish.enter_context(twin.desiring({REQUESTED_SETPOINT: value}))
            eventually(
                "the device has new values",
                lambda: newest(twin).seq > last,
                time_limit(SETTLE_SECONDS),
            )
            assert len(writes(twin)) == before, "the desired value was delivered over a cut link"
            assert not confirmed(twin, value)
        until_confirmed(twin, value, time_limit, " after the heal")
        reached(twin, value, time_limit)
        eventually(
            f"{twin} reports new values",
            lambda: int(twin.status().value(SEQUENCE) or 0) > last,
            time_limit(SETTLE_SECONDS),
            transient=(KubectlError,),
        )


UNFIT = {
    "too high": (REQUESTED_SETPOINT, "100000", "out of range"),
    "wrong type": (REQUESTED_SETPOINT, "warm", "wrong type"),
    "unknown": ("no_such_property", "1", "unknown property"),
    "read-only": (SEQUENCE, "1", "read-only"),
}


@pytest.mark.parametrize("unfit", UNFIT)
@allure.story("Refused values")
@allure.title("{twin} refuses and logs an invalid desired value ({unfit})")
def test_what_is_not_fit_is_refused_and_logged(
    twin: LabTwin, unfit: str, time_limit: TimeLimit
) -> None:
    running(twin, time_limit)
    name, value, reason = UNFIT[unfit]
    before, mark = writes(twin), twin.log_mark()
    confirmed_before = all_confirmed(twin.status())
    with twin.desiring({name: value}):
        lines = eventually(
            f"{twin} logs that it refuses {name}={value}",
            lambda: [line for line in twin.logged(mark) if f"refused {name}={value}" in line],
            time_limit(SETTLE_SECONDS),
        )
        assert reason in lines[0]
        after = twin.status()
        assert all_confirmed(after) == confirmed_before
        assert after.value(name) != value
        assert after.state == ONLINE
    assert writes(twin) == before, "a refused value was written to the device"


@allure.story("Refused values")
@allure.title("{twin} refuses no valid value (control)")
def test_nothing_is_refused_when_nothing_is_unfit(twin: LabTwin, time_limit: TimeLimit) -> None:
    running(twin, time_limit)
    mark, value = twin.log_mark(), fit(twin)
    with twin.desiring({REQUESTED_SETPOINT: value}):
        until_confirmed(twin, value, time_limit)
    assert [line for line in twin.logged(mark) if "refused" in line] == []
