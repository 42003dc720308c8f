"""How soon a change of state is felt while frames flow, in a real fabric process."""

from __future__ import annotations

import pytest

from edge_lab.bench.effects import EFFECT_DWELL, effects, effects_of
from edge_lab.core.errors import LabError

slow = pytest.mark.slow(reason="a flood that lasts")

LONGEST = 0.050
"""Seconds; measured on an idle machine by `make bench`."""
TIMES = 10


@slow
def test_each_change_takes_effect_in_a_flood() -> None:
    assert EFFECT_DWELL > LONGEST  # a change that came too late would be seen
    seen = effects(TIMES)
    assert len(seen.stopped) == len(seen.resumed) == TIMES
    # Without any effect, frames would come for as long as the drop lasts.
    assert seen.stopped[TIMES // 2] < EFFECT_DWELL / 2


def test_a_change_that_comes_too_late_would_be_seen() -> None:
    came = [n / 1000 for n in range(1_000)]
    asked = [(0.1005, 0.2005)]
    prompt = effects_of(asked, [at for at in came if not 0.103 < at < 0.203])
    assert prompt.stopped == [pytest.approx(0.0025)]
    assert prompt.resumed == [pytest.approx(0.0025)]
    late = effects_of(asked, [at for at in came if not 0.155 < at < 0.255])
    assert late.stopped[0] > LONGEST
    assert late.resumed[0] > LONGEST
    without_effect = effects_of(asked, came)
    assert without_effect.stopped[0] > LONGEST
    with pytest.raises(LabError, match="did not flow"):
        effects_of(asked, came[:150])
