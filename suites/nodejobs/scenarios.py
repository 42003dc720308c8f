"""Image pre-pull jobs in a lab, and their evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from edge_lab.addons.cache.content import LabImage
from edge_lab.addons.cache.names import REGISTRY_NAME
from edge_lab.addons.nodejobs.jobs import (
    ANSWERED,
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

TIMEOUT_SECONDS = 300
"""Of jobs without a silent node; KubeEdge's default."""
SILENT_SECONDS = 60
"""Of jobs with a silent node."""
SENT_SECONDS = 60.0
"""Seconds until the first node has been sent its task."""
PULL_SECONDS = TIMEOUT_SECONDS + 60.0
"""Seconds for a job without a silent node, on emulated nodes."""
BEYOND_TIMEOUT = 120.0
"""Seconds for the next node, after the timeout of the silent one."""
BACK_SECONDS = 180.0
ASK_SECONDS = 60.0
FRESH_SECONDS = 30.0
"""The last look at a job that did not end is at most so old."""


@dataclass(frozen=True)
class _Job:
    """A job that is about to be created; none of its images is on its nodes."""

    name: str
    nodes: tuple[str, ...]
    images: tuple[str, ...]
    before: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class JobSide(WaitingSide):
    """Runs jobs, and collects their evidence."""

    every_seconds = 1.0

    # -- scenarios ---------------------------------------------------------------------------

    def prepull(
        self,
        name: str,
        nodes: tuple[str, ...],
        images: Iterable[LabImage],
        label: str = "all nodes online",
    ) -> PrePull:
        """A job with all nodes online."""
        job = self._prepared(name, nodes, images)
        sightings: list[Sighting] = []
        with self._created(job, TIMEOUT_SECONDS) as began:
            self._follow(job, began, sightings, lambda seen: seen.job in JOB_FINAL, PULL_SECONDS)
        return self._evidence(job, label, sightings)

    def interrupted(
        self, name: str, nodes: tuple[str, ...], images: Iterable[LabImage]
    ) -> Interrupted:
        """The link of the first node is cut, and a job is created before cloudcore notices it. The
        job is followed until all other nodes have answered, or long after its timeout. After the
        heal, a job of the same name is created.

        Raises:
            LabError: the silent node was not sent its task.
        """
        images = tuple(images)
        silent, *others = nodes
        job = self._prepared(name, nodes, images)
        sightings: list[Sighting] = []

        def sent(seen: Sighting) -> bool:
            return seen.tasks.get(silent) not in (None, "Pending")

        def answered(seen: Sighting) -> bool:
            return all(seen.tasks.get(node) in ANSWERED for node in others)

        with (
            self.faults.inflict(Cut(link=uplink(self.lab, silent))),
            self._created(job, SILENT_SECONDS) as began,
        ):
            self._follow(job, began, sightings, sent, SENT_SECONDS)
            if sightings[-1].tasks.get(silent) != IN_PROGRESS:
                raise LabError(
                    f"{silent} was not sent its task of the job {name} while cloudcore held its "
                    f"connection; its task is {sightings[-1].tasks.get(silent, 'not listed')}"
                )
            seconds = SILENT_SECONDS + BEYOND_TIMEOUT
            self._follow(job, began, sightings, answered, seconds)
            during = self._evidence(job, f"while {silent} is silent", sightings, silent)
        self.until(
            f"{silent} is Ready", lambda: is_ready(self.lab, silent, self.limit), BACK_SECONDS
        )
        return Interrupted(during, self.prepull(name, nodes, images, "after the heal"))

    # -- parts -------------------------------------------------------------------------------

    def _node(self, name: str) -> CacheNode:
        return CacheNode(self.lab, name, self.limit)

    def _images_on(self, nodes: Iterable[str], images: Iterable[str]) -> dict[str, frozenset[str]]:
        wanted = frozenset(images)
        return {node: wanted & frozenset(self._node(node).references()) for node in nodes}

    def _prepared(self, name: str, nodes: tuple[str, ...], images: Iterable[LabImage]) -> _Job:
        """Removes the images from the nodes."""
        images = tuple(images)
        for node in nodes:
            for image in images:
                self._node(node).forget(image)
        references = tuple(image.reference(REGISTRY_NAME) for image in images)
        before = self._images_on(nodes, references)
        if any(before.values()):
            raise LabError(f"images of the job {name} were not removed from nodes: {before}")
        return _Job(name, nodes, references, before)

    @contextmanager
    def _created(self, job: _Job, timeout_s: int) -> Iterator[float]:
        """The job exists; yields when it was created, by the monotonic clock."""
        kubectl = self.lab.kubectl
        manifest = prepull_job(job.name, job.nodes, job.images, timeout_s=timeout_s)
        kubectl.apply(manifest, self.limit(ASK_SECONDS))
        try:
            yield time.monotonic()
        finally:
            # Waits for the finalizer of the controller manager.
            kubectl.delete(PREPULL_JOBS, job.name, deadline=self.limit(ASK_SECONDS))

    def _follow(
        self,
        job: _Job,
        began: float,
        sightings: list[Sighting],
        over: Callable[[Sighting], bool],
        seconds: float,
    ) -> None:
        """Appends sightings of the job until `over` is true of one, or for so many seconds.

        Raises:
            LabError: the API server did not show the job until the end.
        """
        limit = self.limit(seconds)

        def seen() -> bool:
            found: Manifest = self.lab.kubectl.get_json(PREPULL_JOBS, job.name, deadline=limit)
            after = time.monotonic() - began
            sightings.append(Sighting(after, job_phase(found), node_phases(found)))
            return over(sightings[-1])

        try:
            limit.wait_for(
                f"the job {job.name} goes on",
                seen,
                every=self.every_seconds,
                transient=self.transient,
            )
        except DeadlineExceeded as trouble:
            age = time.monotonic() - began - (sightings[-1].after if sightings else 0.0)
            if not sightings or age > FRESH_SECONDS:
                raise LabError(f"the API server did not show the job {job.name}") from trouble

    def _evidence(
        self, job: _Job, label: str, sightings: Iterable[Sighting], silent: str = ""
    ) -> PrePull:
        return PrePull(
            runtime_column(self.lab, job.nodes[0]),
            label,
            job.nodes,
            job.images,
            tuple(sightings),
            job.before,
            self._images_on(job.nodes, job.images),
            silent,
        )
