"""Objects and a device for tests of the mapper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from images.mapper.edge_mapper.lines import Declined, Gone, Line, Refusal
from images.mapper.edge_mapper.objects import Property
from images.mapper.edge_mapper.values import Value, text_of

NODE = "edge-arm"
NAMESPACE = "plant"
LIMIT = 60.0


def model(name: str = "kettle") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "protocol": "modbus",
            "properties": [
                {"name": "level", "type": "INT", "accessMode": "ReadOnly"},
                {
                    "name": "target",
                    "type": "FLOAT",
                    "accessMode": "ReadWrite",
                    "minimum": "40",
                    "maximum": "95",
                },
            ],
        },
    }


def device(
    name: str = "kettle-1",
    *,
    node: str = NODE,
    desired: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    cycle: int = 100,
) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [
        _property("level", {"register": 0}, cycle),
        _property("target", {"register": 100, "digits": 1}, cycle),
    ]
    for wanted, value in (desired or {}).items():
        found = next((each for each in properties if each["name"] == wanted), None)
        if found is None:
            found = _property(wanted, {"register": 7}, cycle)
            properties.append(found)
        found["desired"] = {"value": value}
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": f"uid of {name}"},
        "spec": {
            "deviceModelRef": {"name": "kettle"},
            "nodeName": node,
            "protocol": {
                "protocolName": "modbus",
                "configData": dict(config or {"host": "127.0.0.1"}),
            },
            "properties": properties,
        },
    }


def _property(name: str, visitor: Mapping[str, Any], cycle: int) -> dict[str, Any]:
    return {
        "name": name,
        "collectCycle": cycle,
        "reportCycle": cycle,
        "visitors": {"protocolName": "modbus", "configData": dict(visitor)},
    }


class FakeLine(Line):
    """A device in memory. It can be away, or decline to be read or written."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, Value] = {"level": 7, "target": 50.0}
        self.away = False
        self.declining = False
        self.reads: list[tuple[str, ...]] = []
        self.writes: list[tuple[str, Value]] = []
        self.closed = False
        self.open = asyncio.Event()
        """Without it, a write takes for ever."""
        self.open.set()

    def check(self, of: Property) -> None:
        if "register" not in of.visitor:
            raise ValueError("it names no register")

    def text(self, of: Property, value: Value) -> str:
        return text_of(value, of.visitor.get("digits"))

    async def fetch(self, properties: Sequence[Property]) -> Mapping[str, Value | Refusal]:
        self._answer()
        self.reads.append(tuple(each.name for each in properties))
        return {each.name: self.values[each.name] for each in properties}

    async def put(self, to: Property, value: Value) -> None:
        self._answer()
        self.writes.append((to.name, value))
        await self.open.wait()
        self.values[to.name] = value

    def _answer(self) -> None:
        if self.away:
            raise Gone("nobody answers")
        if self.declining:
            raise Declined("busy")

    async def close(self) -> None:
        self.closed = True


async def until(what: str, condition: Callable[[], bool]) -> None:
    """Waits for it, and fails the test if it does not come."""

    async def poll() -> None:
        while not condition():
            await asyncio.sleep(0.01)

    try:
        await asyncio.wait_for(poll(), LIMIT)
    except TimeoutError:
        raise AssertionError(f"not within {LIMIT:g} s: {what}") from None
