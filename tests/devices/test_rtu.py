"""RTU frames in what a connection brings: found however it is cut, and after what is none."""

from __future__ import annotations

import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from edge_lab.devices import rtu
from tests.devices.messages import crc, portions, rtu_requests
from tests.devices.messages import rtu as frame

GOOD = frame(1, b"\3\0\0\0\2")

others = st.builds(
    lambda unit, function, data: frame(unit, bytes((function,)) + data),
    st.integers(0, 255),
    st.sampled_from([7, 8, 11, 12, 17, 24, 43, 0x41, 0x64]),
    st.just(b""),
) | st.sampled_from(
    [
        frame(1, b"\x2b\x0e\1\0"),
        frame(1, b"\x2b\x0d\1\2\3"),
        frame(1, b"\x08\0\0\1\2\3\4"),
        frame(1, b"\x16\0\x64\0\1\0\2"),
        frame(1, b"\x17\0\0\0\1\0\x64\0\1\2\2\x8f"),
        frame(1, b"\x14\7\6\0\4\0\1\0\2"),
        frame(1, b"\x18\0\0"),
        frame(1, b"\x83\1"),
    ]
)
cuts = st.lists(st.integers(0, 3000), max_size=12)
# A function that needs more than is there is made out by the silence after it, and not before.
requests = rtu_requests | others.filter(rtu.is_of_its_length)


def found(finder: rtu.RequestFinder, stream: list[bytes]) -> list[bytes]:
    return [request for portion in stream for request in finder.feed(portion)]


@given(st.binary(max_size=300))
def test_the_crc_is_that_of_the_specification(data: bytes) -> None:
    assert rtu.crc(data) == struct.pack("<H", crc(data))
    assert rtu.crc_fits(data + rtu.crc(data)) is (len(data) >= 2)


@given(st.lists(requests, max_size=8), cuts)
def test_requests_are_found_however_they_are_cut(sent: list[bytes], ends: list[int]) -> None:
    finder = rtu.RequestFinder()
    assert found(finder, portions(b"".join(sent), ends)) == sent
    assert not finder.waiting


@given(st.binary(max_size=300), st.lists(requests, min_size=1, max_size=4), cuts)
def test_after_anything_and_a_silence_all_requests_are_found(
    before: bytes, sent: list[bytes], ends: list[int]
) -> None:
    finder = rtu.RequestFinder()
    list(finder.feed(before))
    list(finder.expire())
    assert not finder.waiting
    assert found(finder, portions(b"".join(sent), ends)) == sent


@given(st.binary(min_size=1, max_size=40))
def test_after_anything_without_a_silence_the_request_is_found_at_the_next_one(
    before: bytes,
) -> None:
    finder = rtu.RequestFinder()
    seen = [*finder.feed(before), *finder.feed(GOOD), *finder.expire()]
    assume(not _fits_by_chance(before, GOOD))
    assert seen[-1] == GOOD


def _fits_by_chance(before: bytes, request: bytes) -> bool:
    """Whether bytes of both together are a frame by their CRC, as one in 65,536 are."""
    stream, border = before + request, len(before)
    return any(
        rtu.crc_fits(stream[start:end])
        for start in range(border)
        for end in range(max(border + 1, start + rtu.SHORTEST), len(stream) + 1)
    )


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_nothing_is_a_request_whose_crc_does_not_fit(stream: list[bytes]) -> None:
    finder = rtu.RequestFinder()
    for request in [*found(finder, stream), *finder.expire()]:
        assert struct.unpack("<H", request[-2:])[0] == crc(request[:-2])


@given(requests, st.integers(0, 7), st.lists(requests, max_size=3))
def test_a_damaged_request_is_none_and_those_after_it_are(
    damaged: bytes, bit: int, sent: list[bytes]
) -> None:
    assume(damaged[1] in rtu._FIXED_REQUESTS)
    spoiled = damaged[:-1] + bytes((damaged[-1] ^ 1 << bit,))
    finder = rtu.RequestFinder()
    assert [*finder.feed(spoiled + b"".join(sent)), *finder.expire()] == sent


@pytest.mark.parametrize(
    "odd", [b"\3\0\0\0", b"\3\0\0\0\2\0", b"\x0f\0\0\0\1\7\1", b"\x17\0\0\0\1"]
)
def test_a_request_of_a_wrong_length_is_one_by_its_crc_and_the_silence(odd: bytes) -> None:
    finder, asked = rtu.RequestFinder(), frame(1, odd)
    assert [*finder.feed(asked), *finder.expire()] == [asked]
    assert not rtu.is_of_its_length(asked)
    assert rtu.is_of_its_length(GOOD)


def test_a_frame_that_is_too_long_is_none() -> None:
    finder = rtu.RequestFinder()
    assert list(finder.feed(frame(1, b"\x10\0\0\0\x7f\xfe" + bytes(254)))) == []
    assert list(finder.expire()) == []
    assert list(finder.feed(GOOD)) == [GOOD]


@pytest.mark.parametrize(
    "answer",
    [
        frame(1, b"\x2b\x0e\1\x81\0\0\2\0\3abc\1\1x"),
        frame(1, b"\x08\0\0\1\2\3\4"),
        frame(1, b"\x16\0\x64\0\1\0\2"),
        frame(1, b"\xab\1"),
    ],
)
def test_the_length_of_an_answer_is_told_when_enough_has_come(answer: bytes) -> None:
    lengths = [rtu.answer_length(answer[:size]) for size in range(2, len(answer) + 1)]
    assert lengths[-1] == len(answer)
    assert set(lengths) <= {None, len(answer)}
