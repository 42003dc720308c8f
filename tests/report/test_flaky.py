"""Which tests changed their outcome on one revision, and how often they failed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge_lab.cli.app import app
from edge_lab.core.errors import InputError
from edge_lab.fixtures.report import as_properties, revision_of
from edge_lab.report.allureruns import read_runs
from edge_lab.report.flaky import FlakyReport, flaky_report, shown
from edge_lab.report.flakypage import flaky_html
from edge_lab.report.runs import Outcome
from tests.budget import examples

LAB = ("broken", "edge_lab.core.errors.LabError: the wire is gone")
PASSED = ("passed", "")
FAILED = ("failed", "AssertionError: the pod <b>is gone</b>\nassert 1 == 2")
WRONG = ("broken", "KeyError: 'x'")
KNOWN = ("skipped", "XFAIL v1: hangs\n\nAssertionError")
LACKING = ("skipped", "Skipped: missing capability: no gVisor")
MIXED = "mixed"

Runs = Callable[..., Path]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Writes a run of these tests: name to status and message."""
    number = 0

    def write(revision: str, stack: str = "kubernetes+openyurt", **tests: tuple[str, str]) -> Path:
        nonlocal number
        number += 1
        folder = tmp_path / f"run-{number:03d}"
        folder.mkdir()
        facts = {"stack": stack} | ({"revision": revision} if revision else {})
        (folder / "environment.properties").write_text(as_properties(facts))
        for name, (status, message) in tests.items():
            data = {
                "name": name,
                "fullName": f"suites.test_it#{name}",
                "historyId": f"id of {name}",
                "status": status,
                "statusDetails": {"message": message},
                "start": 1_700_000_000_000 + number * 60_000,
                "parameters": [
                    {"name": "node", "value": "'edge-arm'"},
                    {"name": "latency", "value": "1 ms", "excluded": True},
                ],
            }
            (folder / f"{name}-result.json").write_text(json.dumps(data))
        return tmp_path

    return write


def report_of(place: Path, *, same_revision: bool = False) -> FlakyReport:
    return flaky_report(read_runs(place), same_revision=same_revision)


def names(report: FlakyReport) -> list[str]:
    return [test.name.partition("#")[2].partition("[")[0] for test in report.flaky]


def test_a_test_is_flaky_if_it_passed_and_failed_on_one_revision(runs: Runs) -> None:
    for mixed in (PASSED, FAILED, PASSED):
        place = runs("a" * 40, mixed=mixed, stable=PASSED, fails=FAILED)
    report = report_of(place)
    assert names(report) == [MIXED]
    (mixed_test,) = report.flaky
    assert mixed_test.name == "suites.test_it#mixed[node='edge-arm']"
    assert mixed_test.changed_on == ("a" * 40,)
    assert (mixed_test.failures.count, mixed_test.failures.tries) == (1, 3)
    assert str(mixed_test.failures) == "1 of 3: 33% (6%–79%)"
    assert mixed_test.reasons == ("AssertionError: the pod <b>is gone</b>",)


def test_a_fix_and_a_regression_are_not_flaky(runs: Runs) -> None:
    runs("a" * 40, mixed=FAILED)
    place = runs("b" * 40, mixed=PASSED)
    assert names(report_of(place)) == []
    assert names(report_of(place, same_revision=True)) == [MIXED]


def test_a_changed_tree_is_another_revision(runs: Runs) -> None:
    runs("a" * 40, mixed=FAILED)
    assert names(report_of(runs("a" * 40 + "+12345678", mixed=PASSED))) == []


def test_another_stack_is_another_test(runs: Runs) -> None:
    runs("a" * 40, mixed=FAILED)
    assert names(report_of(runs("a" * 40, "k3s+k3s", mixed=PASSED))) == []


@pytest.mark.parametrize(
    ("second", "flaky"),
    [(FAILED, True), (WRONG, True), (KNOWN, True), (LAB, False), (LACKING, False), (PASSED, False)],
)
def test_a_broken_lab_says_nothing_about_a_test(
    runs: Runs, second: tuple[str, str], flaky: bool
) -> None:
    runs("a" * 40, mixed=PASSED)
    report = report_of(runs("a" * 40, mixed=second))
    assert names(report) == [MIXED] * flaky
    assert report.tests[0].failures.tries == (1 if second in (LAB, LACKING) else 2)
    assert report.tests[0].lab_errors.count == (second == LAB)
    assert bool(shown(report)) == (flaky or second == LAB)


def test_runs_without_a_revision_are_counted_and_not_compared(runs: Runs) -> None:
    runs("", mixed=PASSED)
    report = report_of(runs("", mixed=FAILED))
    assert report.without_revision == 2
    assert report.flaky == ()


def test_the_one_that_fails_most_surely_is_first(runs: Runs) -> None:
    for number in range(6):
        place = runs(
            "a" * 40,
            seldom=FAILED if number == 0 else PASSED,
            often=PASSED if number == 0 else FAILED,
            lab=LAB if number else PASSED,
        )
    report = report_of(place)
    assert names(report) == ["often", "seldom"]
    assert [test.is_flaky for test in shown(report)] == [True, True, False]


def test_runs_are_in_the_order_in_which_they_began(runs: Runs) -> None:
    for outcome in (PASSED, FAILED, LAB):
        place = runs("a" * 40, mixed=outcome)
    (test,) = report_of(place).tests
    assert [sight.outcome for sight in test.sights] == [
        Outcome.PASSED,
        Outcome.FAILED,
        Outcome.BROKEN_LAB,
    ]


# -- what cannot be read -----------------------------------------------------------------


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Allure results"):
        read_runs(tmp_path)


@settings(max_examples=examples(60))
@given(
    st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["name", "status", "statusDetails", "start", "parameters"]),
                    inner,
                )
            ),
        ).map(lambda data: json.dumps(data).encode()),
    )
)
@example(b"[" * 100_000)
@example(b'{"name": "t", "status": "passed", "start": "later"}')
@example(b'{"name": "t", "status": "passed", "start": 1e999}')
@example(b'{"name": "t", "status": "passed", "parameters": [1]}')
@example(b'{"name": "t", "status": "passed"}')
def test_any_file_is_a_result_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / "a-result.json").write_bytes(content)
    refused = None
    try:
        assert flaky_html(flaky_report(read_runs(folder)), every=True)
    except InputError as trouble:
        refused = trouble
    assert refused is None or refused.file.endswith("a-result.json")


# -- page and command --------------------------------------------------------------------


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_shows_each_run_and_escapes_what_is_told(runs: Runs) -> None:
    for revision, outcome in (("a", PASSED), ("a", FAILED), ("b", LAB)):
        place = runs(revision * 40, mixed=outcome, stable=PASSED)
    page = flaky_html(report_of(place))
    parser = _Tags()
    parser.feed(page)
    bars = [attrs for tag, attrs in parser.found if tag == "i" and "title" in attrs]
    assert [str(bar["title"]).partition(",")[0] for bar in bars] == [
        "passed",
        "product failure",
        "lab error",
    ]
    assert [bar.get("class") for bar in bars] == [None, None, "new"]
    assert "<b>is gone" not in page
    assert "stable" not in page
    assert "stable" in flaky_html(report_of(place), every=True)
    assert {tag for tag, _ in parser.found}.isdisjoint({"script", "link", "img"})


def test_the_command_prints_and_writes_the_same(runs: Runs, tmp_path: Path) -> None:
    runs("a" * 40, mixed=PASSED)
    place = runs("a" * 40, mixed=FAILED)
    page = tmp_path / "flaky.html"
    argv = ["flaky", str(place), "--json", "--html", str(page)]
    done = CliRunner().invoke(app, argv, catch_exceptions=False)
    data: dict[str, Any] = json.loads(done.stdout)
    assert (data["runs"], data["flaky"]) == (2, 1)
    assert data["tests"][0]["failures"]["count"] == 1
    assert "mixed" in page.read_text(encoding="utf-8")
    told = CliRunner().invoke(app, ["flaky", str(place)], catch_exceptions=False).stdout
    assert "1 of 1 tests changed" in told
    assert "1 of 2: 50%" in told


# -- revisions ---------------------------------------------------------------------------


def test_a_revision_is_the_commit_and_what_was_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> str:
        argv = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
        done = subprocess.run([*argv, *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    monkeypatch.setenv("GITHUB_SHA", "f" * 40)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert revision_of(tmp_path) == "f" * 40
    git("init", "-q")
    (tmp_path / "test_it.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "first")
    head = git("rev-parse", "HEAD")
    assert revision_of(tmp_path) == head
    (tmp_path / "test_it.py").write_text("2")
    changed = revision_of(tmp_path)
    assert changed.startswith(f"{head}+")
    (tmp_path / "test_it.py").write_text("3")
    assert revision_of(tmp_path) not in (head, changed)
