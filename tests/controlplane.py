"""A whole control plane on this host's loopback, with the lab's own programs: kine, API server,
controller manager and scheduler, for tests of what needs one and no machine."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons.guestprogram import PYTHON
from edge_lab.addons.kinds import program as kindsprogram
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.cluster.kubectl import NOT_YET, Kubectl
from edge_lab.core.deadline import Deadline
from edge_lab.evidence.fleet import ServerMoment
from edge_lab.fleet.place import FleetPlace
from edge_lab.observe.fleet.serverload import parse_moment, script
from edge_lab.pki import CLUSTER, Pki
from edge_lab.stacks import identities as names
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.topology import Timing, Topology
from tests.probes.api_server import ApiServer, api_server, program, running

PROGRAMS = ("kine", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
AS_IN_A_LAB = (
    "--max-requests-inflight=100",
    "--max-mutating-requests-inflight=50",
    "--etcd-count-metric-poll-period=0",
    "--feature-gates=DetectCacheInconsistency=false,SizeBasedListCostEstimate=false",
    "--default-unreachable-toleration-seconds=5",
    "--default-not-ready-toleration-seconds=5",
)
READY_SECONDS = 300.0


@dataclass(frozen=True)
class NativeControlPlane:
    """A control plane that serves, on loopback."""

    folder: Path
    pki: Pki
    server: ApiServer
    kubectl: Kubectl
    processes: Mapping[str, subprocess.Popen[bytes]]

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server.port}"

    def look(self, deadline: Deadline) -> ServerMoment:
        """As `edge_lab.observe.fleet.serverload.ControlPlane`: this host is the server."""
        pids = {name: str(process.pid) for name, process in self.processes.items()}
        text = script(pids, [f"{self.folder}/state.db*"])
        done = subprocess.run(
            ["sh", "-c", text],
            capture_output=True,
            text=True,
            timeout=deadline.remaining,
            check=True,
        )
        return parse_moment(done.stdout)

    def wait_for_kinds(self, keys: TlsFiles, kinds: Iterable[str], deadline: Deadline) -> None:
        """As units that need kinds do, by their program."""
        words = (*PYTHON, kindsprogram.__file__, self.url, *keys.arguments, *kinds)
        subprocess.run(words, check=True, timeout=deadline.remaining)

    def place(self, kwok: Path, *, lease_s: float) -> FleetPlace:
        """For a fleet beside it."""
        return FleetPlace(
            kubectl=self.kubectl,
            url=self.url,
            pki=self.pki,
            run=self.folder,
            folder=self.folder / "fleet",
            kwok=kwok,
            lease_s=lease_s,
            runtime="native",
            server="loopback",
            accelerator="none",
        )


def require(*more: str) -> dict[str, Path]:
    """The programs, by name; skips the test where the lab has not built one of them."""
    found = {name: program(name) for name in (*PROGRAMS, *more)}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        pytest.skip(f"the lab has not built {', '.join(missing)} for this host yet")
    return {name: path for name, path in found.items() if path is not None}


@contextlib.contextmanager
def control_plane(
    folder: Path, topology: Topology, timing: Timing, *flags: str
) -> Iterator[NativeControlPlane]:
    """Until the block is over. `topology` has the names in its certificates alone; `flags` are
    more of the API server."""
    programs = require()
    folder.mkdir(parents=True, exist_ok=True)
    pki = Pki.create(
        folder / "keys", (*names.admin_requests(), *names.control_plane_requests(topology))
    )
    with api_server(folder, pki, *AS_IN_A_LAB, *flags) as server:
        config = _kubeconfig(folder, pki, server.port, names.ADMIN)
        kubectl = Kubectl(programs["kubectl"], config)
        Deadline.scaled(READY_SECONDS).wait_for(
            "the API server is ready",
            lambda: kubectl.raw("/readyz", Deadline.scaled(20)) == "ok",
            transient=NOT_YET,
            watch=server.watch,
        )
        with (
            running(
                _controller_manager(programs, folder, pki, server.port, timing),
                folder / "kube-controller-manager.log",
            ) as manager,
            running(
                _scheduler(programs, folder, pki, server.port), folder / "kube-scheduler.log"
            ) as scheduler,
        ):
            yield NativeControlPlane(
                folder,
                pki,
                server,
                kubectl,
                {
                    "kine": server.kine,
                    "kube-apiserver": server.process,
                    "kube-controller-manager": manager,
                    "kube-scheduler": scheduler,
                },
            )


def _kubeconfig(folder: Path, pki: Pki, port: int, identity: str) -> Path:
    file = folder / f"{identity}.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(
        kubeconfig(
            f"https://127.0.0.1:{port}",
            ca_pem=pki.authority(CLUSTER).certificate_pem,
            identity=pki.identity(CLUSTER, identity),
        )
    )
    return file


def _controller_manager(
    programs: Mapping[str, Path], folder: Path, pki: Pki, port: int, timing: Timing
) -> list[str]:
    return [
        str(programs["kube-controller-manager"]),
        f"--kubeconfig={_kubeconfig(folder, pki, port, names.CONTROLLER_MANAGER)}",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        "--allocate-node-cidrs=false",
        f"--service-account-private-key-file={folder / 'sa.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        f"--node-monitor-period={timing.node_monitor_period:g}s",
        f"--node-monitor-grace-period={timing.node_monitor_grace:g}s",
    ]


def _scheduler(programs: Mapping[str, Path], folder: Path, pki: Pki, port: int) -> list[str]:
    return [
        str(programs["kube-scheduler"]),
        f"--kubeconfig={_kubeconfig(folder, pki, port, names.SCHEDULER)}",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        "--leader-elect=false",
    ]
