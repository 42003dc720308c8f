"""The agent of a node, with a server and a registry that are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.models.records import Act, parse_acts
from images.models.edge_models.agent import ROLLBACK, Agent, ModelAgent, readings_in
from images.models.edge_models.client import Answer, NoAnswer
from images.models.edge_models.gate import Reading, samples_of
from images.models.edge_models.registry import Source
from images.models.edge_models.states import Phase, Reason, Version, Wanted
from images.models.edge_models.store import Journal, Store
from tests.addons.models.test_store import FakeRegistry, registry_with

SAMPLES = 3


@dataclass
class FakeServer:
    """Predicts the input plus a shift, by digest."""

    store: Store
    shifts: dict[str, float] = field(default_factory=dict)
    unloadable: set[str] = field(default_factory=set)
    reloads: int = 0
    away: bool = False

    def evaluate(self, model: str, digest: str, inputs: Sequence[Sequence[float]]) -> Answer:
        if self.away:
            raise NoAnswer("it is away")
        if digest in self.unloadable:
            raise NoAnswer("cannot be loaded", 422)
        assert self.store.has(digest)
        shift = self.shifts.get(digest, 0.0)
        return Answer("", digest, tuple(row[0] + shift for row in inputs))

    def reload(self, model: str) -> None:
        self.reloads += 1

    def serving(self) -> dict[str, Any]:
        current = self.store.state().current
        return {"boiler": {"tag": current.tag, "digest": current.digest}} if current else {}


@dataclass
class Node:
    folder: Path
    registry: FakeRegistry
    source: Source
    now: float = 100.0
    readings: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "boiler")
        self.server = FakeServer(self.store)
        self.journal = self.folder / "agent.jsonl"
        self.agent = self.make()

    def make(self, target: int | None = 0) -> ModelAgent:
        """Also after a restart."""
        return ModelAgent(
            "boiler",
            self.store,
            [self.source],
            self.server,
            Journal(self.journal),
            lambda: self.readings,
            target,
            clock=lambda: self.now,
        )

    def version(self, tag: str, shift: float = 0.0) -> Version:
        found, digest = registry_with({"model.onnx": tag.encode() * 2000, "scaling.json": b"{}"})
        self.registry.content |= found.content
        self.server.shifts[digest] = shift
        return Version(tag, digest)

    def want(self, version: Version, generation: int) -> None:
        self.agent.want(Wanted(version, "models/boiler", generation, SAMPLES, 0.1))
        self.agent.look()

    def live(self, count: int = 5) -> None:
        """Steps of a device whose value grows by one."""
        for _ in range(count):
            self.now += 1
            number = len(self.readings)
            self.readings.append(Reading(number, self.now, (float(number),)))
        self.agent.look()

    def acts(self) -> list[str]:
        return [act.what for act in self.all_acts()]

    def all_acts(self) -> tuple[Act, ...]:
        return parse_acts(self.journal.read_text())


@pytest.fixture
def node(tmp_path: Path) -> Any:
    registry = FakeRegistry()
    with registry.serving() as source:
        yield Node(tmp_path, registry, source)


def test_a_better_version_is_promoted_after_live_samples(node: Node) -> None:
    first, second = node.version("1", shift=0.0), node.version("2", shift=1.0)
    node.want(first, 1)
    assert node.agent.state.current == first
    node.want(second, 2)
    assert node.agent.state.phase is Phase.COMPARING
    # Samples of before do not count.
    assert node.agent.state.current == first
    node.live()
    assert (node.agent.state.current, node.agent.state.previous) == (second, first)
    assert node.acts()[-4:] == ["fetched", "staged", "compared", "promoted"]
    assert node.server.reloads == 2
    (compared,) = [act for act in node.all_acts() if act.what == "compared"]
    assert compared.errors == (0.0, 1.0)


def test_a_worse_version_is_refused_and_the_one_before_goes_on(node: Node) -> None:
    first, second = node.version("1", shift=1.0), node.version("2", shift=9.0)
    node.want(first, 1)
    node.want(second, 2)
    node.live()
    state = node.agent.state
    assert (state.current, state.phase, state.reason) == (first, Phase.REFUSED, Reason.WORSE)
    assert node.store.has(first.digest)


def test_corrupt_missing_and_unloadable_versions_are_refused(node: Node) -> None:
    first = node.version("1")
    node.want(first, 1)
    corrupt, absent, odd = (node.version(tag) for tag in ("2", "3", "4"))
    for digest, content in list(node.registry.content.items()):
        if content == b"2" * 2000:
            node.registry.content[digest] = b"x" * 2000
    del node.registry.content[absent.digest]
    node.server.unloadable.add(odd.digest)
    for number, (version, reason) in enumerate(
        [(corrupt, Reason.CORRUPT), (absent, Reason.NOT_FOUND), (odd, Reason.UNLOADABLE)], 2
    ):
        node.want(version, number)
        assert (node.agent.state.phase, node.agent.state.reason) == (Phase.REFUSED, reason)
        assert node.agent.state.current == first


def test_a_fetch_goes_on_after_a_restart(node: Node) -> None:
    first, second = node.version("1"), node.version("2")
    node.want(first, 1)
    node.registry.stops_after = 500
    node.want(second, 2)
    assert node.agent.state.phase is Phase.FETCHING
    assert "interrupted" in node.acts()
    assert "unfinished" not in [path.name for path in (node.store.folder / "versions").iterdir()]
    node.registry.stops_after = None
    node.agent = node.make()
    node.agent.look()
    assert node.agent.state.phase is Phase.COMPARING
    assert any("bytes=500-" in request for request in node.registry.asked)


def test_a_rollback_is_asked_for_by_a_file(node: Node) -> None:
    first, second = node.version("1"), node.version("2", shift=1.0)
    node.want(first, 1)
    node.want(second, 2)
    node.live()
    node.registry.content.clear()
    (node.store.folder / ROLLBACK).touch()
    node.agent.look()
    state = node.agent.state
    assert (state.current, state.phase, state.reason) == (first, Phase.ROLLED_BACK, Reason.ASKED)
    assert not (node.store.folder / ROLLBACK).exists()
    # There is no other one.
    (node.store.folder / ROLLBACK).touch()
    node.agent.look()
    assert node.agent.state == state
    assert not (node.store.folder / ROLLBACK).exists()


def test_a_version_that_becomes_worse_is_rolled_back(node: Node) -> None:
    first, second = node.version("1", shift=2.0), node.version("2", shift=1.0)
    node.want(first, 1)
    node.want(second, 2)
    node.live()
    assert node.agent.state.current == second
    node.live()
    assert node.agent.state.current == second
    node.server.shifts[second.digest] = 50.0
    node.live()
    assert (node.agent.state.current, node.agent.state.reason) == (first, Reason.WORSE)


def test_live_samples_since_the_promotion_are_counted(node: Node) -> None:
    def confirmed() -> Any:
        return node.agent.status({})["confirmed"]

    first, second = node.version("1", shift=2.0), node.version("2", shift=1.0)
    node.want(first, 1)
    assert confirmed() is None  # there is nothing to compare it with
    node.want(second, 2)
    node.live()
    assert (node.agent.state.current, confirmed()) == (second, 0)
    node.live()
    counted = confirmed()
    assert counted >= SAMPLES
    node.live()
    assert confirmed() >= counted + SAMPLES
    node.agent = node.make()
    assert confirmed() == 0
    node.server.shifts[second.digest] = 50.0
    node.live()
    assert confirmed() is None


def test_damage_on_the_disk_is_found_at_the_start(node: Node) -> None:
    first, second = node.version("1"), node.version("2", shift=1.0)
    node.want(first, 1)
    node.want(second, 2)
    node.live()
    (node.store.version(second.digest) / "model.onnx").write_bytes(b"truncated")
    found = node.make()
    assert (found.state.current, found.state.reason) == (first, Reason.DAMAGED)


def test_a_node_without_a_device_follows(node: Node) -> None:
    first, second = node.version("1"), node.version("2", shift=9.0)
    node.agent = node.make(target=None)
    node.want(first, 1)
    node.want(second, 2)
    assert node.agent.state.current == second


def test_a_server_that_is_away_is_waited_for(node: Node) -> None:
    first = node.version("1")
    node.server.away = True
    node.want(first, 1)
    assert node.agent.state.phase is Phase.FETCHING
    node.server.away = False
    node.now += 10
    node.agent.look()
    assert node.agent.state.current == first


def test_reports_say_what_is_loaded_and_wishes_are_taken(node: Node) -> None:
    first = node.version("1")
    said: list[Mapping[str, Any]] = []
    wishes: dict[str, Any] = {}
    gone = False

    def exchange(status: Mapping[str, Any]) -> Mapping[str, Any]:
        if gone:
            raise OSError("no route")
        said.append(status)
        return wishes

    whole = Agent(
        lambda name: node.agent,
        exchange,
        node.server,
        Journal(node.journal),
        5.0,
        clock=lambda: node.now,
    )
    whole.look()
    assert said[-1] == {"beat": 1, "models": {}}
    wishes["boiler"] = {
        "version": {"tag": "1", "digest": first.digest},
        "repository": "models/boiler",
        "generation": 1,
    }
    node.now += 6
    whole.look()
    whole.look()
    whole.look()
    assert said[-1]["models"]["boiler"]["serving"] == {"tag": "1", "digest": first.digest}
    gone = True
    node.now += 6
    whole.look()
    gone = False
    node.now += 6
    whole.look()
    assert [act for act in node.acts() if act in ("online", "offline")] == [
        *("online", "offline", "online")
    ]


def test_samples_are_pairs_of_steps() -> None:
    readings = [Reading(number, 10.0 + number, (float(number),)) for number in (1, 2, 4, 5)]
    assert [sample.seq for sample in samples_of(readings, 0, 0)] == [1, 4]
    assert [sample.truth for sample in samples_of(readings, 0, 13)] == [5.0]


def test_readings_are_those_of_the_feed(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    journal = Journal(path)
    journal.add(what="began", time=1.0)
    journal.add(what="request", seq=3, time=2.0, inputs=[1, 2], ok=False)
    assert readings_in(path) == [Reading(3, 2.0, (1.0, 2.0))]
