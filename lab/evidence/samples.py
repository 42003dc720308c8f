"""The recorded samples of one device on one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.addons.workload.records import CollectedSample, SampleCounts
from edge_lab.devices.truth import TruthStep


@dataclass(frozen=True)
class SampleObservation:
    """The recorded samples of one device on one node.

    Read the counters first, then the collector's content, and the truth last: then samples that
    arrive in between do not count as lost.
    """

    node: str
    device: str
    truth: Sequence[TruthStep]
    counts: SampleCounts | None
    """None if the sampler did not answer."""
    collected: Sequence[CollectedSample]
    """Of this node and device; others are ignored."""
