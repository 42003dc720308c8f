"""Image pre-pull jobs in a lab, and their evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from edge_lab.addons.cache.content import LabImage
from edge_lab.addons.cache.names import REGISTRY_NAME
from edge_lab.addons.nodejobs.jobs import (
    FINAL,
    IN_PROGRESS,
    JOB_FINAL,
    job_phase,
    node_phases,
    prepull_job,
)
from edge_lab.addons.nodejobs.names import PREPULL_JOBS
from edge_lab.cluster.objects import Manifest
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.faults.kinds import Cut
from edge_lab.observe.sandboxes import runtime_column
from suites.cache.onnode import CacheNode
from suites.edges import is_ready, uplink
from suites.nodejobs.evidence import Interrupted, PrePull, Sighting
from suites.waiting import WaitingSide

TIMEOUT_SECONDS = 60
"""Of the jobs: several times what a node needs for small images."""
SENT_SECONDS = 60.0
"""Seconds until a job has sent its part to the first node."""
PULL_SECONDS = 180.0
"""Seconds for a job without a silent node, on emulated nodes."""
BEYOND_TIMEOUT = 120.0
"""Seconds for the next node, after the silent one is given up."""
BACK_SECONDS = 180.0
ASK_SECONDS = 60.0


@dataclass(frozen=True)
class JobSide(WaitingSide):
    """Runs jobs, and collects their evidence."""

    every_seconds = 1.0

    def node(self, name: str) -> CacheNode:
        return CacheNode(self.lab, name, self.limit)

    # -- parts -------------------------------------------------------------------------------

    def remove(self, name: str) -> None:
        """Deletes the job, and waits until it is gone: the controller manager has a finalizer."""
        self.lab.kubectl.delete(PREPULL_JOBS, name, deadline=self.limit(ASK_SECONDS))

    def images_on(self, node: str, references: Iterable[str]) -> frozenset[str]:
        return frozenset(self.node(node).references()) & frozenset(references)

    def follow(
        self,
        name: str,
        began: float,
        sightings: list[Sighting],
        over: Callable[[Sighting], bool],
        seconds: float,
    ) -> bool:
        """Appends sightings of the job until `over` is true of one; False if that is not in
        time."""
        limit = self.limit(seconds)

        def seen() -> bool:
            job: Manifest = self.lab.kubectl.find(PREPULL_JOBS, name, deadline=limit) or {}
            after = time.monotonic() - began
            sightings.append(Sighting(after, job_phase(job), node_phases(job)))
            return over(sightings[-1])

        try:
            limit.wait_for(f"job {name}", seen, every=self.every_seconds, transient=self.transient)
        except DeadlineExceeded:
            return False
        return True

    # -- scenarios ---------------------------------------------------------------------------

    def prepull(self, name: str, nodes: tuple[str, ...], images: Iterable[LabImage]) -> PrePull:
        """A job with all nodes online, after the images were removed from them."""
        images = tuple(images)
        return self._run(name, nodes, images, "", lambda seen: seen.job in JOB_FINAL, PULL_SECONDS)

    def interrupted(
        self, name: str, nodes: tuple[str, ...], images: Iterable[LabImage]
    ) -> Interrupted:
        """The first node's link is cut, and before cloudcore notices it, the job is created; it is
        followed until all other nodes are done, or long after the job's timeout. After the heal, a
        job of the same name is created."""
        images = tuple(images)
        silent, *others = nodes

        def others_done(seen: Sighting) -> bool:
            return all(seen.nodes.get(node) in FINAL for node in others)

        with self.faults.inflict(Cut(link=uplink(self.lab, silent))):
            seconds = TIMEOUT_SECONDS + BEYOND_TIMEOUT
            during = self._run(name, nodes, images, silent, others_done, seconds)
        self.until(
            f"{silent} is Ready", lambda: is_ready(self.lab, silent, self.limit), BACK_SECONDS
        )
        return Interrupted(during, self.prepull(name, nodes, images))

    def _run(
        self,
        name: str,
        nodes: tuple[str, ...],
        images: tuple[LabImage, ...],
        silent: str,
        over: Callable[[Sighting], bool],
        seconds: float,
    ) -> PrePull:
        references = tuple(image.reference(REGISTRY_NAME) for image in images)
        self.remove(name)
        for node in nodes:
            for image in images:
                self.node(node).forget(image)
        before = {node: self.images_on(node, references) for node in nodes}
        sightings: list[Sighting] = []
        job = prepull_job(name, nodes, references, timeout_s=TIMEOUT_SECONDS)
        self.lab.kubectl.apply(job, self.limit(ASK_SECONDS))
        began = time.monotonic()
        if silent:

            def sent(seen: Sighting) -> bool:
                return seen.nodes.get(silent) in {IN_PROGRESS, *FINAL}

            self.follow(name, began, sightings, sent, SENT_SECONDS)
            if not sightings or sightings[-1].nodes.get(silent) != IN_PROGRESS:
                raise LabError(
                    f"job {name} was not sent to {silent} while cloudcore held its connection"
                )
        self.follow(name, began, sightings, over, seconds)
        return PrePull(
            runtime_column(self.lab, nodes[0]),
            nodes,
            references,
            TIMEOUT_SECONDS,
            tuple(sightings),
            before,
            {node: self.images_on(node, references) for node in nodes},
            silent,
        )
