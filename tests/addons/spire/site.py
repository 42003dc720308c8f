"""SPIRE on this machine: its server and an agent on loopback, by the lab's own configurations.

There is no kubelet here: who asks the agent is told by the path of its program (the attestor
`unix`), so each workload is a copy of the program under a name of its own.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.spire.agent import agent_config
from edge_lab.addons.spire.entries import entry_document
from edge_lab.addons.spire.hcl import plugin
from edge_lab.addons.spire.identities import SPIRE_NODES
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import SPIFFE_ROOT, agent_id
from edge_lab.addons.spire.server import server_config
from edge_lab.addons.workload.accounts import COLLECTOR_ID, SAMPLER_ID, SPIFFE_PROGRAM
from edge_lab.artifacts import ArtifactStore, Availability, Want, host_arch
from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.pki import AuthorityRequest, CertificateSpec, IdentityRequest, Pki
from suites.spire.clients import Attempt, parse_attempt
from tests.golang import CACHE

LIMIT = 60.0
NODE = "edge-arm"


def program(component: str) -> Path:
    """The component for this machine, from the lab's cache; skips the test if it is not there:
    SPIRE takes an hour to build."""
    store, want = ArtifactStore(CACHE.parent), Want(component, host_arch())
    (state,) = store.state([want])
    if state.state is not Availability.CACHED:
        pytest.skip(f"{want} is not in the cache; `lab up labs/spire.yaml` builds it")
    return store.resolve([want], Deadline.after(LIMIT))[want].path


@dataclass
class Site:
    """Server, agent, and a collector that asks the agent who it is."""

    folder: Path
    server_program: Path
    agent_program: Path
    edge: Path
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port, self.server_health, self.agent_health, self.taking, self.reading = choose_ports(
            5
        )
        requests = (
            AuthorityRequest(SPIFFE_ROOT),
            IdentityRequest(SPIRE_NODES, NODE, CertificateSpec(NODE)),
        )
        pki = Pki.create(self.folder / "pki", requests)
        root, node = pki.authority(SPIFFE_ROOT).identity, pki.identity(SPIRE_NODES, NODE)
        for name, content in {
            "root.crt": root.certificate_pem,
            "root.key": root.key_pem,
            "bundle.crt": root.certificate_pem,
            "nodes.crt": pki.authority(SPIRE_NODES).certificate_pem,
            "node.crt": node.certificate_pem,
            "node.key": node.key_pem,
        }.items():
            (self.folder / name).write_bytes(content)
        for name in ("server-state", "agent-state"):
            (self.folder / name).mkdir()
        self.configure()

    def configure(self) -> None:
        (self.folder / "server.conf").write_text(
            server_config(
                self.lifetimes,
                port=self.port,
                address="127.0.0.1",
                socket=self.api,
                health=f"127.0.0.1:{self.server_health}",
                state=str(self.folder / "server-state"),
                files=str(self.folder),
            )
        )
        attestor: dict[str, Any] = {'WorkloadAttestor "unix"': plugin(discover_workload_path=True)}
        (self.folder / "agent.conf").write_text(
            agent_config(
                "127.0.0.1",
                attestor,
                port=self.port,
                socket=str(self.folder / "agent.sock"),
                health=f"127.0.0.1:{self.agent_health}",
                state=str(self.folder / "agent-state"),
                files=str(self.folder),
            )
        )

    @property
    def api(self) -> str:
        return str(self.folder / "api.sock")

    @property
    def workload_api(self) -> str:
        return f"unix://{self.folder / 'agent.sock'}"

    # -- processes ---------------------------------------------------------------------------

    def start(self, name: str, *argv: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(argv, stdout=log, stderr=log)

    def start_server(self) -> None:
        config = str(self.folder / "server.conf")
        self.start("server", str(self.server_program), "run", "-config", config)
        Deadline.after(LIMIT).wait_for("the server", lambda: self.ask("healthcheck"))

    def start_agent(self) -> None:
        config = str(self.folder / "agent.conf")
        self.start("agent", str(self.agent_program), "run", "-config", config)
        Deadline.after(LIMIT).wait_for("the agent", self.agent_serves)

    def agent_serves(self) -> bool:
        path = str(self.folder / "agent.sock")
        argv = [str(self.agent_program), "healthcheck", "-socketPath", path]
        return subprocess.run(argv, capture_output=True, timeout=LIMIT).returncode == 0

    def send(self, name: str, number: signal.Signals) -> None:
        self.running[name].send_signal(number)
        if number is signal.SIGKILL:
            self.running.pop(name).wait()

    def has_ended(self, name: str) -> bool:
        return self.running[name].poll() is not None

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    # -- registry ----------------------------------------------------------------------------

    def ask(self, *words: str) -> bool:
        """Whether `spire-server words…` succeeds."""
        argv = [str(self.server_program), *words, "-socketPath", self.api]
        return subprocess.run(argv, capture_output=True, timeout=LIMIT).returncode == 0

    def workload(self, name: str) -> Path:
        """A copy of the program, which the agent knows by its path."""
        copy = self.folder / "bin" / name
        copy.parent.mkdir(exist_ok=True)
        if not copy.exists():
            shutil.copy2(self.edge, copy)
        return copy

    def register(self, name: str, spiffe_id: str, seconds: int = 0) -> None:
        selectors = [("unix", f"path:{self.workload(name)}")]
        text = entry_document(name, spiffe_id, agent_id(NODE), selectors, seconds)
        file = self.folder / f"{name}.json"
        file.write_text(text)
        assert self.ask("entry", "create", "-data", str(file)), f"entry {name}: {text}"
        Deadline.after(LIMIT).wait_for(f"identity of {name}", lambda: self.svid(name).ok)

    # -- workloads ---------------------------------------------------------------------------

    def svid(self, name: str, *options: str) -> Attempt:
        return self._probe(name, "svid", *options)

    def call(self, name: str, *options: str) -> Attempt:
        """Whether the collector lets it in."""
        return self._probe(name, "mtls", f"127.0.0.1:{self.taking}", COLLECTOR_ID, *options)

    def _probe(self, name: str, *words: str) -> Attempt:
        argv = [str(self.workload(name)), "probe", *words, "--workload-api", self.workload_api]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT)
        return parse_attempt(done.stdout)

    def start_collector(self) -> None:
        self.register("collector", COLLECTOR_ID)
        self.start(
            "collector",
            *(str(self.workload("collector")), "collect", "--folder", str(self.folder / "store")),
            *("--listen", f"127.0.0.1:{self.reading}", "--workload-api", self.workload_api),
            *("--secure-listen", f"127.0.0.1:{self.taking}", "--admit", SAMPLER_ID),
        )
        Deadline.after(LIMIT).wait_for(
            "the collector has its identity",
            lambda: '"identity"' in self.log("collector"),
        )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def attested(self) -> bool:
        return self.ask("agent", "show", "-spiffeID", agent_id(NODE))


@contextlib.contextmanager
def running_site(lifetimes: Lifetimes) -> Iterator[Site]:
    """Server, agent and collector run while the block does."""
    server, agent, edge = map(program, ("spire-server", "spire-agent", SPIFFE_PROGRAM))
    # Not pytest's: the path of a socket has 107 characters.
    with tempfile.TemporaryDirectory(prefix="spire-") as folder:
        site = Site(Path(folder), server, agent, edge, lifetimes)
        try:
            site.start_server()
            site.start_agent()
            site.start_collector()
            yield site
        finally:
            site.end()
