"""The ground truth: written whole, read whole, and never more than was written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.devices.truth import (
    FILE,
    TruthAlarm,
    TruthLog,
    TruthRecord,
    TruthSignals,
    TruthStep,
    TruthTick,
    TruthWrite,
    now,
    parse_truth,
    read_past,
    read_truth,
)

numbers = st.integers(-(2**31), 2**31) | st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=5)
times = st.integers(0, 2**63)
floats = st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
records: st.SearchStrategy[TruthRecord] = st.builds(
    TruthStep,
    st.integers(1, 2**32),
    st.integers(0, 2**63),
    st.dictionaries(names, numbers, max_size=3),
    st.dictionaries(names, st.floats(allow_nan=False), max_size=3),
    st.integers(0, 2**16),
)
records |= st.builds(TruthWrite, st.integers(1, 2**32), times, names, numbers)
records |= st.builds(TruthSignals, st.integers(1, 2**32), times, floats, floats)
records |= st.builds(TruthAlarm, st.integers(1, 2**32), times, names, names, numbers)
records |= st.builds(TruthTick, names, st.integers(1, 2**32), times)

STEP = TruthStep(1, 1000, {"force": 12.5}, {"force": 12.4999}, 2500)


def written(folder: Path, *lines: TruthRecord) -> None:
    log = TruthLog(folder)
    log.describe({"device": "press"})
    for line in lines:
        log.add(line)
    log.close()


@given(st.lists(records, max_size=10))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, lines: list[TruthRecord]
) -> None:
    folder = tmp_path_factory.mktemp("truth")
    written(folder, *lines)
    assert list(read_truth(folder)) == lines


@given(st.text() | st.dictionaries(names, numbers).map(str))
def test_nonsense_is_a_value_error_and_nothing_else(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_truth(text)


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    written(tmp_path, STEP)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"kind":"step","se')
    assert list(read_truth(tmp_path)) == [STEP]


def test_a_torn_line_is_dropped_before_more_is_written(tmp_path: Path) -> None:
    written(tmp_path, STEP)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"kind":"step","se')
    second = TruthStep(2, 2000, {}, {}, 1)
    written(tmp_path, second)
    assert list(read_truth(tmp_path)) == [STEP, second]


def test_a_damaged_line_is_a_lab_error_with_its_number(tmp_path: Path) -> None:
    written(tmp_path, STEP)
    with (tmp_path / FILE).open("a") as file:
        file.write("damage\n")
    with pytest.raises(LabError, match=r"truth\.jsonl:3"):
        list(read_truth(tmp_path))


def test_a_missing_log_is_a_lab_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot read the ground truth"):
        list(read_truth(tmp_path))


def test_the_last_step_is_found_behind_writes(tmp_path: Path) -> None:
    assert read_past(tmp_path).step is None
    written(tmp_path, STEP, TruthWrite(1, 1500, "100", 650))
    assert read_past(tmp_path).step == STEP


def test_the_past_is_the_last_steps_writes_and_ticks(tmp_path: Path) -> None:
    steps = [TruthStep(seq, seq * 1000, {}, {}, seq) for seq in range(1, 6)]
    written(
        tmp_path,
        *steps,
        TruthWrite(1, 1500, "coil 3", 1),
        TruthWrite(2, 2500, "coil 3", 0),
        TruthTick("fast", 7, 900),
        TruthTick("slow", 1, 950),
        TruthTick("fast", 8, 1000),
    )
    past = read_past(tmp_path, 2)
    assert past.steps == tuple(steps[-2:])
    assert past.step == steps[-1]
    assert past.written == {"coil 3": 0}
    assert past.ticks == {"fast": 8, "slow": 1}


def test_time_is_whole_microseconds() -> None:
    assert now() % 1000 == 0
