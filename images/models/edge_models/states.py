"""The state of one model on one node, as data: what is wanted, what serves, and why.

Every change is a function from one state to the next, without side effects; the agent writes the
result to disk as a whole before it acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """What becomes of the version that is wanted."""

    IDLE = "Idle"
    """Nothing was wanted yet."""
    FETCHING = "Fetching"
    """Not complete on the node yet."""
    COMPARING = "Comparing"
    """Complete and verified; it is compared with the one that serves."""
    SERVING = "Serving"
    REFUSED = "Refused"
    """It never served; the one before goes on."""
    ROLLED_BACK = "RolledBack"
    """It served, and the one before serves again."""

    @property
    def ended(self) -> bool:
        """Whether only a new wish changes it."""
        return self in (Phase.SERVING, Phase.REFUSED, Phase.ROLLED_BACK)


class Reason(StrEnum):
    """Why a version was refused or rolled back, or is not there yet."""

    NONE = ""
    CORRUPT = "Corrupt"
    """Its content is not what its digest says."""
    NOT_FOUND = "NotFound"
    UNLOADABLE = "Unloadable"
    """The runtime cannot load it, although its digest is right."""
    WORSE = "Worse"
    """On live samples, than the one that served before."""
    ASKED = "Asked"
    """By somebody on the node."""
    DAMAGED = "Damaged"
    """Its files on the node are not what its digest says any more."""
    NO_SPACE = "NoSpace"
    """The disk is full; the node tries again by itself."""


class NotPossible(Exception):
    """A change that this state does not allow."""


@dataclass(frozen=True)
class Version:
    tag: str
    digest: str
    """sha256:… of the artifact's manifest."""


@dataclass(frozen=True)
class Wanted:
    """What the cloud wants to serve on this node."""

    version: Version
    repository: str
    generation: int
    """Number of the wish: the same version is tried again only with a new one."""
    samples: int = 0
    """Live samples for a comparison; 0 promotes without one."""
    tolerance: float = 0.0
    """How much larger the error may be than that of the version before, as a fraction."""


@dataclass(frozen=True)
class Comparison:
    """Mean absolute errors of two versions on the same live samples."""

    candidate: str
    """Tag."""
    serving: str
    candidate_error: float
    serving_error: float
    samples: int


@dataclass(frozen=True)
class State:
    current: Version | None = None
    previous: Version | None = None
    """The version to which a rollback goes; its files are kept."""
    wanted: Wanted | None = None
    phase: Phase = Phase.IDLE
    reason: Reason = Reason.NONE
    message: str = ""
    comparison: Comparison | None = None

    @property
    def kept(self) -> frozenset[str]:
        """Digests whose files must stay on disk."""
        versions = (self.current, self.previous, self.wanted and self.wanted.version)
        return frozenset(version.digest for version in versions if version)


def told(state: State, wanted: Wanted) -> State:
    """The cloud wants this; the same wish again changes nothing."""
    if state.wanted == wanted:
        return state
    serves = state.current == wanted.version
    phase = Phase.SERVING if serves else Phase.FETCHING
    return replace(
        state, wanted=wanted, phase=phase, reason=Reason.NONE, message="", comparison=None
    )


def staged(state: State) -> State:
    """The wanted version is complete on the node, verified, and could be loaded."""
    wanted = _wanted(state, Phase.FETCHING)
    compare = state.current is not None and wanted.samples > 0
    return replace(state, phase=Phase.COMPARING) if compare else _promoted(state, wanted)


def compared(state: State, comparison: Comparison) -> State:
    """Promoted, or refused because it is worse."""
    wanted = _wanted(state, Phase.COMPARING)
    found = replace(state, comparison=comparison)
    if is_worse(comparison, wanted.tolerance):
        return refused(found, Reason.WORSE, told_of(comparison))
    return _promoted(found, wanted)


def refused(state: State, reason: Reason, message: str) -> State:
    """The wanted version will not serve; what serves goes on."""
    return replace(state, phase=Phase.REFUSED, reason=reason, message=message)


def rolled_back(state: State, reason: Reason, message: str) -> State:
    """The version before serves again.

    Raises:
        NotPossible: there is none.
    """
    if state.previous is None:
        raise NotPossible("no version before the current one is kept")
    return replace(
        state,
        current=state.previous,
        previous=None,
        phase=Phase.ROLLED_BACK,
        reason=reason,
        message=message,
    )


def watched(state: State, comparison: Comparison) -> State:
    """After a promotion the version before is still compared; if the promoted one has become worse
    than it, it is rolled back."""
    if state.phase is not Phase.SERVING or state.previous is None or state.wanted is None:
        return state
    found = replace(state, comparison=comparison)
    if is_worse(comparison, state.wanted.tolerance):
        return rolled_back(found, Reason.WORSE, told_of(comparison))
    return found


def is_worse(comparison: Comparison, tolerance: float) -> bool:
    return comparison.candidate_error > comparison.serving_error * (1 + tolerance)


def told_of(comparison: Comparison) -> str:
    return (
        f"mean error {comparison.candidate_error:.2f} of {comparison.candidate} and "
        f"{comparison.serving_error:.2f} of {comparison.serving} on {comparison.samples} samples"
    )


def _promoted(state: State, wanted: Wanted) -> State:
    if state.current == wanted.version:
        return replace(state, phase=Phase.SERVING)
    return replace(
        state,
        current=wanted.version,
        previous=state.current,
        phase=Phase.SERVING,
        reason=Reason.NONE,
        message="",
    )


def _wanted(state: State, phase: Phase) -> Wanted:
    if state.wanted is None or state.phase is not phase:
        raise NotPossible(f"the state is {state.phase.value}, not {phase.value}")
    return state.wanted


# -- as JSON -------------------------------------------------------------------------------------


def to_json(state: State) -> dict[str, Any]:
    return asdict(state)


def from_json(found: Mapping[str, Any]) -> State:
    """The inverse; ValueError, KeyError or TypeError if it is no state."""
    wanted = found["wanted"]
    return State(
        current=_version(found["current"]),
        previous=_version(found["previous"]),
        wanted=wanted_of(wanted) if wanted else None,
        phase=Phase(found["phase"]),
        reason=Reason(found["reason"]),
        message=str(found["message"]),
        comparison=Comparison(**found["comparison"]) if found["comparison"] else None,
    )


def wanted_of(found: Mapping[str, Any]) -> Wanted:
    """From the state on disk, or from an object of the API server."""
    return Wanted(
        version=Version(str(found["version"]["tag"]), str(found["version"]["digest"])),
        repository=str(found["repository"]),
        generation=int(found["generation"]),
        samples=int(found.get("samples", 0)),
        tolerance=float(found.get("tolerance", 0.0)),
    )


def _version(found: Mapping[str, Any] | None) -> Version | None:
    return Version(str(found["tag"]), str(found["digest"])) if found else None
