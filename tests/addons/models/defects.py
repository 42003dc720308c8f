"""The programs of nodes with planted defects, each of which a verdict has to turn red.

python3 -m tests.addons.models.defects DEFECT CONFIG PROGRAM
"""

from __future__ import annotations

import ssl
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

# The programs import each other by the name that they have on nodes.
import edge_models.agent as agent  # type: ignore[import-not-found]
import edge_models.engine as engine  # type: ignore[import-not-found]
import edge_models.registry as registry  # type: ignore[import-not-found]
import edge_models.rollout as rollout  # type: ignore[import-not-found]
import edge_models.serve as serve  # type: ignore[import-not-found]
import edge_models.states as states  # type: ignore[import-not-found]
import edge_models.store as store  # type: ignore[import-not-found]
from edge_models.__main__ import main  # type: ignore[import-not-found]


def torn() -> None:
    """The new scaling is used with the model of the version before."""
    reload = engine.Engine.reload

    def mixed(self: Any) -> None:
        before = self.serving
        reload(self)
        if before is not None and self.serving is not before:
            self._serving = engine.Loaded(self.serving.version, before.run, self.serving.scaling)

    engine.Engine.reload = mixed


def unverified() -> None:
    """Nobody compares content with its digest."""
    store.digest_of = lambda content: _Any()
    store.file_digest = registry.file_digest = lambda path: _Any()
    registry.digest_of = store.digest_of
    engine.damage_of = lambda folder, digest: ""


class _Any(str):
    """Equal to every digest."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def ungated() -> None:
    """Whatever was compared is promoted."""
    states.is_worse = lambda comparison, tolerance: False


def forgetful() -> None:
    """The version before is not kept."""
    promoted = states._promoted

    def alone(state: Any, wanted: Any) -> Any:
        return states.replace(promoted(state, wanted), previous=None)

    states._promoted = alone


def hoarding() -> None:
    """What was fetched of a version stays on a full disk."""
    store.Store.drop_parts = lambda self: None


def distrustful() -> None:
    """After a start, a version that does not serve yet is fetched again."""
    check = agent.ModelAgent._check_files

    def anew(self: Any) -> None:
        check(self)
        if self.state.phase is states.Phase.COMPARING:
            self.store.prune(frozenset({self.state.current.digest}))
            self.state = states.replace(self.state, phase=states.Phase.FETCHING)

    agent.ModelAgent._check_files = anew


def wasteful() -> None:
    """After a start, what was fetched of a version is thrown away."""
    check = agent.ModelAgent._check_files

    def anew(self: Any) -> None:
        check(self)
        self.store.drop_parts()

    agent.ModelAgent._check_files = anew


def stubborn() -> None:
    """What the cloud has wanted first is wanted for ever."""
    want = agent.ModelAgent.want

    def want_the_first(self: Any, wanted: Any) -> None:
        want(self, self.__dict__.setdefault("first", wanted))

    agent.ModelAgent.want = want_the_first


def boastful() -> None:
    """Reports what is wanted, not what the server has loaded."""
    status = agent.ModelAgent.status

    def wanted(self: Any, serving: Any) -> Any:
        return {**status(self, serving), "serving": status(self, serving)["wanted"]}

    agent.ModelAgent.status = wanted


def hasty() -> None:
    """The operator tells all nodes at once."""
    plan = rollout.plan

    def at_once(wish: Any, nodes: Any) -> Any:
        found = plan(wish, nodes)
        waiting = [name for name, phase in found.nodes.items() if phase == "Waiting"]
        return rollout.Plan(tuple(waiting), found.progress, found.message, found.nodes)

    rollout.plan = at_once


def impatient() -> None:
    """The operator waits for no canary region."""
    wish_of = rollout.wish_of

    def without_canary(found: Any) -> Any:
        wish = wish_of(found)
        stages = tuple(states.replace(stage, canary_samples=0) for stage in wish.stages)
        return states.replace(wish, stages=stages)

    rollout.wish_of = without_canary


def lingering() -> None:
    """The operator leaves an outdated wish to a node that is out of reach."""
    plan = rollout.plan
    rollout.plan = lambda wish, nodes: states.replace(plan(wish, nodes), withdraw=())


def trusting() -> None:
    """The operator believes the last report for ever."""
    rollout.Heard.look = lambda self, node, beat, now: bool(beat)


def open_to_all() -> None:
    """The cloud's server asks nobody for a certificate."""
    context = ssl.SSLContext

    class Careless(context):  # type: ignore[misc, valid-type]
        @property
        def verify_mode(self) -> Any:
            return ssl.CERT_NONE

        @verify_mode.setter
        def verify_mode(self, value: Any) -> None:
            pass

    serve.ssl = SimpleNamespace(**{**vars(ssl), "SSLContext": Careless})


DEFECTS: dict[str, Callable[[], None]] = {
    found.__name__: found
    for found in (
        *(torn, unverified, ungated, forgetful, hoarding, distrustful, wasteful, stubborn),
        *(boastful, hasty, impatient, lingering, trusting, open_to_all),
    )
}

if __name__ == "__main__":
    DEFECTS[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
