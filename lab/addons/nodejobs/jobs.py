"""ImagePrePullJob: nodes pull images before pods need them.

A job has a task for each node, with a phase: Pending, InProgress after cloudcore has sent the task,
Successful or Failure after the node has answered, and Unknown if it did not answer in time. A job's
own phases are Init, InProgress, Completed and Failure
(staging/src/github.com/kubeedge/api/apis/operations/v1alpha2 of KubeEdge v1.23.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from edge_lab.addons.nodejobs.names import VERSION
from edge_lab.cluster.objects import Manifest

IN_PROGRESS: Final = "InProgress"
SUCCESSFUL: Final = "Successful"
ANSWERED: Final = frozenset({SUCCESSFUL, "Failure"})
"""Phases of a task that the node has answered. Unknown is not one: a late answer replaces it."""
COMPLETED: Final = "Completed"
JOB_FINAL: Final = frozenset({COMPLETED, "Failure"})
"""Phases of a job that do not change any more."""


def prepull_job(
    name: str, nodes: Iterable[str], images: Iterable[str], *, timeout_s: int
) -> Manifest:
    """A job that pulls `images` on `nodes`, one node after the other in this order.

    A task becomes Unknown `timeout_s` seconds after the node's last message, or after the creation
    of the job if there was none, even if its turn has not come.
    """
    template = {
        "nodeNames": list(nodes),
        "images": list(images),
        "concurrency": 1,
        # Images fit into the lab's nodes; the check of free space reads the whole disk.
        "checkItems": [],
        "failureTolerate": "1",
        "timeoutSeconds": timeout_s,
    }
    return {
        "apiVersion": VERSION,
        "kind": "ImagePrePullJob",
        "metadata": {"name": name},
        "spec": {"imagePrePullTemplate": template},
    }


def node_phases(job: Manifest) -> dict[str, str]:
    """By node, the phase of its task; a node without one is not contained."""
    found = job.get("status", {}).get("nodeStatus") or ()
    return {status["nodeName"]: status["phase"] for status in found if status.get("phase")}


def job_phase(job: Manifest) -> str:
    """The phase of the whole job; empty before the controller manager has seen it."""
    return str(job.get("status", {}).get("phase", ""))
