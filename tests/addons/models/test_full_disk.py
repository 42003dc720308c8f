"""The programs of a node on a file system without space."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from images.models.edge_models.agent import ROLLBACK, Agent
from images.models.edge_models.registry import fetch
from images.models.edge_models.states import Phase, Reason, State, Version
from images.models.edge_models.store import Journal, NoSpace, Store, digest_of, tail_of
from tests.addons.models.test_agent import Node
from tests.addons.models.test_store import FILES, FakeRegistry, registry_with
from tests.smalldisk import filled, small_disk

ROOM = 64 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", mib=8) as folder:
        yield folder


@pytest.fixture
def node(disk: Path) -> Iterator[Node]:
    """It serves the version 2, and keeps 1."""
    registry = FakeRegistry()
    with registry.serving() as source:
        found = Node(disk, registry, source)
        found.want(found.version("1"), 1)
        found.want(found.version("2", shift=1.0), 2)
        found.live()
        yield found


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# -- a fetch ---------------------------------------------------------------------------------------


def test_a_version_for_which_there_is_no_space_is_not_fetched(disk: Path) -> None:
    store = Store(disk / "boiler")
    registry, digest = registry_with(FILES)
    with (
        registry.serving() as source,
        filled(disk, leave_bytes=ROOM),
        pytest.raises(NoSpace, match="no space for 300002 bytes"),
    ):
        fetch(store, [source, source], "models/boiler", digest)
    assert registry.asked == [digest], "only the manifest was asked for, and only once"
    assert files_in(store.folder / "fetching") == []


def test_a_disk_that_is_full_in_the_middle_of_a_fetch_is_not_the_sources_fault(disk: Path) -> None:
    store = Store(disk / "boiler")
    registry, digest = registry_with(FILES)
    with contextlib.ExitStack() as undo, registry.serving() as source:

        def fill(name: str, done: int, size: int) -> None:
            if not (disk / "filler").exists():
                undo.enter_context(filled(disk))

        with pytest.raises(NoSpace):
            fetch(store, [source, source], "models/boiler", digest, fill)
        blob = digest_of(FILES["model.onnx"])
        assert registry.asked == [digest, blob], "another source has no more space"
        undo.close()
        fetch(store, [source], "models/boiler", digest)
    assert store.damage(digest) == ""


def test_a_version_without_space_for_its_manifest_is_absent(disk: Path) -> None:
    store = Store(disk / "boiler")
    registry, digest = registry_with(FILES)
    for content in FILES.values():
        store.part(digest_of(content)).write_bytes(content)
    with filled(disk):
        with pytest.raises(NoSpace):
            store.add(digest, registry.content[digest])
        assert not store.has(digest)
    store.add(digest, registry.content[digest])
    assert store.damage(digest) == ""


def test_a_version_needs_its_space_once(disk: Path) -> None:
    store = Store(disk / "boiler")
    registry, digest = registry_with(FILES)
    with registry.serving() as source, filled(disk, leave_bytes=320 * 1024):
        fetch(store, [source], "models/boiler", digest)
    assert store.damage(digest) == ""


# -- an agent --------------------------------------------------------------------------------------


def test_an_agent_says_that_the_disk_is_full_and_goes_on_when_there_is_space(node: Node) -> None:
    second = node.agent.state.current
    third = node.version("3", shift=1.0)
    # A version that was refused long ago takes space too.
    (node.store.folder / "versions" / "other").mkdir()
    node.registry.stops_after = 500
    node.want(third, 3)
    assert files_in(node.store.folder / "fetching") != []
    node.registry.stops_after = None
    with filled(node.folder):
        for _ in range(3):
            node.now += 10
            node.agent.look()
        status = node.agent.status({})
        assert (status["phase"], status["reason"]) == ("Fetching", "NoSpace")
        assert "no space" in status["message"]
        assert node.agent.state.current == second
        assert files_in(node.store.folder / "fetching") == []
        assert "other" not in files_in(node.store.folder / "versions")
        told = [act for act in node.all_acts() if act.reason == "NoSpace"]
        # With what it had, and without: not with every attempt.
        assert [(act.what, act.tag, act.serving) for act in told] == [("interrupted", "3", "2")] * 2
    node.now += 10
    node.agent.look()
    assert node.agent.state.phase is Phase.COMPARING
    assert node.agent.status({})["reason"] == ""
    node.live()
    assert node.agent.state.current == third


def test_a_rollback_is_possible_on_a_full_disk(node: Node) -> None:
    with filled(node.folder):
        (node.store.folder / ROLLBACK).touch()
        node.agent.look()
        state = node.store.state()
        assert (state.current and state.current.tag, state.reason) == ("1", Reason.ASKED)
        # And whatever comes after it.
        for number in range(5, 50):
            node.store.write(State(current=Version(str(number), "sha256:")))
            assert node.store.state().current == Version(str(number), "sha256:")


def test_a_version_that_becomes_worse_is_rolled_back_on_a_full_disk(node: Node) -> None:
    current = node.agent.state.current
    assert current is not None
    with filled(node.folder):
        node.server.shifts[current.digest] = 50.0
        node.live()
        state = node.store.state()
        assert (state.current and state.current.tag, state.reason) == ("1", Reason.WORSE)


def test_the_first_wish_waits_for_space(disk: Path) -> None:
    registry = FakeRegistry()
    with registry.serving() as source:
        node = Node(disk, registry, source)
        first = node.version("1")
        said: list[Mapping[str, Any]] = []

        def exchange(status: Mapping[str, Any]) -> Mapping[str, Any]:
            said.append(status)
            version = {"tag": "1", "digest": first.digest}
            wish = {"version": version, "repository": "models/boiler", "generation": 1}
            return {"boiler": wish}

        journal = Journal(node.journal)
        whole = Agent(
            lambda name: node.agent, exchange, node.server, journal, 5.0, clock=lambda: node.now
        )
        with filled(disk):
            for _ in range(3):
                node.now += 6
                whole.look()
            assert said[-1]["models"]["boiler"]["reason"] == "NoSpace"
        for _ in range(3):
            node.now += 6
            whole.look()
    assert said[-1]["models"]["boiler"]["serving"] == {"tag": "1", "digest": first.digest}
    assert said[-1]["models"]["boiler"]["reason"] == ""


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["both", "old", "linked"])
def test_a_state_is_written_whatever_a_write_that_was_cut_short_has_left(
    tmp_path: Path, left: str
) -> None:
    store = Store(tmp_path / "boiler")
    for tag in "12":
        store.write(State(current=Version(tag, "sha256:")))
    state, draft, old = (store.folder / f"state.{name}" for name in ("json", "new", "old"))
    if left == "both":
        old.hardlink_to(state)
    elif left == "old":
        draft.rename(old)
    else:
        draft.unlink()
        draft.hardlink_to(state)
    before = store.state()
    assert before.current == Version("2", "sha256:")
    store._make_draft()
    assert store.state() == before, "the state itself is not the draft of the next one"
    assert not draft.samefile(state)
    store.write(State(current=Version("3", "sha256:")))
    assert store.state().current == Version("3", "sha256:")
    assert files_in(store.folder) == ["fetching", "state.json", "state.new", "versions"]


def test_a_journal_goes_on_with_the_space_that_it_has_reserved(disk: Path) -> None:
    path = disk / "journal.jsonl"
    journal = Journal(path, reserved_bytes=ROOM)
    journal.add(number=0)
    with filled(disk):
        for number in range(1, 1000):
            journal.add(number=number)
        assert [record["number"] for record in tail_of(path, ROOM)] == list(range(1000))
    assert b"\0" not in path.read_bytes()


def test_lines_without_space_wait_in_memory(disk: Path) -> None:
    path = disk / "journal.jsonl"
    journal = Journal(path, reserved_bytes=4096)
    with filled(disk):
        for number in range(800):
            journal.add(number=number, text="x" * 10)
        assert 0 < len(tail_of(path, ROOM)) < 800
    journal.add(number=800)
    assert [record["number"] for record in tail_of(path, 10 * ROOM)] == list(range(801))


def test_a_journal_that_is_opened_again_goes_on_behind_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for number in range(3):
        Journal(path).add(number=number)
    assert [record["number"] for record in tail_of(path, ROOM)] == [0, 1, 2]
