"""The agent of a node: does what the cloud wants, and decides on its own what may serve.

It needs the cloud for wishes and for content that is not on the node; comparisons, promotions and
rollbacks need only the node.
"""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from . import states
from .client import Answer, NoAnswer
from .gate import Reading, compare, samples_of
from .registry import NotFound, Source, Unreachable, fetch
from .states import NotPossible, Phase, Reason, State, Version, Wanted, wanted_of
from .store import Corrupt, Journal, NoSpace, Store, tail_of

log = logging.getLogger("agent")

ROLLBACK = "rollback"
"""In a model's folder: somebody on the node asks for it. The file is empty, since it has to be
possible on a full disk."""
LOOK_SECONDS = 0.5
RETRY_SECONDS = 3.0
"""Until the next attempt to fetch."""
TAIL_BYTES = 96 * 1024
"""Of the feed's journal: some minutes."""
COMPARE_SECONDS = 3.0
"""Between two looks at live samples: reading them costs an emulated node a tenth of a second."""
MOST_SAMPLES = 200


class Inference(Protocol):
    """The part of `client.Client` that the agent uses."""

    def evaluate(self, model: str, digest: str, inputs: Sequence[Sequence[float]]) -> Answer: ...
    def reload(self, model: str) -> None: ...
    def serving(self) -> dict[str, Any]: ...


Exchange = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Reports a status to the cloud and returns what it wants, by model; raises OSError or another
exception of `Cloud.TROUBLES` if the cloud does not answer."""


@dataclass
class ModelAgent:
    """One model on one node."""

    name: str
    store: Store
    sources: Sequence[Source]
    server: Inference
    journal: Journal
    readings: Callable[[], Sequence[Reading]]
    """The newest steps of the device; none on a node without one."""
    target: int | None
    """Index of the input that models predict; None on a node without a device."""
    clock: Callable[[], float] = time.time
    state: State = field(init=False)
    _since: float = field(init=False)
    _retry_at: float = 0.0
    _compare_at: float = 0.0
    _confirmed: int = 0
    """Live samples on which the serving version was not worse than the previous one, since its
    promotion or the agent's start."""
    _reason: Reason = Reason.NONE
    _trouble: str = ""
    """Reason and message, while something is to be tried again."""

    def __post_init__(self) -> None:
        self.state = self.store.state()
        self._since = self.clock()
        with self._waiting_for_space():
            self._check_files()

    # -- one look ----------------------------------------------------------------------------

    def look(self) -> None:
        """Goes on as far as it can without waiting."""
        with self._waiting_for_space():
            self._do_requests()
            if self.state.phase is Phase.FETCHING:
                self._fetch()
            if self.state.phase is Phase.COMPARING:
                self._compare()
            elif self.state.phase is Phase.SERVING and self.state.previous is not None:
                self._watch()

    def want(self, wanted: Wanted) -> None:
        """The cloud's wish, which may be the same as before."""
        state = states.told(self.state, wanted)
        if state != self.state:
            with self._waiting_for_space():
                self._change(state, "told")

    def roll_back(self, reason: Reason, message: str) -> None:
        """Raises NotPossible if no version before the current one is kept."""
        self._change(states.rolled_back(self.state, reason, message), "rolled-back")
        self._reload()

    def status(self, serving: Mapping[str, Any]) -> dict[str, Any]:
        """For the cloud. `serving` is what the server has loaded, not what it should have."""
        state, comparison = self.state, self.state.comparison
        found: dict[str, Any] = {
            "serving": dict(serving) or None,
            "previous": asdict(state.previous) if state.previous else None,
            "phase": state.phase.value,
            "reason": (state.reason or self._reason).value,
            "message": state.message or self._trouble,
            "generation": state.wanted.generation if state.wanted else 0,
            "wanted": asdict(state.wanted.version) if state.wanted else None,
            "comparison": asdict(comparison) if comparison else None,
            "confirmed": self._confirmed if self._can_confirm else None,
        }
        return found

    # -- fetching ------------------------------------------------------------------------------

    def _fetch(self) -> None:
        wanted = self.state.wanted
        if wanted is None or self.clock() < self._retry_at:
            return
        digest = wanted.version.digest
        if not self.store.has(digest) and not self._trouble:
            self._note("fetching", wanted.version)
        try:
            fetch(self.store, self.sources, wanted.repository, digest)
        except Unreachable as trouble:
            self._interrupted(str(trouble))
            return
        except Corrupt as trouble:
            self._change(states.refused(self.state, Reason.CORRUPT, str(trouble)), "refused")
            return
        except NotFound as trouble:
            self._change(states.refused(self.state, Reason.NOT_FOUND, str(trouble)), "refused")
            return
        self._set_trouble("")
        self._note("fetched", wanted.version)
        try:
            self.server.evaluate(self.name, digest, [])
        except NoAnswer as trouble:
            if trouble.status == 422:
                message = str(trouble)
                self._change(states.refused(self.state, Reason.UNLOADABLE, message), "refused")
            else:
                self._set_trouble(str(trouble))
            return
        if self.target is None:
            # Nothing to compare with: it follows nodes that have compared.
            wanted = Wanted(wanted.version, wanted.repository, wanted.generation)
            self.state = replace(self.state, wanted=wanted)
        self._since = self.clock()
        state = states.staged(self.state)
        self._change(state, "staged" if state.phase is Phase.COMPARING else "promoted")
        if state.phase is Phase.SERVING:
            self._promoted()

    @contextlib.contextmanager
    def _waiting_for_space(self) -> Iterator[None]:
        """On a full disk, removes what nobody needs, and leaves the rest to a later look."""
        try:
            yield
        except NoSpace as trouble:
            self.store.drop_parts()
            self.store.prune(self.state.kept)
            self._interrupted(str(trouble), Reason.NO_SPACE)

    def _interrupted(self, message: str, reason: Reason = Reason.NONE) -> None:
        if message != self._trouble:
            version = self.state.wanted.version if self.state.wanted else None
            self._note("interrupted", version, reason=reason.value, message=message)
        self._set_trouble(message, reason)

    def _set_trouble(self, message: str, reason: Reason = Reason.NONE) -> None:
        """The next attempt to fetch is made after a while; without a message, at once."""
        self._trouble, self._reason = message, reason
        self._retry_at = self.clock() + RETRY_SECONDS if message else 0.0

    # -- comparing -----------------------------------------------------------------------------

    def _compare(self) -> None:
        state, wanted = self.state, self.state.wanted
        if wanted is None or state.current is None:
            return
        comparison = self._compared(wanted.version, state.current, wanted.samples)
        if comparison is None:
            return
        state = states.compared(state, comparison)
        self._note_comparison(wanted.version, comparison)
        self._change(state, "promoted" if state.phase is Phase.SERVING else "refused")
        if state.phase is Phase.SERVING:
            self._promoted()

    def _watch(self) -> None:
        """The promoted version beside the one before, on windows of live samples."""
        state = self.state
        if state.wanted is None or not state.wanted.samples:
            return
        if state.current is None or state.previous is None:
            return
        comparison = self._compared(state.current, state.previous, state.wanted.samples)
        if comparison is None:
            return
        self._since = self.clock()
        found = states.watched(state, comparison)
        if found.phase is Phase.ROLLED_BACK:
            self._note_comparison(state.current, comparison)
            self._change(found, "rolled-back")
            self._reload()
        else:
            # Only in memory: a write to the disk for each window is not worth it.
            self.state = found
            self._confirmed += comparison.samples

    @property
    def _can_confirm(self) -> bool:
        """Whether there are live samples, and a version to compare with."""
        wanted, previous = self.state.wanted, self.state.previous
        compares = wanted is not None and wanted.samples > 0
        return self.target is not None and previous is not None and compares

    def _compared(
        self, candidate: Version, serving: Version, count: int
    ) -> states.Comparison | None:
        """On samples since the last window; None while there are not enough of them."""
        if self.target is None or self.clock() < self._compare_at:
            return None
        self._compare_at = self.clock() + COMPARE_SECONDS
        samples = samples_of(self.readings(), self.target, self._since)[-MOST_SAMPLES:]
        if len(samples) < count:
            return None
        rows = [one.inputs for one in samples]
        try:
            outputs = [
                self.server.evaluate(self.name, version.digest, rows).outputs
                for version in (candidate, serving)
            ]
        except NoAnswer as trouble:
            self._set_trouble(str(trouble))
            return None
        self._set_trouble("")
        return compare(samples, (candidate, outputs[0]), (serving, outputs[1]))

    # -- what is on the disk ---------------------------------------------------------------------

    def _check_files(self) -> None:
        """At the start: what serves must be what its digest says, or the one before serves."""
        current, previous = self.state.current, self.state.previous
        if current is None or not (trouble := self.store.damage(current.digest)):
            return
        self._note("damaged", current, message=trouble)
        if previous is not None and not self.store.damage(previous.digest):
            state = states.rolled_back(self.state, Reason.DAMAGED, trouble)
            self._change(state, "rolled-back")

    def _promoted(self) -> None:
        self._since = self.clock()
        self._confirmed = 0
        self._reload()
        self.store.prune(self.state.kept)
        self.store.drop_parts()

    def _reload(self) -> None:
        # The server looks by itself, too.
        with contextlib.suppress(NoAnswer):
            self.server.reload(self.name)

    def _do_requests(self) -> None:
        path = self.store.folder / ROLLBACK
        if not path.exists():
            return
        with contextlib.suppress(NotPossible):
            self.roll_back(Reason.ASKED, "asked for on the node")
        path.unlink()

    def _change(self, state: State, what: str) -> None:
        """On the disk first: after a loss of power the node goes on from there."""
        self.store.write(state)
        self.state = state
        self._set_trouble("")
        version = state.wanted.version if state.wanted else None
        self._note(what, version, reason=state.reason.value, message=state.message)

    def _note_comparison(self, version: Version, comparison: states.Comparison) -> None:
        self._note(
            "compared",
            version,
            candidate_error=comparison.candidate_error,
            serving_error=comparison.serving_error,
            samples=comparison.samples,
        )

    def _note(self, what: str, version: Version | None, **more: Any) -> None:
        log.info("%s: %s %s %s", self.name, what, version and version.tag, more.get("message", ""))
        current = self.state.current
        self.journal.add(
            time=self.clock(),
            what=what,
            model=self.name,
            tag=version.tag if version else "",
            digest=version.digest if version else "",
            serving=current.tag if current else "",
            **more,
        )


@dataclass
class Agent:
    """All models of a node."""

    make: Callable[[str], ModelAgent]
    exchange: Exchange
    server: Inference
    journal: Journal
    beat_seconds: float
    clock: Callable[[], float] = time.time
    models: dict[str, ModelAgent] = field(default_factory=dict)
    online: bool | None = None
    beat: int = 0
    _next: float = 0.0
    _said: str = ""

    def look(self) -> None:
        for model in self.models.values():
            model.look()
        if self.clock() >= self._next or self._report() != self._said:
            self._next = self.clock() + self.beat_seconds
            self._talk()

    def _talk(self) -> None:
        self.beat += 1
        report = self._report()
        try:
            wanted = self.exchange({"beat": self.beat, "models": json.loads(report)})
            wishes = {name: wanted_of(found) for name, found in wanted.items()}
        except Exception as trouble:  # noqa: BLE001 - the cloud may be gone, or say anything
            self._is_online(False, str(trouble))
            return
        self._said = report
        self._is_online(True, "")
        for name, wish in wishes.items():
            try:
                if name not in self.models:
                    self.models[name] = self.make(name)
            except NoSpace as trouble:
                log.warning("%s: %s", name, trouble)
            else:
                self.models[name].want(wish)

    def _report(self) -> str:
        try:
            serving = self.server.serving()
        except NoAnswer:
            serving = {}
        return json.dumps(
            {name: model.status(serving.get(name) or {}) for name, model in self.models.items()},
            sort_keys=True,
        )

    def _is_online(self, online: bool, message: str) -> None:
        if online != self.online:
            self.online = online
            what = "online" if online else "offline"
            log.info("%s %s", what, message)
            self.journal.add(time=self.clock(), what=what, message=message)


def readings_in(path: Path, count: int = TAIL_BYTES) -> list[Reading]:
    """The newest readings in a feed's journal."""
    return [
        Reading(int(one["seq"]), float(one["time"]), tuple(map(float, one["inputs"])))
        for one in tail_of(path, count)
        if one.get("what") == "request"
    ]
