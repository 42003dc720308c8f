"""What cannot be read or done is named: once in the log, and in the DeviceStatus while it is so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from images.mapper.edge_mapper.devicestatus import errors_of, extensions_of
from images.mapper.edge_mapper.lines import Declined, Refusal, Silent
from images.mapper.edge_mapper.objects import Property
from images.mapper.edge_mapper.outbox import READ, WRITE
from images.mapper.edge_mapper.twin import WRITE_TRIES
from images.mapper.edge_mapper.values import Value
from tests.mapper.fake_api import FakeApi, merged
from tests.mapper.test_api import FakeLines, mapping
from tests.mapper.test_twin import bench
from tests.mapper.twins import NAMESPACE, FakeLine, device, model, until

slow = pytest.mark.slow(reason="a mapper over several cycles in real time")


class PartlyDeafLine(FakeLine):
    """Refuses some properties by name."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[str, str] = {}
        self.unwritable: dict[str, str] = {}

    async def fetch(self, properties: Sequence[Property]) -> dict[str, Value | Refusal]:
        found: dict[str, Value | Refusal] = dict(await super().fetch(properties))
        return found | {
            each.name: Refusal(self.refused[each.name], "register 7")
            for each in properties
            if each.name in self.refused
        }

    async def put(self, to: Property, value: Value) -> None:
        if to.name in self.unwritable:
            raise Declined(self.unwritable[to.name])
        await super().put(to, value)


def logged(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    messages = [each.getMessage() for each in caplog.records]
    return [each for each in messages if all(word in each for word in words)]


@slow
def test_what_cannot_be_read_is_logged_once_and_again_when_it_changes_or_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        async with bench(line=PartlyDeafLine()) as at:
            line = at.line
            assert isinstance(line, PartlyDeafLine)
            line.refused = {"level": "exception 2 (illegal data address)"}
            await until("the other", lambda: at.reported("target") == "50.0")
            await until("the error", lambda: bool(at.errors.get((READ, "level"))))
            assert "exception 2" in at.errors[READ, "level"]
            assert "register 7" in at.errors[READ, "level"]
            seen = len(line.reads)
            await until("some cycles", lambda: len(line.reads) >= seen + 4)
            assert len(logged(caplog, "level", "exception 2")) == 1
            line.refused = {"level": "exception 4 (server device failure)"}
            await until("the change", lambda: "exception 4" in at.errors[READ, "level"])
            assert len(logged(caplog, "level", "exception 4")) == 1
            line.refused = {}
            await until("the value", lambda: at.reported("level") == "7")
            await until("no error", lambda: at.errors[READ, "level"] == "")
            assert len(logged(caplog, "reads level again")) == 1
            assert at.states == ["online"]
            assert at.errors[READ, "target"] == ""

    with caplog.at_level(logging.INFO):
        asyncio.run(run())


def test_a_property_keeps_its_last_value_while_it_cannot_be_read() -> None:
    async def run() -> None:
        async with bench(line=PartlyDeafLine()) as at:
            line = at.line
            assert isinstance(line, PartlyDeafLine)
            await until("values", lambda: at.reported("level") == "7")
            line.refused = {"level": "no"}
            line.values["level"] = 8
            line.values["target"] = 60.0
            await until("the other", lambda: at.reported("target") == "60.0")
            await until("the error", lambda: bool(at.errors[READ, "level"]))
            assert at.reported("level") == "7"

    asyncio.run(run())


def test_one_desired_value_that_is_refused_keeps_no_other_from_being_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kind = model()
    kind["spec"]["properties"][0]["accessMode"] = "ReadWrite"

    async def run() -> None:
        line = PartlyDeafLine()
        line.unwritable = {"level": "exception 3 (illegal data value)"}
        wishes = {"level": "3", "target": "61", "colour": "red"}
        async with bench(device(desired=wishes), kind, line) as at:
            await until("the write", lambda: at.line.writes == [("target", 61.0)])
            await until("the errors", lambda: bool(at.errors.get((WRITE, "level"))))
            assert at.errors[WRITE, "level"].startswith("3: ")
            assert "exception 3" in at.errors[WRITE, "level"]
            assert at.errors[WRITE, "colour"].startswith("red: unknown property")
            assert at.errors.get((WRITE, "target"), "") == ""
            at.update(device(desired={"target": "61"}))
            await until("no error", lambda: at.errors[WRITE, "level"] == "")

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert len(logged(caplog, "the device has refused level=3")) == 1


def test_a_write_that_is_never_answered_is_refused_in_the_end_and_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.twin.RETRY_SECONDS", 0.05)
    monkeypatch.setattr("images.mapper.edge_mapper.lines.GONE_SECONDS", 0.0)
    kind = model()
    kind["spec"]["properties"][0]["accessMode"] = "ReadWrite"

    class Deaf(FakeLine):
        tries = 0

        async def put(self, to: Property, value: Value) -> None:
            if to.name == "level":
                self.tries += 1
                raise Silent("nothing came")
            await super().put(to, value)

    async def run() -> None:
        line = Deaf()
        async with bench(device(desired={"level": "3", "target": "61"}), kind, line) as at:
            await until("the other write", lambda: line.writes == [("target", 61.0)])
            await until("the refusal", lambda: "no answer" in at.errors.get((WRITE, "level"), ""))
            assert line.tries == WRITE_TRIES
            line.values["level"] = 9
            await until("new values", lambda: at.reported("level") == "9")
            assert at.states[-1] == "online"

    asyncio.run(run())


def test_a_value_that_nobody_foresaw_is_an_error_of_its_property_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = FakeLine.text

    def broken(self: FakeLine, of: Property, value: Value) -> str:
        if of.name == "level":
            raise ZeroDivisionError("nobody foresaw it")
        return text(self, of, value)

    monkeypatch.setattr(FakeLine, "text", broken)

    async def run() -> None:
        async with bench() as at:
            await until("the other", lambda: at.reported("target") == "50.0")
            await until("the error", lambda: "ZeroDivisionError" in at.errors[READ, "level"])
            assert at.states == ["online"]

    asyncio.run(run())


# -- in the cluster ------------------------------------------------------------------------


def extensions(api: FakeApi, name: str = "kettle-1") -> Mapping[str, Any]:
    found: Mapping[str, Any] = api.status(name).get("extensions") or {}
    return found


def test_errors_are_in_the_device_status_while_they_last(api: FakeApi) -> None:
    async def run() -> None:
        line = PartlyDeafLine()
        line.refused = {"level": "exception 2 (illegal data address)"}
        lines = FakeLines()
        lines.made["127.0.0.1"] = line
        api.put("devices", device(desired={"target": "1000"}))
        async with mapping(api, lines):
            await until("the other", lambda: api.reported("kettle-1") == {"target": "50.0"})
            await until("both errors", lambda: len(extensions(api)) == 2)
            assert "exception 2" in extensions(api)["readErrors"]["level"]
            assert set(extensions(api)["readErrors"]) == {"level"}
            assert "out of range" in extensions(api)["writeErrors"]["target"]
            assert api.status("kettle-1")["state"] == "online"
            line.refused = {}
            api.put("devices", device(desired={"target": "60"}))
            await until("the value", lambda: api.reported("kettle-1").get("level") == "7")
            await until(
                "no error",
                lambda: (
                    not any(extensions(api).get(each) for each in ("readErrors", "writeErrors"))
                ),
            )

    asyncio.run(run())


def test_errors_that_another_run_has_left_go_when_they_are_over(api: FakeApi) -> None:
    async def run() -> None:
        api.put(
            "devicestatuses",
            {
                "metadata": {"name": "kettle-1", "namespace": NAMESPACE},
                "status": {
                    "extensions": {"readErrors": {"level": "old", "gone": "old"}, "by": "x"}
                },
            },
        )
        api.put("devices", device())
        async with mapping(api):
            await until("values", lambda: len(api.reported("kettle-1")) == 2)
            await until("no error", lambda: not extensions(api).get("readErrors"))
            assert extensions(api)["by"] == "x"

    asyncio.run(run())


def test_a_patch_removes_what_is_over_and_nothing_else() -> None:
    errors = {(READ, "a"): "x", (READ, "b"): "y", (WRITE, "c"): "z"}
    document: dict[str, Any] = {"status": {"extensions": extensions_of(errors)}}
    assert errors_of(document) == errors
    left = {(READ, "b"): "other"}
    patch = {"status": {"extensions": extensions_of(left, errors.keys() - left.keys())}}
    document = merged(document, patch)
    assert errors_of(document) == left
    assert document["status"]["extensions"] == {"readErrors": {"b": "other"}}
    gone = {"status": {"extensions": extensions_of({}, left.keys())}}
    assert merged(document, gone)["status"]["extensions"] == {}


def test_without_errors_a_device_status_has_no_extensions(api: FakeApi) -> None:
    async def run() -> None:
        api.put("devices", device())
        async with mapping(api):
            await until("values", lambda: len(api.reported("kettle-1")) == 2)
            assert "extensions" not in api.status("kettle-1")

    asyncio.run(run())
