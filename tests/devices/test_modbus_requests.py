"""What a Modbus device makes of requests, byte by byte: many at once, odd ones and wrong ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from edge_lab.devices import TruthWrite
from edge_lab.topology import Protocol
from tests.devices.messages import rtu
from tests.devices.modbus_frames import (
    NOT_SERVED,
    REFUSED,
    Frame,
    frames,
    read,
    read_and_write,
    write,
    write_more,
)
from tests.devices.plant_site import Site, boiler_spec, require_namespaces, start_site
from tests.devices.raw_peer import Line, RawPeer, raw_peer

pytestmark = pytest.mark.slow(reason="a device as a process, asked on a wire of its own")

READ = read()
over_tcp = pytest.mark.parametrize("site", [Protocol.MODBUS], indirect=True)
with_rtu = pytest.mark.parametrize("site", [Protocol.MODBUS_RTU], indirect=True)


@pytest.fixture(scope="module", params=[Protocol.MODBUS, Protocol.MODBUS_RTU])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    require_namespaces()
    site = start_site(boiler_spec(tmp_path_factory.mktemp("d"), protocol=request.param))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def peer(site: Site) -> Iterator[RawPeer]:
    with raw_peer(site) as peer:
        yield peer


@pytest.fixture
def line(peer: RawPeer) -> Iterator[Line]:
    with peer.line() as line:
        yield line


@pytest.fixture
def is_rtu(site: Site) -> bool:
    return site.spec.protocol == Protocol.MODBUS_RTU


@pytest.fixture
def frame(is_rtu: bool) -> Callable[[bytes], bytes]:
    return lambda data: rtu(1, data) if is_rtu else Frame(7, data).bytes


@pytest.fixture
def ask(line: Line, frame: Callable[[bytes], bytes], is_rtu: bool) -> Callable[[bytes], bytes]:
    """Says a request (function and data); returns its answer, which comes once."""

    def asked(data: bytes) -> bytes:
        answer = line.ask(frame(data))
        assert answer == frame(answer[1:-2] if is_rtu else answer[7:])
        return answer[1:-2] if is_rtu else answer[7:]

    return asked


def writes(site: Site) -> list[tuple[str, float]]:
    return [
        (record.address, record.value)
        for record in site.client.truth()
        if isinstance(record, TruthWrite)
    ]


# -- many at once ------------------------------------------------------------------------


def answers(line: Line, number: int) -> list[Frame]:
    found: list[Frame] = []
    while len(found) < number and (heard := line.hear(quiet=0.2, patience=3.0)).bytes:
        found += frames(heard.bytes)
    return found


@over_tcp
@pytest.mark.parametrize("number", [2, 3, 16, 40, 120])
def test_requests_in_one_segment_are_each_answered_once_in_order(line: Line, number: int) -> None:
    line.say(b"".join(Frame(100 + place, READ).bytes for place in range(number)))
    found = answers(line, number)
    assert [answer.transaction for answer in found] == [100 + place for place in range(number)]
    assert {answer.data[:2] for answer in found} == {b"\3\4"}
    assert line.is_silent()


@over_tcp
def test_requests_that_follow_closely_are_each_answered_once(line: Line) -> None:
    for place in range(40):
        line.say(Frame(place, READ).bytes)
        time.sleep(0.0002)
    assert [answer.transaction for answer in answers(line, 40)] == list(range(40))
    assert line.is_silent()


@over_tcp
def test_more_than_can_wait_are_answered_too_with_busy_at_most(line: Line) -> None:
    line.say(b"".join(Frame(place, READ).bytes for place in range(2000)))
    found = answers(line, 2000)
    assert [answer.transaction for answer in found] == list(range(2000))
    assert {answer.data[:2] for answer in found} <= {b"\3\4", b"\x83\6"}


@with_rtu
def test_rtu_requests_in_one_segment_are_each_answered_in_order(line: Line) -> None:
    asked = [rtu(1, read(100, 1)), rtu(1, read(0, 2)), rtu(1, read(0, 4, 1)), rtu(1, b"\x63\1")]
    line.say(b"".join(asked))
    sizes = [7, 9, 6, 5]
    heard = line.hear().bytes
    assert len(heard) == sum(sizes)
    found = [heard[sum(sizes[:place]) :][:size] for place, size in enumerate(sizes)]
    assert found == [rtu(1, frame[1:-2]) for frame in found]
    assert [frame[1] for frame in found] == [3, 3, 1, 0xE3]


def test_writes_in_one_segment_are_all_done(
    site: Site, line: Line, frame: Callable[[bytes], bytes]
) -> None:
    before, values = len(writes(site)), [601, 602, 603, 604, 605]
    line.say(b"".join(frame(write(value)) for value in values))
    assert line.hear().bytes == b"".join(frame(write(value)) for value in values)
    assert writes(site)[before:] == [("100", value) for value in values]


# -- units -------------------------------------------------------------------------------

EACH = {
    1: read(0, 4, 1),
    2: read(0, 4, 2),
    3: READ,
    4: read(0, 2, 4),
    5: write(0xFF00, 2, 5),
    6: write(650),
    8: b"\x08\0\0\xa5\x37",
    15: b"\x0f\0\3\0\2\1\3",
    16: write_more(100, 650),
    22: b"\x16\0\x64\xff\xff\0\0",
    23: read_and_write(0, 2, 100, 650),
    43: b"\x2b\x0e\1\0",
    99: b"\x63",
}


@over_tcp
@pytest.mark.parametrize("function", EACH)
def test_units_0_and_255_are_the_device_and_others_are_not_there(line: Line, function: int) -> None:
    asked = EACH[function]
    (own,) = frames(line.ask(Frame(1, asked).bytes))
    for unit in (0, 255):
        (answer,) = frames(line.ask(Frame(2, asked, unit).bytes))
        assert (answer.transaction, answer.unit, answer.data[0]) == (2, unit, own.data[0])
    for unit in (2, 7, 247, 254):
        refused = Frame(3, bytes((function | 0x80, 11)), unit)
        assert frames(line.ask(Frame(3, asked, unit).bytes)) == [refused]


def test_what_is_for_another_unit_writes_nothing(site: Site, line: Line, is_rtu: bool) -> None:
    before = writes(site)
    if is_rtu:
        line.say(rtu(7, write(655)) + rtu(255, write(655)))
        assert line.is_silent()
    else:
        assert line.ask(Frame(1, write(655), 7).bytes)
    assert writes(site) == before


# -- writes, whole or not at all ---------------------------------------------------------


@pytest.mark.parametrize("value", [0x1234, 0x0001, 0x00FF, 0xFF01, 0xFFFF])
def test_a_coil_is_on_or_off_and_nothing_else(
    site: Site, ask: Callable[[bytes], bytes], value: int
) -> None:
    ask(write(0x0000, 5, 5))
    before = writes(site)
    assert ask(write(value, 5, 5)) == b"\x85\3"
    assert writes(site) == before
    assert ask(read(5, 1, 1)) == b"\1\1\0"
    assert ask(write(0xFF00, 5, 5)) == write(0xFF00, 5, 5)
    assert ask(read(5, 1, 1)) == b"\1\1\1"
    assert writes(site) == [*before, ("coil 5", 1)]


@pytest.mark.parametrize("case", REFUSED)
def test_a_write_that_cannot_be_done_whole_changes_nothing(
    site: Site, ask: Callable[[bytes], bytes], case: str
) -> None:
    asked, code = REFUSED[case]
    ask(write(600))
    before, coils = writes(site), ask(read(0, 16, 1))
    assert ask(asked) == bytes((asked[0] | 0x80, code))
    assert writes(site) == before
    assert (ask(read(100, 1)), ask(read(0, 16, 1))) == (b"\3\2\2\x58", coils)


def test_a_mask_is_applied_and_the_truth_has_what_came_of_it(
    site: Site, ask: Callable[[bytes], bytes]
) -> None:
    ask(write(0x0258))
    assert ask(b"\x16\0\x64\xff\xf0\0\x05") == b"\x16\0\x64\xff\xf0\0\x05"
    assert ask(read(100, 1)) == b"\3\2\2\x55"
    assert writes(site)[-1] == ("100", 0x0255)


def test_write_and_read_in_one_request_reads_what_it_has_written(
    site: Site, ask: Callable[[bytes], bytes]
) -> None:
    assert ask(read_and_write(100, 1, 100, 651)) == b"\x17\2\2\x8b"
    assert writes(site)[-1] == ("100", 651)


# -- what is not served ------------------------------------------------------------------


@pytest.mark.parametrize("asked", NOT_SERVED, ids=lambda asked: asked.hex())
def test_a_function_that_is_not_served_is_refused_and_the_next_one_is_not(
    site: Site, ask: Callable[[bytes], bytes], asked: bytes
) -> None:
    before = writes(site)
    for _ in range(2):
        assert ask(asked) == bytes((asked[0] | 0x80, 1))
        assert ask(READ)[:2] == b"\3\4"
    assert writes(site) == before


def test_the_query_comes_back(ask: Callable[[bytes], bytes]) -> None:
    for asked in (b"\x08\0\0\xa5\x37", b"\x08\0\0\1\2\3\4"):
        assert ask(asked) == asked


# -- who it is ---------------------------------------------------------------------------


def objects(answer: bytes, access: int) -> dict[int, bytes]:
    assert answer[:6] == bytes((43, 14, access, 0x81, 0, 0))
    found, rest = {}, answer[7:]
    while rest:
        found[rest[0]], rest = rest[2 : 2 + rest[1]], rest[2 + rest[1] :]
    assert len(found) == answer[6]
    return found


def test_a_device_says_what_it_is(ask: Callable[[bytes], bytes]) -> None:
    basic = objects(ask(b"\x2b\x0e\1\0"), 1)
    assert list(basic) == [0, 1, 2]
    assert basic[1] == b"boiler"
    assert all(text.decode("ascii") for text in basic.values())
    for access in (2, 3):
        assert objects(ask(bytes((43, 14, access, 0))), access) == basic
    assert list(objects(ask(b"\x2b\x0e\1\2"), 1)) == [2]
    assert objects(ask(b"\x2b\x0e\1\x50"), 1) == basic
    for number in basic:
        assert objects(ask(bytes((43, 14, 4, number))), 4) == {number: basic[number]}


@pytest.mark.parametrize(
    ("asked", "code"), [(b"\x2b\x0e\4\3", 2), (b"\x2b\x0e\4\xff", 2), (b"\x2b\x0e\0\0", 3)]
)
def test_what_cannot_be_said_of_a_device_is_refused(
    ask: Callable[[bytes], bytes], asked: bytes, code: int
) -> None:
    assert ask(asked) == bytes((0xAB, code))
    assert ask(READ)[:2] == b"\3\4"


# -- what is no request ------------------------------------------------------------------

HEADERS = {
    "another protocol": b"\0\1\0\1\0\6\1\3\0\0\0\2",
    "no length": b"\0\1\0\0\0\0\1\3\0\0\0\2",
    "no function": b"\0\1\0\0\0\1\1\3\0\0\0\2",
    "too long": b"\0\1\0\0\0\xff\1\3\0\0\0\2",
    "much too long": b"\0\1\0\0\xff\xff\1\3\0\0\0\2",
    "HTTP": b"GET / HTTP/1.0\r\n\r\n",
    "longer than what comes": b"\0\1\0\0\0\x20\1\3\0\0\0\2",
    "half a header": b"\0\1\0",
}


@over_tcp
@pytest.mark.parametrize("case", HEADERS)
def test_a_connection_is_closed_where_no_request_can_begin_any_more(
    peer: RawPeer, case: str
) -> None:
    with peer.line() as line:
        line.say(Frame(9, READ).bytes + HEADERS[case])
        heard = line.hear(quiet=4.0)
        assert heard.ended
        assert [answer.transaction for answer in frames(heard.bytes)] == [9]
    with peer.line() as line:
        assert frames(line.ask(Frame(1, READ).bytes))[0].data[:2] == b"\3\4"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\3", 3),
        (b"\3\0\0\0", 3),
        (b"\3\0\0\0\2\0", 3),
        (b"\3\0\0\0\0", 3),
        (b"\3\0\0\0\x7e", 3),
        (b"\1\0\0\x07\xd1", 3),
        (b"\3\xff\xff\0\2", 2),
        (b"\6\0\x64\2", 3),
        (b"\5\0", 3),
        (b"\x0f\0\0", 3),
        (b"\x16\0\x64\0\0", 3),
        (b"\x08\0", 3),
        (b"\x2b\x0e", 3),
        (b"\7\0\1", 1),
        (b"\x18\0\0\0\0", 1),
    ],
    ids=lambda given: given.hex() if isinstance(given, bytes) else "",
)
def test_a_request_that_does_not_fit_is_refused(
    ask: Callable[[bytes], bytes], data: bytes, code: int
) -> None:
    assert ask(data) == bytes((data[0] | 0x80, code))
    assert ask(READ)[:2] == b"\3\4"


def say(line: Line, *portions: bytes, pause: float = 0.0) -> None:
    for portion in portions:
        line.say(portion)
        time.sleep(pause)


GOOD = rtu(1, READ)
TRIES = 4
JUNK: dict[str, Sequence[bytes]] = {
    "no frame": [b"\0\0\2\xc4\x0b"],
    "one byte": [b"\x01"],
    "the beginning of a frame": [GOOD[:5]],
    "of a long frame": [b"\1\x10\0\0\0\x7b\xf6\1"],
    "a long line of it": [b"\xff" * 300],
    "a frame that is damaged": [GOOD[:-1] + bytes((GOOD[-1] ^ 1,))],
    "another function": [b"\1\x41\2\3\4\5\6\7\x08"],
    "in parts": [b"\0\0", b"\2\xc4", b"\x0b"],
}


@with_rtu
@pytest.mark.parametrize("pause", [0.005, 0.3])
@pytest.mark.parametrize("case", JUNK)
def test_after_junk_and_a_silence_the_next_rtu_request_is_answered(
    line: Line, case: str, pause: float
) -> None:
    for _ in range(2):
        # On a busy host both may arrive at once, so that there was no silence: tried again then.
        for _ in range(TRIES):
            say(line, *JUNK[case], pause=pause)
            line.say(GOOD)
            if heard := line.hear(quiet=0.1).bytes:
                break
        assert heard[:3] == b"\1\3\4"
        assert heard == rtu(1, heard[1:-2])


def test_nothing_of_all_this_was_an_error_of_the_device(site: Site) -> None:
    assert "Traceback" not in site.log.read_text()
    assert "ERROR" not in site.log.read_text()
