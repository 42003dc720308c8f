"""Twins report what the devices have shown, in time; and the latency."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.twins.mapperunit import collect_ms
from edge_lab.addons.twins.status import ONLINE
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.step import step
from edge_lab.devices.points import SEQUENCE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.outcomes import enough, eventually
from edge_lab.fixtures.twins import LabTwin
from edge_lab.observe.twins import observe_twin
from edge_lab.observe.twinwatch import TwinWatch
from edge_lab.oracles.twinlatency import Latency, twin_latencies
from edge_lab.oracles.twins import (
    TwinObservation,
    TwinSighting,
    TwinVerdict,
    is_current,
    judge_twin,
    reported_values,
)
from suites.known import cloudcore_undoes_reports

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Devices"), allure.feature("Twins")]

READY_SECONDS = 300.0
"""Seconds for a mapper to start on an emulated node and to read its devices."""

WATCH_SECONDS = 60.0
WATCH_CYCLES = 4
"""Minimum seconds of a watch, on any machine: it is evidence, not a time limit."""

LATE_SECONDS = 10.0
"""How much older than the collect cycle a value may be when it is seen: a report passes from an
emulated node to an emulated API server. Seconds of the reference machine."""

SILENT_SECONDS = 20.0
"""Time beyond the collect cycle without a new report that is allowed. Seconds of the reference
machine."""

STILL_CYCLES = 4
"""Collect cycles for which a twin is watched while its device does not change."""


@pytest.fixture(scope="module")
def watch(lab: Lab, time_limit: TimeLimit) -> Iterator[tuple[TwinWatch, int]]:
    """A watch over all twins that has lasted long enough, and its beginning."""
    wanted = [f"{device.name}-{node}" for device in lab.topology.devices for node in device.twins]
    with TwinWatch(lab.kubectl) as seen:
        # After the first report of each, none may be silent. Other values can still be old
        # then: a lab that was restored reports one property after the other.
        eventually(
            "each twin has reported",
            lambda: all(any(map(_says_something, seen.sightings(name))) for name in wanted),
            time_limit(READY_SECONDS),
            transient=(KubectlError,),
        )
        began = time.time_ns()
        twins = [device for device in lab.topology.devices if device.twins]
        slowest = max(collect_ms(device, lab.stack.runtime) for device in twins) / 1000
        silent = time_limit(SILENT_SECONDS).total
        # Twice as long as a twin may be silent: otherwise silence could not be detected.
        seconds = max(WATCH_SECONDS, WATCH_CYCLES * slowest, 2 * (slowest + silent))
        with step(f"watch for {seconds:g} s"):
            time.sleep(seconds)
        assert not seen.ended, "the API server has ended the watch"
        yield seen, began


@pytest.fixture
def judge(time_limit: TimeLimit) -> Callable[..., TwinVerdict]:
    """The oracle with this suite's limits."""
    late, silent = time_limit(LATE_SECONDS).total, time_limit(SILENT_SECONDS).total
    return partial(judge_twin, late_after=late, silent_after=silent)


def _says_something(seen: TwinSighting) -> bool:
    """A DeviceStatus can exist and list properties before it has a value."""
    return bool(seen.status.value(SEQUENCE))


def observed(twin: LabTwin, watch: tuple[TwinWatch, int]) -> TwinObservation:
    seen, began = watch
    return observe_twin(
        seen,
        twin.device,
        twin.node.name,
        twin.truth,
        began=began,
        collect_s=twin.collect_s,
    )


@allure.story("Reported values")
@allure.title("{twin} reports the values of its device within its collect cycle")
def test_a_twin_reports_what_the_device_shows(
    twin: LabTwin,
    watch: tuple[TwinWatch, int],
    judge: Callable[..., TwinVerdict],
    time_limit: TimeLimit,
) -> None:
    evidence = observed(twin, watch)
    judge = partial(judge, may_go_back=True)
    verdict = judge(evidence)
    allure.attach(str(verdict), f"verdict on {twin}", allure.attachment_type.TEXT)
    assert verdict.passed, str(verdict)
    # The same evidence against a wrong truth, or one that is too early or too late.
    points = evidence.truth
    other = [replace(step, seq=step.seq + 1_000_000) for step in points]
    assert judge(replace(evidence, truth=other)).wrong
    shift = round((time_limit(LATE_SECONDS).total + evidence.collect_s) * 2e9)
    early = [replace(step, time=step.time - shift) for step in points]
    assert judge(replace(evidence, truth=early)).late
    assert not judge(replace(evidence, sightings=())).passed
    numbers = {
        sighting.status.value(SEQUENCE): sighting
        for sighting in filter(_says_something, evidence.sightings)
    }
    first, *_, last = enough(numbers.values(), f"values of {twin}", least=2)
    assert judge(replace(evidence, sightings=[first]), silent_after=WATCH_SECONDS / 4).stuck
    undone = [*evidence.sightings, replace(first, time=last.time + 1)]
    assert judge(replace(evidence, sightings=undone)).back


@cloudcore_undoes_reports
@allure.story("Reported values")
@allure.title("{twin} never reverts to an older value")
def test_a_twin_never_goes_back(
    twin: LabTwin, watch: tuple[TwinWatch, int], judge: Callable[..., TwinVerdict]
) -> None:
    verdict = judge(observed(twin, watch))
    assert verdict.judged, "no value was seen"
    assert not verdict.back, str(verdict)


@allure.story("Reported values")
@allure.title("{twin} reports its device as online")
def test_a_twin_says_that_its_device_is_online(twin: LabTwin, watch: tuple[TwinWatch, int]) -> None:
    assert twin.status().state == ONLINE


@allure.story("Latency")
@pytest.mark.scenario("twin latency")
@allure.title("Latency from the device to the cluster: {twin}")
def test_how_long_a_value_takes_to_the_cluster(
    twin: LabTwin, watch: tuple[TwinWatch, int], measure: Measuring
) -> None:
    seconds = twin_latencies(observed(twin, watch).sightings, twin.truth.steps())
    for latency in Latency.of(seconds).measures(
        f"{twin.device.name} to the cluster",
        node=twin.node.name,
        evidence=f"{twin.node.spec.arch.value}, {twin.device.protocol}, "
        f"collect cycle {twin.collect_s:g} s",
    ):
        measure.add(latency)
    assert seconds, "no step was seen from the device to the cluster"
    assert min(seconds) > 0, "a step was reported before the device had shown it"


@cloudcore_undoes_reports
@allure.story("Reported values")
@allure.title("{twin} reports no new value while the values of its device do not change")
def test_a_twin_of_a_device_that_stands_still_says_nothing_new(
    twin: LabTwin, watch: tuple[TwinWatch, int], time_limit: TimeLimit
) -> None:
    seen, _ = watch
    cycle = twin.collect_s
    twin.truth.pause()
    try:
        last = enough(twin.truth.steps(), f"steps of {twin.device.name}")[-1].seq
        # One property after the other, if a stack sends each separately (KubeEdge's DMI).
        eventually(
            "all of the last step is reported",
            lambda: is_current(twin.status(), observed(twin, watch)),
            time_limit(READY_SECONDS),
            every=1.0,
            transient=(KubectlError,),
        )
        settled, since = reported_values(twin.status()), time.time_ns()
        with step(f"watch for {STILL_CYCLES} collect cycles of {cycle:g} s"):
            time.sleep(STILL_CYCLES * cycle)
        sightings = [sighting for sighting in seen.sightings(twin.name) if sighting.time > since]
        assert not seen.ended, "the API server has ended the watch"
    finally:
        twin.truth.resume()
    for sighting in sightings:
        assert reported_values(sighting.status) == settled, (
            "a value changed while the device did not"
        )
    eventually(
        "a new one is reported",
        lambda: int(twin.status().value(SEQUENCE) or 0) > last,
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
