"""No name, key or folder makes edge-lab remove what is not its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edge_lab.bringup.attach import attach
from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.bringup.lifecycle import bring_up, restore_lab, save_lab, take_down
from edge_lab.bringup.retention import KEPT, keep_evidence
from edge_lab.cli.app import app
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.home import MARKER, RunDir, cache_home
from edge_lab.core.names import is_name
from edge_lab.handle.state import known_labs
from edge_lab.topology import Topology, load_topology
from tests.budget import examples
from tests.conftest import LABS
from tests.test_lifecycle import made

COMMANDS = (
    ("down",),
    ("restore",),
    ("save",),
    ("status",),
    ("samples",),
    ("graph",),
    ("trace",),
    ("logs",),
    ("exec", "server", "true"),
    ("console", "server"),
    ("capture", "arm-cloud"),
    ("fault", "list"),
    ("fault", "heal", "--all"),
)
PATHS = (
    ".",
    "..",
    "../..",
    "/",
    "//",
    "~",
    "./default",
    "default/",
    "default/logs",
    "labs/default",
)


def soon() -> Deadline:
    return Deadline.after(20)


def contents(root: Path) -> set[str]:
    """Every path below `root`, without the lock files of labs, which come and go."""
    return {
        str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.suffix != ".lock"
    }


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A folder of somebody else."""
    folder = tmp_path / "precious"
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "thesis.txt").write_text("years of work")
    (folder / "state.json").write_text('{"lab": "default"}')
    return folder


# -- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("by_environment", [False, True], ids=["option", "EDGE_LAB"])
def test_no_command_takes_a_path_for_a_lab(
    command: tuple[str, ...], by_environment: bool, precious: Path, default_topology: Topology
) -> None:
    made(default_topology)
    for name in (*PATHS, str(precious), os.path.relpath(precious, RunDir("a").path.parent)):
        before = contents(precious), contents(cache_home())
        given_name = [] if by_environment else ["--lab", name]
        result = CliRunner().invoke(
            app,
            [command[0], *command[1:2], *given_name, *command[2:]]
            if command[0] == "fault"
            else [command[0], *given_name, *command[1:]],
            env={"EDGE_LAB": name} if by_environment else {},
        )
        assert isinstance(result.exception, InputError), (name, result.output)
        assert result.exception.exit_code == 2
        assert (contents(precious), contents(cache_home())) == before, name


def test_an_empty_name_is_no_name() -> None:
    result = CliRunner().invoke(app, ["down", "--lab", ""])
    assert isinstance(result.exception, InputError)


def test_up_takes_no_path_for_a_name(precious: Path) -> None:
    for name in (*PATHS, str(precious)):
        result = CliRunner().invoke(app, ["up", str(LABS / "default.yaml"), "--name", name])
        assert isinstance(result.exception, InputError), (name, result.output)
    assert (precious / "logs" / "thesis.txt").exists()


def names() -> st.SearchStrategy[str]:
    """Anything that a name might be, with what means something in a path more often."""
    parts = st.sampled_from([".", "..", "/", "labs", "default", "~", "\0", "\n", "-", "é", " "])
    return st.one_of(st.text(max_size=40), st.lists(parts, max_size=6).map("".join))


@pytest.mark.slow(reason="many names, each removed on disk")
@given(name=names())
@settings(max_examples=examples(300))
def test_whatever_the_name_nothing_outside_its_run_directory_is_removed(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="el") as folder, cache_at(Path(folder)):
        topology = load_topology(LABS / "default.yaml")
        made(topology)
        other = cache_home() / "checkpoints" / "0123"
        other.mkdir(parents=True)
        before = contents(Path(folder))
        verbs: tuple[Callable[[], object], ...] = (
            lambda: attach(name),
            lambda: save_lab(name),
            lambda: restore_lab(name),
            lambda: take_down(name, soon()),
        )
        for verb in verbs:
            if is_name(name):
                with contextlib.suppress(LabError):
                    verb()
            else:
                with pytest.raises(InputError):
                    verb()
        if name == topology.name:
            before -= {path for path in before if path.startswith(f"edge-lab/labs/{name}")}
        assert contents(Path(folder)) == before


@given(name=names().filter(lambda name: not is_name(name)))
def test_a_run_directory_has_a_name_or_cannot_be(name: str) -> None:
    with pytest.raises(InputError):
        RunDir(name)


@given(name=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,18}[a-z0-9])?", fullmatch=True))
def test_a_name_is_a_direct_child_of_the_folder_of_labs(name: str) -> None:
    assert is_name(name)
    with tempfile.TemporaryDirectory(prefix="el") as folder, cache_at(Path(folder)):
        path = RunDir(name).path
        assert Path(os.path.normpath(path)).parent == cache_home() / "labs"


class cache_at:  # noqa: N801 - a context manager that hypothesis may enter many times
    """XDG_CACHE_HOME for the block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        self._before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = str(self._folder)

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = self._before


# -- folders among the labs that are not ours -------------------------------------------------


def planted(name: str, precious: Path, how: str) -> Path:
    path = RunDir(name).path
    path.parent.mkdir(parents=True, exist_ok=True)
    match how:
        case "folder":
            shutil.copytree(precious, path)
            (path / "state.json").unlink()
        case "foreign state":
            shutil.copytree(precious, path)
            (path / "state.json").write_text('{"serial": 3}')
        case "link":
            path.symlink_to(precious)
        case "file":
            path.write_text("a file")
    return path


@pytest.mark.parametrize("how", ["folder", "foreign state", "link", "file"])
def test_what_edge_lab_has_not_made_is_neither_taken_down_nor_listed(
    how: str, precious: Path, default_topology: Topology
) -> None:
    path = planted(default_topology.name, precious, how)
    before = contents(precious), contents(cache_home())
    with pytest.raises(LabError):
        take_down(default_topology.name, soon())
    with pytest.raises(LabError):
        bring_up(default_topology)
    with pytest.raises(LabError):
        RunDir(default_topology.name).remove()
    assert known_labs() == ()
    assert path.exists()
    assert (contents(precious), contents(cache_home())) == before


def test_what_edge_lab_has_made_is_removed_however_far_it_came(default_topology: Topology) -> None:
    run = RunDir(default_topology.name)
    run.make()
    assert (run.path / MARKER).is_file()
    take_down(default_topology.name, soon())
    assert not run.path.exists()
    run.path.mkdir()  # killed before anything was in it
    take_down(default_topology.name, soon())
    assert not run.path.exists()


def test_a_lab_from_before_the_marker_is_taken_down(default_topology: Topology) -> None:
    run = made(default_topology)
    (run.path / MARKER).unlink()
    take_down(default_topology.name, soon())
    assert not run.path.exists()


def test_a_link_in_a_run_directory_is_removed_and_not_what_it_leads_to(
    default_topology: Topology, precious: Path
) -> None:
    run = made(default_topology)
    shutil.rmtree(run.devices)
    run.devices.symlink_to(precious)
    take_down(default_topology.name, soon())
    assert not run.path.exists()
    assert (precious / "logs" / "thesis.txt").exists()


# -- the rest of the cache ---------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", ".", "..", "../labs", "/tmp", "a/b", "a\n", ".1-x"])
def test_a_key_that_is_no_key_reaches_no_folder(key: str, tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoints")
    store.root.mkdir()
    (tmp_path / "labs").mkdir()
    for verb in (store.find, store.remove):
        with pytest.raises(LabError):
            verb(key)
    with pytest.raises(LabError), store.make(key):
        pass
    assert (tmp_path / "labs").is_dir()
    assert list(store.root.iterdir()) == []


def filled(store: CheckpointStore) -> Iterator[str]:
    for number in range(10):
        with store.make(f"{number:08x}") as checkpoint:
            checkpoint.state.write_text("{}")
        yield f"{number:08x}"


def test_pruning_checkpoints_leaves_what_is_none(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    foreign = [tmp_path / "Thesis", tmp_path / "thesis", tmp_path / ".1-thesis", tmp_path / "a.txt"]
    for path in foreign[:3]:
        path.mkdir()
    foreign[3].touch()
    for _ in filled(store):
        pass
    assert all(path.exists() for path in foreign)


def test_pruning_evidence_leaves_what_is_none(default_topology: Topology) -> None:
    foreign = cache_home() / "kept" / "0-thesis"
    foreign.mkdir(parents=True)
    for _ in range(KEPT + 2):
        run = made(default_topology)
        (run.logs / "a.log").write_text("a line")
        assert keep_evidence(run) is not None
        run.remove()
    assert foreign.is_dir()
    assert len(list(foreign.parent.iterdir())) == KEPT + 1
