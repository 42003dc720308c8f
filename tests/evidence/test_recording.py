"""Recordings in files: what is read back, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import InputError
from edge_lab.evidence.recording import FORMAT, Recording
from edge_lab.measuring.observation import Observation
from edge_lab.oracles.autonomy import judge_autonomy
from tests.budget import examples
from tests.oracles.recordings import NODE, at, cut_and_healed
from tests.oracles.strategies import recordings


class PressureSeen(Observation, kind="tests_pressure"):
    node: str
    bar: float


CUT = cut_and_healed()
WATCHED = CUT.model_copy(update={"observed": (PressureSeen(time=at(70), node=NODE, bar=1.5),)})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "cut.json"


def change(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@settings(max_examples=examples(20))
@given(recordings())
def test_a_recording_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, recording: Recording
) -> None:
    file = tmp_path_factory.mktemp("recordings") / "it.json"
    recording.write(file)
    assert Recording.read(file).model_dump_json() == recording.model_dump_json()


def test_what_watchers_saw_is_read_back_by_type(file: Path) -> None:
    WATCHED.write(file)
    read = Recording.read(file)
    assert read.seen(PressureSeen) == WATCHED.observed
    assert CUT.seen(PressureSeen) == ()


def test_what_is_of_an_unknown_kind_is_kept_and_the_rest_is_judged(file: Path) -> None:
    CUT.write(file)
    alien = {"kind": "no_such_kind", "time": at(3), "level": {"deep": [1]}}
    change(file, observed=[alien])
    read = Recording.read(file)
    assert judge_autonomy(read, NODE).figures == judge_autonomy(CUT, NODE).figures
    read.write(file)
    assert json.loads(file.read_text())["observed"] == [alien]


@pytest.mark.parametrize("found", [None, 1, FORMAT + 1, str(FORMAT)])
def test_a_recording_of_another_format_is_refused_with_what_to_do(file: Path, found: Any) -> None:
    WATCHED.write(file)
    said = json.loads(file.read_text())
    assert said.pop("format") == FORMAT
    file.write_text(json.dumps(said if found is None else {**said, "format": found}))
    with pytest.raises(InputError, match="format") as refused:
        Recording.read(file)
    assert refused.value.file == str(file)
    assert refused.value.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {"ended": "late"},
        {"colour": "red"},
        {"node_seen": [{"time": 1}]},
        {"observed": [{"kind": "tests_pressure", "time": 1, "node": NODE, "bar": "high"}]},
        {"observed": [{"time": 1}]},
        {"observed": 7},
    ],
)
def test_what_is_wrong_in_a_recording_is_named(file: Path, changes: dict[str, Any]) -> None:
    CUT.write(file)
    change(file, **changes)
    (place,) = changes
    with pytest.raises(InputError, match=f"not a recording: {place}") as refused:
        Recording.read(file)
    assert refused.value.file == str(file)


@settings(max_examples=examples(60))
@given(st.one_of(st.binary(max_size=40), st.sampled_from([b"[]", b"{}", b"7", b"[" * 100_000])))
def test_whatever_is_in_a_file_is_no_traceback(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("recordings") / "it.json"
    file.write_bytes(content)
    with pytest.raises(InputError):
        Recording.read(file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(InputError) as refused:
        Recording.read(file)
    assert refused.value.file == str(file)
