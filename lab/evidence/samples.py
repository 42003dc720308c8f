"""What was recorded of the samples of one device on one node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_lab.addons.workload.records import CollectedSample, SampleCounts
from edge_lab.devices.truth import TruthStep


@dataclass(frozen=True)
class SampleObservation:
    """What was recorded of one device on one node.

    Take the truth last and the counts before the collector's content: what arrives in
    between is then not taken for lost.
    """

    node: str
    device: str
    truth: Sequence[TruthStep]
    counts: SampleCounts | None
    """None if the sampler could not be asked."""
    collected: Sequence[CollectedSample]
    """Of this node and device; others are ignored."""
