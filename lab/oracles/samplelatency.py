"""The latency of a sample by stage: from the changed register to the collector in the cloud.

| Stage | From | To | Clocks |
|---|---|---|---|
| read | the device shows a step, by its ground truth | the sampler has read it | host, node |
| deliver | | the collector has received it | node, server |

The clocks of the guests are converted to that of the host, within known bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_lab.addons.workload.records import CollectedSample
from edge_lab.core.errors import LabError
from edge_lab.devices.truth import TruthStep
from edge_lab.oracles.scheduling.clock import ClockBounds
from edge_lab.oracles.spans import NANOSECONDS


@dataclass(frozen=True)
class SampleStages:
    """Of the samples of one device on one node; s, in the order of the samples."""

    read: tuple[float, ...]
    deliver: tuple[float, ...]
    read_error: float
    """The maximum error of each `read`, s."""
    deliver_error: float

    @property
    def total(self) -> tuple[float, ...]:
        """From the changed register to the collector."""
        return tuple(sum(stages) for stages in zip(self.read, self.deliver, strict=True))


def sample_stages(
    samples: Iterable[CollectedSample],
    truth: Iterable[TruthStep],
    node: ClockBounds,
    server: ClockBounds,
) -> SampleStages:
    """The stages of samples of one device on one node.

    Raises:
        LabError: there is no sample, one is of a step that the device has not shown, or a stage
            is negative beyond the error of the clocks.
    """
    shown = {step.seq: step.time for step in truth}
    read_error, deliver_error = node.error, node.error + server.error
    read: list[float] = []
    deliver: list[float] = []
    for sample in samples:
        if sample.seq not in shown:
            raise LabError(
                f"{sample.device} has not shown the step {sample.seq}, of which {sample.node} has"
                " a sample"
            )
        sampled, received = node.to_host(sample.sampled), server.to_host(sample.received)
        stages = (
            (read, sampled - shown[sample.seq], read_error),
            (deliver, received - sampled, deliver_error),
        )
        for found, nanoseconds, error in stages:
            seconds = nanoseconds / NANOSECONDS
            if seconds < -error:
                raise LabError(
                    f"sample {sample.number} of {sample.device} on {sample.node} is"
                    f" {-seconds:.3f} s too early, and clocks are known within {error:.3f} s"
                )
            found.append(max(0.0, seconds))
    if not read:
        raise LabError("no evidence: there is no sample whose latency could be measured")
    return SampleStages(tuple(read), tuple(deliver), read_error, deliver_error)
