"""Watchers that come with a suite: what they see is recorded, and one that is blind is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edge_lab.observe.recorder
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError, MissingCapability
from edge_lab.evidence.recording import Recording
from edge_lab.measuring.observation import Observation
from edge_lab.measuring.watcher import Ended
from edge_lab.observe.recorder import Recorder
from tests.observe.fakes import NODE, FakeKubectl, begin, seen


class TemperatureSeen(Observation, kind="tests_temperature"):
    node: str
    celsius: float


class Thermometer:
    """Tells what a test sets, as often as it is asked."""

    name = "thermometer"

    def __init__(self, celsius: float | None = 20.0) -> None:
        self.celsius = celsius
        self.looks = 0
        self.ended = threading.Event()

    def watch(self, ended: Ended) -> Iterator[Observation | None]:
        try:
            while not ended.wait(0.02):
                self.looks += 1
                if self.celsius is None:
                    yield None
                else:
                    yield TemperatureSeen(time=time.time_ns(), node=NODE, celsius=self.celsius)
        finally:
            self.ended.set()


class Watching:
    """A watcher that does as it is told."""

    name = "odd"

    def __init__(self, watch: Callable[[Ended], Iterator[Any]]) -> None:
        self.watch = watch


def test_what_a_watcher_sees_is_recorded_when_it_changes(
    fake_lab: Any, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    thermometer = Thermometer()
    with Recorder(fake_lab, (NODE,), [thermometer]) as recorder:
        recorder.wait_baseline(Deadline.after(20))
        looks = thermometer.looks
        seen(recorder, "two more looks", lambda: thermometer.looks > looks + 1)
        thermometer.celsius = 80.5
        seen(recorder, "the heat", lambda: degrees(recorder) == 80.5)
        recording = recorder.recording()
    assert [each.celsius for each in recording.seen(TemperatureSeen)] == [20.0, 80.5]
    assert recording.node_seen
    assert thermometer.ended.is_set()


def degrees(recorder: Recorder) -> float | None:
    found = recorder.newest(TemperatureSeen, NODE)
    return found.celsius if found else None


def test_a_recording_of_a_watcher_is_read_back_by_type(
    fake_lab: Any, kubectl: FakeKubectl, tmp_path: Path
) -> None:
    begin(kubectl)
    with Recorder(fake_lab, (NODE,), [Thermometer()]) as recorder:
        recorder.wait_baseline(Deadline.after(20))
        recording = recorder.recording()
    recording.write(tmp_path / "it.json")
    (read,) = Recording.read(tmp_path / "it.json").observed
    assert isinstance(read, TemperatureSeen)
    assert read == recording.observed[0]


def test_nothing_is_broken_before_each_watcher_has_looked(
    fake_lab: Any, kubectl: FakeKubectl
) -> None:
    begin(kubectl)
    looks = threading.Event()

    def late(ended: Ended) -> Iterator[None]:
        while not ended.wait(0.02):
            if looks.is_set():
                yield None

    blind = Thermometer(None)
    with Recorder(fake_lab, (NODE,), [blind, Watching(late)]) as recorder:
        seen(recorder, "the first watcher has looked", lambda: blind.looks > 1)
        with pytest.raises(DeadlineExceeded, match="'odd'"):
            recorder.wait_baseline(Deadline.after(0.4))
        looks.set()
        recorder.wait_baseline(Deadline.after(20))
        assert recorder.recording().observed == ()


def raising(trouble: Exception) -> Callable[[Ended], Iterator[None]]:
    def watch(ended: Ended) -> Iterator[None]:
        yield None
        raise trouble

    return watch


def ending(ended: Ended) -> Iterator[None]:
    yield None


def yielding_data(ended: Ended) -> Iterator[dict[str, int]]:
    while not ended.wait(0.02):
        yield {"celsius": 20}


@pytest.mark.parametrize("watch", [raising(OSError("unplugged")), ending, yielding_data])
def test_a_watcher_that_has_gone_blind_spoils_the_recording(fake_lab: Any, watch: Any) -> None:
    with Recorder(fake_lab, (NODE,), [Watching(watch)]) as recorder:
        with pytest.raises(LabError, match="can no longer observe"):
            seen(recorder, "trouble", lambda: False)
        with pytest.raises(LabError, match="can no longer observe"):
            recorder.recording()


@pytest.mark.parametrize("trouble", [MissingCapability("no sensor"), InputError("no such pin")])
def test_what_cannot_be_watched_keeps_its_kind(fake_lab: Any, trouble: Exception) -> None:
    with (
        Recorder(fake_lab, (NODE,), [Watching(raising(trouble))]) as recorder,
        pytest.raises(type(trouble)),
    ):
        recorder.wait_baseline(Deadline.after(20))


@pytest.mark.slow(reason="waits until it is given up")
def test_a_watcher_that_does_not_end_is_told(
    fake_lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_lab.observe.recorder, "END_SECONDS", 0.2)
    let_go = threading.Event()

    def deaf(ended: Ended) -> Iterator[None]:
        yield None
        let_go.wait(60)

    try:
        with (
            pytest.raises(LabError, match="still running"),
            Recorder(fake_lab, (NODE,), [Watching(deaf), Thermometer()]),
        ):
            pass
        with (
            pytest.raises(AssertionError, match="the test's own"),
            Recorder(fake_lab, (NODE,), [Watching(deaf)]),
        ):
            raise AssertionError("the test's own")
    finally:
        let_go.set()
