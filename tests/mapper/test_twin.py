"""One twin on a device in memory: what it reads, writes, reports and refuses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from images.mapper.edge_mapper.objects import parse_device, parse_model
from images.mapper.edge_mapper.outbox import ErrorKey, Outbox, Report, Twin
from images.mapper.edge_mapper.twin import DeviceTwin
from tests.mapper.twins import FakeLine, device, model, until


class Bench:
    """A twin at work, and the newest that it has reported."""

    def __init__(
        self, line: FakeLine, manifest: Mapping[str, Any], kind: Mapping[str, Any] | None = None
    ) -> None:
        self.line = line
        self.outbox = Outbox()
        self.model = parse_model(kind or model())
        self.twin = DeviceTwin(parse_device(manifest, self.model), line, self.outbox)
        self.reports: list[Report] = []
        self.told: dict[str, Twin] = {}
        self.states: list[str] = []
        self.errors: dict[ErrorKey, str] = {}

    def update(self, manifest: Mapping[str, Any]) -> None:
        self.twin.update(parse_device(manifest, self.model))

    async def collect(self) -> None:
        while True:
            report = await self.outbox.take()
            self.reports.append(report)
            self.told |= report.twins
            self.errors |= report.errors
            if report.state:
                self.states.append(report.state)

    def reported(self, name: str) -> str | None:
        return self.told[name].reported if name in self.told else None


@contextlib.asynccontextmanager
async def bench(
    manifest: Mapping[str, Any] | None = None,
    kind: Mapping[str, Any] | None = None,
    line: FakeLine | None = None,
) -> AsyncIterator[Bench]:
    made = Bench(line or FakeLine(), manifest or device(), kind)
    tasks = [asyncio.ensure_future(each) for each in (made.twin.run(), made.collect())]
    try:
        yield made
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_values_are_read_together_and_reported_once_for_each_change() -> None:
    async def run() -> None:
        async with bench() as at:
            await until("values", lambda: at.reported("level") == "7")
            assert at.line.reads[0] == ("level", "target")
            await until("more reads", lambda: len(at.line.reads) >= 4)
            assert sum("level" in report.twins for report in at.reports) == 1
            at.line.values["level"] = 8
            await until("the change", lambda: at.reported("level") == "8")
            assert at.states == ["online"]

    asyncio.run(run())


def test_each_property_is_read_in_its_own_cycle() -> None:
    async def run() -> None:
        manifest = device()
        manifest["spec"]["properties"][1]["collectCycle"] = 60_000
        async with bench(manifest) as at:
            await until("some cycles", lambda: len(at.line.reads) >= 4)
            assert at.line.reads[0] == ("level", "target")
            assert set(at.line.reads[1:]) == {("level",)}

    asyncio.run(run())


def test_a_report_cycle_holds_back_what_changes_faster() -> None:
    async def run() -> None:
        manifest = device()
        manifest["spec"]["properties"][0]["reportCycle"] = 60_000
        async with bench(manifest) as at:
            await until("the first", lambda: at.reported("level") == "7")
            at.line.values["level"] = 8
            seen = len(at.line.reads)
            await until("more reads", lambda: len(at.line.reads) >= seen + 3)
            assert at.reported("level") == "7"

    asyncio.run(run())


def test_what_is_desired_is_written_read_back_and_confirmed() -> None:
    async def run() -> None:
        async with bench() as at:
            await until("values", lambda: at.reported("target") == "50.0")
            assert at.told["target"].observed == ""
            at.update(device(desired={"target": "60.5"}))
            await until("the confirmation", lambda: at.told["target"].observed == "60.5")
            assert at.line.writes == [("target", 60.5)]
            assert at.reported("target") == "60.5"

    asyncio.run(run())


def test_what_is_desired_is_written_once_and_not_again_when_somebody_else_changes_it() -> None:
    async def run() -> None:
        async with bench(device(desired={"target": "60.5"})) as at:
            await until("the write", lambda: len(at.line.writes) == 1)
            at.line.values["target"] = 44.0
            await until("the change", lambda: at.reported("target") == "44.0")
            assert len(at.line.writes) == 1
            assert at.told["target"].observed == "60.5"

    asyncio.run(run())


def test_what_is_taken_back_while_it_is_written_is_written_again_when_it_is_desired_again() -> None:
    async def run() -> None:
        async with bench() as at:
            await until("values", lambda: at.reported("target") == "50.0")
            at.line.open.clear()
            at.update(device(desired={"target": "60.5"}))
            await until("the write", lambda: len(at.line.writes) == 1)
            at.update(device())
            at.line.open.set()
            await until("the value", lambda: at.reported("target") == "60.5")
            at.line.values["target"] = 44.0
            await until("the change", lambda: at.reported("target") == "44.0")
            at.update(device(desired={"target": "60.5"}))
            await until("another write", lambda: len(at.line.writes) == 2)
            await until("the value", lambda: at.reported("target") == "60.5")

    asyncio.run(run())


def test_what_is_desired_may_change_while_something_else_is_written() -> None:
    kind = model()
    kind["spec"]["properties"][0]["accessMode"] = "ReadWrite"

    async def run() -> None:
        async with bench(device(desired={"level": "3", "target": "60"}), kind) as at:
            at.line.open.clear()
            await until("the first write", lambda: at.line.writes == [("level", 3)])
            at.update(device(desired={"level": "3"}))
            at.line.open.set()
            await until("the value", lambda: at.reported("level") == "3")
            at.update(device(desired={"level": "3", "target": "70"}))
            await until("the other", lambda: at.reported("target") == "70.0")
            assert at.line.writes == [("level", 3), ("target", 70.0)]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("target", "95.5", "out of range"),
        ("target", "hot", "wrong type"),
        ("level", "3", "read-only"),
        ("colour", "3", "unknown property"),
    ],
)
def test_what_is_not_fit_is_refused_logged_and_reported_nowhere(
    name: str, value: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        async with bench(device(desired={name: value})) as at:
            await until("values", lambda: at.reported("target") == "50.0")
            await until("more reads", lambda: len(at.line.reads) >= 4)
            assert at.line.writes == []
            assert {each.observed for each in at.told.values()} == {""}
            assert set(at.told) == {"level", "target"}
            # It takes a good one afterwards.
            at.update(device(desired={"target": "70"}))
            await until("the write", lambda: at.line.writes == [("target", 70.0)])

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    refusals = [each.getMessage() for each in caplog.records if "has refused" in each.getMessage()]
    assert len(refusals) == 1
    assert f"refused {name}={value}: " in refusals[0]
    assert why in refusals[0]


def test_a_value_that_the_device_declines_is_not_confirmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async with bench() as at:
            await until("values", lambda: at.reported("target") == "50.0")
            at.line.declining = True
            at.update(device(desired={"target": "60"}))
            await until("the log", lambda: "the device has refused target=60" in caplog.text)
            at.line.declining = False
            seen = len(at.line.reads)
            await until("more reads", lambda: len(at.line.reads) >= seen + 3)
            assert at.line.writes == []
            assert at.told["target"].observed == ""
            assert at.states == ["online"]

    asyncio.run(run())


def test_a_device_that_goes_away_is_offline_and_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.twin.RETRY_SECONDS", 0.1)
    monkeypatch.setattr("images.mapper.edge_mapper.lines.GONE_SECONDS", 0.05)

    async def run() -> None:
        async with bench() as at:
            await until("values", lambda: at.states == ["online"])
            at.line.away = True
            await until("offline", lambda: at.states[-1] == "offline")
            at.update(device(desired={"target": "61"}))
            at.line.away = False
            await until("online", lambda: at.states == ["online", "offline", "online"])
            await until("the write", lambda: at.line.writes == [("target", 61.0)])

    asyncio.run(run())


def test_a_property_that_has_no_place_is_complained_of_and_the_rest_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        manifest = device()
        manifest["spec"]["properties"][0]["visitors"]["configData"] = {"nowhere": True}
        async with bench(manifest) as at:
            await until("the other", lambda: at.reported("target") == "50.0")
            assert "level" not in at.told

    asyncio.run(run())
    assert "refused unknown property 'level'" in caplog.text


# -- the outbox ----------------------------------------------------------------------------


def test_of_what_waits_the_newest_of_each_property_is_kept() -> None:
    async def run() -> None:
        box, key = Outbox(), ("plant", "kettle")
        box.put(Report(key, {"a": Twin("1", 1), "b": Twin("1", 1)}, "online"))
        taken = await box.take()
        box.put(Report(key, {"a": Twin("2", 2)}))
        box.put(Report(("plant", "other"), {"a": Twin("9", 1)}))
        box.put_back(taken)
        assert len(box) == 2
        other, ours = await box.take(), await box.take()
        assert other.key == ("plant", "other")
        assert ours == Report(key, {"a": Twin("2", 2), "b": Twin("1", 1)}, "online")

    asyncio.run(run())
