"""KubeEdge's controller manager for real, on this machine, by the lab's own command line, objects,
rights and certificate; nodes are objects alone."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons.nodejobs.identities import CLIENT
from edge_lab.addons.nodejobs.jobs import job_phase, node_phases, prepull_job
from edge_lab.addons.nodejobs.manager import KINDS, environment, manager_command
from edge_lab.addons.nodejobs.names import MANAGER, METRICS_PORT, PREPULL_JOBS
from edge_lab.addons.nodejobs.place import Place
from edge_lab.addons.nodejobs.rights import rights
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import Manifest
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER
from edge_lab.stacks.kubeedge import CRDS
from edge_lab.topology import Timing, Topology
from tests.addons.nativeidentity import write_identity
from tests.controlplane import NativeControlPlane, control_plane, require
from tests.probes.api_server import obtained
from tests.serverprogram import ServerProgram

pytestmark = pytest.mark.native(reason="a control plane and KubeEdge's controller manager")

LIMIT = 240.0
EDGE, PLAIN, ABSENT = "edge-1", "plain", "absent"
EDGE_LABEL = "node-role.kubernetes.io/edge"
"""By which KubeEdge knows its nodes."""


@dataclass
class Site(ServerProgram):
    """The server node's part of the add-on."""

    plane: NativeControlPlane
    place: Place

    name = MANAGER

    def command(self) -> Sequence[str]:
        return manager_command(self.place)

    def environment(self) -> Mapping[str, str]:
        return environment(self.place)

    def job(self, name: str) -> Manifest:
        return self.plane.kubectl.find(PREPULL_JOBS, name, deadline=Deadline.scaled(30)) or {}

    def is_ready(self) -> bool:
        with urllib.request.urlopen(f"http://{self.place.health}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)

    def make_ready(self, *nodes: str) -> None:
        """Just before a job: they have no lease, so that the node controller changes it again."""
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        for name in nodes:
            self.plane.kubectl.run(
                "patch",
                "node",
                name,
                "--subresource=status",
                "--type=merge",
                f"--patch={json.dumps({'status': status})}",
                deadline=Deadline.scaled(30),
            )

    def until(self, what: str, probe: Callable[[], Any]) -> Any:
        limit, transient = Deadline.scaled(LIMIT), (*NOT_YET, OSError)
        return limit.wait_for(what, probe, every=0.2, transient=transient, watch=self.watch)


def node(name: str, labels: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": dict(labels)}}


@pytest.fixture(scope="module")
def site(default_topology: Topology) -> Iterator[Site]:
    require()
    programs = obtained("labs/edge-node-jobs.yaml", [MANAGER], [CRDS])
    with socket.socket() as port, contextlib.suppress(OSError):
        port.connect(("127.0.0.1", METRICS_PORT))
        raise LabError(f"port {METRICS_PORT}, which the controller manager needs, is in use")
    with tempfile.TemporaryDirectory(prefix="el") as made:
        folder = Path(made)
        (health,) = choose_ports(1)
        files = folder / "files"
        files.mkdir()
        place = Place(str(programs[MANAGER]), str(files), f"127.0.0.1:{health}")
        with control_plane(folder / "plane", default_topology, Timing()) as plane:
            write_identity(files, plane.pki.authority(CLUSTER), CLIENT.spec)
            Path(place.kubeconfig).write_text(place.keys.kubeconfig(plane.url))
            limit = Deadline.scaled(LIMIT)
            kinds = [kind for kind in yaml.safe_load_all(programs[CRDS].read_text()) if kind]
            plane.kubectl.apply_patiently("kinds", kinds, limit)
            plane.kubectl.apply_patiently("rights", rights(), limit)
            plane.wait_for_kinds(place.keys, KINDS, limit)
            nodes = [node(EDGE, {EDGE_LABEL: ""}), node(PLAIN, {})]
            plane.kubectl.apply_patiently("nodes", nodes, limit)
            site = Site(folder, plane, place)
            site.start()
            try:
                site.until("the controller manager is ready", site.is_ready)
                yield site
            finally:
                site.end()


def test_a_job_has_a_phase_for_each_node(site: Site) -> None:
    """Only a node of KubeEdge that is Ready waits for its part; cloudcore, which would send it,
    does not run."""
    kubectl, limit = site.plane.kubectl, Deadline.scaled(LIMIT)
    site.make_ready(EDGE, PLAIN)
    kubectl.apply(prepull_job("all", (EDGE, PLAIN, ABSENT), ("image",), timeout_s=60), limit)
    found = site.until("the job has phases", lambda: node_phases(site.job("all")))
    assert found == {EDGE: "Pending", PLAIN: "Failure", ABSENT: "Failure"}
    site.until("the job is in progress", lambda: job_phase(site.job("all")) == "InProgress")


def test_a_job_that_is_deleted_is_gone(site: Site) -> None:
    """The controller manager has a finalizer on it."""
    kubectl, limit = site.plane.kubectl, Deadline.scaled(LIMIT)
    site.make_ready(EDGE)
    kubectl.apply(prepull_job("short", (EDGE,), ("image",), timeout_s=60), limit)
    site.until("the job has phases", lambda: node_phases(site.job("short")))
    assert site.job("short")["metadata"]["finalizers"]
    kubectl.delete(PREPULL_JOBS, "short", deadline=limit)
    assert site.job("short") == {}
