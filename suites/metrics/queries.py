"""The suite's queries to a lab: what nodes have served, and what the view contains."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from edge_lab.addons.metrics.names import SCRAPES, SERVED
from edge_lab.addons.metrics.records import (
    Origin,
    Served,
    Stored,
    parse_answer,
    parse_served,
    selector,
)
from edge_lab.addons.metrics.senders import Sender, senders_of
from edge_lab.addons.metrics.view import View, sender_view
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually, preparing
from edge_lab.observe.sandboxes import runtime_column
from suites.metrics.evidence import Line

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.machines import Machine

ASK_SECONDS = 120.0
"""Seconds for one query to a node, or to the view."""
MARGIN_SECONDS = 30.0
"""Seconds by which clocks may differ, with a margin."""
LINE_SECONDS = 600.0
SERVE_SECONDS = 30.0
"""Seconds for one scrape, which is due every two seconds."""
DRAIN_SECONDS = 300.0
"""Seconds from a heal until buffered samples arrive: senders retry after up to a minute."""
SETTLED_SECONDS = 90.0
"""Seconds without new samples after which no more are expected."""

_GET = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=30).read().decode())"


@dataclass(frozen=True)
class Metrics:
    """The metrics of a lab."""

    lab: Lab
    limit: TimeLimit

    @cached_property
    def views(self) -> Mapping[View, frozenset[str]]:
        """The views, and the names of the senders whose samples are in each."""
        found: dict[View, frozenset[str]] = {}
        for sender in self.senders:
            view = sender_view(self.lab.topology, sender)
            found[view] = found.get(view, frozenset()) | {sender.name}
        return found

    @property
    def server(self) -> Machine:
        return self.lab.machines[self.lab.topology.server.name]

    @property
    def senders(self) -> tuple[Sender, ...]:
        return senders_of(self.lab.topology)

    @property
    def nodes(self) -> tuple[str, ...]:
        return tuple(node.name for node in self.lab.topology.edges)

    @property
    def keys(self) -> tuple[Origin, ...]:
        return tuple(Origin(node, sender.name) for node in self.nodes for sender in self.senders)

    def runtime(self, node: str) -> str:
        """Column in the table."""
        return runtime_column(self.lab, node)

    # -- on the node -------------------------------------------------------------------------

    def served(self, node: str) -> Mapping[str, tuple[Served, ...]]:
        """By sender, all that a node has served, over the management path."""
        done = self.lab.machines[node].run(f"tr -d '\\000' <{SERVED}", self.limit(ASK_SECONDS))
        # The last line may be incomplete.
        return parse_served(done.stdout.rpartition("\n")[0])

    def numbers(self) -> dict[Origin, int]:
        """The number of the last scrape of each sender on each node."""
        found = dict.fromkeys(self.keys, 0)
        for node in self.nodes:
            for sender, served in self.served(node).items():
                found[Origin(node, sender)] = served[-1].number
        return found

    def until_served(self, more: int) -> dict[Origin, int]:
        """Waits until each sender has scraped `more` times; returns the numbers then."""
        before = self.numbers()

        def all_served() -> dict[Origin, int] | None:
            now = self.numbers()
            return now if all(now[key] >= before[key] + more for key in self.keys) else None

        with preparing():
            return eventually(
                f"each sender scrapes {more} times",
                all_served,
                self.limit(SERVE_SECONDS + 4.0 * more),
                every=2.0,
                transient=(LabError,),
            )

    def bytes_sent(self, key: Origin) -> float | None:
        """Bytes that a sender has written since its start; None if it does not report them."""
        (sender,) = (sender for sender in self.senders if sender.name == key.sender)
        if not sender.sent_bytes:
            return None
        url = f"http://{sender.address}/metrics"
        done = self.lab.machines[key.node].run(
            f"python3 -I -c '{_GET}' {url}", self.limit(ASK_SECONDS), check=False
        )
        return counted(done.stdout, sender.sent_bytes)

    def device_steps(self, names: Iterable[str]) -> dict[str, frozenset[int]]:
        """By device, the numbers of all steps in its ground truth."""
        devices = self.lab.devices
        return {name: frozenset(step.seq for step in devices[name].steps()) for name in names}

    # -- in the views -------------------------------------------------------------------------

    def stored(
        self,
        *,
        since: float,
        ahead: float = 0.0,
        devices: bool = True,
        only: View | None = None,
        whole: bool = False,
    ) -> Mapping[Origin, tuple[Stored, ...]]:
        """All samples with timestamps after `since` (seconds since 1970, by the host's clock, from
        which the lab's are set), and up to `ahead` seconds in the future; in all views, or one.
        With `whole`, LabError if a response is partial."""
        seconds, until = _window(since, ahead)
        found: dict[Origin, tuple[Stored, ...]] = {}
        for view in (only,) if only else self.views:
            limit = self.limit(ASK_SECONDS)
            found |= view.stored(
                self.server, limit, seconds=seconds, time=until, devices=devices, whole=whole
            )
        return found

    def failed(
        self, *, since: float, ahead: float, whole: bool = False
    ) -> Mapping[Origin, tuple[int, ...]]:
        """Timestamps of the scrapes that senders report as failed, ns; the window is that of
        `stored`."""
        seconds, until = _window(since, ahead)
        found: dict[Origin, tuple[int, ...]] = {}
        for view in self.views:
            limit = self.limit(ASK_SECONDS)
            found |= view.failed(self.server, limit, seconds=seconds, time=until, whole=whole)
        return found

    def all_stored(
        self, *, since: float, ahead: float
    ) -> tuple[Mapping[Origin, tuple[Stored, ...]], Mapping[Origin, tuple[int, ...]]]:
        """`stored` and `failed`; views whose response is partial are queried again."""
        return self.limit(ASK_SECONDS).wait_for(
            "complete responses",
            lambda: (
                self.stored(since=since, ahead=ahead, whole=True),
                self.failed(since=since, ahead=ahead, whole=True),
            ),
            every=2.0,
            transient=(LabError,),
        )

    def series(self) -> dict[Origin, int]:
        """The number of series in its view for each sender."""
        query = "count by (node, sender) ({sender!=''})"
        return {
            answer.origin: int(answer.samples[0][1])
            for view in self.views
            for answer in view.query(self.server, query, self.limit(ASK_SECONDS))
        }

    def warnings(self, sender: str) -> tuple[str, ...]:
        """Warnings of the view of a sender about its newest samples."""
        (view,) = (view for view, names in self.views.items() if sender in names)
        text = view.text(self.server, "/api/v1/query", self.limit(ASK_SECONDS), query=SCRAPES)
        return warnings_in(text)

    def lines(self, newest: Mapping[Origin, float], *, step: float) -> tuple[Line, ...]:
        """The graphs of unreachable senders over the last ten minutes; `newest` are the timestamps
        of their newest samples, seconds since 1970."""
        return tuple(
            line
            for view, names in self.views.items()
            for line in self._lines(
                view, {key: stamp for key, stamp in newest.items() if key.sender in names}, step
            )
        )

    def _lines(self, view: View, newest: Mapping[Origin, float], step: float) -> tuple[Line, ...]:
        asked, limit = time.time(), self.limit(ASK_SECONDS)
        at = f"{asked:.3f}"
        began = time.monotonic()
        text = view.text(
            self.server,
            "/api/v1/query_range",
            limit,
            query=SCRAPES,
            start=f"{asked - LINE_SECONDS:.3f}",
            end=at,
            step=f"{step:g}",
        )
        took = time.monotonic() - began
        drawn = {
            series.origin: tuple(at for at, _ in series.samples) for series in parse_answer(text)
        }
        instant = view.query(self.server, SCRAPES, limit, time=at)
        each = [f"absent({selector(SCRAPES, key.node, key.sender)})" for key in newest]
        absent = view.query(self.server, " or ".join(each), limit, time=at)
        return tuple(
            Line(
                node=key.node,
                sender=key.sender,
                runtime=self.runtime(key.node),
                newest=stamp,
                asked=asked,
                points=drawn.get(key, ()),
                points_before=sum(point <= stamp for point in drawn.get(key, ())),
                instant=sum(answer.origin == key for answer in instant),
                absent=any(answer.origin == key for answer in absent),
                warnings=warnings_in(text),
                took=took,
            )
            for key, stamp in newest.items()
        )


def _window(since: float, ahead: float) -> tuple[float, float]:
    """Its length in seconds, and its end, seconds since 1970."""
    until = time.time() + MARGIN_SECONDS + ahead
    return until - since + MARGIN_SECONDS, until


def warnings_in(text: str) -> tuple[str, ...]:
    """The warnings in a response of Prometheus' HTTP API."""
    return tuple(json.loads(text).get("warnings", ()))


def counted(text: str, name: str) -> float | None:
    """The sum of a counter in a page of metrics; None if it is missing."""
    pattern = rf"(?m)^{re.escape(name)}(?:\{{[^}}]*\}})? (\S+)$"
    found = [float(value) for value in re.findall(pattern, text)]
    return sum(found) if found else None
