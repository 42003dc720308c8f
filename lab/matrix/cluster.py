"""Runs a plan on a cluster: creates its objects, follows its shards, fetches their results."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step, warn
from edge_lab.matrix.client import RefusedByCluster
from edge_lab.matrix.model import Cluster
from edge_lab.matrix.objects import (
    CONTAINER,
    LABEL,
    RESULTS_FOLDER,
    Manifest,
    ShardJob,
    jobs_of,
    manifests,
    results_volume,
)
from edge_lab.matrix.plan import Plan
from edge_lab.matrix.states import ShardProgress, is_over, progress_of

LOOK_EVERY = 2.0
"""Seconds between two looks at the shards."""
READER_SECONDS = 300.0
COPY_SECONDS = 3600.0
RANDOM_BYTES = 3

Told = Callable[[ShardProgress], None]
"""Called for each shard whose state has changed."""


class Access(Protocol):
    """What is asked of a cluster; `edge_lab.matrix.client.ClusterClient`."""

    def create(self, manifest: Manifest) -> Manifest: ...

    def delete(self, kind: str, name: str) -> None: ...

    def job(self, name: str) -> Manifest: ...

    def pod(self, name: str) -> Manifest: ...

    def pods(self, job: str) -> list[Manifest]: ...

    def copy_folder(self, pod: str, folder: str, target: Path, deadline: Deadline) -> None: ...


def new_name(plan: Plan) -> str:
    """For the objects of one run, so that runs of one matrix can be on a cluster together."""
    return f"{plan.name}-{secrets.token_hex(RANDOM_BYTES)}"


@contextlib.contextmanager
def on_cluster(
    access: Access, plan: Plan, cluster: Cluster, name: str, *, keep: bool = False
) -> Iterator[tuple[ShardJob, ...]]:
    """The Jobs, until the block is left; with `keep` they stay."""
    created: list[Manifest] = []
    try:
        with step(f"create {name} in namespace {cluster.namespace}"):
            for manifest in manifests(plan, cluster, name):
                access.create(manifest)
                created.append(manifest)
        yield jobs_of(plan, name)
    finally:
        if not keep:
            for manifest in reversed(created):
                _delete(access, manifest["kind"], manifest["metadata"]["name"])


def _delete(access: Access, kind: str, name: str) -> None:
    try:
        access.delete(kind, name)
    except LabError as trouble:
        warn(f"what is left on the cluster: {trouble.message}")


def follow(
    access: Access, jobs: Sequence[ShardJob], told: Told, deadline: Deadline
) -> tuple[ShardProgress, ...]:
    """Waits until all Jobs are over, and returns the state of each shard.

    Raises:
        DeadlineExceeded: they are not.
        LabError: a Job was deleted, or the user may not read it.
    """
    seen: dict[int, ShardProgress] = {}

    def look() -> bool:
        over = []
        for job in jobs:
            try:
                status = access.job(job.name).get("status") or {}
                pods = access.pods(job.name)
            except RefusedByCluster as trouble:
                raise _RefusedError(trouble.message) from trouble
            for shard in progress_of(job, status, pods):
                if seen.get(shard.index) != shard:
                    seen[shard.index] = shard
                    told(shard)
            over.append(is_over(status))
        return all(over)

    try:
        deadline.wait_for("all shards have ended", look, every=LOOK_EVERY, transient=(LabError,))
    except _RefusedError as trouble:
        raise LabError(str(trouble)) from trouble
    return tuple(seen[index] for index in sorted(seen))


class _RefusedError(Exception):
    """Not a LabError, which counts as an interrupted connection."""


def collect(access: Access, plan: Plan, cluster: Cluster, name: str, target: Path) -> Path:
    """Copies the results of a run to `target`, by a pod that has the volume.

    Raises:
        LabError: that failed; the results are still on the volume.
    """
    reader, folder = f"{name}-results", f"{RESULTS_FOLDER}/{name}"
    with step("fetch the results"):
        try:
            access.create(_reader(reader, plan, cluster))
            Deadline.scaled(READER_SECONDS).wait_for(
                f"pod {reader} runs",
                lambda: access.pod(reader).get("status", {}).get("phase") == "Running",
                transient=(LabError,),
            )
            target.mkdir(parents=True, exist_ok=True)
            access.copy_folder(reader, folder, target, Deadline.scaled(COPY_SECONDS))
        except LabError as trouble:
            raise LabError(
                trouble.message,
                remedy=f"The results are still on the volume, in {name}: copy that folder, and "
                "run `lab matrix merge` on it.",
            ) from trouble
        finally:
            _delete(access, "Pod", reader)
    return target


def _reader(name: str, plan: Plan, cluster: Cluster) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": cluster.namespace, "labels": {LABEL: plan.name}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            **({"nodeSelector": dict(cluster.node_selector)} if cluster.node_selector else {}),
            "containers": [
                {
                    "name": CONTAINER,
                    "image": cluster.image,
                    "args": ["sleep", str(int(COPY_SECONDS))],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                    "volumeMounts": [
                        {"name": "results", "mountPath": RESULTS_FOLDER, "readOnly": True}
                    ],
                }
            ],
            "volumes": [results_volume(cluster)],
        },
    }
