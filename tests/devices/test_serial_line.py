"""A serial line between a pseudo-terminal and a device that is a few lines of Python."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
import tty
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.devices import rtu
from edge_lab.devices.serial.faults import LineState, LineStates
from edge_lab.devices.serial.line import GONE, SerialLine
from edge_lab.topology import Parity, SerialOptions

REQUEST = rtu.with_crc(bytes((1, 3, 0, 0, 0, 1)))
ANSWER = rtu.with_crc(bytes((1, 3, 2, 0, 42)))
BAD = REQUEST[:-1] + bytes([REQUEST[-1] ^ 1])
QUIET = 0.3


class Bench:
    """The line, its port, and what the device behind it was asked."""

    def __init__(self, line: SerialLine, port: int, asked: list[bytes]) -> None:
        self.line = line
        self.port = port
        self.asked = asked

    def say(self, data: bytes) -> None:
        os.write(self.port, data)

    async def hear(self, length: int, seconds: float = 20) -> bytes:
        """That many characters, or what has come when the time is over."""
        heard = b""
        end = time.monotonic() + seconds
        while len(heard) < length and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                heard += os.read(self.port, length - len(heard))
            await asyncio.sleep(0.005)
        return heard

    async def seen(self, done: Callable[[], bool]) -> bool:
        end = time.monotonic() + 20
        while not done() and time.monotonic() < end:
            await asyncio.sleep(0.005)
        return done()


@contextlib.asynccontextmanager
async def bench(folder: Path, options: SerialOptions | None = None) -> AsyncIterator[Bench]:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while request := await reader.read(1000):
                asked.append(request)
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    line = SerialLine(options or SerialOptions(), folder, (address[0], address[1]))
    line.start()
    port = os.open(folder / "tty", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port)
    try:
        yield Bench(line, port, asked)
    finally:
        os.close(port)
        await line.stop()
        server.close()


def run(folder: Path, work: Callable[[Bench], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with bench(folder) as found:
            await work(found)

    asyncio.run(whole())


def test_a_request_is_answered(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        bench.say(REQUEST)
        assert await bench.hear(len(ANSWER)) == ANSWER
        assert bench.asked == [REQUEST]
        status = bench.line.status
        assert (status.frames, status.discarded) == (1, 0)
        assert (status.rx.characters, status.tx.characters) == (len(REQUEST), len(ANSWER))

    run(tmp_path, work)


@pytest.mark.slow(reason="at the pace of a serial line")
def test_an_answer_takes_its_time_on_the_line(tmp_path: Path) -> None:
    async def whole() -> None:
        async with bench(tmp_path, SerialOptions(baud=300)) as found:
            began = time.monotonic()
            found.say(REQUEST)
            await found.hear(len(ANSWER))
            assert time.monotonic() - began >= (len(REQUEST) + 3.5 + len(ANSWER)) * 11 / 300

    asyncio.run(whole())


def test_a_silence_within_a_frame_ends_it(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        bench.say(REQUEST[:4])
        assert await bench.seen(lambda: bench.line.status.discarded == 1)
        bench.say(REQUEST[4:])
        assert await bench.seen(lambda: bench.line.status.discarded == 2)
        bench.say(REQUEST)
        assert await bench.hear(len(ANSWER)) == ANSWER
        assert bench.asked == [REQUEST]

    run(tmp_path, work)


def test_what_is_no_frame_gets_no_answer_and_the_next_one_does(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        for number, wrong in enumerate((BAD, b"\0", bytes(300), REQUEST + b"\1"), start=1):
            bench.say(wrong)
            found = await bench.seen(lambda: bench.line.status.discarded == number)  # noqa: B023
            assert found, (number, bench.line.status)
        assert await bench.hear(1, QUIET) == b""
        bench.say(REQUEST)
        assert await bench.hear(len(ANSWER)) == ANSWER

    run(tmp_path, work)


@pytest.mark.slow(reason="at the pace of a serial line")
@pytest.mark.parametrize(
    "state",
    [
        LineState(noise=1),
        LineState(loss=1),
        LineState(wrong_parity=1),
        LineState(is_broken=True),
    ],
    ids=str,
)
def test_a_line_that_receives_wrongly_reaches_no_device(tmp_path: Path, state: LineState) -> None:
    async def work(bench: Bench) -> None:
        bench.line.set(LineStates(rx=state))
        bench.say(REQUEST)
        assert await bench.seen(lambda: bench.line.status.rx.affected == len(REQUEST))
        assert await bench.hear(1, QUIET) == b""
        assert not (await bench.line.ask(QUIET)).answered
        assert not bench.asked
        bench.line.set(LineStates())
        assert (await bench.line.ask(20)).answered
        bench.say(REQUEST)
        assert await bench.hear(len(ANSWER)) == ANSWER

    run(tmp_path, work)


@pytest.mark.slow(reason="at the pace of a serial line")
def test_what_is_sent_over_a_bad_line_arrives_so(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        for state, expected in (
            (LineState(wrong_parity=1), bytes(len(ANSWER))),
            (LineState(is_broken=True), b"\0"),
            (LineState(loss=1), b""),
        ):
            bench.line.set(LineStates(tx=state))
            bench.say(REQUEST)
            assert await bench.hear(len(expected)) == expected
            assert await bench.hear(1, QUIET) == b""
            assert not (await bench.line.ask(QUIET)).answered
            bench.line.set(LineStates())

    run(tmp_path, work)


def test_a_read_of_the_line_itself_does_not_leave_the_port(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        answer = await bench.line.ask(20)
        assert (answer.answered, answer.detail) == (True, ANSWER.hex())
        assert await bench.hear(1, QUIET) == b""

    run(tmp_path, work)


def test_who_speaks_during_such_a_read_is_answered_after_it(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        bench.line.set(LineStates(tx=LineState(loss=1)))
        asking = asyncio.create_task(bench.line.ask(QUIET))
        await bench.seen(lambda: bool(bench.asked))
        bench.say(REQUEST)
        bench.line.set(LineStates())
        await asking
        assert await bench.hear(len(ANSWER)) == ANSWER

    run(tmp_path, work)


def test_without_a_device_nobody_answers(tmp_path: Path) -> None:
    async def whole() -> None:
        line = SerialLine(SerialOptions(), tmp_path, ("127.0.0.1", 9))
        line.start()
        assert not (await line.ask(QUIET)).answered
        await line.stop()

    asyncio.run(whole())
    assert not (tmp_path / "tty").exists()


def test_a_port_of_the_host_is_opened_by_pyserial(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(ANSWER)

    async def whole() -> bytes:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        options = SerialOptions(port=os.ttyname(theirs), parity=Parity.NONE)
        line = SerialLine(options, tmp_path, (address[0], address[1]))
        line.start()
        os.write(ours, REQUEST)
        loop = asyncio.get_running_loop()
        heard = await loop.run_in_executor(None, os.read, ours, 100)
        await line.stop()
        server.close()
        return heard

    assert ANSWER.startswith(asyncio.run(whole())[:7])
    os.close(ours)
    os.close(theirs)


def test_a_port_that_is_not_there_is_an_error_of_the_lab(tmp_path: Path) -> None:
    pytest.importorskip("serial")
    with pytest.raises(LabError) as caught:
        SerialLine(SerialOptions(port="/dev/no-such-port"), tmp_path, ("127.0.0.1", 9))
    assert "dialout" in caught.value.remedy


def test_a_port_of_the_host_that_is_unplugged_is_told_once_and_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("serial")
    ours, theirs = os.openpty()
    options = SerialOptions(port=os.ttyname(theirs), parity=Parity.NONE)
    reads = 0

    async def whole() -> None:
        nonlocal reads
        line = SerialLine(options, tmp_path, ("127.0.0.1", 9))
        line.start()
        genuine = line._read

        def counting() -> bytes:
            nonlocal reads
            reads += 1
            return genuine()

        line._read = counting  # type: ignore[method-assign]
        os.close(theirs)
        assert (await line.ask(0.05)).detail == "no answer"
        os.close(ours)
        await asyncio.sleep(0.1)
        for _ in range(2):
            answer = await line.ask(20)
            assert (answer.answered, answer.detail) == (False, GONE)
        await asyncio.sleep(0.1)
        with contextlib.suppress(LabError):
            line.set(LineStates(tx=LineState(is_broken=True)))
        line.set(LineStates())
        await line.stop()

    asyncio.run(whole())
    assert sum(GONE in record.message for record in caplog.records) == 1
    assert reads < 5


def test_a_break_that_nobody_reads_is_lost(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(bench.line._port.fileno(), bytes(4096))
        bench.line.set(LineStates(tx=LineState(is_broken=True)))
        assert bench.line.status.states.tx.is_broken

    run(tmp_path, work)
