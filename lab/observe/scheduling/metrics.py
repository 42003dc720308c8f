"""Histograms from the metrics of scheduler and kubelet, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from edge_lab.core.errors import LabError

if TYPE_CHECKING:
    from edge_lab.core.deadline import Deadline
    from edge_lab.handle.lab import Lab

SCHEDULING = "scheduler_pod_scheduling_sli_duration_seconds"
"""From when the scheduler first sees the pod until it is bound, without waits for the end of other
pods."""
POD_START = "kubelet_pod_start_sli_duration_seconds"
"""From the pod's creation, in whole seconds, until the kubelet's watch shows it started."""

SCHEDULER_METRICS = "https://127.0.0.1:10259/metrics"

_GET = """\
python3 -I - <<'EDGE_LAB'
import ssl, sys, urllib.request
anyone = ssl.create_default_context()
anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
with urllib.request.urlopen("{url}", timeout=20, context=anyone) as answer:
    sys.stdout.buffer.write(answer.read())
EDGE_LAB
"""


@dataclass(frozen=True)
class Histogram:
    """One metric over all labels: the number of values, and their sum, s."""

    count: int
    seconds: float
    buckets: Mapping[float, int]
    """The number of values of at most so many seconds."""

    def since(self, before: Histogram) -> Histogram:
        """The difference; LabError if the program restarted meanwhile."""
        if self.count < before.count:
            raise LabError("a program whose metrics were read before has been restarted since")
        return Histogram(
            self.count - before.count,
            self.seconds - before.seconds,
            {edge: count - before.buckets.get(edge, 0) for edge, count in self.buckets.items()},
        )

    @property
    def mean(self) -> float | None:
        """None without values."""
        return self.seconds / self.count if self.count else None


def histogram(text: str, name: str) -> Histogram:
    """Parses metrics in Prometheus' text format; an absent one has no values.

    Raises:
        LabError: the text is not metrics.
    """
    count, seconds, families = 0.0, 0.0, 0
    buckets: dict[float, int] = {}
    try:
        for family in text_string_to_metric_families(text):
            families += 1
            for sample in family.samples if family.name == name else ():
                if sample.name == f"{name}_count":
                    count += sample.value
                elif sample.name == f"{name}_sum":
                    seconds += sample.value
                elif sample.name == f"{name}_bucket":
                    edge = float(sample.labels["le"])
                    buckets[edge] = buckets.get(edge, 0) + int(sample.value)
    except (ValueError, KeyError, IndexError) as trouble:
        raise LabError(f"no metrics of Prometheus: {trouble}") from trouble
    if not families:
        raise LabError(f"no metrics of Prometheus: {text[:80]!r}")
    return Histogram(int(count), seconds, buckets)


def scheduler_metrics(lab: Lab, deadline: Deadline) -> str:
    """The scheduler's metrics, which it serves only on its node's loopback.

    LabError if it does not: it is absent, as in K3s' server, or refuses the request.
    """
    server = lab.machine(lab.topology.server.name)
    done = server.run(_GET.format(url=SCHEDULER_METRICS), deadline, check=False)
    if not done.ok:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        raise LabError(f"the scheduler does not show its metrics: {said[-1]}")
    return done.stdout


def kubelet_metrics(lab: Lab, node: str, deadline: Deadline) -> str:
    """A node's metrics, through the API server. Fails for a node that is cut off from it."""
    return lab.kubectl.raw(f"/api/v1/nodes/{node}/proxy/metrics", deadline)
