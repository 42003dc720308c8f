"""What runs before a commit is less than what runs in CI, and only where that is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.budget import FULL, QUICK, examples

pytest_plugins = ["pytester"]

Choose = Callable[[str], None]


@pytest.fixture
def choose() -> Iterator[Choose]:
    """Chooses a profile for this test alone."""
    before = settings.get_current_profile_name()
    yield settings.load_profile
    settings.load_profile(before)


def test_all_examples_are_tried_in_ci_and_a_fifth_before_a_commit(choose: Choose) -> None:
    choose(FULL)
    assert [examples(full) for full in (3, 20, 100, 300)] == [3, 20, 100, 300]
    choose(QUICK)
    assert [examples(full) for full in (3, 20, 100, 300)] == [3, 5, 20, 60]


@pytest.mark.parametrize(("profile", "most"), [(FULL, 100), (QUICK, 20)])
def test_a_property_without_a_number_of_its_own_goes_by_the_profile(
    choose: Choose, profile: str, most: int
) -> None:
    choose(profile)
    tried = set()

    @given(st.integers())
    def a_property(number: int) -> None:
        tried.add(number)

    a_property()
    assert most / 2 < len(tried) <= most


MARKED = """
import pytest
@pytest.mark.slow(WHY)
def test_a(): pass
"""


@pytest.mark.parametrize(("why", "passes"), [("reason='builds a wheel'", True), ("", False)])
def test_who_leaves_a_test_out_says_why(pytester: pytest.Pytester, why: str, passes: bool) -> None:
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems")
    pytester.makepyfile(MARKED.replace("WHY", why))
    outcome = pytester.runpytest()
    if passes:
        outcome.assert_outcomes(passed=1)
    else:
        assert outcome.ret == pytest.ExitCode.USAGE_ERROR
        outcome.stderr.fnmatch_lines(["*test_a: write `slow(reason=...)`*"])
