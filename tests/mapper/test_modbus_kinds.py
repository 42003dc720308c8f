"""Properties of all kinds on a Modbus device: read and written by the functions for them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from images.mapper.edge_mapper.lines import Declined
from images.mapper.edge_mapper.modbus import ModbusLine
from images.mapper.edge_mapper.objects import ModelProperty, Property
from images.mapper.edge_mapper.values import ValueType
from tests.mapper.modbus_device import COILS, DISCRETE, HOLDING, INPUT, ModbusDevice


def prop(name: str, of_type: ValueType, **visitor: Any) -> Property:
    return Property(ModelProperty(name, of_type, True), visitor, 100, 100)


def test_all_kinds_are_read_and_written_on_the_wire() -> None:
    properties = [
        prop("coil", ValueType.BOOLEAN, register="CoilRegister", offset=0, limit=1),
        prop("coils", ValueType.BOOLEAN, register="CoilRegister", offset=1, limit=9),
        prop("inputs", ValueType.INT, register="DiscreteInputRegister", offset=0, limit=3),
        prop("reading", ValueType.FLOAT, register="InputRegister", offset=0, limit=2),
        prop("float", ValueType.FLOAT, register=0, kind="float32", wordOrder="little"),
        prop("double", ValueType.DOUBLE, register=2, kind="float64"),
        prop("int64", ValueType.INT, register=6, kind="int64"),
        prop("array", ValueType.INT, register=10, kind="int16", limit=3),
        prop("text", ValueType.STRING, register=13, limit=3),
        prop("bytes", ValueType.BYTES, register=16, limit=1),
        prop("flag", ValueType.BOOLEAN, register=17),
    ]
    wishes = {
        "coil": "true",
        "coils": "[true, false, true, false, true, false, true, false, true]",
        "float": "0.1",
        "double": "-1e-05",
        "int64": str(-(2**63)),
        "array": "[-1, 0, 32767]",
        "text": "warm",
        "bytes": "AP8=",
        "flag": "true",
    }

    async def run() -> None:
        device = ModbusDevice(
            {
                COILS: dict.fromkeys(range(10), 0),
                DISCRETE: {0: 1, 1: 0, 2: 1},
                HOLDING: dict.fromkeys(range(18), 0),
                INPUT: {0: 0x4148, 1: 0xF5C3},
            }
        )
        async with device.serving():
            line = ModbusLine({"ip": "127.0.0.1", "port": device.port, "slaveID": 1})
            for each in properties:
                if each.name in wishes:
                    await line.write(each, each.model.type.parse(wishes[each.name]))
            answers = await line.read(properties)
            told = {
                each.name: line.text(each, answers[each.name])  # type: ignore[arg-type]
                for each in properties
            }
            assert told == {**wishes, "inputs": "[1, 0, 1]", "reading": "12.56"}
            assert len(json.loads(told["coils"])) == 9
            assert {each[0] for each in device.reads} == {COILS, DISCRETE, HOLDING, INPUT}
            assert len(device.reads) == 4
            written = len(device.writes)
            for name in ("inputs", "reading"):
                (unwritable,) = [each for each in properties if each.name == name]
                with pytest.raises(Declined):
                    await line.write(unwritable, 1)
            device.unwritable[17] = 0x0B
            with pytest.raises(Declined, match=r"0x0B \(gateway target device"):
                await line.write(properties[-1], True)
            assert len(device.writes) == written
            await line.close()

    asyncio.run(run())


def test_each_function_of_a_write_is_the_one_for_its_place() -> None:
    async def run() -> None:
        device = ModbusDevice({COILS: {0: 0, 1: 0}, HOLDING: dict.fromkeys(range(4), 0)})
        async with device.serving():
            line = ModbusLine({"host": "127.0.0.1", "port": device.port})
            coil = {"register": "CoilRegister", "offset": 0}
            await line.write(prop("a", ValueType.BOOLEAN, **coil), True)
            await line.write(prop("b", ValueType.BOOLEAN, **coil, limit=2), [False, True])
            await line.write(prop("c", ValueType.INT, register=0), 7)
            await line.write(prop("d", ValueType.INT, register=0, kind="int32"), -2)
            assert device.writes == [
                (5, 0, [1]),
                (15, 0, [0, 1]),
                (6, 0, [7]),
                (16, 0, [0xFFFF, 0xFFFE]),
            ]
            long = prop("e", ValueType.STRING, register=0, limit=124)
            with pytest.raises(Declined):
                await line.write(long, "x")
            await line.close()

    asyncio.run(run())
