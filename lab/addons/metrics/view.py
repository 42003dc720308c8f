"""A view: a server of queries about the metrics of all nodes, with Prometheus' HTTP API.

The receiver is one. Another with the same API, such as Thanos' querier, can be judged in the same
way: `View("thanos", "https://…")`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from edge_lab.addons.metrics.names import ASK, HOME, METRICS, RECEIVER_PORT
from edge_lab.addons.metrics.records import (
    Answer,
    Origin,
    Stored,
    parse_answer,
    queries,
    stored_samples,
)
from edge_lab.cluster.access import MachineAccess
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Topology


@dataclass(frozen=True)
class View:
    """Queried on the server node, over the management path, so that faults of edge nodes do not
    affect it."""

    name: str
    url: str
    """`https://address:port`; queried with the certificates of the server node."""

    def text(self, server: MachineAccess, path: str, deadline: Deadline, **parameters: str) -> str:
        """Its raw response."""
        url = f"{self.url}{path}?{urlencode(parameters)}"
        seconds = f"{deadline.remaining:.0f}"
        command = shlex.join(("/usr/bin/python3", "-I", ASK, HOME, seconds, url))
        return server.run(command, deadline).stdout

    def query(
        self, server: MachineAccess, query: str, deadline: Deadline, **parameters: str
    ) -> tuple[Answer, ...]:
        """LabError if it does not answer."""
        text = self.text(server, "/api/v1/query", deadline, query=query, **parameters)
        return parse_answer(text)

    def query_range(
        self, server: MachineAccess, query: str, deadline: Deadline, **parameters: str
    ) -> tuple[Answer, ...]:
        text = self.text(server, "/api/v1/query_range", deadline, query=query, **parameters)
        return parse_answer(text)

    def stored(
        self,
        server: MachineAccess,
        deadline: Deadline,
        *,
        seconds: float,
        time: float,
        devices: bool = True,
    ) -> Mapping[Origin, tuple[Stored, ...]]:
        """All samples of the `seconds` before `time`, which is in seconds since 1970; with the
        values of `devices`, if requested."""
        counts, sequences = queries(seconds)
        at = f"{time:.3f}"
        return stored_samples(
            self.query(server, counts, deadline, time=at),
            self.query(server, sequences, deadline, time=at) if devices else (),
        )


def receiver_view(topology: Topology) -> View:
    """The view of the receiver."""
    address = topology.cluster_link(topology.server.name).address
    return View(METRICS, f"https://{address}:{RECEIVER_PORT}")
