"""The mapper on a fake API server: what it serves, what it reports, and what survives an outage."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Any

import pytest

from images.mapper.edge_mapper.api import ApiTransport
from images.mapper.edge_mapper.config import ApiConfig
from images.mapper.edge_mapper.devicestatus import status_of
from images.mapper.edge_mapper.lines import Gone, Line, Lines, Refusal
from images.mapper.edge_mapper.mapper import Mapper
from images.mapper.edge_mapper.objects import Property
from images.mapper.edge_mapper.values import Value
from tests.mapper.fake_api import GROUP, FakeApi
from tests.mapper.twins import NAMESPACE, NODE, FakeLine, device, model, until

slow = pytest.mark.slow(reason="a mapper over several cycles in real time")


class FakeLines(Lines):
    """All devices of one host are one device in memory."""

    def __init__(self) -> None:
        super().__init__(None)
        self.made: dict[str, FakeLine] = {}

    def _make(self, protocol: str, config: Mapping[str, Any]) -> Line:
        return self.made.setdefault(config["host"], FakeLine())

    @property
    def only(self) -> FakeLine:
        (line,) = self.made.values()
        return line


@contextlib.asynccontextmanager
async def mapping(api: FakeApi, lines: Lines | None = None, node: str = NODE) -> AsyncIterator[Any]:
    lines = lines or FakeLines()
    mapper = Mapper(node, lines)
    task = asyncio.ensure_future(ApiTransport(mapper, ApiConfig(api.url, "", "", "")).run())
    try:
        yield lines
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await mapper.close()


def test_a_device_of_the_node_is_reported_and_one_of_another_is_not(api: FakeApi) -> None:
    async def run() -> None:
        api.put("devices", device())
        api.put("devices", device("far", node="edge-riscv"))
        async with mapping(api):
            await until(
                "values", lambda: api.reported("kettle-1") == {"level": "7", "target": "50.0"}
            )
            await until("the state", lambda: api.status("kettle-1").get("state") == "online")
            assert api.status("far") == {}
            owner = api.objects["devicestatuses"]["kettle-1"]["metadata"]["ownerReferences"][0]
            assert (owner["kind"], owner["name"]) == ("Device", "kettle-1")
            assert owner["uid"] == api.objects["devices"]["kettle-1"]["metadata"]["uid"]

    asyncio.run(run())


def test_a_device_made_later_is_served_and_a_removed_one_is_not(api: FakeApi) -> None:
    async def run() -> None:
        async with mapping(api) as lines:
            await until("watches", lambda: len(api.requests) >= 4)
            api.put("devices", device())
            await until("values", lambda: api.reported("kettle-1") != {})
            api.delete("devices", "kettle-1")
            await until("the line is closed", lambda: lines.only.closed)

    asyncio.run(run())


def test_what_is_desired_reaches_the_device_and_is_confirmed(api: FakeApi) -> None:
    async def run() -> None:
        api.put("devices", device())
        async with mapping(api) as lines:
            await until("values", lambda: api.reported("kettle-1") != {})
            api.put("devices", device(desired={"target": "60.5"}))
            await until("confirmation", lambda: api.observed("kettle-1") == {"target": "60.5"})
            assert api.reported("kettle-1")["target"] == "60.5"
            assert lines.only.writes == [("target", 60.5)]
            # The device was served on, not taken up anew.
            assert not lines.only.closed

    asyncio.run(run())


@slow
def test_after_an_outage_the_newest_is_reported_and_what_was_desired_meanwhile_is_written(
    api: FakeApi,
) -> None:
    async def run() -> None:
        api.put("devices", device())
        async with mapping(api) as lines:
            await until("values", lambda: api.reported("kettle-1") != {})
            api.away = True
            patches = len(api.patches)
            lines.only.values["level"] = 8
            asked = len(api.requests)
            await until("a try", lambda: len(api.requests) > asked)
            lines.only.values["level"] = 9
            seen = len(lines.only.reads)
            await until("more reads", lambda: len(lines.only.reads) >= seen + 3)
            # The watch that stands is told nothing, as if the wire were cut.
            api.put("devices", device(desired={"target": "44"}), silently=True)
            assert len(api.patches) == patches
            api.away = False
            await until("the newest", lambda: api.reported("kettle-1")["level"] == "9")
            await until("the write", lambda: lines.only.writes == [("target", 44.0)])
            await until("confirmation", lambda: api.observed("kettle-1") == {"target": "44"})
            levels = [_levels(patch) for patch in api.patches[patches:]]
            assert "8" not in levels

    asyncio.run(run())


def test_devices_of_one_host_share_a_line_and_each_is_reported(api: FakeApi) -> None:
    async def run() -> None:
        for number in range(20):
            api.put("devices", device(f"kettle-{number}"))
        async with mapping(api) as lines:
            await until(
                "all are reported",
                lambda: all(api.reported(f"kettle-{number}") for number in range(20)),
            )
            assert len(lines.made) == 1

    asyncio.run(run())


def test_a_model_that_comes_after_its_device_is_taken_up(api: FakeApi) -> None:
    async def run() -> None:
        api.objects["devicemodels"].clear()
        api.put("devices", device())
        async with mapping(api):
            await until("watches", lambda: len(api.requests) >= 4)
            assert api.reported("kettle-1") == {}
            api.put("devicemodels", model())
            await until("values", lambda: api.reported("kettle-1") != {})

    asyncio.run(run())


def test_a_device_whose_status_was_removed_is_reported_anew(api: FakeApi) -> None:
    async def run() -> None:
        api.put("devices", device())
        async with mapping(api) as lines:
            await until("values", lambda: api.reported("kettle-1") != {})
            api.delete("devicestatuses", "kettle-1")
            lines.only.values["level"] = 8
            await until(
                "all of it", lambda: api.reported("kettle-1") == {"level": "8", "target": "50.0"}
            )

    asyncio.run(run())


def stored(values: Mapping[str, str], uid: str = "uid of kettle-1") -> dict[str, Any]:
    """A DeviceStatus that another run of a mapper has left."""
    return {
        "metadata": {"name": "kettle-1", "namespace": NAMESPACE, "ownerReferences": [{"uid": uid}]},
        "status": {
            "state": "online",
            "twins": [
                {
                    "propertyName": name,
                    "reported": {"value": value, "metadata": {"timestamp": "5"}},
                    "observedDesired": {"value": "1"},
                }
                for name, value in values.items()
            ],
        },
    }


def test_a_mapper_that_starts_anew_keeps_what_was_reported_of_a_device_that_is_gone(
    api: FakeApi,
) -> None:
    async def run() -> None:
        before = stored({"level": "1", "target": "2"})
        api.put("devicestatuses", before)
        api.put("devices", device())
        lines = FakeLines()
        lines.made["127.0.0.1"] = FakeLine()
        lines.only.away = True
        async with mapping(api, lines):
            await until("the state", lambda: api.status("kettle-1")["state"] == "offline")
            assert api.status("kettle-1")["twins"] == before["status"]["twins"]

    asyncio.run(run())


def test_of_what_was_reported_before_only_the_devices_own_properties_are_kept(
    api: FakeApi,
) -> None:
    async def run() -> None:
        manifest = device(cycle=60_000)
        # Read some time later.
        manifest["spec"]["properties"][1]["visitors"]["configData"] = {"nowhere": 1}
        api.put("devicestatuses", stored({"level": "1", "target": "2", "colour": "3"}))
        api.put("devices", manifest)
        async with mapping(api):
            await until("values", lambda: api.reported("kettle-1") == {"level": "7", "target": "2"})

    asyncio.run(run())


def test_what_was_reported_of_another_device_of_the_same_name_is_not_kept(api: FakeApi) -> None:
    async def run() -> None:
        manifest = device()
        manifest["spec"]["properties"][1]["visitors"]["configData"] = {"nowhere": 1}
        api.put("devicestatuses", stored({"target": "2"}, uid="another"))
        api.put("devices", manifest)
        async with mapping(api):
            await until("values", lambda: api.reported("kettle-1") == {"level": "7"})

    asyncio.run(run())


def test_a_state_alone_leaves_the_twins_as_they_are() -> None:
    assert status_of({}, "offline", "now") == {"state": "offline"}


@slow
def test_a_report_that_is_refused_for_good_is_dropped_and_disturbs_no_other(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    def reports(wanted: dict[str, str]) -> bool:
        return api.reported("kettle-2") == wanted

    async def run() -> None:
        for name in ("kettle-1", "kettle-2"):
            api.put("devices", device(name))
        api.refusals["kettle-1"] = 422
        async with mapping(api) as lines:
            await until("the other", lambda: api.reported("kettle-2") != {})
            listed = api.requests.count(("GET", f"{GROUP}/devices"))
            for level in range(20, 25):
                lines.only.values["level"] = level
                wanted = {"level": str(level), "target": "50.0"}
                await until("the change", partial(reports, wanted))
            assert api.reported("kettle-1") == {}
            assert api.requests.count(("GET", f"{GROUP}/devices")) == listed
            del api.refusals["kettle-1"]
            lines.only.values["level"] = 30
            await until("the next one", lambda: "kettle-1" in api.objects["devicestatuses"])
            # It was told before, once.
            await until("the state", lambda: api.status("kettle-1").get("state") == "online")

    asyncio.run(run())
    assert caplog.text.count("a report is refused") == 1


@pytest.mark.parametrize("status", [401, 409, 429, 500, 503])
def test_a_report_that_is_refused_for_now_is_sent_again_and_the_watches_stand(
    api: FakeApi, status: int
) -> None:
    async def run() -> None:
        api.put("devices", device(cycle=60_000))
        api.refusals["kettle-1"] = status
        async with mapping(api):
            path = f"{GROUP}/namespaces/{NAMESPACE}/devicestatuses/kettle-1"
            await until("two tries", lambda: api.requests.count(("PATCH", path)) >= 2)
            assert api.requests.count(("GET", f"{GROUP}/devices")) == 1
            api.refusals.clear()
            await until(
                "values", lambda: api.reported("kettle-1") == {"level": "7", "target": "50.0"}
            )

    asyncio.run(run())


def test_a_device_without_a_node_is_none_of_ours(api: FakeApi) -> None:
    async def run() -> None:
        manifest = device("free")
        del manifest["spec"]["nodeName"]
        api.put("devices", manifest)
        api.put("devices", device())
        async with mapping(api):
            await until("values", lambda: api.reported("kettle-1") != {})
            assert api.status("free") == {}

    asyncio.run(run())


def test_a_twin_that_stumbles_is_offline_and_is_served_again(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.mapper.RETRY_SECONDS", 0.05)
    fetch, broken = FakeLine.fetch, [False]

    async def stumbling(
        self: FakeLine, properties: Sequence[Property]
    ) -> Mapping[str, Value | Refusal]:
        if broken[0]:
            raise ZeroDivisionError("nobody foresaw it")
        return await fetch(self, properties)

    monkeypatch.setattr(FakeLine, "fetch", stumbling)

    async def run() -> None:
        api.put("devices", device())
        async with mapping(api) as lines:
            await until("online", lambda: api.status("kettle-1").get("state") == "online")
            broken[0] = True
            await until("offline", lambda: api.status("kettle-1")["state"] == "offline")
            broken[0] = False
            lines.only.values["level"] = 8
            await until("online", lambda: api.status("kettle-1")["state"] == "online")
            await until("values", lambda: api.reported("kettle-1")["level"] == "8")

    asyncio.run(run())
    assert caplog.text.count("not served for now") == 1


def _levels(patch: dict[str, Any]) -> str:
    return next(
        (
            twin["reported"]["value"]
            for twin in patch["status"].get("twins", ())
            if twin["propertyName"] == "level"
        ),
        "",
    )


@slow
def test_a_line_that_swallows_the_end_of_its_task_does_not_hold_up_the_mapper(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stubborn(self: FakeLine, properties: Sequence[Property]) -> dict[str, Value]:
        self.reads.append(())
        if len(self.reads) > 1:
            raise Gone("nobody answers")
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise Gone("the request was cancelled") from None
        return {}

    monkeypatch.setattr(FakeLine, "fetch", stubborn)

    async def run() -> None:
        api.put("devices", device())
        async with mapping(api) as lines:
            await until("a read", lambda: bool(lines.made) and bool(lines.only.reads))
        assert lines.only.closed

    asyncio.run(asyncio.wait_for(run(), 120))
