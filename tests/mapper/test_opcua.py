"""An OPC UA line on a session in memory: what is no fault of the device does not end it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asyncua import ua

from images.mapper.edge_mapper.config import OpcUaConfig
from images.mapper.edge_mapper.lines import Declined, Gone
from images.mapper.edge_mapper.objects import ModelProperty, Property
from images.mapper.edge_mapper.opcua import OpcUaLine
from images.mapper.edge_mapper.values import Value, ValueType

Types = ua.VariantType


class Session:
    """A client with one node of a type. `trouble` is raised by a write."""

    def __init__(self, kind: ua.VariantType, trouble: Exception | None = None) -> None:
        self.kind, self.trouble = kind, trouble
        self.written: list[Any] = []
        self.disconnected = False

    def get_node(self, _name: str) -> Session:
        return self

    async def read_data_type_as_variant_type(self) -> ua.VariantType:
        return self.kind

    async def write_attribute(self, _attribute: Any, value: ua.DataValue) -> None:
        if self.trouble is not None:
            raise self.trouble
        assert value.Value is not None
        self.written.append(value.Value.Value)

    async def disconnect(self) -> None:
        self.disconnected = True

    def disconnect_socket(self) -> None:
        self.disconnected = True


def line_of(session: Session | None = None) -> OpcUaLine:
    line = OpcUaLine({"url": "opc.tcp://127.0.0.1:4840"}, OpcUaConfig("", "", "", ""))
    line._client = session
    return line


def placed(node: object, digits: object = None) -> Property:
    visitor = {"nodeId": node} if digits is None else {"nodeId": node, "digits": digits}
    return Property(ModelProperty("p", ValueType.FLOAT, True), visitor, 100, 100)


def write(session: Session, value: Value) -> None:
    asyncio.run(line_of(session).write(placed("ns=2;s=p"), value))


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (Types.Int32, 5.0, 5),
        (Types.Int32, -7, -7),
        (Types.Double, 5, 5.0),
        (Types.Float, 61.5, 61.5),
        (Types.Boolean, True, True),
        (Types.String, "hot", "hot"),
    ],
)
def test_a_value_is_written_in_the_type_of_its_node(
    kind: ua.VariantType, value: Value, written: Value
) -> None:
    session = Session(kind)
    write(session, value)
    assert session.written == [written]
    assert type(session.written[0]) is type(written)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Types.Int32, 5.5),
        (Types.Int32, 2**31),
        (Types.Byte, -1),
        (Types.Float, 1e308),
        (Types.Double, "hot"),
        (Types.Int32, True),
        (Types.Boolean, 1),
        (Types.String, 5),
        (Types.DateTime, 5),
        (Types.Guid, "hot"),
    ],
)
def test_a_value_that_its_node_cannot_hold_is_declined_and_the_session_goes_on(
    kind: ua.VariantType, value: Value
) -> None:
    session = Session(kind)
    with pytest.raises(Declined):
        write(session, value)
    assert session.written == []
    assert not session.disconnected


@pytest.mark.parametrize(
    "make",
    [
        lambda: ua.UaStatusCodeError(ua.StatusCodes.BadNotWritable),
        lambda: ua.UaError("cannot be packed"),
    ],
)
def test_a_device_that_answers_no_is_there(make: Callable[[], Exception]) -> None:
    session = Session(Types.Double, make())
    with pytest.raises(Declined):
        write(session, 5.0)
    assert not session.disconnected


@pytest.mark.parametrize(
    "make",
    [
        lambda: ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid),
        lambda: ConnectionError("Connection is closed"),
        lambda: TimeoutError(),
    ],
)
def test_a_device_that_does_not_answer_is_gone(make: Callable[[], Exception]) -> None:
    session = Session(Types.Double, make())
    with pytest.raises(Gone):
        write(session, 5.0)
    assert session.disconnected


@pytest.mark.parametrize(
    "text",
    [
        *("i=2258", "ns=2;s=plant.force", "s=a;b=c", "ns=65535;i=4294967295", "b=aGk="),
        "ns=3;g=09087e75-8e5e-499b-954f-f2a9603db28a",
    ],
)
def test_a_node_id_is_taken_as_asyncua_takes_it(text: str) -> None:
    line_of().check(placed(text))
    assert ua.NodeId.from_string(text).Identifier is not None


@pytest.mark.parametrize(
    "text",
    [
        *("", "force", "ns=2", "ns=x;s=a", "i=one", "i=4294967296", "ns=65536;i=1", "s="),
        *("g=09087e75", "b=?", "b=é", 7, None),
    ],
)
def test_a_node_id_that_is_none_is_a_value_error(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        line_of().check(placed(text))


@pytest.mark.parametrize("digits", ["x", -1, 99])
def test_decimal_places_that_are_none_are_a_value_error(digits: object) -> None:
    line_of().check(placed("i=1", 2))
    with pytest.raises(ValueError, match=r"."):
        line_of().check(placed("i=1", digits))
