"""Samples of a running lab: what was written, sampled and has arrived, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_lab.addons.workload import sampled_devices, sampling_nodes
from edge_lab.core.deadline import Deadline
from edge_lab.evidence.samples import SampleObservation
from edge_lab.handle.status import DeviceSamples
from edge_lab.oracles.samples import SampleVerdict, judge_samples

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

OBSERVE_SECONDS = 120.0


def observations(lab: Lab, deadline: Deadline) -> tuple[SampleObservation, ...]:
    """The current observations of each device on each node that samples it.

    Counters first, then what has arrived, the truth last: so that samples in transit do not
    count as lost.
    """
    counts = lab.workload.sampler_statuses(deadline)
    collected = lab.workload.collected(deadline)
    truth = {name: device.steps() for name, device in lab.devices.items()}
    return tuple(
        SampleObservation(
            node=node.name,
            device=device.name,
            truth=truth[device.name],
            counts=counts[node.name].devices.get(device.name) if node.name in counts else None,
            collected=collected,
        )
        for node in sampling_nodes(lab.topology)
        for device in sampled_devices(lab.topology, node)
    )


def verdicts(lab: Lab, deadline: Deadline | None = None) -> tuple[SampleVerdict, ...]:
    """The oracle's verdict on each observation."""
    limit = deadline or Deadline.scaled(OBSERVE_SECONDS)
    return tuple(judge_samples(observation) for observation in observations(lab, limit))


def samples_of(lab: Lab) -> tuple[DeviceSamples, ...]:
    """The rows of `lab samples`."""
    return tuple(
        DeviceSamples(
            device=verdict.device,
            node=verdict.node,
            written=verdict.written,
            sampled=verdict.sampled,
            arrived=verdict.arrived,
            waiting=verdict.waiting,
            lost=len(verdict.lost),
            repeated=len(verdict.repeated),
            wrong=len(verdict.wrong),
            missed=len(verdict.missed),
        )
        for verdict in verdicts(lab)
    )
