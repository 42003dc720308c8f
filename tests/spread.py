"""The order in which pytest-xdist's workers are given files of tests.

By itself (`--loadscope-reorder`) it begins with the files that have the most tests. The ones that
take the longest have few, and would be begun when everybody else is about to be done.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

SLOW = 20
"""As many others take about as long as one that is marked slow."""


def long_files_first(items: list[pytest.Item]) -> None:
    """By what their tests take together; of one file, they stay in their order."""
    takes: Counter[Path] = Counter()
    for item in items:
        takes[item.path] += SLOW if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: takes[item.path], reverse=True)
