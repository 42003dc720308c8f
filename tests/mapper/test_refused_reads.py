"""A Modbus device that refuses a part of what it is asked: all the rest is read and reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from images.mapper.edge_mapper import refusals
from images.mapper.edge_mapper.lines import Declined, Gone, Refusal, Unavailable
from images.mapper.edge_mapper.modbus import ModbusLine, RegisterReader
from images.mapper.edge_mapper.objects import ModelProperty, Property
from images.mapper.edge_mapper.places import Place, Table
from images.mapper.edge_mapper.values import Value, ValueType
from tests.budget import examples
from tests.mapper.modbus_device import COILS, HOLDING, INPUT, ModbusDevice

slow = pytest.mark.slow(reason="a mapper over several cycles in real time")


def at(register: int, of_type: ValueType = ValueType.INT, /, **visitor: Any) -> Property:
    name = f"p{register}"
    return Property(ModelProperty(name, of_type, True), {"register": register, **visitor}, 100, 100)


def line_to(device: ModbusDevice) -> ModbusLine:
    return ModbusLine({"host": "127.0.0.1", "port": device.port})


def block(count: int, missing: Sequence[int] = ()) -> dict[int, dict[int, int]]:
    return {HOLDING: {each: 100 + each for each in range(count) if each not in missing}}


def values_of(answers: Mapping[str, Value | Refusal]) -> dict[str, Value]:
    return {name: each for name, each in answers.items() if not isinstance(each, Refusal)}


def refused(answers: Mapping[str, Value | Refusal]) -> dict[str, str]:
    return {name: str(each) for name, each in answers.items() if isinstance(each, Refusal)}


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 0x0A, 0x0B, 0x55])
@pytest.mark.parametrize("missing", [(10,), (0,), (4,), (2, 7), (0, 5, 10), (3, 4)])
def test_a_register_that_is_not_there_hides_no_neighbour(
    missing: tuple[int, ...], code: int
) -> None:
    async def run() -> None:
        device = ModbusDevice(block(11, missing), code=code)
        async with device.serving():
            line = line_to(device)
            found = await line.read([at(register) for register in range(11)])
            good = {f"p{each}": 100 + each for each in range(11) if each not in missing}
            assert values_of(found) == good
            assert set(refused(found)) == {f"p{each}" for each in missing}
            assert all(
                f"holding register {each}: " in found_why
                for each, found_why in zip(
                    missing, (refused(found)[f"p{each}"] for each in missing), strict=True
                )
            )
            # What was refused is left out, and what is left is read in as few reads as it can be.
            device.reads.clear()
            found = await line.read([at(register) for register in range(11)])
            assert values_of(found) == good
            assert set(refused(found)) == {f"p{each}" for each in missing}
            assert len(device.reads) <= len(missing) + 1
            await line.close()

    asyncio.run(run())


def test_nothing_is_split_where_nothing_is_refused() -> None:
    async def run() -> None:
        device = ModbusDevice(block(11))
        async with device.serving():
            line = line_to(device)
            for _ in range(3):
                found = await line.read([at(register) for register in range(11)])
                assert len(values_of(found)) == 11
            assert device.reads == [(HOLDING, 0, 11)] * 3
            await line.close()

    asyncio.run(run())


def test_what_was_refused_is_asked_again_now_and_then_and_may_appear(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    async def run() -> None:
        asked: list[tuple[int, int]] = []
        there = set(range(10))

        async def request(_table: Table, start: int, count: int) -> list[int]:
            asked.append((start, count))
            if not set(range(start, start + count)) <= there:
                raise Declined("exception 2 (illegal data address)")
            return list(range(start, start + count))

        reader = RegisterReader(request)
        places = [Place(each, "uint16", 0, False) for each in range(11)]
        await reader.read(places)
        retries = 0
        for _ in range(600):
            clock[0] += 1.0
            asked.clear()
            await reader.read(places)
            assert (0, 10) in asked
            retries += (10, 1) in asked
        assert 600 / refusals.LONGEST_PAUSE - 1 <= retries <= 14
        there.add(10)
        clock[0] += refusals.LONGEST_PAUSE
        assert (await reader.read(places))[places[10]] == 10
        asked.clear()
        await reader.read(places)
        assert asked == [(0, 11)]

    asyncio.run(run())


@pytest.mark.parametrize("code", [2, 3, 4, 6, 0x0B])
def test_a_device_that_refuses_everything_is_asked_little_and_back_at_once(code: int) -> None:
    async def run() -> None:
        device = ModbusDevice(block(11))
        async with device.serving():
            line = line_to(device)
            wanted = [at(register) for register in range(11)]
            assert len(values_of(await line.read(wanted))) == 11
            device.always = code
            assert len(refused(await line.read(wanted))) == 11
            device.reads.clear()
            assert len(refused(await line.read(wanted))) == 11
            # It is still asked: else nobody would know whether it is there.
            assert len(device.reads) == 1
            device.always = 0
            assert len(values_of(await line.read(wanted))) == 11
            await line.close()

    asyncio.run(run())


@pytest.mark.parametrize("code", [2, 3, 4, 6])
@pytest.mark.parametrize("most", [1, 4, 16, 30])
def test_a_device_that_refuses_long_reads_is_read_in_shorter_ones(most: int, code: int) -> None:
    async def run() -> None:
        device = ModbusDevice(block(40), most=most, too_long=code)
        async with device.serving():
            line = line_to(device)
            wanted = [at(register) for register in range(40)]
            for _ in range(16):
                device.reads.clear()
                assert len(values_of(await line.read(wanted))) == 40
            assert all(count <= most for _, _, count in device.reads)
            assert sum(count for _, _, count in device.reads) == 40
            assert len(device.reads) <= 2 * 40 / most
            await line.close()

    asyncio.run(run())


def test_registers_that_a_device_gives_only_apart_are_read_apart() -> None:
    async def run() -> None:
        device = ModbusDevice(block(12), borders=frozenset({5}))
        async with device.serving():
            line = line_to(device)
            wanted = [at(register) for register in range(12)]
            for _ in range(2):
                assert len(values_of(await line.read(wanted))) == 12
            device.reads.clear()
            await line.read(wanted)
            assert device.reads == [(HOLDING, 0, 5), (HOLDING, 5, 7)]
            await line.close()

    asyncio.run(run())


def test_a_refusal_by_chance_does_not_part_what_can_be_read_in_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        device = ModbusDevice(block(8))
        async with device.serving():
            line = line_to(device)
            wanted = [at(register) for register in range(8)]
            answer, refusing = device._read, [True]

            def once(function: int, first: int, count: int) -> tuple[int, bytes]:
                if refusing.pop() if refusing else False:
                    return 6, b""
                return answer(function, first, count)

            monkeypatch.setattr(device, "_read", once)
            assert len(values_of(await line.read(wanted))) == 8
            device.reads.clear()
            await line.read(wanted)
            assert device.reads == [(HOLDING, 0, 8)]
            await line.close()

    asyncio.run(run())


def test_a_text_that_is_longer_than_what_a_device_gives_is_read_in_parts() -> None:
    async def run() -> None:
        text = b"a long name of a device, in so many registers".ljust(60, b"\0")
        registers = {
            each: int.from_bytes(text[2 * each : 2 * each + 2], "big") for each in range(30)
        }
        device = ModbusDevice({HOLDING: {**registers, 30: 7}}, most=16)
        async with device.serving():
            line = line_to(device)
            wanted = [at(0, ValueType.STRING, kind="string", limit=30), at(30)]
            for _ in range(3):
                device.reads.clear()
                found = await line.read(wanted)
                assert found == {"p0": text.rstrip(b"\0").decode(), "p30": 7}
            assert len(device.reads) == 3
            await line.close()

    asyncio.run(run())


def test_a_device_that_gives_less_than_it_is_asked_for_is_read_in_shorter_reads() -> None:
    async def run() -> None:
        device = ModbusDevice(block(20), most=8, short=True)
        async with device.serving():
            line = line_to(device)
            found = await line.read([at(register) for register in range(20)])
            assert len(values_of(found)) == 20
            await line.close()

    asyncio.run(run())


def test_all_four_tables_are_read_and_one_that_is_not_served_hides_no_other() -> None:
    async def run() -> None:
        device = ModbusDevice({COILS: {3: 1, 4: 0}, HOLDING: {3: 8, 4: 9}, INPUT: {3: 6}}, code=1)
        async with device.serving():
            line = line_to(device)
            wanted = [
                Property(
                    ModelProperty(f"{table.name}{offset}", ValueType.INT, False),
                    {"register": table.value, "offset": offset, "limit": 1},
                    100,
                    100,
                )
                for table in Table
                for offset in (3, 4)
            ]
            found = await line.read(wanted)
            assert values_of(found) == {
                "COIL3": True,
                "COIL4": False,
                "HOLDING3": 8,
                "HOLDING4": 9,
                "INPUT3": 6,
            }
            assert set(refused(found)) == {"DISCRETE3", "DISCRETE4", "INPUT4"}
            assert all("illegal function" in why for why in refused(found).values())
            await line.close()

    asyncio.run(run())


@slow
@pytest.mark.parametrize("silent", [0, 3, 100])
def test_a_register_that_is_never_answered_hides_no_other_for_long(
    silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("images.mapper.edge_mapper.modbus.ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("images.mapper.edge_mapper.lines.GONE_SECONDS", 0.0)
    monkeypatch.setattr("images.mapper.edge_mapper.refusals.FIRST_PAUSE", 0.05)

    async def run() -> None:
        registers = [*range(8), 100]
        device = ModbusDevice({HOLDING: dict.fromkeys(registers, 7)}, silent=frozenset({silent}))
        async with device.serving():
            line = line_to(device)
            wanted = [at(register) for register in registers]
            good = {f"p{each}" for each in registers if each != silent}

            async def found() -> Mapping[str, Value | Refusal]:
                try:
                    return await line.read(wanted)
                except Gone:
                    return {}

            for _ in range(200):
                answers = await found()
                if set(values_of(answers)) == good:
                    break
                await asyncio.sleep(0.06)
            assert set(values_of(answers)) == good
            assert set(refused(answers)) == {f"p{silent}"}
            # One that answers nothing at all is gone.
            device.silent = frozenset(registers)
            with pytest.raises(Gone):
                await line.read(wanted)
            await line.close()

    asyncio.run(run())


@given(
    st.sets(st.integers(0, 40), min_size=1),
    st.sets(st.integers(0, 40)),
    st.integers(1, 20),
    st.sampled_from([Declined, Unavailable]),
)
@settings(max_examples=examples(60))
def test_whatever_is_there_is_read(
    wanted: set[int], missing: set[int], most: int, kind: type[Declined]
) -> None:
    """But for a device that seems to be busy: it is left alone after some refusals in a row."""

    async def run() -> None:
        asked = 0

        async def request(_table: Table, start: int, count: int) -> list[int]:
            nonlocal asked
            asked += 1
            if count > most or missing & set(range(start, start + count)):
                raise kind("no")
            return list(range(start, start + count))

        reader = RegisterReader(request)
        places = [Place(each, "uint16", 0, False) for each in sorted(wanted)]
        for _ in range(16):
            found = await reader.read(places)
            assert set(found) == set(places)
            for place, answer in found.items():
                if isinstance(answer, Refusal):
                    assert kind is Unavailable or place.register in missing
                else:
                    assert answer == place.register
                    assert place.register not in missing
        asked = 0
        await reader.read(places)
        assert asked <= len(places)

    asyncio.run(run())
