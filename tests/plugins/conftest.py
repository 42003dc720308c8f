"""Acme's distribution, installed for one test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.artifacts import ArtifactStore
from edge_lab.topology import Arch
from tests.plugins.site import AGENT, METER_FILE, Site, meter_archive, sha256


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


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with what Acme's add-on needs."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for arch, content in AGENT.items():
        (folder / f"acme-agent-0.1.0-linux-{arch.go}").write_bytes(content)
    monkeypatch.setenv("LAB_MIRROR", str(folder))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # no Go
    return folder


@pytest.fixture
def pinned(acme: Site, mirror: Path) -> Site:
    """Acme's distribution with the lock that it would be published with."""
    ArtifactStore.default().update_lock("acme")
    acme.pin("acme-meter", dict.fromkeys(Arch, meter_archive(mirror / METER_FILE)))
    acme.pin("acme-agent", {arch: sha256(content) for arch, content in AGENT.items()})
    return acme
