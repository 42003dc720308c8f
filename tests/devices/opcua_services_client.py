"""Run in a peer's namespace: asks an OPC UA device for what it has and has not, and prints the
statuses as JSON.

The words are what to do, and the folder with the certificates.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import Client, ua

from tests.devices.opcua_client import URL, node_id, secured

TIMEOUT = 20.0
NAMESPACE = "urn:edge-lab:tests:services"
IMPORTED = frozenset(
    ["cell", "numbers", "text", "blob", "count", "level", "hidden", "locked", "command", "reset"]
)
"""Names in services.xml."""
DOUBLE, INT32, STRING = ua.VariantType.Double, ua.VariantType.Int32, ua.VariantType.String
Found = dict[str, Any]


async def status(attempt: Awaitable[Any]) -> str:
    """The status of a request that is answered as a whole."""
    try:
        await asyncio.wait_for(attempt, TIMEOUT)
    except ua.UaStatusCodeError as refusal:
        return str(ua.StatusCode(refusal.code).name)
    return "Good"


class Nodes:
    """NodeIds by a short name: points of the press, and nodes of the file that is imported."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __getitem__(self, name: str) -> ua.NodeId:
        return ua.NodeId(name, self._index) if name in IMPORTED else node_id(name)


Tasks = dict[str, Callable[[Client, Nodes], Awaitable[Found]]]


def value_id(node: ua.NodeId, *, part: str | None = None, attribute: int = 13) -> ua.ReadValueId:
    return ua.ReadValueId(NodeId=node, AttributeId=attribute, IndexRange=part)


async def read(client: Client, *items: ua.ReadValueId, **more: Any) -> list[ua.DataValue]:
    parameters = ua.ReadParameters(NodesToRead=list(items), **more)
    found: list[ua.DataValue] = await client.uaclient.read(parameters)
    return found


async def write(client: Client, *items: ua.WriteValue) -> list[str]:
    found = await client.uaclient.write(ua.WriteParameters(NodesToWrite=list(items)))
    return [result.name for result in found]


def new_value(node: ua.NodeId, value: Any, kind: Any = DOUBLE, **more: Any) -> ua.WriteValue:
    data = more.pop("data", None) or ua.DataValue(ua.Variant(value, kind))
    return ua.WriteValue(NodeId=node, AttributeId=more.pop("attribute", 13), Value=data, **more)


def shown(value: ua.DataValue) -> Any:
    """A value, or the status that came in its place."""
    if value.StatusCode.is_bad():
        return value.StatusCode.name
    content = value.Value.Value
    return content.hex() if isinstance(content, bytes) else content


# -- Write ------------------------------------------------------------------------------


async def writes(client: Client, nodes: Nodes) -> Found:
    setpoint = nodes["requested_setpoint"]
    bad = {
        "nan": new_value(setpoint, math.nan),
        "infinity": new_value(setpoint, math.inf),
        "1e308": new_value(setpoint, 1e308),
        "too high": new_value(setpoint, 1e6),
        "just too high": new_value(setpoint, 500.04),
        "integer": new_value(setpoint, 300, INT32),
        "text": new_value(setpoint, "300", STRING),
        "array": new_value(setpoint, [300.0]),
        "null": new_value(setpoint, None, ua.VariantType.Null),
        "unknown node": new_value(node_id("none"), 1.0),
        "unknown attribute": new_value(setpoint, 1.0, attribute=99),
        "absent attribute": new_value(setpoint, True, ua.VariantType.Boolean, attribute=21),
        "name": new_value(
            setpoint, ua.LocalizedText("x"), ua.VariantType.LocalizedText, attribute=4
        ),
        "read-only": new_value(nodes["force"], 1.0),
        "no access": new_value(nodes["locked"], 1.0),
        "unknown and of a wrong type": new_value(node_id("none"), "x", STRING),
        "read-only and of a wrong type": new_value(nodes["force"], "x", STRING),
        "object": new_value(nodes["cell"], 1.0),
        "part of a scalar": new_value(setpoint, 1.0, IndexRange="0"),
        "server's time": new_value(
            setpoint, 0, data=ua.DataValue(ua.Variant(300.0), ServerTimestamp=datetime.now(UTC))
        ),
        "bad status": new_value(
            setpoint,
            0,
            data=ua.DataValue(
                ua.Variant(300.0), StatusCode=ua.StatusCode(ua.StatusCodes.BadDeviceFailure)
            ),
        ),
        "uncertain": new_value(
            setpoint, 0, data=ua.DataValue(ua.Variant(300.0), StatusCode=ua.StatusCode(0x40900000))
        ),
    }
    found: Found = {"alone": {}, "before": {}, "after": {}}
    for number, (name, value) in enumerate(bad.items()):
        good = new_value(setpoint, 200.0 + number)
        (found["alone"][name],) = await write(client, value)
        found["before"][name] = await write(client, value, good)
        found["after"][name] = await write(client, new_value(setpoint, 220.0 + number), value)
    found["mixed"] = await write(
        client, *bad.values(), new_value(setpoint, 250.26), new_value(nodes["count"], 9, INT32)
    )
    results = await read(client, value_id(setpoint), value_id(nodes["count"]))
    found["reads back"] = [shown(result) for result in results]
    when = datetime(2025, 3, 1, tzinfo=UTC)
    timed = ua.DataValue(ua.Variant(251.0), SourceTimestamp=when)
    found["source's time"] = await write(client, new_value(setpoint, 0, data=timed))
    (result,) = await read(client, value_id(setpoint))
    found["source's time is kept"] = result.SourceTimestamp == when
    special = new_value(nodes["level"], math.nan)
    found["nan where it may be"] = await write(client, special)
    (result,) = await read(client, value_id(nodes["level"]))
    found["nan is kept"] = math.isnan(result.Value.Value)
    return found


# -- Read -------------------------------------------------------------------------------


async def reads(client: Client, nodes: Nodes) -> Found:
    def encoded(node: ua.NodeId, name: str) -> ua.ReadValueId:
        return ua.ReadValueId(NodeId=node, AttributeId=13, DataEncoding=ua.QualifiedName(name, 0))

    structure = ua.NodeId(ua.ObjectIds.Server_ServerStatus)
    items = {
        "value": value_id(nodes["parts"]),
        "unknown node": value_id(node_id("none")),
        "unknown attribute": value_id(nodes["parts"], attribute=99),
        "absent attribute": value_id(nodes["parts"], attribute=21),
        "value of an object": value_id(nodes["cell"]),
        "no access": value_id(nodes["hidden"]),
        "write-only": value_id(nodes["command"]),
        "binary structure": encoded(structure, "Default Binary"),
        "XML structure": encoded(structure, "Default XML"),
        "binary scalar": encoded(nodes["parts"], "Default Binary"),
        "odd encoding": encoded(nodes["parts"], "none"),
        "continuation points": value_id(
            ua.NodeId(ua.ObjectIds.Server_ServerCapabilities_MaxBrowseContinuationPoints)
        ),
        "namespace": value_id(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), part="0"),
    }
    results = await read(client, *items.values())
    found: Found = {
        "items": {name: result.StatusCode.name for name, result in zip(items, results, strict=True)}
    }
    found["continuation points"] = shown(results[-2])
    found["timestamps"] = {}
    for wanted in ("Source", "Server", "Both", "Neither"):
        (result,) = await read(
            client, value_id(nodes["parts"]), TimestampsToReturn=ua.TimestampsToReturn[wanted]
        )
        found["timestamps"][wanted] = [
            result.SourceTimestamp is not None,
            result.ServerTimestamp is not None,
        ]
    invalid = ua.TimestampsToReturn.Invalid
    value = value_id(nodes["parts"])
    found["requests"] = {
        "nothing": await status(read(client)),
        "too many": await status(read(client, *[value] * 10_001)),
        "many": await status(read(client, *[value] * 10_000)),
        "timestamps": await status(read(client, value, TimestampsToReturn=invalid)),
        "unknown timestamps": await status(read(client, value, TimestampsToReturn=99)),
        "age": await status(read(client, value, MaxAge=-1.0)),
        "no age": await status(read(client, value, MaxAge=math.nan)),
    }
    return found


async def ranges(client: Client, nodes: Nodes) -> Found:
    found: Found = {"read": {}, "write": {}}
    for name, part in (
        ("numbers", "1:3"),
        ("numbers", "4"),
        ("numbers", "3:9"),
        ("numbers", "5"),
        ("numbers", "3:1"),
        ("numbers", "x"),
        ("numbers", "1,1"),
        ("text", "2:4"),
        ("text", "99"),
        ("blob", "1:2"),
        ("count", "0"),
        ("count", "-1"),
        ("force", "0"),
    ):
        (result,) = await read(client, value_id(nodes[name], part=part))
        found["read"][f"{name} {part}"] = shown(result)
    for name, part, value, kind in (
        ("numbers", "1:2", [20.0, 30.0], DOUBLE),
        ("numbers", "0", [10.0], DOUBLE),
        ("numbers", "4:5", [0.0, 0.0], DOUBLE),
        ("numbers", "0:2", [0.0], DOUBLE),
        ("numbers", "0", 0.0, DOUBLE),
        ("numbers", "0", [0], INT32),
        ("numbers", "2:1", [0.0], DOUBLE),
        ("text", "0:1", "IN", STRING),
        ("text", "0:1", "none", STRING),
        ("blob", "5", b"\xff", ua.VariantType.ByteString),
        ("count", "0", 0, INT32),
    ):
        (result,) = await write(client, new_value(nodes[name], value, kind, IndexRange=part))
        found["write"][f"{name} {part} {value!r}"] = result
    names = ("numbers", "text", "blob", "count")
    results = await read(client, *(value_id(nodes[name]) for name in names))
    found["after"] = [shown(result) for result in results]
    return found


# -- GetEndpoints, FindServers ----------------------------------------------------------


async def discovery(client: Client, nodes: Nodes) -> Found:
    found: Found = {}
    for name, url in (
        ("own", URL),
        ("empty", ""),
        ("null", None),
        ("foreign", "opc.tcp://example.org:4841/x"),
        ("loopback", "opc.tcp://127.0.0.1:4840"),
        ("junk", "///:::"),
        ("port", "opc.tcp://[::1"),
    ):
        parameters = ua.GetEndpointsParameters(EndpointUrl=url)
        endpoints = await client.uaclient.get_endpoints(parameters)
        servers = await client.uaclient.find_servers(ua.FindServersParameters(EndpointUrl=url))
        found[name] = sorted(
            {endpoint.EndpointUrl for endpoint in endpoints}
            | {url for endpoint in endpoints for url in endpoint.Server.DiscoveryUrls}
            | {url for server in servers for url in server.DiscoveryUrls}
        )
    other = ua.GetEndpointsParameters(EndpointUrl=URL, ProfileUris=["urn:none"])
    found["other profile"] = len(await client.uaclient.get_endpoints(other))
    uris = ["urn:edge-lab:device:press"]
    for name, wanted in (("by name", uris), ("another", ["urn:edge-lab:device"])):
        parameters = ua.FindServersParameters(EndpointUrl=URL, ServerUris=wanted)
        found[name] = len(await client.uaclient.find_servers(parameters))
    return found


TASKS: Tasks = {task.__name__: task for task in (writes, reads, ranges, discovery)}


async def main(words: list[str], tasks: Tasks) -> Found:
    folder = Path(words[1])
    async with await secured(folder, "client", timeout=TIMEOUT, watchdog=TIMEOUT) as client:
        nodes = Nodes(await client.get_namespace_index(NAMESPACE))
        return await tasks[words[0]](client, nodes)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(asyncio.run(main(sys.argv[1:], TASKS))))
