"""A real kube-apiserver over kine on this host's loopback, much as the lab starts it in a guest."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER, Pki
from edge_lab.stacks import identities as names

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edge-lab" / "artifacts"
"""At import, for tests have a cache of their own."""


def program(name: str) -> Path | None:
    """One that the lab has built for this host, if it has."""
    arch = os.uname().machine
    return next(iter(sorted(CACHE.glob(f"{name}/*-{arch}-*/{name}"), reverse=True)), None)


def obtained(lab: str, programs: Iterable[str], kinds: Iterable[str] = ()) -> dict[str, Path]:
    """Programs for this host, and files of kinds; skips the test unless `lab up` of the topology
    `lab` has obtained them."""
    found = {name: program(name) for name in programs}
    for name in kinds:
        found[name] = next(iter(sorted(CACHE.glob(f"{name}/*/{name}"), reverse=True)), None)
    missing = [name for name, path in found.items() if path is None]
    if missing:
        pytest.skip(
            f"the lab has not obtained {', '.join(missing)} for this host yet: `lab up {lab}` does"
        )
    return {name: path for name, path in found.items() if path is not None}


PARAMETERS = "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=OFF&_txlock=immediate"
"""As the lab's. Without a time to wait for each other, writes fail on a busy host, and the API
server ends when one of its first does."""


@dataclass(frozen=True)
class ApiServer:
    port: int
    log: Path
    process: subprocess.Popen[bytes]
    kine: subprocess.Popen[bytes]

    def watch(self) -> None:
        """For waits: raises if it has ended."""
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]


@contextlib.contextmanager
def api_server(folder: Path, pki: Pki, *flags: str) -> Iterator[ApiServer]:
    """Until the block is over; it takes connections. `flags` are its own, beside those here."""
    kine, server = program("kine"), program("kube-apiserver")
    assert kine is not None
    assert server is not None
    (port,) = choose_ports(1)
    certificates = _written(folder, pki)
    datastore = f"unix://{folder}/kine.sock"
    log = folder / "kube-apiserver.log"
    with (
        running(
            [
                str(kine),
                f"--listen-address={datastore}",
                f"--endpoint=sqlite://{folder}/state.db{PARAMETERS}",
                "--metrics-bind-address=0",
            ],
            folder / "kine.log",
        ) as datastore_process,
        running(
            [
                str(server),
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--secure-port={port}",
                f"--etcd-servers={datastore}",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=Node,RBAC",
                "--enable-admission-plugins=NodeRestriction",
                "--endpoint-reconciler-type=none",
                f"--client-ca-file={certificates['ca.crt']}",
                f"--tls-cert-file={certificates['server.crt']}",
                f"--tls-private-key-file={certificates['server.key']}",
                "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
                f"--service-account-key-file={certificates['sa.pub']}",
                f"--service-account-signing-key-file={certificates['sa.key']}",
                "--profiling=false",
                *flags,
            ],
            log,
        ) as process,
    ):
        started = ApiServer(port, log, process, datastore_process)
        Deadline.scaled(240).wait_for(
            "the API server takes connections",
            lambda: _serves(started),
            transient=(OSError,),
            watch=started.watch,
        )
        yield started


def _written(folder: Path, pki: Pki) -> dict[str, Path]:
    shown = pki.identity(CLUSTER, names.API_SERVER)
    files = {
        "ca.crt": pki.authority(CLUSTER).certificate_pem,
        "server.crt": shown.certificate_pem,
        "server.key": shown.key_pem,
        "sa.key": pki.signing_key(CLUSTER, names.SERVICE_ACCOUNT),
        "sa.pub": pki.verification_key(CLUSTER, names.SERVICE_ACCOUNT),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in files}


def _serves(server: ApiServer) -> bool:
    with socket.create_connection(("127.0.0.1", server.port), 1):
        return True


@contextlib.contextmanager
def running(command: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
