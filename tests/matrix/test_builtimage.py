"""How suites are added to a built image, by a podman that only notes what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_lab.core.errors import InputError
from tests.matrix.builtimage import VARIABLE, built_image, write_built_image
from tests.matrix.shardimage import IMAGE
from tests.matrix.site import make_image

PODMAN = """#!/bin/sh
echo "$@" >> {log}
if [ "$1" = {fails} ]; then
    echo "no such image" >&2
    exit 125
fi
"""


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    return make_image(tmp_path / "image")


def podman(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: str = "nothing") -> Path:
    """Puts the podman in PATH; gives its log."""
    log, program = folder / "podman.log", folder / "bin" / "podman"
    program.parent.mkdir()
    program.write_text(PODMAN.format(log=log, fails=fails))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return log


def test_suites_are_added_and_nothing_is_pulled_or_left(
    tmp_path: Path, suites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = podman(tmp_path, monkeypatch)
    write_built_image("example.org/built:1", tmp_path / "built.tar", suites)
    build, push, remove = log.read_text().splitlines()
    assert {"--pull=never", "--network=none"} <= set(build.split())
    assert build.endswith(f" {suites}")
    assert push.endswith(f" docker-archive:{tmp_path}/built.tar:{IMAGE}")
    name = remove.split()[-1]
    assert name in push.split()
    assert f"--tag={name}" in build.split()
    assert "FROM example.org/built:1\n" in (tmp_path / "Containerfile").read_text()
    assert (suites / "tests" / "fixtures" / "fake_lab.py").is_file()


@pytest.mark.parametrize("fails", ["build", "push"])
def test_an_image_that_podman_does_not_have_is_no_skip(
    fails: str, tmp_path: Path, suites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    podman(tmp_path, monkeypatch, fails)
    with pytest.raises(InputError, match="no such image"):
        write_built_image("example.org/built:1", tmp_path / "built.tar", suites)


def test_a_missing_podman_is_no_skip(
    tmp_path: Path, suites: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="podman is not installed"):
        write_built_image("example.org/built:1", tmp_path / "built.tar", suites)


@pytest.mark.parametrize(("value", "name"), [("", None), ("example.org/x:1", "example.org/x:1")])
def test_the_image_is_named_by_a_variable(
    value: str, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert built_image() == name
