"""A pod that the cloud has deleted, and its node loses power later while offline."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import IMAGE
from edge_lab.core.errors import LabError
from edge_lab.faults.kinds import Cut, DiskFull, Reboot
from edge_lab.measuring.measures import COUNT, Measure
from edge_lab.oracles.verdict import Verdict
from suites.edges import uplink
from suites.pods import bound_pod, running_pods
from suites.waiting import WaitingSide

APP = "edge-lab-deletion"
DELETED, KEPT = "deleted-before", "kept-beside"
END_SECONDS = 120.0
"""From the deletion until the pod has ended, and is gone from the API server."""
BACK_SECONDS = 240.0
"""From the boot until the other pod runs."""
HOLD_SECONDS = 45.0
"""After that: a pod of the same list would have been started by then."""


@dataclass(frozen=True)
class Deletion:
    """What ran on the node at each stage."""

    node: str
    runtime: str
    disk_full: bool
    """Whether its disk was full when the pod was deleted."""
    ran: bool
    """Whether both pods ran at the beginning."""
    ended: bool
    """Whether the pod ended after it was deleted, and was gone from the API server."""
    kept: bool
    """Whether the pod beside it ran again after the boot, without the cloud."""
    returned: bool
    """Whether the deleted pod ran again after the boot, without the cloud."""
    at_end: bool
    """Whether the deleted pod ran some time after the heal."""


def judge_deletion(deletion: Deletion) -> Verdict:
    """A pod that was deleted, and has ended, never runs again."""
    problems = []
    if not deletion.ran:
        problems.append("no evidence: not both pods ran at the beginning")
    if not deletion.ended:
        problems.append("no evidence: the deleted pod has not ended, or is still known")
    if not deletion.kept:
        problems.append("no evidence: no pod ran after the boot")
    if deletion.returned:
        problems.append("the deleted pod ran again after the boot")
    if deletion.at_end:
        problems.append("the deleted pod still runs after the heal")
    label = "disk full at the deletion" if deletion.disk_full else ""
    measures = tuple(
        Measure.of(
            name, int(found), COUNT, deletion.node, label=label, evidence="processes of the node"
        )
        for name, found in (
            ("deleted pods that run after a boot offline", deletion.returned),
            ("deleted pods that run after the heal", deletion.at_end),
        )
    )
    return Verdict(deletion.node, deletion.runtime, tuple(problems), measures)


def _pod(name: str, node: str) -> dict[str, Any]:
    """No kubelet evicts it: its priority is critical. Its command has its name."""
    container = {
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "while :; do sleep 2; done", name],
        "resources": {"requests": {"memory": "16Mi"}, "limits": {"memory": "128Mi"}},
    }
    return bound_pod(
        name, node, APP, container, hostNetwork=True, priorityClassName="system-node-critical"
    )


@dataclass(frozen=True)
class DeletionSide(WaitingSide):
    node: str

    def delete_and_reboot_offline(self, runtime: str, *, disk_full: bool) -> Deletion:
        """The pod is deleted, with a full disk or without; then the node loses power offline.

        Raises:
            LabError: there is no evidence, which must not count as a failure that is expected.
        """
        names, node = (DELETED, KEPT), self.node
        pods = [_pod(name, node) for name in names]
        with contextlib.ExitStack() as undo:
            undo.enter_context(running_pods(self.lab, pods, APP, self.limit))
            ran = all(map(self._runs, names))
            with (
                self.faults.inflict(DiskFull(node=node)) if disk_full else contextlib.nullcontext()
            ):
                self.lab.kubectl.request_deletion(
                    "pod", DELETED, "-n", NAMESPACE, deadline=self.limit(60)
                )
                ended = self.seen(lambda: not self._runs(DELETED), END_SECONDS)
                ended = ended and self.seen(lambda: not self._is_known(DELETED), END_SECONDS)
            with self.faults.inflict(Cut(link=uplink(self.lab, node))):
                with self.faults.inflict(Reboot(node=node)):
                    pass  # healed when it is up again
                kept = self.seen(lambda: self._runs(KEPT), BACK_SECONDS)
                returned = self.seen(lambda: self._runs(DELETED), HOLD_SECONDS)
            at_end = not self.seen(lambda: not self._runs(DELETED), END_SECONDS)
        if not (ran and ended and kept):
            raise LabError(
                f"no evidence of a deleted pod on {node}: "
                f"both pods ran: {ran}; the deleted one ended: {ended}; the other ran again: {kept}"
            )
        return Deletion(node, runtime, disk_full, ran, ended, kept, returned, at_end)

    def _runs(self, name: str) -> bool:
        """Whether a process of the pod runs on the node."""
        # The pattern does not match the shell that contains it.
        command = f"pgrep -f '[d]one {name}' >/dev/null && echo yes || echo no"
        done = self.lab.machine(self.node).run(command, self.limit(60))
        return done.stdout.strip() == "yes"

    def _is_known(self, name: str) -> bool:
        found = self.lab.kubectl.find("pod", name, "-n", NAMESPACE, deadline=self.limit(60))
        return found is not None
