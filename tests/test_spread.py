"""Files that take long are given to workers first, and only where there are workers."""

from __future__ import annotations

import pytest

from tests.spread import SLOW

pytest_plugins = ["pytester"]

ORDER = """
import pytest
from tests.spread import long_files_first
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    long_files_first(items)
"""


def files(pytester: pytest.Pytester) -> None:
    marked = "import pytest\n@pytest.mark.slow(reason='it waits')\ndef test_long(): pass\n"
    pytester.makepyfile(
        test_a="def test_only(): pass",
        test_b="\n".join(f"def test_{number}(): pass" for number in range(SLOW // 2)),
        test_c=f"{marked}def test_short(): pass",
    )


def order(pytester: pytest.Pytester, *args: str) -> list[str]:
    """Of the tests, each as `test_a only`."""
    listed = pytester.runpytest("-p", "no:cacheprovider", "--collect-only", "-q", *args)
    return [line.replace(".py::test_", " ") for line in listed.outlines if "::" in line]


def test_the_longest_comes_first_and_tests_of_a_file_stay_in_order(
    pytester: pytest.Pytester,
) -> None:
    files(pytester)
    pytester.makeconftest(ORDER)
    names = order(pytester)
    assert names[:2] == ["test_c long", "test_c short"]
    assert names[2:-1] == [f"test_b {number}" for number in range(SLOW // 2)]
    assert names[-1] == "test_a only"


def test_what_is_left_out_does_not_count(pytester: pytest.Pytester) -> None:
    files(pytester)
    pytester.makeconftest(
        "import pytest\nfrom tests.conftest import pytest_collection_modifyitems\n"
        "def pytest_configure(config): config.workerinput = {}\n"
    )
    names = order(pytester, "-m", "not slow")
    assert names[0] == "test_b 0"
    assert names[-2:] == ["test_a only", "test_c short"]


def test_without_workers_files_stay_in_order(pytester: pytest.Pytester) -> None:
    files(pytester)
    pytester.makeconftest("from tests.conftest import pytest_collection_modifyitems")
    names = [name.split()[0] for name in order(pytester)]
    assert names == sorted(names)
