"""Every state that a fabric can report for a link has a word and a look in the picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.fabric import LinkStatus, Mode
from edge_lab.fabric.counters import Counters, LinkCounters
from edge_lab.fabric.state import CLEAR, DirectionState
from edge_lab.handle.linkstate import LinkState, link_state
from edge_lab.handle.picture import LinkView, lab_svg
from edge_lab.topology import load_topology
from tests.conftest import LABS

DIRECTIONS = st.builds(
    DirectionState, mode=st.sampled_from(Mode), delay_ms=st.sampled_from([0.0, 20.0])
)


def link(tx: DirectionState = CLEAR, rx: DirectionState = CLEAR) -> LinkStatus:
    none = LinkCounters(tx=Counters(), rx=Counters())
    return LinkStatus(name="arm-cloud", network="cloud", tx=tx, rx=rx, counters=none)


@pytest.mark.parametrize(
    ("tx", "rx", "state"),
    [
        (CLEAR, CLEAR, LinkState.UP),
        (DirectionState(delay_ms=1), CLEAR, LinkState.IMPAIRED),
        (CLEAR, DirectionState(mode=Mode.HALF_OPEN), LinkState.HALF_OPEN),
        (DirectionState(mode=Mode.HALF_OPEN), DirectionState(mode=Mode.DROP), LinkState.DROP),
        (DirectionState(mode=Mode.CUT), DirectionState(delay_ms=1), LinkState.CUT),
    ],
)
def test_the_worse_direction_names_a_link(
    tx: DirectionState, rx: DirectionState, state: LinkState
) -> None:
    assert link_state(link(tx, rx))[0] is state
    assert link_state(link(rx, tx))[0] is state


@given(tx=DIRECTIONS, rx=DIRECTIONS)
def test_whatever_is_set_on_a_link_can_be_drawn(tx: DirectionState, rx: DirectionState) -> None:
    state, note = link_state(link(tx, rx))
    assert (state is LinkState.UP) is (tx.is_clear and rx.is_clear) is (note == "")
    svg = lab_svg(load_topology(LABS / "default.yaml"), links={"arm-cloud": LinkView(state, note)})
    assert state.value in svg
