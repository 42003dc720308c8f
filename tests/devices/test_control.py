"""The control socket of a device: each request has one answer, and the next one works."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.control import SOCKET, ControlServer
from tests.budget import examples

GOOD = b'{"op": "resume"}\n'


async def resume(request: Mapping[str, Any]) -> None:
    float(request.get("within", "inf"))


async def exchange(folder: Path, *lines: bytes) -> list[dict[str, Any]]:
    """The answers to the lines, on one connection each."""
    server = ControlServer(folder, {"resume": resume})
    await server.start()
    answers = []
    try:
        for line in lines:
            reader, writer = await asyncio.open_unix_connection(folder / SOCKET, limit=1 << 20)
            writer.write(line)
            writer.write_eof()
            answers.append(json.loads(await asyncio.wait_for(reader.readline(), 20)))
            writer.close()
    finally:
        await server.stop()
    return answers


def answers_of(*lines: bytes) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(exchange(Path(folder), *lines))


@settings(max_examples=examples(40))
@given(
    request=st.binary(min_size=1, max_size=100).filter(lambda data: b"\n" not in data)
    | st.dictionaries(st.sampled_from(["op", "within", "x"]), st.none() | st.text()).map(
        lambda tree: json.dumps(tree).encode()
    )
)
def test_any_request_is_answered_and_so_is_the_next(request: bytes) -> None:
    first, second = answers_of(request + b"\n", GOOD)
    assert set(first) <= {"ok", "error", "result"}
    assert second["ok"]


@pytest.mark.parametrize(
    "request_",
    [
        b"[" * 50_000,
        b"x" * 200_000,
        b'{"op": []}',
        b"[]",
        b"\xff",
        b'{"op": "resume", "within": null}',
        b'{"op": "resume", "within": "soon"}',
    ],
    ids=["deep", "long", "a list for a name", "a list", "no text", "no number", "a word"],
)
def test_a_bad_request_is_refused_and_the_next_one_answered(request_: bytes) -> None:
    first, second = answers_of(request_ + b"\n", GOOD)
    assert not first["ok"]
    assert first["error"]
    assert second["ok"]
