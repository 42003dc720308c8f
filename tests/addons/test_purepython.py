"""Pure Python packages of the lab's environment, for nodes."""

from __future__ import annotations

import pytest

from edge_lab.addons.models.programs import COMPILED_PARTS, operator_files
from edge_lab.addons.purepython import pure_files, with_requirements
from edge_lab.core.errors import LabError


def test_packages_come_with_what_they_need_on_a_node() -> None:
    found = with_requirements(("kopf",), purpose="a test")
    assert {"aiohttp", "kopf", "yarl"} <= set(found)
    # Of older Pythons, and of extras.
    assert not {"async-timeout", "kubernetes", "uvloop"} & set(found)
    assert "yarl" not in with_requirements(("kopf",), without=("aiohttp",), purpose="a test")


def test_a_missing_package_is_named_with_the_remedy() -> None:
    with pytest.raises(LabError) as caught:
        with_requirements(("no-such-package",), purpose="a test", remedy="Install it.")
    assert "no-such-package" in caught.value.message
    assert caught.value.remedy == "Install it."


def test_compiled_modules_are_refused_or_left_out() -> None:
    with pytest.raises(LabError):
        list(pure_files("multidict"))
    names = [name for name, _ in pure_files("multidict", compiled_parts=True)]
    assert "multidict/__init__.py" in names
    assert not [name for name in names if name.endswith(".so")]


def test_the_operators_packages_are_complete_and_pure() -> None:
    paths = [file.path for file in operator_files()]
    assert len(paths) == len(set(paths))
    assert "models/packages/kopf/__init__.py" in paths
    for package in COMPILED_PARTS:
        assert any(package.removeprefix("py") in path for path in paths)
    assert not [path for path in paths if path.endswith((".so", ".pyc"))]
