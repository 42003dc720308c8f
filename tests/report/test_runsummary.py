"""Whatever tests and products are called and say, a summary shows it as it is."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edge_lab.report.runs import ExitCode, Known, Outcome, Problem, RunRecord, TestRecord, exit_code
from edge_lab.report.runsummary import LONGEST, SHOWN, escaped, run_summary
from tests.budget import examples

FAILED = Problem(Outcome.FAILED, "call", "assert 1 == 2")
BROKE = Problem(Outcome.BROKEN_LAB, "setup", "LabError: the wire is gone")

_SIGNS = st.text(st.sampled_from("ab |`*_[]()<>#\\\n\r\t&;~!:/-+=@$\x1b[31m\u2028é"), max_size=30)
_TEXTS = st.one_of(_SIGNS, st.text(max_size=20))


def tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def inline(text: str) -> list[Token]:
    return [each for token in tokens(text) for each in token.children or ()]


def cells(text: str) -> list[str]:
    """What a reader sees in the cells of the tables."""
    found, inside = [], False
    for token in tokens(text):
        inside = token.type in ("td_open", "th_open") or (inside and token.type == "inline")
        if token.type == "inline" and inside:
            found.append("".join(each.content for each in token.children or ()))
    return found


def one_line(text: str) -> str:
    return " ".join(
        re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x1f\x7f-\x9f\u2028\u2029]", " ", text).split()
    )


def a_run(name: str, reason: str, tracker: str) -> RunRecord:
    known = Known(tracker, date(2027, 1, 1), reason, expired=False)
    problem = Problem(Outcome.FAILED, "call", reason)
    return RunRecord(
        (
            TestRecord(name, Outcome.FAILED, problems=(problem,), evidence=(reason,), known=known),
            TestRecord("t", Outcome.LACKING, reason),
        ),
        restarts=(reason,),
        facts=(("lab", name),),
        kept=f"/k{reason}",
    )


@settings(max_examples=examples(100))
@given(_TEXTS, _TEXTS, _TEXTS)
@example("a|b", "</details><script>", "https://example.org/(x)")
@example("`a`", "| --- |", "javascript:alert(1)")
@example("&amp;", "&lt;b&gt; ![x](y)", "https://example.org/ok?a=b#c")
@example("![", "[x]: y", "<https://example.org>")
def test_nothing_of_what_is_told_is_taken_for_markdown(
    name: str, reason: str, tracker: str
) -> None:
    plain, told = run_summary(a_run("n", "r", "t")), run_summary(a_run(name, reason, tracker))
    kinds = [token.type for token in tokens(told)]
    assert kinds == [token.type for token in tokens(plain)]
    found = {each.type for each in inline(told)}
    assert found <= {
        "text",
        "text_special",
        "strong_open",
        "strong_close",
        "link_open",
        "link_close",
    }
    links = [each.attrs["href"] for each in inline(told) if each.type == "link_open"]
    assert all(str(link).startswith(("http://", "https://")) for link in links)
    shown = cells(told)
    assert (one_line(name) or "–") in shown
    assert f"call: {one_line(reason)}".strip() in shown


def test_what_is_long_is_cut_and_what_is_much_is_counted() -> None:
    assert len(escaped("a" * 1000)) == LONGEST
    many = [TestRecord(f"t{n}", Outcome.FAILED, problems=(FAILED,)) for n in range(SHOWN + 7)]
    text = run_summary(RunRecord(tuple(many)))
    assert "… and 7 more" in text
    assert len(text.encode()) < 1 << 20


@pytest.mark.parametrize(
    ("problems", "code"),
    [
        ([], ExitCode.PASSED),
        ([FAILED], ExitCode.FAILED),
        ([BROKE], ExitCode.LAB_BROKE),
        ([FAILED, BROKE], ExitCode.LAB_BROKE_AND_FAILED),
        ([Problem(Outcome.BROKEN_LAB, "call", "", is_input=True)], ExitCode.WRONG_INPUT),
    ],
)
def test_one_test_may_fail_and_break_the_lab(problems: list[Problem], code: ExitCode) -> None:
    tests = [TestRecord("t", Outcome.PASSED, problems=tuple(problems))]
    assert exit_code(tests) is code


def test_codes_that_pytest_has_not_are_not_pytests() -> None:
    theirs = {int(code) for code in pytest.ExitCode}
    assert {int(ExitCode.LAB_BROKE), int(ExitCode.LAB_BROKE_AND_FAILED)}.isdisjoint(theirs)
    assert int(ExitCode.NOTHING_RAN) == int(pytest.ExitCode.NO_TESTS_COLLECTED)
    assert int(ExitCode.FAILED) == int(pytest.ExitCode.TESTS_FAILED)
    assert int(ExitCode.WRONG_INPUT) == int(pytest.ExitCode.USAGE_ERROR)
