"""Waits for a cluster to be ready, and fails early if it cannot become ready."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_lab.cluster.access import ClusterAccess
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.labels import given_labels
from edge_lab.cluster.objects import Manifest, condition, node_ready, status_time
from edge_lab.cluster.requests import objections
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.stacks.registration import LOOK_SECONDS, Registrations
from edge_lab.topology import Node

DEFINITION = "CustomResourceDefinition"

RESTARTS = 8
"""Number of restarts after which a unit counts as failed."""

LOOK_EVERY = 15.0
"""Seconds between checks of the units: each takes a second on an emulated machine."""


@dataclass
class UnitWatch:
    """Checks the units of all machines from time to time; raises if one cannot start."""

    cluster: ClusterAccess
    units: Mapping[str, tuple[str, ...]]
    """By node."""
    deadline: Deadline
    every: float = LOOK_EVERY
    _last: float = field(default_factory=time.monotonic)
    _first_restarts: dict[tuple[str, str], int] = field(default_factory=dict)

    def __call__(self) -> None:
        self.cluster.watch()
        if time.monotonic() - self._last < self.every:
            return
        for node in self.units:
            self.look(node)
        self._last = time.monotonic()

    def look(self, node: str) -> None:
        """Raises LabError with the journal's last lines if a unit of `node` has failed."""
        names = " ".join(shlex.quote(unit) for unit in self.units[node])
        fields = "-p Id -p LoadState -p ActiveState -p Result -p NRestarts"
        try:
            shown = self.cluster.machines[node].run(
                f"systemctl show {fields} {names}", self.deadline.within(LOOK_SECONDS)
            )
        except LabError:
            return  # A machine that is too busy to answer proves nothing about its units.
        for unit in parse_units(shown.stdout):
            if trouble := self._trouble(node, unit):
                raise LabError(
                    f"{unit.name} on {node} {trouble}{self._journal(node, unit.name)}",
                    remedy="See the lab's logs for the whole journal.",
                )

    def _trouble(self, node: str, unit: UnitState) -> str:
        if unit.load == "not-found":
            return "does not exist"
        if unit.active == "failed":
            return f"has failed ({unit.result})"
        first = self._first_restarts.setdefault((node, unit.name), unit.restarts)
        if unit.restarts - first >= RESTARTS:
            return f"has been restarted {unit.restarts} times"
        return ""

    def _journal(self, node: str, unit: str) -> str:
        command = f"journalctl -u {shlex.quote(unit)} -n 15 --no-pager -o cat"
        with contextlib.suppress(LabError):
            said = self.cluster.machines[node].run(
                command, self.deadline.within(LOOK_SECONDS), check=False
            )
            return "".join(f"\n  | {line}" for line in said.stdout.splitlines())
        return ""


@dataclass(frozen=True)
class UnitState:
    """The state of a unit, as reported by systemd."""

    name: str
    load: str
    active: str
    result: str
    restarts: int


def parse_units(text: str) -> list[UnitState]:
    """Parses the output of `systemctl show` for several units: blocks of key=value lines."""
    found = []
    for block in text.strip().split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        if "Id" in values:
            found.append(
                UnitState(
                    name=values["Id"],
                    load=values.get("LoadState", ""),
                    active=values.get("ActiveState", ""),
                    result=values.get("Result", ""),
                    restarts=int(values.get("NRestarts") or 0),
                )
            )
    return found


def wait_api(cluster: ClusterAccess, watch: UnitWatch, deadline: Deadline) -> None:
    """Waits until the API server is ready, and the default service account exists."""
    kubectl = cluster.kubectl
    with step("API server"):
        deadline.wait_for(
            "the API server is ready",
            lambda: kubectl.raw("/readyz", deadline.within(20)).strip() == "ok",
            every=1.0,
            transient=NOT_YET,
            watch=watch,
        )
    with step("service accounts"):
        deadline.wait_for(
            "the default service account exists",
            lambda: kubectl.find("serviceaccount", "default", deadline=deadline),
            every=1.0,
            transient=NOT_YET,
            watch=watch,
        )


def apply_manifests(
    cluster: ClusterAccess,
    manifests: tuple[Manifest, ...],
    deadline: Deadline,
    title: str = "cluster objects",
) -> None:
    """Applies `manifests`; retries what an API server under load refuses.

    An error of the cluster's `watch` ends it.
    """
    if not manifests:
        return
    watch = cluster.watch
    with step(title):
        definitions = [manifest for manifest in manifests if manifest["kind"] == DEFINITION]
        names = sorted({definition["metadata"]["name"] for definition in definitions})

        def established() -> bool:
            found = cluster.kubectl.items(DEFINITION, deadline=deadline)
            ready = {
                definition["metadata"]["name"]
                for definition in found
                if condition(definition, "Established") == "True"
            }
            return ready.issuperset(names)

        # Objects of kinds that are not defined yet would be refused, and all would be retried.
        if definitions:
            cluster.kubectl.apply_patiently(
                "the custom resource definitions are applied", definitions, deadline, watch
            )
            deadline.wait_for(
                "the custom resources are served",
                established,
                every=1.0,
                transient=NOT_YET,
                watch=watch,
            )
        pods = [manifest for manifest in manifests if manifest["kind"] == "Pod"]
        others = [manifest for manifest in manifests if manifest["kind"] not in (DEFINITION, "Pod")]
        if others:
            cluster.kubectl.apply_patiently("the objects are applied", others, deadline, watch)
        for namespace in sorted({pod["metadata"].get("namespace", "default") for pod in pods}):
            wait_service_account(cluster, namespace, deadline)
        if pods:
            cluster.kubectl.apply_patiently("the pods are applied", pods, deadline, watch)


def wait_service_account(cluster: ClusterAccess, namespace: str, deadline: Deadline) -> None:
    """Waits until the controller manager has created it: without it pods are refused."""
    kubectl = cluster.kubectl
    deadline.wait_for(
        f"the default service account of namespace {namespace}",
        lambda: kubectl.find("serviceaccount", "default", "-n", namespace, deadline=deadline),
        every=1.0,
        transient=NOT_YET,
        watch=cluster.watch,
    )


def wait_nodes(
    cluster: ClusterAccess, watch: UnitWatch, deadline: Deadline, *, heard: bool = False
) -> None:
    """Waits until every node is Ready; meanwhile approves certificate requests, and restarts
    kubelets whose registration was lost.

    With `heard`, each node must also have sent a heartbeat since the call, by its lease or its
    status: a restored cluster remembers nodes as Ready that have not sent any yet.

    Raises:
        LabError: a request that the lab does not approve, or a failed unit.
    """
    wanted = {node.name for node in cluster.topology.nodes}
    registrations = Registrations(cluster, watch.units, deadline)
    ready: set[str] = set()
    first: dict[str, tuple[str, str]] = {}

    def all_ready() -> bool:
        nonlocal ready
        approve_requests(cluster, deadline)
        nodes = cluster.kubectl.items("nodes", deadline=deadline)
        registrations.look(wanted - {node["metadata"]["name"] for node in nodes})
        now = {node["metadata"]["name"] for node in nodes if node_ready(node)} & wanted
        if heard:
            heartbeats = _heartbeats(cluster, nodes, deadline)
            for name in wanted & heartbeats.keys():
                first.setdefault(name, heartbeats[name])
            now = {name for name in now if heartbeats[name] != first[name]}
        if now != ready:
            progress.progress(f"{len(now)} of {len(wanted)} ready", len(now) / len(wanted))
        ready = now
        return ready == wanted

    with step("nodes") as progress:
        try:
            deadline.wait_for(
                "all nodes are Ready", all_ready, every=1.0, transient=NOT_YET, watch=watch
            )
        except LabError as trouble:
            if missing := wanted - ready:
                trouble.message += f"; not Ready: {', '.join(sorted(missing))}"
            raise


def _heartbeats(
    cluster: ClusterAccess, nodes: Sequence[Mapping[str, Any]], deadline: Deadline
) -> dict[str, tuple[str, str]]:
    """By node, the times of its last lease renewal and of its last status report."""
    leases = cluster.kubectl.items("leases", "-n", "kube-node-lease", deadline=deadline)
    renewed = {
        lease["metadata"]["name"]: str(lease["spec"].get("renewTime", "")) for lease in leases
    }
    names = {node["metadata"]["name"]: node for node in nodes}
    return {name: (renewed.get(name, ""), status_time(node)) for name, node in names.items()}


def approve_requests(cluster: ClusterAccess, deadline: Deadline) -> tuple[str, ...]:
    """Approves the nodes' requests for serving certificates; returns the names of the requests.

    Raises:
        LabError: a request is not one of a node of this lab; it is denied.
    """
    approved = []
    for request in cluster.kubectl.pending_requests(deadline):
        if reasons := objections(request, cluster.topology):
            cluster.kubectl.deny_csr(request.name, deadline)
            raise LabError(
                f"refused the certificate request {request.name} of {request.username}: "
                + "; ".join(reasons)
            )
        cluster.kubectl.approve_csr(request.name, deadline)
        approved.append(request.name)
    return tuple(approved)


def give_labels(cluster: ClusterAccess, deadline: Deadline) -> None:
    """Sets the labels that nodes are not permitted to set on themselves."""
    for node in cluster.topology.nodes:

        def labelled(node: Node = node) -> bool:
            cluster.kubectl.label("node", node.name, labels=given_labels(node), deadline=deadline)
            return True

        deadline.wait_for(f"labels of {node.name}", labelled, transient=NOT_YET)
