from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .started import Started


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[Started]:
    with ExitStack() as undo:
        started = Started(tmp_path)
        undo.callback(started.close)
        yield started
