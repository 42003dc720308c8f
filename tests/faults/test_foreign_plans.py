"""Whatever a plan file holds, it is a plan or the reader's mistake."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from edge_lab.core.errors import InputError
from edge_lab.faults.plan import parse_plan
from tests.budget import examples
from tests.faults.plans import GOOD, TOPOLOGY

WHOLE: dict[str, Any] = YAML(typ="safe", pure=True).load(GOOD)
WORDS = [
    "cut",
    "flap",
    "at_random",
    "arm-cloud",
    "edge-arm",
    "boiler",
    "10s",
    "-1s",
    "1e400",
    "",
    "x",
]
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*WHOLE, *WORDS, "fault", "at", "for"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


def read(text: str) -> None:
    with contextlib.suppress(InputError):
        parse_plan(text, TOPOLOGY, "plan.yaml").schedule()


@settings(max_examples=examples(100))
@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_an_input_error(text: str) -> None:
    read(text)


@settings(max_examples=examples(100))
@given(st.text(max_size=12), st.integers(0, len(GOOD)))
def test_junk_anywhere_in_a_good_plan_is_an_input_error_at_worst(junk: str, at: int) -> None:
    read(GOOD[:at] + junk + GOOD[at:])


@settings(max_examples=examples(200))
@given(st.data())
def test_a_plan_with_anything_in_any_place_is_a_plan_or_an_input_error(
    data: st.DataObject,
) -> None:
    def altered(value: Any) -> Any:
        if data.draw(st.integers(0, 11)) == 0:
            return data.draw(TREES)
        if isinstance(value, dict):
            return {key: altered(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [altered(inner) for inner in value]
        return value

    read(json.dumps(altered(WHOLE)))
