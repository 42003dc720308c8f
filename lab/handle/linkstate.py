"""The state of a link in one word, for status, picture and report."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from edge_lab.fabric import Mode

if TYPE_CHECKING:
    from edge_lab.fabric import LinkStatus


class LinkState(StrEnum):
    """Ordered from good to bad: of two directions, the worse one names the link.

    Whoever maps a state to something else does so with `match` and `assert_never`, so that mypy
    finds each place that a new state would be missing from.
    """

    UP = "up"
    IMPAIRED = "impaired"
    """Frames pass, but late, lost, altered or slowed."""
    HALF_OPEN = "half-open"
    DROP = "drop"
    CUT = "cut"

    @property
    def severity(self) -> int:
        """0 for UP, the higher the worse."""
        return list(LinkState).index(self)


def link_state(link: LinkStatus) -> tuple[LinkState, str]:
    """The state of `link`, and what is set on which direction; "" where nothing is."""
    notes: list[str] = []
    worst = LinkState.UP
    for direction, state in (("tx", link.tx), ("rx", link.rx)):
        if state.is_clear:
            continue
        notes.append(f"{direction} {state}")
        worst = max(worst, _state_of(state.mode), key=lambda found: found.severity)
    return worst, "; ".join(notes)


def _state_of(mode: Mode) -> LinkState:
    """That of a direction which is not plain."""
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
