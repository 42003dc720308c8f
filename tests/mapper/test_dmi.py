"""The mapper on a fake edge core: DMI as it is spoken, and the traps in it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import any_pb2, wrappers_pb2
from grpc_tools import protoc

from images.mapper.edge_mapper.config import DmiConfig
from images.mapper.edge_mapper.dmi import (
    AGAIN_SECONDS,
    APART_SECONDS,
    DmiTransport,
    Pace,
    until_next_again,
)
from images.mapper.edge_mapper.mapper import Mapper
from images.mapper.edge_mapper.messages import (
    DESCRIPTORS,
    MANAGER,
    MAPPER,
    device_item,
    methods,
    model_item,
    unwrapped,
)
from images.mapper.edge_mapper.objects import parse_device, parse_model
from tests.mapper.fake_core import FakeCore, as_proto, model_as_proto
from tests.mapper.test_api import FakeLines
from tests.mapper.twins import NAMESPACE, NODE, device, model, until

slow = pytest.mark.slow(reason="tells all again in real seconds")

PROTO = DESCRIPTORS.parents[1] / "dmi.proto"


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCore]:
    monkeypatch.setattr("images.mapper.edge_mapper.dmi.RETRY_SECONDS", 0.1)
    found = FakeCore(tmp_path)
    found.models["kettle"] = model_as_proto(model())
    found.start()
    yield found
    found.stop()
    assert found.faults == []


@contextlib.asynccontextmanager
async def mapping(core: FakeCore) -> AsyncIterator[FakeLines]:
    lines = FakeLines()
    mapper = Mapper(NODE, lines)
    own = core.socket.with_name("mapper.sock")
    transport = DmiTransport(mapper, DmiConfig(str(core.socket), str(own)))
    task = asyncio.ensure_future(transport.run())
    try:
        yield lines
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await mapper.close()


def test_the_descriptors_are_those_of_the_proto(tmp_path: Path) -> None:
    made = tmp_path / "dmi.binpb"
    words = [
        *("protoc", f"-I{PROTO.parent}", "--include_imports"),
        *(f"--descriptor_set_out={made}", PROTO.name),
    ]
    assert protoc.main([*words, f"-I{Path(protoc.__file__).parent / '_proto'}"]) == 0
    command = f"cd {PROTO.parent} && python -m grpc_tools.{' '.join(words)}"
    assert made.read_bytes() == DESCRIPTORS.read_bytes(), f"make it anew: {command}"


def test_all_methods_of_both_services_are_known() -> None:
    assert set(methods(MANAGER)) == {"MapperRegister", "ReportDeviceStatus", "ReportDeviceStates"}
    assert len(methods(MAPPER)) == 7


def test_a_device_comes_through_dmi_as_it_comes_from_the_api_server() -> None:
    manifest = device(desired={"target": "60.5"})
    there = parse_device(manifest, parse_model(model()))
    through = parse_device(
        device_item(as_proto(manifest), NODE), parse_model(model_item(model_as_proto(model())))
    )
    assert through.same_but_desired(there)
    assert through.desired == there.desired
    assert (through.key, through.uid) == (there.key, "")


def test_a_wrapper_that_is_none_is_nothing() -> None:
    packed = any_pb2.Any()
    packed.Pack(wrappers_pb2.FloatValue(value=502.0))
    assert unwrapped(packed) == 502
    packed.Pack(wrappers_pb2.StringValue(value="x"))
    assert unwrapped(packed) == "x"
    packed.Pack(any_pb2.Any())
    assert unwrapped(packed) is None


def test_devices_that_are_there_at_registration_are_reported(core: FakeCore) -> None:
    async def run() -> None:
        core.devices["kettle-1"] = as_proto(device())
        async with mapping(core):
            await until(
                "values", lambda: core.reported.get("kettle-1") == {"level": "7", "target": "50.0"}
            )
            assert set(core.mappers) == {"modbus", "opcua"}
            assert core.states["kettle-1"] == ["online"]
            assert core.observed["kettle-1"] == {"level": "", "target": ""}

    asyncio.run(run())


def test_devices_come_change_and_go_by_calls(core: FakeCore) -> None:
    async def run() -> None:
        async with mapping(core) as lines:
            await until("registration", lambda: len(core.mappers) == 2)
            manifest = as_proto(device())
            answer = await asyncio.to_thread(core.call, "modbus", "RegisterDevice", device=manifest)
            assert (answer.deviceName, answer.deviceNamespace) == ("kettle-1", NAMESPACE)
            await until("values", lambda: "kettle-1" in core.reported)
            wish = as_proto(device(desired={"target": "60.5"}))
            await asyncio.to_thread(core.call, "modbus", "UpdateDevice", device=wish)
            await until("confirmed", lambda: core.observed["kettle-1"]["target"] == "60.5")
            assert core.reported["kettle-1"]["target"] == "60.5"
            named = {"deviceName": "kettle-1", "deviceNamespace": NAMESPACE}
            found = await asyncio.to_thread(core.call, "modbus", "GetDevice", **named)
            assert found.device.name == "kettle-1"
            await asyncio.to_thread(core.call, "modbus", "RemoveDevice", **named)
            await until("the line is closed", lambda: lines.only.closed)
            with pytest.raises(grpc.RpcError) as none:
                await asyncio.to_thread(core.call, "modbus", "GetDevice", **named)
            assert none.value.code() is grpc.StatusCode.NOT_FOUND

    asyncio.run(run())


def test_a_model_may_come_by_a_call_too(core: FakeCore) -> None:
    async def run() -> None:
        core.models.clear()
        async with mapping(core):
            await until("registration", lambda: len(core.mappers) == 2)
            await asyncio.to_thread(
                core.call, "modbus", "RegisterDevice", device=as_proto(device())
            )
            made = model_as_proto(model())
            answer = await asyncio.to_thread(core.call, "modbus", "CreateDeviceModel", model=made)
            assert answer.deviceModelName == "kettle"
            await until("values", lambda: "kettle-1" in core.reported)

    asyncio.run(run())


@slow
def test_an_edge_core_that_starts_anew_is_told_again(core: FakeCore) -> None:
    async def run() -> None:
        core.devices["kettle-1"] = as_proto(device())
        async with mapping(core) as lines:
            await until("values", lambda: "kettle-1" in core.reported)
            await asyncio.to_thread(core.stop)
            core.mappers.clear()
            lines.only.values["level"] = 8
            seen = len(lines.only.reads)
            await until("more reads", lambda: len(lines.only.reads) >= seen + 3)
            await asyncio.to_thread(core.start)
            await until("the newest", lambda: core.reported["kettle-1"]["level"] == "8")
            await until("registration", lambda: set(core.mappers) == {"modbus", "opcua"})

    asyncio.run(run())


def test_all_that_is_known_is_told_again_in_turn(
    core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.dmi.until_next_again", lambda _: 0.2)

    async def run() -> None:
        core.devices["kettle-1"] = as_proto(device())
        async with mapping(core):
            await until("values", lambda: "kettle-1" in core.reported)
            core.reported.clear()  # as if the node had been offline
            await until(
                "all of it",
                lambda: core.reported.get("kettle-1") == {"level": "7", "target": "50.0"},
            )

    asyncio.run(run())


def test_each_device_is_told_again_in_time_and_never_too_many_at_once() -> None:
    assert until_next_again(1) == AGAIN_SECONDS
    assert until_next_again(2) == AGAIN_SECONDS / 2
    assert until_next_again(100) == APART_SECONDS


@slow
def test_what_is_told_again_is_never_older_than_what_is_on_its_way(
    core: FakeCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.dmi.until_next_again", lambda _: 0.2)

    async def run() -> None:
        core.devices["kettle-1"] = as_proto(device())
        async with mapping(core) as lines:
            await until("values", lambda: "kettle-1" in core.reported)
            core.open.clear()
            lines.only.values["level"] = 8
            seen = len(lines.only.reads)
            # Longer than it takes until all is told again.
            await until("more reads", lambda: len(lines.only.reads) >= seen + 6)
            core.open.set()
            await until("the newest", lambda: ("kettle-1", "level", "8") in core.told)
            number = len(core.told)
            await until("it is told again", lambda: len(core.told) >= number + 4)
            levels = [value for _, name, value in core.told if name == "level"]
            assert "7" not in levels[levels.index("8") :]

    asyncio.run(run())


def test_a_property_that_cannot_be_read_leaves_the_others_to_the_edge_core(
    core: FakeCore, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        manifest = device()
        manifest["spec"]["properties"][0]["visitors"]["configData"] = {"nowhere": 1.0}
        core.devices["kettle-1"] = as_proto(manifest)
        async with mapping(core):
            await until("the other", lambda: core.reported.get("kettle-1") == {"target": "50.0"})
            assert core.states["kettle-1"] == ["online"]

    asyncio.run(run())
    assert caplog.text.count("'level'") == 1


def test_requests_keep_the_pace_of_the_edge_core() -> None:
    async def run() -> float:
        pace, began = Pace(20.0, 3), time.monotonic()
        for _ in range(7):
            await pace.turn()
        return time.monotonic() - began

    assert asyncio.run(run()) >= 4 / 20.0 * 0.95
