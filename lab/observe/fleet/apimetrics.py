"""The API server's own metrics of its requests, as the difference between two moments.

Latency is `apiserver_request_sli_duration_seconds`, by which Kubernetes' objective is defined: the
time in the API server without webhooks and the queues of priority and fairness.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from edge_lab.core.errors import LabError
from edge_lab.evidence.fleet import Calls, Objective

REQUESTS = "apiserver_request_sli_duration_seconds"
ANSWERS = "apiserver_request_total"
DATASTORE = "etcd_request_duration_seconds"
TOO_MANY = "429"

_FAMILIES = (REQUESTS, ANSWERS, DATASTORE)

Key = tuple[str, str, str]
"""Verb, resource with subresource, scope."""


@dataclass(frozen=True)
class Buckets:
    """A histogram: the cumulative counts by upper bound, from the lowest bound up."""

    counts: Mapping[float, float]

    @property
    def count(self) -> int:
        return round(self.counts.get(math.inf, 0.0))

    def since(self, before: Buckets | None) -> Buckets:
        earlier = before.counts if before else {}
        between = {edge: count - earlier.get(edge, 0.0) for edge, count in self.counts.items()}
        if any(count < 0 for count in between.values()):
            raise LabError("the API server has been restarted while its requests were counted")
        return Buckets(between)

    def quantile(self, part: float) -> tuple[float, bool]:
        """Like Prometheus' histogram_quantile, and whether it is beyond the last finite bound."""
        wanted = part * self.counts.get(math.inf, 0.0)
        low_edge, low_count = 0.0, 0.0
        for edge, count in sorted(self.counts.items()):
            if count >= wanted and count > 0:
                if math.isinf(edge):
                    return low_edge, True
                share = (wanted - low_count) / (count - low_count) if count > low_count else 1.0
                return low_edge + (edge - low_edge) * share, False
            if not math.isinf(edge):
                low_edge, low_count = edge, count
        return low_edge, False


@dataclass(frozen=True)
class ApiMetrics:
    """The API server's counters at one moment."""

    requests: Mapping[Key, Buckets]
    datastore: Mapping[Key, Buckets]
    answers: Mapping[tuple[str, str, str], float]
    """By verb, resource and status code."""

    def calls(self, before: ApiMetrics) -> tuple[Calls, ...]:
        """Since `before`, without watches and proxied connections; slowest first.

        Raises:
            LabError: the API server was restarted meanwhile.
        """
        return _calls(self.requests, before.requests)

    def objectives(self, before: ApiMetrics) -> tuple[Calls, ...]:
        """Like `calls`, grouped by objective, whose name is the verb."""
        return _calls(_by_objective(self.requests), _by_objective(before.requests))

    def datastore_calls(self, before: ApiMetrics) -> tuple[Calls, ...]:
        return _calls(self.datastore, before.datastore)

    def answered(
        self, before: ApiMetrics, code: str, *, resource: str = "", verbs: Iterable[str] = ()
    ) -> int:
        """Requests since `before` whose status code has that prefix."""
        wanted = frozenset(verbs)
        return round(
            sum(
                count - before.answers.get(key, 0.0)
                for key, count in self.answers.items()
                if key[2].startswith(code)
                and (not resource or key[1] == resource)
                and (not wanted or key[0] in wanted)
            )
        )

    def refused(self, before: ApiMetrics) -> int:
        return self.answered(before, TOO_MANY)

    def failed(self, before: ApiMetrics) -> int:
        return self.answered(before, "5")

    def lease_renewals(self, before: ApiMetrics) -> int:
        return self.answered(before, "2", resource="leases", verbs=("PUT", "PATCH", "APPLY"))


def _calls(now: Mapping[Key, Buckets], before: Mapping[Key, Buckets]) -> tuple[Calls, ...]:
    if before.keys() - now.keys():
        raise LabError("the API server has been restarted while its requests were counted")
    found = []
    for (verb, resource, scope), buckets in now.items():
        between = buckets.since(before.get((verb, resource, scope)))
        if not between.count:
            continue
        p99, capped = between.quantile(0.99)
        found.append(
            Calls(
                verb=verb,
                resource=resource,
                scope=scope,
                count=between.count,
                p50_s=between.quantile(0.5)[0],
                p99_s=p99,
                capped=capped,
            )
        )
    return tuple(sorted(found, key=lambda calls: (-calls.p99_s, calls.name)))


def _by_objective(requests: Mapping[Key, Buckets]) -> dict[Key, Buckets]:
    sums: dict[Key, dict[float, float]] = {}
    for (verb, _, scope), buckets in requests.items():
        into = sums.setdefault((Objective.of(verb, scope).value, "all objects", ""), {})
        for edge, count in buckets.counts.items():
            into[edge] = into.get(edge, 0.0) + count
    return {key: Buckets(counts) for key, counts in sums.items()}


def parse_api_metrics(text: str) -> ApiMetrics:
    """Parses an API server's /metrics.

    Raises:
        LabError: the text is not such metrics, or no request was counted.
    """
    requests: dict[Key, dict[float, float]] = {}
    datastore: dict[Key, dict[float, float]] = {}
    answers: dict[tuple[str, str, str], float] = {}
    try:
        # Nine of ten lines are other metrics, and the parser would take seconds for all.
        for family in text_string_to_metric_families("\n".join(_of_interest(text)) + "\n"):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == f"{REQUESTS}_bucket":
                    if labels["resource"]:  # otherwise of no object, such as /metrics itself
                        _put(requests, _request_key(labels), labels, sample.value)
                elif sample.name == f"{DATASTORE}_bucket":
                    key = (labels["operation"], _full_resource(labels), "")
                    _put(datastore, key, labels, sample.value)
                elif sample.name == ANSWERS:
                    answer = (labels["verb"], labels["resource"], labels["code"])
                    answers[answer] = answers.get(answer, 0.0) + sample.value
    except (ValueError, KeyError, IndexError) as trouble:
        raise LabError(f"no metrics of an API server: {trouble}") from trouble
    if not requests or not answers:
        raise LabError(f"no metrics of an API server: {text[:80]!r}")
    return ApiMetrics(
        {key: Buckets(counts) for key, counts in requests.items()},
        {key: Buckets(counts) for key, counts in datastore.items()},
        answers,
    )


def _of_interest(text: str) -> Iterator[str]:
    for line in text.splitlines():
        name = line.removeprefix("# TYPE ")
        if name.startswith(_FAMILIES) and 'verb="WATCH"' not in line and "CONNECT" not in line:
            yield line


def _request_key(labels: Mapping[str, str]) -> Key:
    subresource = labels.get("subresource", "")
    resource = labels["resource"] + (f"/{subresource}" if subresource else "")
    return labels["verb"], resource, labels.get("scope", "")


def _full_resource(labels: Mapping[str, str]) -> str:
    return labels.get("resource") or labels.get("type", "")


def _put(
    found: dict[Key, dict[float, float]], key: Key, labels: Mapping[str, str], value: float
) -> None:
    """Adds up the versions, groups and the like of one key."""
    counts = found.setdefault(key, {})
    edge = float(labels["le"])
    counts[edge] = counts.get(edge, 0.0) + value
