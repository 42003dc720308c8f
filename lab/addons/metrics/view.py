"""A view: a server of queries about the metrics of all nodes, with Prometheus' HTTP API.

The receiver is one, Thanos' querier another; the object storage alone is a third.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from edge_lab.addons.guestprogram import PYTHON
from edge_lab.addons.metrics.names import (
    ASK,
    DEVICE_SEQUENCE,
    HOME,
    METRICS,
    QUERY_PORT,
    SCRAPES,
    STORE_PORT,
    UP,
)
from edge_lab.addons.metrics.records import (
    Answer,
    Origin,
    Stored,
    failed_scrapes,
    parse_answer,
    raw_samples,
    stored_samples,
)
from edge_lab.addons.metrics.senders import Sender
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
    parameters: tuple[tuple[str, str], ...] = ()
    """Names and values, of each query."""

    def text(self, server: MachineAccess, path: str, deadline: Deadline, **parameters: str) -> str:
        """Its raw response."""
        url = f"{self.url}{path}?{urlencode({**dict(self.parameters), **parameters})}"
        seconds = f"{deadline.remaining:.0f}"
        command = shlex.join((*PYTHON, ASK, HOME, seconds, url))
        return server.run(command, deadline).stdout

    def query(
        self,
        server: MachineAccess,
        query: str,
        deadline: Deadline,
        *,
        whole: bool = False,
        **parameters: str,
    ) -> tuple[Answer, ...]:
        """LabError if it does not answer, or, with `whole`, if its response is partial."""
        text = self.text(server, "/api/v1/query", deadline, query=query, **parameters)
        return parse_answer(text, whole=whole)

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
        whole: bool = False,
    ) -> Mapping[Origin, tuple[Stored, ...]]:
        """All samples of the `seconds` before `time`, which is in seconds since 1970; with the
        values of `devices`, if requested. With `whole`, LabError if a response is partial."""

        def samples(series: str) -> tuple[Answer, ...]:
            query = raw_samples(series, seconds)
            return self.query(server, query, deadline, whole=whole, time=f"{time:.3f}")

        return stored_samples(samples(SCRAPES), samples(DEVICE_SEQUENCE) if devices else ())

    def failed(
        self,
        server: MachineAccess,
        deadline: Deadline,
        *,
        seconds: float,
        time: float,
        whole: bool = False,
    ) -> Mapping[Origin, tuple[int, ...]]:
        """Timestamps of the scrapes that senders report as failed, ns; parameters as for
        `stored`."""
        query = raw_samples(UP, seconds)
        return failed_scrapes(self.query(server, query, deadline, whole=whole, time=f"{time:.3f}"))


def sender_view(topology: Topology, sender: Sender) -> View:
    """The view in which the samples of a sender are: the receiver's, or that of Thanos' querier."""
    address = topology.cluster_link(topology.server.name).address
    return View(f"{METRICS}:{sender.view_port}", f"https://{address}:{sender.view_port}")


def archive_view(topology: Topology) -> View:
    """Thanos' querier with the store gateway alone: what is in the object storage."""
    address = topology.cluster_link(topology.server.name).address
    store = f'{{__address__="127.0.0.1:{STORE_PORT}"}}'
    return View("object storage", f"https://{address}:{QUERY_PORT}", (("storeMatch[]", store),))
