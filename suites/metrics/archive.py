"""Thanos' object storage: which blocks it has, and which samples are in it without any node."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_lab.addons.metrics.archive import Block, parse_blocks
from edge_lab.addons.metrics.counting import compare
from edge_lab.addons.metrics.names import BLOCKS, STATE
from edge_lab.addons.metrics.records import NANOSECONDS, Origin
from edge_lab.addons.metrics.senders import BLOCK_MINUTES, SIDECAR_SENDER
from edge_lab.addons.metrics.thanos import BUCKET
from edge_lab.addons.metrics.view import archive_view
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.metrics.evidence import Evidence
from suites.metrics.queries import ASK_SECONDS, Metrics

if TYPE_CHECKING:
    from suites.metrics.outages import Outage

FOLDER = f"/var/lib/{STATE}/objects/{BUCKET}"
NAME = "object storage"
"""The label of its measures."""
ARCHIVE_SECONDS = 120.0 * BLOCK_MINUTES + 240.0
"""Until a sample is in the object storage: a block is written when the head holds one and a half,
looked for every minute, uploaded after up to 30 s, and noticed after up to 30 s."""
HISTORY_SAMPLES = 5
UPLOAD_SECONDS = 90.0
"""For one upload, and the interval at which the sidecar looks for blocks."""


@dataclass(frozen=True)
class Archive:
    metrics: Metrics

    @property
    def keys(self) -> tuple[Origin, ...]:
        return tuple(key for key in self.metrics.keys if key.sender == SIDECAR_SENDER.name)

    def blocks(self, *, half_for: float = 0.0) -> dict[str, Block]:
        """All blocks; or, with `half_for`, those that are half uploaded, as soon as there is one,
        which is awaited for so many seconds."""
        metrics = self.metrics
        wait = f" {half_for:g}" if half_for else ""
        command = f"/usr/bin/python3 -I {BLOCKS} {FOLDER}{wait}"
        done = metrics.server.run(command, metrics.limit(ASK_SECONDS + half_for))
        return parse_blocks(done.stdout)

    def blocks_at_rest(self) -> dict[str, Block]:
        """All blocks, when none is being uploaded; incomplete ones if they stay so."""
        found: dict[str, Block] = {}

        def all_whole() -> bool:
            found.clear()
            found.update(self.blocks())
            return not any(block.problem for block in found.values())

        with contextlib.suppress(DeadlineExceeded):
            self.metrics.limit(UPLOAD_SECONDS).wait_for("no upload runs", all_whole, every=2.0)
        return found

    def until_history(self) -> None:
        """Waits until each node has samples in the object storage: at first none of its blocks is
        complete."""
        if not self.keys:
            return
        began = time.time() - ARCHIVE_SECONDS
        view = archive_view(self.metrics.lab.topology)

        def all_begun() -> bool:
            stored = self.metrics.stored(since=began, devices=False, only=view)
            return all(len(stored.get(key, ())) >= HISTORY_SAMPLES for key in self.keys)

        with preparing():
            eventually(
                "each node has samples in the object storage",
                all_begun,
                self.metrics.limit(ARCHIVE_SECONDS),
                every=5.0,
            )

    def evidence(self, outage: Outage) -> tuple[Evidence, ...]:
        """Of an outage that is over: what the object storage alone has of it, as soon as all of it
        is archived (`is_archived`), or when no more is expected."""
        metrics, view = self.metrics, archive_view(self.metrics.lab.topology)
        found: list[Evidence] = []

        def all_archived() -> bool:
            stored = metrics.stored(since=outage.began, only=view, whole=True)
            found[:] = (
                replace(outage.evidence[key], sender=NAME, stored=stored.get(key, ()))
                for key in self.keys
            )
            return all(map(is_archived, found))

        with contextlib.suppress(DeadlineExceeded):
            metrics.limit(ARCHIVE_SECONDS).wait_for(
                "the outage is archived", all_archived, every=5.0, transient=(LabError,)
            )
        if not found:
            raise LabError("no evidence: there was no complete response from the object storage")
        blocks = self.blocks()
        return tuple(_with_upload(run, blocks.values(), outage.healed) for run in found)


def is_archived(run: Evidence) -> bool:
    """Whether the object storage has all samples that it will ever have of an outage: nothing is
    missing, or it has those of a whole block later, since blocks are uploaded in order."""
    if not run.served or not compare(run.served, run.stored, failed=run.failed).missing:
        return True
    newest = max((sample.time for sample in run.stored), default=0)
    return newest > run.served[-1].time + 60 * BLOCK_MINUTES * NANOSECONDS


def _with_upload(evidence: Evidence, blocks: Iterable[Block], healed: float) -> Evidence:
    """With the time from the heal until all of its blocks were uploaded, if nothing is missing."""
    count = compare(evidence.served, evidence.stored, failed=evidence.failed)
    if not evidence.served or count.missing:
        return replace(evidence, drained_s=None, bytes_sent=None)
    last = evidence.served[-1].time / NANOSECONDS
    uploaded = [
        block.uploaded for block in blocks if block.node == evidence.node and block.start <= last
    ]
    seconds = max(max(uploaded, default=healed) - healed, 0.0)
    return replace(evidence, drained_s=seconds, bytes_sent=None)
