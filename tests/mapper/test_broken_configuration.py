"""What is configured wrongly is named, and takes nothing with it: no property, no other device."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from images.mapper.edge_mapper.lines import Lines
from tests.mapper.fake_api import FakeApi
from tests.mapper.modbus_device import HOLDING, ModbusDevice
from tests.mapper.test_api import mapping
from tests.mapper.test_troubles import extensions, logged
from tests.mapper.twins import device, model, until

slow = pytest.mark.slow(reason="a mapper over several cycles in real time")


def two_devices(port: int) -> list[dict[str, Any]]:
    """Of which the second is in order."""
    first, second = device(), device("kettle-2")
    for manifest in (first, second):
        manifest["spec"]["protocol"]["configData"] = {"host": "127.0.0.1", "port": port}
        manifest["spec"]["properties"][1]["visitors"]["configData"] = {"register": 1, "digits": 1}
    return [first, second]


BROKEN: dict[str, dict[str, Any]] = {
    "no register": {"digits": 1},
    "no kind of registers": {"register": "MagicRegister", "offset": 1},
    "no offset": {"register": "HoldingRegister"},
    "a scale of 0": {"register": 1, "scale": 0},
    "a kind that is none": {"register": 1, "kind": "int7"},
    "a length that does not fit": {"register": 1, "kind": "uint32", "limit": 3},
    "no length": {"register": 1, "kind": "string"},
    "too long": {"register": 1, "kind": "string", "limit": 126},
    "beyond the last": {"register": 65535, "kind": "uint32"},
    "half a register": {"register": 1.5},
    "an order that is none": {"register": 1, "kind": "int32", "wordOrder": "middle"},
    "a list": {"register": [1]},
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_property_whose_configuration_is_broken_hides_no_other(how: str, api: FakeApi) -> None:
    async def run() -> None:
        there = ModbusDevice({HOLDING: {0: 7, 1: 500}})
        async with there.serving():
            first, second = two_devices(there.port)
            first["spec"]["properties"][1]["visitors"]["configData"] = BROKEN[how]
            api.put("devices", first)
            api.put("devices", second)
            async with mapping(api, Lines(None)):
                await until("the other", lambda: api.reported("kettle-1") == {"level": "7"})
                await until(
                    "the other device",
                    lambda: api.reported("kettle-2") == {"level": "7", "target": "50.0"},
                )
                assert set(extensions(api)["readErrors"]) == {"target"}
                assert extensions(api, "kettle-2") == {}

    asyncio.run(run())


@pytest.mark.parametrize(
    "change", [{"type": "INT7"}, {"type": "STREAM"}, {"minimum": "cold"}, {"maximum": "nan"}]
)
def test_a_property_whose_model_is_broken_hides_no_other(
    change: dict[str, str], api: FakeApi
) -> None:
    async def run() -> None:
        there = ModbusDevice({HOLDING: {0: 7, 1: 500}})
        kind = model()
        kind["spec"]["properties"][1] |= change
        api.put("devicemodels", kind)
        async with there.serving():
            api.put("devices", two_devices(there.port)[0])
            async with mapping(api, Lines(None)):
                await until("the other", lambda: api.reported("kettle-1") == {"level": "7"})
                (why,) = extensions(api)["readErrors"].values()
                assert next(iter(change.values())) in why

    asyncio.run(run())


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"host": ""},
        {"host": "127.0.0.1", "port": 0},
        {"host": "127.0.0.1", "port": "five"},
        {"host": "127.0.0.1", "unit": 256},
        {"host": "127.0.0.1", "framing": "ascii"},
    ],
)
def test_a_device_whose_protocol_is_configured_wrongly_is_named_and_hides_no_other(
    config: dict[str, Any], api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        there = ModbusDevice({HOLDING: {0: 7, 1: 500}})
        async with there.serving():
            first, second = two_devices(there.port)
            first["spec"]["protocol"]["configData"] = config
            api.put("devices", first)
            api.put("devices", second)
            async with mapping(api, Lines(None)):
                await until("the other device", lambda: len(api.reported("kettle-2")) == 2)
                await until("the state", lambda: api.status("kettle-1").get("state") == "offline")
                assert set(extensions(api)["readErrors"]) == {"level", "target"}
                # It is served as soon as it is put right.
                first["spec"]["protocol"]["configData"] = {"host": "127.0.0.1", "port": there.port}
                api.put("devices", first)
                await until("values", lambda: len(api.reported("kettle-1")) == 2)
                await until("no error", lambda: not extensions(api).get("readErrors"))

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert len(logged(caplog, "kettle-1", "offline", "configData")) == 1


def test_an_opcua_device_on_a_node_without_certificate_hides_no_other(api: FakeApi) -> None:
    async def run() -> None:
        there = ModbusDevice({HOLDING: {0: 7, 1: 500}})
        async with there.serving():
            first, second = two_devices(there.port)
            first["spec"]["protocol"] = {
                "protocolName": "opcua",
                "configData": {"url": "opc.tcp://127.0.0.1:1"},
            }
            api.put("devices", first)
            api.put("devices", second)
            async with mapping(api, Lines(None)):
                await until("the other device", lambda: len(api.reported("kettle-2")) == 2)
                await until("the state", lambda: api.status("kettle-1").get("state") == "offline")
                assert "certificate" in extensions(api)["readErrors"]["level"]

    asyncio.run(run())


@slow
def test_a_twin_with_one_register_that_is_not_there_shows_all_the_others(
    api: FakeApi, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        there = ModbusDevice({HOLDING: {each: 100 + each for each in range(10)}})
        kind = model()
        kind["spec"]["properties"] = [
            {"name": f"p{each}", "type": "INT", "accessMode": "ReadOnly"} for each in range(11)
        ]
        api.put("devicemodels", kind)
        manifest = device()
        manifest["spec"]["properties"] = [
            {
                "name": f"p{each}",
                "collectCycle": 100,
                "reportCycle": 100,
                "visitors": {"protocolName": "modbus", "configData": {"register": each}},
            }
            for each in range(11)
        ]
        async with there.serving():
            manifest["spec"]["protocol"]["configData"] = {"host": "127.0.0.1", "port": there.port}
            api.put("devices", manifest)
            async with mapping(api, Lines(None)):
                good = {f"p{each}": str(100 + each) for each in range(10)}
                await until("the others", lambda: api.reported("kettle-1") == good)
                await until("the error", lambda: bool(extensions(api)))
                assert list(extensions(api)["readErrors"]) == ["p10"]
                seen = len(there.reads)
                await until("more reads", lambda: len(there.reads) >= seen + 5)
                assert there.reads[-5:] == [(HOLDING, 0, 10)] * 5

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    (line,) = logged(caplog, "cannot read")
    assert "p10" in line
    assert "exception 2 (illegal data address)" in line
