"""Observations by kind: how a class registers its kind, and how data becomes one again."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from edge_lab.measuring.observation import Observation, UnknownSeen, dumped, loaded
from tests.budget import examples


class DiskSeen(Observation, kind="tests_disk"):
    node: str
    free: int
    mounts: tuple[str, ...] = ()


DATA = {"kind": "tests_disk", "time": 7, "node": "edge-arm", "free": 3, "mounts": ["/", "/var"]}


def test_an_observation_is_read_back_by_its_kind() -> None:
    seen = DiskSeen(time=7, node="edge-arm", free=3, mounts=("/", "/var"))
    assert dumped(seen) == DATA
    assert loaded(DATA) == seen


@pytest.mark.parametrize(
    "change",
    [
        {"free": "much"},
        {"free": None},
        {"colour": "red"},
        {"time": None},
        {"kind": ""},
        {"kind": 7},
    ],
)
def test_data_that_does_not_fit_its_kind_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        loaded({**DATA, **change})


@pytest.mark.parametrize("load", [math.nan, math.inf])
def test_a_number_that_json_does_not_know_is_refused_when_it_is_seen(load: float) -> None:
    class LoadSeen(Observation, kind="tests_load"):
        load: float

    assert LoadSeen(time=1, load=0.5).load == 0.5
    with pytest.raises(ValidationError):
        LoadSeen(time=1, load=load)


def test_an_unknown_kind_is_kept_and_written_back_as_it_was() -> None:
    other = {"kind": "somebody_elses", "time": 7, "depth": [1, {"x": None}]}
    seen = loaded(other)
    assert isinstance(seen, UnknownSeen)
    assert (seen.time, seen.unknown_kind) == (7, "somebody_elses")
    assert dumped(seen) == other
    with pytest.raises(ValueError, match=r"."):
        loaded({"kind": "somebody_elses"})


def test_of_a_kind_there_is_one_class() -> None:
    with pytest.raises(TypeError, match="tests_disk"):

        class Other(Observation, kind="tests_disk"):
            pass

    assert isinstance(loaded(DATA), DiskSeen)


def test_a_module_that_is_imported_anew_registers_its_kind_anew() -> None:
    def made() -> type[Observation]:
        class Again(Observation, kind="tests_again"):
            pass

        return Again

    first, second = made(), made()
    assert type(loaded({"kind": "tests_again", "time": 1})) is second is not first


@pytest.mark.parametrize("kind", ["", "two words", "7"])
def test_a_class_without_a_kind_is_no_observation(kind: str) -> None:
    with pytest.raises(TypeError, match="needs a kind"):

        class Nameless(Observation, kind=kind):
            pass


@pytest.mark.filterwarnings("ignore:Field name")
def test_no_field_is_called_kind() -> None:
    with pytest.raises(TypeError, match="kind"):

        class Odd(Observation, kind="tests_odd"):
            kind: str  # type: ignore[misc]


@settings(max_examples=examples(60))
@given(
    st.dictionaries(
        st.sampled_from(["kind", "time", "node", "free", "x"]),
        st.one_of(
            st.none(), st.integers(), st.text(max_size=5), st.just("tests_disk"), st.just("unknown")
        ),
    )
)
def test_whatever_is_loaded_is_written_back_or_refused(data: dict[str, Any]) -> None:
    try:
        seen = loaded(data)
    except ValueError:
        return
    assert loaded(json.loads(json.dumps(dumped(seen)))) == seen


def test_watchers_and_observations_are_imported_without_a_stack() -> None:
    code = (
        "import sys, edge_lab.measuring.watcher, edge_lab.measuring.measures; "
        "print([name for name in sys.modules if name.startswith('edge_lab.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded_modules = done.stdout.split("'")[1::2]
    assert "edge_lab.measuring.observation" in loaded_modules
    assert {name.split(".")[1] for name in loaded_modules} == {"measuring"}
