"""Captures that come in pieces of any length."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.fabric import Direction, pcapng
from edge_lab.fabric.output import Files, Limits
from edge_lab.fabric.pcapng import Statistics
from edge_lab.fabric.recorder import Ended, Over, Recorder

from .captured import frames_of

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pcapng")


@given(
    lengths=st.lists(st.integers(14, 300), max_size=30),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=30),
    max_bytes=st.integers(1, 3_000),
    files=st.integers(1, 40),
)
def test_however_it_comes_the_files_hold_the_newest_frames(
    lengths: list[int],
    cuts: list[int],
    max_bytes: int,
    files: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    sent = [bytes([number]) * length for number, length in enumerate(lengths)]
    data = pcapng.header("l0") + b"".join(
        pcapng.packets(Direction.TX, 1, [memoryview(each)]) for each in sent
    )
    data += pcapng.statistics(2, Statistics(len(sent), 0))
    where = tmp_path_factory.mktemp("capture") / "wire.pcapng"
    kept = Files(str(where), Limits(max_bytes, files))
    recorder = Recorder(kept, wake=-1)
    ended = None
    at = number = 0
    while at < len(data) and ended is None:
        step = cuts[number % len(cuts)]
        try:
            recorder.take(data[at : at + step])
        except Over as over:
            ended = over.ended
        at, number = at + step, number + 1
    kept.output.close()
    found = [frame for file in kept.kept for frame in frames_of(file.path)]
    assert recorder.frames - kept.removed_frames == len(found)
    if files == 1:
        assert found == sent[: len(found)]
        assert (ended is Ended.FULL) == (len(found) < len(sent))
    else:
        assert ended is None
        assert found == sent[len(sent) - len(found) :]
        assert recorder.statistics == Statistics(len(sent), 0)
        assert len(kept.kept) <= files
        assert sorted(where.parent.iterdir()) == [file.path for file in kept.kept]
    for file in kept.kept:
        size = file.path.stat().st_size
        assert file.frames == len(frames_of(file.path))
        assert size <= max_bytes or file.frames <= 1 or file is kept.kept[-1]


def test_after_a_stall_the_statistics_are_found_all_the_same() -> None:
    reader, writer = os.pipe()
    woken, wake = os.pipe()
    os.close(wake)  # there is no time left
    data = pcapng.header("l0") + b"".join(
        pcapng.packets(Direction.TX, 1, [memoryview(bytes(1_500))]) for _ in range(100)
    )
    data += pcapng.statistics(2, Statistics(100, 0))
    with open(reader, "rb"), open(writer, "wb"), open(woken, "rb"):  # noqa: PTH123 - descriptors
        files = Files(f"/proc/self/fd/{writer}", Limits())
        recorder = Recorder(files, woken)
        with pytest.raises(Over) as over:
            recorder.take(data[:-1_000])
        assert over.value.ended is Ended.STALLED
        recorder.skim(data[-1_000:])
        files.output.close()
    assert recorder.statistics == Statistics(100, 0)
    assert 0 < recorder.frames < 100


@pytest.mark.parametrize("folder", [Path("/dev/null")])
def test_a_device_is_no_file_that_is_kept(folder: Path) -> None:
    files = Files(str(folder), Limits())
    files.output.close()
    assert not files.kept
