"""An OPC UA line on a real server: nodes of each type, nodes that are not there, limits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from asyncua import Client, Server, ua

from images.mapper.edge_mapper.config import OpcUaConfig
from images.mapper.edge_mapper.lines import Declined, Refusal
from images.mapper.edge_mapper.objects import ModelProperty, Property
from images.mapper.edge_mapper.opcua import NodeReader, OpcUaLine
from images.mapper.edge_mapper.values import ValueType

slow = pytest.mark.slow(reason="an OPC UA server with a whole address space for it alone")

Types = ua.VariantType
TEXT = ValueType.STRING

NODES: dict[str, tuple[Any, ua.VariantType, str]] = {
    "float": (0.1, Types.Float, "0.1"),
    "double": (0.1, Types.Double, "0.1"),
    "sbyte": (-128, Types.SByte, "-128"),
    "byte": (255, Types.Byte, "255"),
    "int16": (-32768, Types.Int16, "-32768"),
    "uint16": (65535, Types.UInt16, "65535"),
    "int64": (-(2**63), Types.Int64, str(-(2**63))),
    "uint64": (2**64 - 1, Types.UInt64, str(2**64 - 1)),
    "truth": (True, Types.Boolean, "true"),
    "text": ("warm, warmer", Types.String, "warm, warmer"),
    "no text": (None, Types.String, ""),
    "localized": (ua.LocalizedText("Kessel", "de"), Types.LocalizedText, "Kessel"),
    "bytes": (b"\x00\xff", Types.ByteString, "AP8="),
    "time": (
        datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC),
        Types.DateTime,
        "2026-01-02T03:04:05.5Z",
    ),
    "guid": (
        UUID("09087e75-8e5e-499b-954f-f2a9603db28a"),
        Types.Guid,
        "09087e75-8e5e-499b-954f-f2a9603db28a",
    ),
    "node": (ua.NodeId("x", 2), Types.NodeId, "ns=2;s=x"),
    "name": (ua.QualifiedName("n", 2), Types.QualifiedName, "2:n"),
    "status": (ua.StatusCode(0x80340000), Types.StatusCode, "BadNodeIdUnknown"),
    "nan": (float("nan"), Types.Double, "NaN"),
    "infinite": (float("-inf"), Types.Float, "-Infinity"),
    "floats": ([0.1, 2.5], Types.Float, "[0.1, 2.5]"),
    "texts": (["a", 'b"c'], Types.String, '["a", "b\\"c"]'),
    "truths": ([True, False], Types.Boolean, "[true, false]"),
    "none of many": ([], Types.Int32, "[]"),
    "matrix": ([[1, 2], [3, 4]], Types.Int32, "[[1, 2], [3, 4]]"),
}
"""By name: value, type, and what a twin says."""


def prop(name: str, of_type: ValueType = TEXT, node: str = "", **visitor: Any) -> Property:
    place = {"nodeId": node or f"ns=2;s={name}", **visitor}
    return Property(ModelProperty(name, of_type, True), place, 100, 100)


@contextlib.asynccontextmanager
async def lined() -> AsyncIterator[tuple[OpcUaLine, Server]]:
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    await server.register_namespace("urn:test")
    for name, (value, kind, _) in NODES.items():
        node = await server.nodes.objects.add_variable(
            ua.NodeId(name, 2), name, ua.Variant(value, kind), datatype=ua.NodeId(kind.value)
        )
        await node.set_writable()
    await server.start()
    port = server.bserver._server.sockets[0].getsockname()[1]
    client = Client(f"opc.tcp://127.0.0.1:{port}")
    await client.connect()
    line = OpcUaLine({"url": "opc.tcp://127.0.0.1:1"}, OpcUaConfig("", "", "", ""))
    line._client = client
    try:
        yield line, server
    finally:
        await line.close()
        await server.stop()


def told(line: OpcUaLine, wanted: Sequence[Property], answers: Mapping[str, Any]) -> dict[str, str]:
    return {
        each.name: line.text(each, answers[each.name])
        for each in wanted
        if not isinstance(answers[each.name], Refusal)
    }


@slow
def test_values_of_each_type_are_told_as_people_write_them_and_bad_nodes_hide_none() -> None:
    async def run() -> None:
        async with lined() as (line, _):
            wanted = [prop(name) for name in NODES]
            wanted[3:3] = [prop("nobody"), prop("numbered", node="ns=9;i=4711")]
            answers = await line.read(wanted)
            assert told(line, wanted, answers) == {name: each[2] for name, each in NODES.items()}
            for name in ("nobody", "numbered"):
                assert "BadNodeIdUnknown (0x80340000)" in str(answers[name])
            assert json.loads(NODES["floats"][2]) == [0.1, 2.5]

    asyncio.run(run())


@slow
def test_what_is_told_can_be_desired_and_is_the_same_value() -> None:
    async def run() -> None:
        unwritten = {"nan", "infinite", "no text"}
        async with lined() as (line, server):
            for name, (value, kind, text) in NODES.items():
                if name in unwritten:
                    continue
                await line.write(prop(name), text)
                found = await server.get_node(ua.NodeId(name, 2)).read_data_value()
                assert found.Value is not None
                assert found.Value.VariantType == kind
                if name == "localized":
                    assert found.Value.Value.Text == value.Text
                elif name == "float":
                    assert found.Value.Value == pytest.approx(value)
                elif name != "floats":
                    assert found.Value.Value == value
            await line.write(prop("truth", ValueType.BOOLEAN), False)
            await line.write(prop("floats", ValueType.FLOAT), [1.0, 2.0])
            await line.write(prop("byte", ValueType.BOOLEAN), True)
            wanted = [prop("truth"), prop("floats"), prop("byte", ValueType.BOOLEAN)]
            answers = await line.read(wanted)
            assert told(line, wanted, answers) == {
                "truth": "false",
                "floats": "[1.0, 2.0]",
                "byte": "true",
            }

    asyncio.run(run())


UNFIT = {
    "sbyte": "128",
    "byte": "-1",
    "int16": "32768",
    "uint16": "1.5",
    "int64": str(2**63),
    "uint64": str(2**64),
    "truth": "yes",
    "float": "1e39",
    "double": "NaN",
    "time": "yesterday",
    "guid": "hot",
    "bytes": "é",
    "node": "hot",
    "floats": "[1, hot]",
    "int16 ": "[1]",
    "status": "BadMood",
}


@slow
def test_a_value_that_does_not_fit_is_refused_and_nothing_is_written() -> None:
    async def run() -> None:
        async with lined() as (line, server):
            for name, text in UNFIT.items():
                with pytest.raises(Declined):
                    await line.write(prop(name.strip()), text)
            with pytest.raises(Declined):
                await line.write(prop("float"), "1e-60")
            with pytest.raises(Declined, match="BadNodeIdUnknown"):
                await line.write(prop("nobody"), "1")
            for name in UNFIT:
                node = server.get_node(ua.NodeId(name.strip(), 2))
                value = (await node.read_data_value()).Value
                assert value is not None
                expected = NODES[name.strip()][0]
                if name not in ("float", "floats"):
                    assert value.Value == expected
            # The session is none the worse for it.
            await line.write(prop("byte"), "7")

    asyncio.run(run())


def test_a_server_that_takes_few_nodes_a_read_is_asked_for_few() -> None:
    asked: list[int] = []

    async def request(names: Sequence[str]) -> list[ua.DataValue]:
        asked.append(len(names))
        if len(names) > 6:
            raise Declined("BadTooManyOperations")
        return [ua.DataValue(ua.Variant(7, Types.Int32)) for _ in names]

    async def run() -> None:
        reader = NodeReader(request)
        names = [f"i={each}" for each in range(40)]
        for _ in range(6):
            asked.clear()
            assert set((await reader.read(names)).values()) == {7}
        assert max(asked) <= 6
        assert sum(asked) == 40

    asyncio.run(run())


def test_a_node_that_breaks_the_answer_to_all_is_left_out() -> None:
    async def request(names: Sequence[str]) -> list[ua.DataValue]:
        if "i=5" in names:
            raise Declined("it cannot be unpacked")
        return [ua.DataValue(ua.Variant(7, Types.Int32)) for _ in names]

    async def run() -> None:
        reader = NodeReader(request)
        found = await reader.read([f"i={each}" for each in range(11)])
        assert isinstance(found.pop("i=5"), Refusal)
        assert set(found.values()) == {7}

    asyncio.run(run())


@pytest.mark.parametrize(
    "value",
    [
        ua.DataValue(ua.Variant(None, Types.Null)),
        ua.DataValue(StatusCode=ua.StatusCode(0x80340000)),
        ua.DataValue(ua.Variant(7, Types.Int32), StatusCode=ua.StatusCode(0x40900000)),
    ],
)
def test_a_node_without_a_good_value_is_named(value: ua.DataValue) -> None:
    async def run() -> None:
        async def request(names: Sequence[str]) -> list[ua.DataValue]:
            return [value for _ in names]

        (found,) = (await NodeReader(request).read(["i=1"])).values()
        assert isinstance(found, Refusal)

    asyncio.run(run())


@pytest.mark.parametrize(
    "config",
    [
        {"url": "http://127.0.0.1"},
        {"url": "opc.tcp://127.0.0.1", "policy": "Basic257"},
        {"url": "opc.tcp://127.0.0.1", "mode": "None"},
        {"url": "opc.tcp://127.0.0.1", "securityPolicy": "None"},
    ],
)
def test_a_configuration_that_makes_no_sense_is_a_value_error(config: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        OpcUaLine(config, OpcUaConfig("", "", "", ""))


def test_the_names_of_kubeedges_mapper_are_taken_too() -> None:
    config = {"securityPolicy": "Aes128Sha256RsaOaep", "securityMode": "Sign", "userName": "x"}
    line = OpcUaLine({"url": "opc.tcp://127.0.0.1", **config}, OpcUaConfig("", "", "", ""))
    assert (line._policy, line._mode, line._user) == ("Aes128Sha256RsaOaep", "Sign", "x")
    line.check(Property(ModelProperty("p", TEXT, True), {"nodeID": "ns=2;i=3"}, 100, 100))
