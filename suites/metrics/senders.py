"""The senders as parameters of tests, and their known losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from edge_lab.addons.metrics.senders import SENDERS

Marks = Mapping[str, pytest.MarkDecorator]

PROMETHEUS_TRACKER = "https://github.com/prometheus/prometheus/issues"


def each_sender(known: Marks | None = None) -> Sequence[Any]:
    """All senders; each test is skipped where the topology does not list its add-on."""
    return [
        pytest.param(
            sender.name,
            marks=[
                pytest.mark.needs(sender.addon),
                *([known[sender.name]] if known and sender.name in known else []),
            ],
            id=sender.name,
        )
        for sender in SENDERS.values()
    ]


_begins_anew = pytest.mark.known_failure(
    tracker=f"{PROMETHEUS_TRACKER}/8809",
    seen="2.53.3 and 3.5.3: after a start, remote write sends what is scraped from then on; what "
    "was in the WAL and not sent yet is never sent",
    look_again="2027-05-29",
)
_ends = pytest.mark.known_failure(
    tracker="https://github.com/VictoriaMetrics/VictoriaMetrics/issues/10225",
    seen="1.112.0: it ends with a panic at each block that it cannot write to its queue",
    look_again="2027-05-29",
)

_stands_still = pytest.mark.known_failure(
    tracker=f"{PROMETHEUS_TRACKER}/8312",
    seen="2.53.3 and 3.5.3: after its clock was set back, all scrapes get the time of the last one "
    "that was planned before, and all but the first are dropped, until the clock has caught up",
    look_again="2027-05-29",
)

LOSE_BY_RESET: Marks = {"agent": _begins_anew, "prometheus": _begins_anew}
"""Senders that lose the whole outage if they are restarted in it."""
LOSE_BY_FULL_DISK: Marks = {"vmagent": _ends}
"""Senders that lose what they scrape offline while the disk is full."""
LOSE_BY_CLOCK: Marks = dict.fromkeys(("agent", "prometheus", "thanos"), _stands_still)
"""Senders that lose what they scrape after their clock was set back, until it has caught up."""
