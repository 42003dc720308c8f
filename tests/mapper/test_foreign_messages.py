"""Whatever an edge core or an API server says of devices, the mapper goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2, wrappers_pb2
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from images.mapper.edge_mapper.lines import MODBUS, OPCUA, Lines
from images.mapper.edge_mapper.mapper import Mapper
from images.mapper.edge_mapper.messages import (
    MAPPER,
    device_item,
    message,
    methods,
    model_item,
    unwrapped,
)
from images.mapper.edge_mapper.objects import key_of
from tests.budget import examples
from tests.mapper.twins import NODE, device, model

NAMES = st.sampled_from(["kettle", "kettle-1", "level", "target", ""]) | st.text(max_size=8)
KINDS = [
    *("StringValue", "FloatValue", "DoubleValue", "Int64Value", "UInt64Value", "BoolValue"),
    *("BytesValue", "Struct", ""),
]
WORDS = st.sampled_from(["INT", "FLOAT", "STRING", "BOOLEAN", "BYTES", "ReadWrite", "nan", "1e999"])
FIELDS = st.sampled_from(
    ["host", "ip", "port", "unit", "slaveID", "framing", "register", "offset", "limit", "kind"]
)


@st.composite
def packed(draw: st.DrawFn) -> any_pb2.Any:
    """A value of configData: a wrapper, or bytes that say they are one."""
    kind = draw(st.sampled_from(KINDS))
    value = draw(
        st.binary(max_size=10)
        | st.floats().map(lambda number: _bytes(wrappers_pb2.DoubleValue, number))
        | st.text(max_size=8).map(lambda text: _bytes(wrappers_pb2.StringValue, text))
    )
    return any_pb2.Any(type_url=f"type.googleapis.com/google.protobuf.{kind}", value=value)


def _bytes(wrapper: Any, value: object) -> bytes:
    found: bytes = wrapper(value=value).SerializeToString()
    return found


def put(place: Any, value: any_pb2.Any) -> None:
    """The mapper's messages have a class of their own for Any."""
    place.type_url, place.value = value.type_url, value.value


@st.composite
def devices(draw: st.DrawFn) -> Any:
    found = message("Device")()
    found.name, found.namespace = draw(NAMES), draw(NAMES)
    found.spec.deviceModelReference = draw(NAMES)
    found.spec.protocol.protocolName = draw(st.sampled_from([MODBUS, OPCUA, "x"]))
    for name, value in draw(st.dictionaries(FIELDS, packed(), max_size=4)).items():
        put(found.spec.protocol.configData.data[name], value)
    for _ in range(draw(st.integers(0, 3))):
        each = found.spec.properties.add()
        each.name = draw(NAMES)
        each.desired.value = draw(WORDS | st.text(max_size=5))
        each.collectCycle = draw(st.integers(-(2**63), 2**63 - 1))
        each.reportCycle = draw(st.integers(-(2**63), 2**63 - 1))
        for name, value in draw(st.dictionaries(FIELDS, packed(), max_size=4)).items():
            put(each.visitors.configData.data[name], value)
    return found


@st.composite
def models(draw: st.DrawFn) -> Any:
    found = message("DeviceModel")()
    found.name, found.namespace = draw(NAMES), draw(NAMES)
    for _ in range(draw(st.integers(0, 3))):
        each = found.spec.properties.add()
        each.name, each.type, each.accessMode = draw(NAMES), draw(WORDS), draw(WORDS)
        each.minimum, each.maximum = draw(WORDS), draw(WORDS)
    return found


def told(tell: Callable[[Mapper], None]) -> None:
    """A mapper that knows a device is told more, and serves what it can."""

    async def run() -> None:
        mapper = Mapper(NODE, Lines(None))
        mapper.put_model(model())
        mapper.put_device(device())
        try:
            tell(mapper)
            await asyncio.sleep(0)
        finally:
            await mapper.close()

    asyncio.run(run())


@settings(max_examples=examples(150))
@given(devices(), models())
def test_whatever_an_edge_core_says_of_devices_is_taken_or_left(given_: Any, kind: Any) -> None:
    def tell(mapper: Mapper) -> None:
        mapper.put_model(model_item(kind))
        mapper.put_device(device_item(given_, NODE))

    told(tell)


@settings(max_examples=examples(150))
@given(packed())
def test_a_wrapper_of_broken_bytes_is_nothing(value: any_pb2.Any) -> None:
    found = unwrapped(value)
    assert found is None or isinstance(found, str | bytes | bool | int | float)


@settings(max_examples=examples(150))
@given(st.sampled_from(sorted(methods(MAPPER))), st.binary(max_size=60))
def test_whatever_bytes_come_they_are_a_message_or_refused(name: str, content: bytes) -> None:
    request, _ = methods(MAPPER)[name]
    try:
        found = request.FromString(content)
    except DecodeError:
        return
    if hasattr(found, "device"):
        told(lambda mapper: mapper.put_device(device_item(found.device, NODE)))
    if hasattr(found, "model"):
        told(lambda mapper: mapper.put_model(model_item(found.model)))


# -- by the API server -------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def items(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """An object of which something is otherwise, at any depth; what it is called stays."""

    def altered(value: Any) -> Any:
        if draw(st.integers(0, 9)) == 0:
            return draw(JSON)
        if isinstance(value, dict):
            return {key: altered(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [altered(inner) for inner in value]
        return value

    return {**whole, "spec": altered(whole["spec"])}


@settings(max_examples=examples(200))
@given(st.data())
def test_whatever_an_api_server_says_of_devices_is_taken_or_left(data: st.DataObject) -> None:
    kind, first = data.draw(items(model())), data.draw(items(device(desired={"target": "60"})))

    def tell(mapper: Mapper) -> None:
        mapper.put_models([kind])
        mapper.put_devices([first, device("kettle-2")])

    told(tell)


@pytest.mark.parametrize("reference", ["kettle", ["kettle"], {"name": ["kettle"]}])
def test_a_device_that_names_no_model_keeps_none_from_those_that_do(reference: Any) -> None:
    async def run() -> None:
        mapper = Mapper(NODE, Lines(None))
        broken, good = device("a-broken"), device("good")
        broken["spec"]["deviceModelRef"] = reference
        mapper.put_devices([broken, good])
        mapper.put_models([model()])
        try:
            assert mapper.device(key_of(good)) is not None
        finally:
            await mapper.close()

    asyncio.run(run())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith("Value")])
def test_a_value_that_is_cut_short_is_nothing(kind: str) -> None:
    """By name: what came so ended the mapper of all devices."""
    url = f"type.googleapis.com/google.protobuf.{kind}"
    assert unwrapped(any_pb2.Any(type_url=url, value=b"\x0a\x05a")) is None
