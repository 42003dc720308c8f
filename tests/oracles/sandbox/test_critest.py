"""Runs of critest: what counts as passed, and that no spec is left out without a word."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox import critest
from edge_lab.oracles.sandbox.critest import (
    CORE,
    CORE_ON_A_BROKEN_RUNTIME,
    EXEC,
    LEFT_OUT,
    MAY_FAIL,
    Came,
    focus,
    judge_critest,
    parse_report,
)

SPECS = Path(__file__).with_name("critest_specs.txt").read_text(encoding="utf-8").splitlines()
"""Those of v1.34.0, as it lists them itself (`--ginkgo.dry-run --ginkgo.json-report`)."""


def report(states: dict[str, tuple[str, str]]) -> str:
    """Ginkgo's, with a state and a message of some specs; all others of the core passed."""
    specs: list[dict[str, Any]] = [{"LeafNodeType": "BeforeSuite", "State": "passed"}]
    for name in SPECS:
        default = ("passed" if name in CORE else "skipped", "")
        state, message = states.get(name, default)
        container, _, leaf = name.partition(" runtime ")
        specs.append(
            {
                "LeafNodeType": "It",
                "ContainerHierarchyTexts": [container] if leaf else None,
                "LeafNodeText": f"runtime {leaf}" if leaf else name,
                "State": state,
                "RunTime": 2_500_000_000,
                **({"Failure": {"Message": message}} if message else {}),
            }
        )
    return json.dumps([{"SpecReports": specs}])


def judged(states: dict[str, tuple[str, str]] | None = None, **more: Any) -> critest.CritestVerdict:
    return judge_critest("edge", "stack", "runsc", parse_report(report(states or {})), **more)


def test_a_run_in_which_the_core_passed_passes() -> None:
    verdict = judged()
    assert verdict.passed, str(verdict)
    assert verdict.of(Came.PASSED) == set(CORE)
    assert {measure.name: measure.value for measure in verdict.measures}[
        "critest_specs_with_runsc_passed"
    ] == 30


def test_a_handler_may_have_a_hyphen_in_its_name() -> None:
    """As that of the control; a measure has a name of words."""
    verdict = judge_critest("edge", "stack", "runsc-plain", parse_report(report({})))
    assert verdict.passed
    assert "critest_specs_with_runsc_plain_passed" in {measure.name for measure in verdict.measures}


@pytest.mark.parametrize("state", ["failed", "timedout", "interrupted", "panicked", "aborted"])
def test_a_spec_that_fails_is_named(state: str) -> None:
    verdict = judged({EXEC: (state, "it has no end")})
    assert not verdict.passed
    assert verdict.of(Came.FAILED) == {EXEC}


@pytest.mark.parametrize("state", ["skipped", "pending"])
def test_a_spec_of_the_core_is_not_skipped_without_a_word(state: str) -> None:
    assert judged({EXEC: (state, "not here")}).of(Came.NOT_RUN) == {EXEC}


def test_a_spec_may_fail_for_a_declared_reason_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critest, "MAY_FAIL", {"runsc": {EXEC: "why"}})
    verdict = judged({EXEC: ("failed", "it has no end")})
    assert verdict.passed
    assert verdict.of(Came.EXCUSED) == {EXEC}


def test_a_spec_that_nobody_knows_is_a_finding() -> None:
    records = parse_report(report({}))
    new = critest.SpecRecord(name="[k8s.io] Checkpoint", state="skipped")
    assert not judge_critest("edge", "stack", "runc", [*records, new]).passed


def test_a_report_of_few_specs_is_no_evidence() -> None:
    records = [spec for spec in parse_report(report({})) if spec.name in CORE]
    assert not judge_critest("edge", "stack", "runc", records).passed


def test_each_spec_of_the_suite_is_run_or_left_out_for_a_reason() -> None:
    assert set(CORE) <= set(SPECS)
    left = [name for name in SPECS if name not in CORE]
    for name in left:
        assert [part for part in LEFT_OUT if part in name], name
    for part in LEFT_OUT:
        assert any(part in name for name in [*left, "benchmark"]), part
    for name in CORE:
        assert not [part for part in LEFT_OUT if part in name], name
    assert set(CORE_ON_A_BROKEN_RUNTIME) < set(CORE)
    assert {name for excused in MAY_FAIL.values() for name in excused} <= set(CORE)


def test_the_focus_is_on_the_specs_that_are_wanted() -> None:
    # As Ginkgo does: an expression over the suite's description and the whole text of a spec.
    found = [name for name in SPECS if re.search(focus(CORE), f"CRI validation {name}")]
    assert set(found) == set(CORE)


@given(st.text().filter(lambda text: text.strip() != "[]"))
def test_what_is_no_report_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_report(text)


@pytest.mark.parametrize("text", ["{}", "[1]", '[{"SpecReports": [{"LeafNodeType": "It"}]}]'])
def test_a_report_without_its_fields_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_report(text)
