"""Acme's distribution, installed for one test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plugins.site import Site


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Without any distribution. Gone again afterwards, with all that was imported from it."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    path = os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))
    monkeypatch.setenv("PYTHONPATH", path)  # of the processes of devices
    known = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - known:
        if name.partition(".")[0].startswith(("lab_acme", "lab_other")):
            del sys.modules[name]


@pytest.fixture
def acme(site: Site) -> Site:
    """With Acme's."""
    site.install_acme()
    return site
