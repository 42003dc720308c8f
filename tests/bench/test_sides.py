"""Sides as they are written, and the files that they are measured from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_lab.bench.ab.sides import PACKAGE, checked_out, parse_side
from edge_lab.core.errors import InputError


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a commit `one`; its folder has something that is of no commit."""
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "__init__.py").write_text("WHAT = 'one'\n")
    (tmp_path / "src").mkdir()
    (tmp_path / PACKAGE).symlink_to("../lab")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "one")
    (tmp_path / "lab" / "__init__.py").write_text("WHAT = 'now'\n")
    return tmp_path


def test_a_side_is_what_its_parts_say_in_any_order(repository: Path) -> None:
    (repository / "own.yaml").touch()
    side = parse_side("k3s+k3s,own.yaml,one,EDGE_LAB_X=1")
    assert side == parse_side("k3s+k3s,own.yaml,one,EDGE_LAB_X=1")
    assert (side.checkout, side.stack) == ("one", "k3s+k3s")
    assert side.topology == repository / "own.yaml"
    assert side.environment == (("EDGE_LAB_X", "1"),)
    assert side.of_labs
    assert not parse_side("one,X=").of_labs


@pytest.mark.parametrize(
    "text", ["", "one,", "nothing", "absent.yaml", "one,HEAD", "a+b,c+d", "src", "-x"]
)
def test_what_is_no_side_is_refused(repository: Path, text: str) -> None:
    with pytest.raises(InputError):
        parse_side(text)


def test_a_commit_is_measured_as_it_was_and_a_folder_as_it_is(repository: Path) -> None:
    with checked_out(parse_side("one")) as old, checked_out(parse_side(".")) as new:
        for source, what in ((old, "one"), (new, "now")):
            assert (source.folder / "edge_lab" / "__init__.py").read_text() == f"WHAT = '{what}'\n"
        assert (len(old.commit), new.commit) == (40, "")
        assert new.folder == repository / "src"
    assert not old.folder.exists()
    assert new.folder.exists()


def test_a_commit_of_something_else_is_refused(repository: Path) -> None:
    git(repository, "rm", "--quiet", "--cached", str(PACKAGE))
    git(repository, "commit", "--quiet", "-m", "nothing")
    with pytest.raises(InputError), checked_out(parse_side("HEAD")):
        pass
