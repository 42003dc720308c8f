"""A `Site` whose edge node has a clock of its own, which can be set, with all senders, Thanos' too.

Senders and exporter read that clock. The sidecar, which is linked statically, reads the machine's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.senders import PROMETHEUS, SENDERS, Sender
from edge_lab.pki import Pki
from tests.addons.metrics.thanossite import ThanosSite
from tests.addons.nodeclock import NodeClock
from tests.namespaces import Namespace

BEGINS_SECONDS = -400
"""Of the clock when the programs start. Remote write never sends samples with timestamps before its
start, so a clock that is set back later must not show an earlier time than that."""
NOT_ADJUSTED = "--no-scrape.adjust-timestamps"
"""An option that Prometheus' help does not list: a scrape has the time at which it begins, not the
nearest one of its schedule."""


def _not_adjusted(place: Place, name: str, listen: str) -> tuple[str, ...]:
    return (*replace(PROMETHEUS, name=name).command(place, listen), NOT_ADJUSTED)


UNADJUSTED = replace(PROMETHEUS, name="unadjusted", port=9094, _command=_not_adjusted)


class ClockSite(ThanosSite):
    senders: ClassVar[Mapping[str, Sender]] = {**SENDERS, UNADJUSTED.name: UNADJUSTED}

    @property
    def clock(self) -> NodeClock:
        return NodeClock(self.folder)

    def write_more(self, pki: Pki) -> None:
        super().write_more(pki)
        self.clock.make(BEGINS_SECONDS)

    def set_clock(self, ahead: int) -> None:
        """So many seconds ahead of the machine's."""
        self.clock.set(ahead)

    def start(self, name: str, where: Namespace, argv: Sequence[str]) -> None:
        if where is self.edge:
            argv = (*self.clock.prefix(), *argv)
        super().start(name, where, argv)
