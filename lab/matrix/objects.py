"""The Kubernetes objects that run a plan: a ConfigMap with it, and Indexed Jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from edge_lab.addons import load_topology
from edge_lab.core.errors import InputError
from edge_lab.matrix.model import Cluster, Volume
from edge_lab.matrix.plan import Plan, Shard
from edge_lab.matrix.record import RETRIES
from edge_lab.matrix.shard import GRACE_SECONDS
from edge_lab.report.runs import ExitCode
from edge_lab.topology import external_nodes, host_links

LABEL = "edge-lab/matrix"
CONTAINER = "shard"
PLAN_FILE = "plan.json"
PLAN_FOLDER, RESULTS_FOLDER, ARCHIVE_FOLDER, CACHE_FOLDER = (
    "/etc/edge-lab",
    "/results",
    "/cache-archive",
    "/cache",
)
"""Folders of the container."""
OWN_MIB = 1024
"""Memory for pytest, fabric, devices and libvirt, which admission does not count."""

KILLED, TERMINATED = 137, 143
"""Exit codes of a container that was killed, mostly for lack of memory, or told to end: the pod
was deleted. Neither says anything about the product."""
RETRIED = (int(ExitCode.LAB_BROKE), KILLED, TERMINATED)

Manifest = dict[str, Any]


@dataclass(frozen=True)
class ShardJob:
    """Shards that need the same resources: the pods of a Job are all alike."""

    name: str
    shards: tuple[Shard, ...]

    @property
    def first(self) -> int:
        """The number in the plan of the shard with index 0."""
        return self.shards[0].index


def jobs_of(plan: Plan, name: str) -> tuple[ShardJob, ...]:
    groups = [
        tuple(group) for _, group in groupby(plan.shards, lambda each: (each.memory_mib, each.cpus))
    ]
    if len(groups) == 1:
        return (ShardJob(name, groups[0]),)
    return tuple(ShardJob(f"{name}-{number}", group) for number, group in enumerate(groups, 1))


def manifests(plan: Plan, cluster: Cluster, name: str) -> tuple[Manifest, ...]:
    """The objects, named after `name`, in the order in which to create them.

    Raises:
        InputError: a topology needs what only one host has.
    """
    check_topologies(plan.shards)
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(name, cluster, plan),
        "immutable": True,
        "data": {PLAN_FILE: plan.model_dump_json()},
    }
    return (config, *(_job(job, plan, cluster, name) for job in jobs_of(plan, name)))


def check_topologies(shards: Sequence[Shard]) -> None:
    """InputError if a topology has external nodes or real endpoints."""
    for file in dict.fromkeys(each.topology for each in shards):
        topology = load_topology(Path(file))
        bound = [node.name for node in external_nodes(topology)]
        bound += [link.name for link in host_links(topology)]
        if bound:
            raise InputError(
                f"{', '.join(bound)}: real hardware is at one host, and a shard may run on any",
                file=file,
                remedy="Leave the topology out, or run the matrix on that host: lab matrix run",
            )


def _metadata(name: str, cluster: Cluster, plan: Plan) -> Manifest:
    return {"name": name, "namespace": cluster.namespace, "labels": _labels(plan)}


def _labels(plan: Plan) -> dict[str, str]:
    return {"app.kubernetes.io/name": "edge-lab", LABEL: plan.name}


def _job(job: ShardJob, plan: Plan, cluster: Cluster, name: str) -> Manifest:
    completions = len(job.shards)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(job.name, cluster, plan),
        "spec": {
            "completionMode": "Indexed",
            "completions": completions,
            "parallelism": min(completions, cluster.parallelism or completions),
            "backoffLimitPerIndex": RETRIES,
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": {
                "metadata": {"labels": _labels(plan)},
                "spec": _pod(job, plan, cluster, name),
            },
        },
    }


def _failure_rules() -> list[Manifest]:
    """The first rule that matches decides; without a match, an index is tried again."""
    return [
        # Evicted, preempted or drained: as if this pod had never been.
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {
            "action": "FailIndex",
            "onExitCodes": {
                "containerName": CONTAINER,
                "operator": "NotIn",
                "values": sorted(RETRIED),
            },
        },
    ]


def _pod(job: ShardJob, plan: Plan, cluster: Cluster, name: str) -> Manifest:
    volumes: list[Manifest] = [
        {"name": "plan", "configMap": {"name": name}},
        results_volume(cluster),
        {"name": "cache", "emptyDir": {"sizeLimit": cluster.disk}},
    ]
    mounts: list[Manifest] = [
        {"name": "plan", "mountPath": PLAN_FOLDER, "readOnly": True},
        {"name": "results", "mountPath": RESULTS_FOLDER},
        {"name": "cache", "mountPath": CACHE_FOLDER},
    ]
    words = ["lab", "matrix", "shard", f"{PLAN_FOLDER}/{PLAN_FILE}", f"--first={job.first}"]
    words.append(f"--results={RESULTS_FOLDER}/{name}/$(EDGE_LAB_RUN)")
    if cluster.cache is not None:
        volumes.append({"name": "cache-archive", **_source(cluster.cache, "Directory")})
        mounts.append({"name": "cache-archive", "mountPath": ARCHIVE_FOLDER, "readOnly": True})
        words.append(f"--cache={ARCHIVE_FOLDER}/{cluster.cache.archive}")
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        # pytest ends in order and takes the lab down.
        "terminationGracePeriodSeconds": int(2 * GRACE_SECONDS),
        **({"nodeSelector": dict(cluster.node_selector)} if cluster.node_selector else {}),
        "containers": [
            {
                "name": CONTAINER,
                "image": cluster.image,
                # Arguments alone, so that the image's entry point, an init, reaps processes.
                "args": words,
                "env": [
                    {
                        # Another Job of the same name must not find the results of this one.
                        "name": "EDGE_LAB_RUN",
                        "valueFrom": {
                            "fieldRef": {
                                "fieldPath": "metadata.labels['batch.kubernetes.io/controller-uid']"
                            }
                        },
                    },
                    {"name": "XDG_CACHE_HOME", "value": CACHE_FOLDER},
                ],
                "resources": _resources(job.shards[0], cluster),
                # Network and user namespaces, and /dev/net/tun.
                "securityContext": {"privileged": True},
                "volumeMounts": mounts,
            }
        ],
        "volumes": volumes,
    }


def _resources(shard: Shard, cluster: Cluster) -> Manifest:
    """No limit of CPUs: emulation takes what is idle, and is ready sooner."""
    memory = f"{shard.memory_mib + OWN_MIB}Mi"
    devices = {cluster.kvm: "1"} if cluster.kvm else {}
    return {
        "requests": {
            "memory": memory,
            "cpu": str(cluster.cpus or shard.cpus),
            "ephemeral-storage": cluster.disk,
            **devices,
        },
        "limits": {"memory": memory, **devices},
    }


def results_volume(cluster: Cluster) -> Manifest:
    return {"name": "results", **_source(cluster.results, "DirectoryOrCreate")}


def _source(volume: Volume, kind: str) -> Manifest:
    if volume.claim is not None:
        return {"persistentVolumeClaim": {"claimName": volume.claim}}
    return {"hostPath": {"path": str(volume.host_path), "type": kind}}
