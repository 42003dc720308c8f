"""The state of a link in one word, for status, picture and report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from edge_lab.fabric import Mode

if TYPE_CHECKING:
    from edge_lab.fabric import LinkStatus


class LinkState(StrEnum):
    """Ordered from good to bad: the worse of two directions determines the state of the link.

    Map states to other values with `match` and `assert_never`, so that mypy finds all places that
    lack a new state.
    """

    UP = "up"
    IMPAIRED = "impaired"
    """Frames pass, but some are delayed, lost, altered or slowed."""
    HALF_OPEN = "half-open"
    DROP = "drop"
    CUT = "cut"

    @property
    def severity(self) -> int:
        """0 for UP, the higher the worse."""
        return list(LinkState).index(self)


def link_state(link: LinkStatus) -> tuple[LinkState, str]:
    """The state of `link`, and a description of each direction; empty if unimpaired."""
    notes: list[str] = []
    worst = LinkState.UP
    for direction, state in (("tx", link.tx), ("rx", link.rx)):
        if state.is_clear:
            continue
        notes.append(f"{direction} {state}")
        worst = max(worst, _state_of(state.mode), key=lambda found: found.severity)
    return worst, "; ".join(notes)


def _state_of(mode: Mode) -> LinkState:
    """The state of a direction in which frames do not pass unchanged."""
    match mode:
        case Mode.PASS:
            return LinkState.IMPAIRED
        case Mode.HALF_OPEN:
            return LinkState.HALF_OPEN
        case Mode.DROP:
            return LinkState.DROP
        case Mode.CUT:
            return LinkState.CUT
        case _:
            assert_never(mode)
