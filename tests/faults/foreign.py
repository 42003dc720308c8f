"""Distributions with families of faults: the one of the page, and bad ones."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from edge_lab.faults import catalog
from tests.faults.plans import ROOT

PAGE = ROOT / "docs" / "add-a-fault.md"

_MODULE = re.compile(r"```python\n# (acme_load/\w+\.py)\n(.*?)```", re.DOTALL)


def modules_of_the_page() -> dict[str, str]:
    """The family on the page: text by file."""
    return dict(_MODULE.findall(PAGE.read_text(encoding="utf-8")))


def entry_point_of_the_page() -> str:
    found = re.search(
        r'\[project\.entry-points\."edge_lab\.fault_families"\]\n(.*?)\n```',
        PAGE.read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert found is not None
    return found[1].replace('"', "")


class Site:
    """A folder of installed distributions."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def install(self, name: str, entry_point: str, modules: Mapping[str, str]) -> None:
        """A distribution of that name with one entry point, `family = module:attribute`."""
        for file, text in modules.items():
            path = self._folder / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        info = self._folder / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{catalog.PLUGINS.group}]\n{entry_point}\n")
        catalog.catalog.cache_clear()

    def install_the_page_s(self) -> None:
        self.install("acme-load", entry_point_of_the_page(), modules_of_the_page())

    def uninstall_all(self) -> None:
        for entry_points in self._folder.glob("*.dist-info/entry_points.txt"):
            entry_points.unlink()
        catalog.catalog.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Gone again afterwards, with all that was imported from it."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    known = set(sys.modules)
    yield Site(folder)
    for name in set(sys.modules) - known:
        if name.partition(".")[0].startswith("acme_"):
            del sys.modules[name]
    monkeypatch.undo()
    catalog.catalog.cache_clear()
