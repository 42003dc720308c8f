from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .host_site import HostSite, host_site
from .started import Started


@pytest.fixture
def fabric(tmp_path: Path) -> Iterator[Started]:
    with ExitStack() as undo:
        started = Started(tmp_path)
        undo.callback(started.close)
        yield started


@pytest.fixture(scope="session")
def port_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostSite]:
    with host_site(tmp_path_factory.mktemp("h")) as site:
        yield site
