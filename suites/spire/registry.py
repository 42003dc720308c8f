"""The SPIRE server of the lab: who is registered, which nodes belong to it, how long SVIDs live."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_lab.addons.spire.agent import PROGRAM as AGENT_PROGRAM
from edge_lab.addons.spire.entries import FOLDER, entry_document
from edge_lab.addons.spire.lifetimes import Lifetimes
from edge_lab.addons.spire.names import (
    AGENT_SOCKET,
    AGENT_STATE,
    AGENT_UNIT,
    SERVER_SOCKET,
    SERVER_UNIT,
    agent_id,
)
from edge_lab.addons.spire.server import PROGRAM, SERVER_CONFIG, server_config
from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

COMMAND_SECONDS = 120.0
START_SECONDS = 120.0
"""Until a server or an agent that was started answers."""


@dataclass(frozen=True)
class Registry:
    """What `spire-server` is asked to do, on the server node and over the management path."""

    lab: Lab
    limit: TimeLimit

    def _server(self, *words: str, check: bool = True) -> bool:
        command = shlex.join([PROGRAM, *words, "-socketPath", SERVER_SOCKET])
        machine = self.lab.machines[self.lab.topology.server.name]
        return machine.run(command, self.limit(COMMAND_SECONDS), check=check).ok

    @contextlib.contextmanager
    def entry(
        self, name: str, node: str, spiffe_id: str, account: str, svid_seconds: int = 0
    ) -> Iterator[None]:
        """Pods of a service account on a node get `spiffe_id` while the block runs."""
        selectors = [("k8s", f"ns:{NAMESPACE}"), ("k8s", f"sa:{account}")]
        text = entry_document(name, spiffe_id, agent_id(node), selectors, svid_seconds)
        # Not .json: it is not to be there after a boot.
        file = GuestFile.text(f"{FOLDER}/{name}.test", text)
        self.lab.machines[self.lab.topology.server.name].write(file, self.limit(COMMAND_SECONDS))
        try:  # an answer that comes too late leaves it all the same
            self._server("entry", "create", "-data", file.path)
            yield
        finally:
            self._server("entry", "delete", "-entryID", name, check=False)

    def evict(self, node: str) -> None:
        """The server forgets the node: it may attest again."""
        self._server("agent", "evict", "-spiffeID", agent_id(node))

    @contextlib.contextmanager
    def banned(self, node: str) -> Iterator[None]:
        """The node is not of the trust domain while the block runs, whatever it shows."""
        try:
            self._server("agent", "ban", "-spiffeID", agent_id(node))
            yield
        finally:
            self.evict(node)

    def knows(self, node: str) -> bool:
        """Whether the node has attested, and was not evicted since."""
        return self._server("agent", "show", "-spiffeID", agent_id(node), check=False)

    def serves(self, node: str) -> bool:
        """Whether the agent of a node answers pods."""
        command = shlex.join([AGENT_PROGRAM, "healthcheck", "-socketPath", AGENT_SOCKET])
        machine = self.lab.machines[node]
        return machine.run(command, self.limit(COMMAND_SECONDS), check=False).ok

    # -- lifetimes ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def lifetimes(self, lifetimes: Lifetimes, nodes: Sequence[str]) -> Iterator[None]:
        """The server issues so; the agents of `nodes` attest anew, and hold such SVIDs."""
        try:
            self._issue(lifetimes, nodes)
            yield
        finally:
            self._issue(Lifetimes(), nodes)

    def _issue(self, lifetimes: Lifetimes, nodes: Sequence[str]) -> None:
        machine = self.lab.machines[self.lab.topology.server.name]
        file = GuestFile.text(SERVER_CONFIG, server_config(lifetimes), 0o600)
        machine.write(file, self.limit(COMMAND_SECONDS))
        machine.run(f"systemctl restart {SERVER_UNIT}", self.limit(COMMAND_SECONDS))
        eventually(
            "the server answers",
            lambda: self._server("healthcheck", check=False),
            self.limit(START_SECONDS),
        )
        for node in nodes:
            self.lab.machines[node].run(
                f"systemctl stop {AGENT_UNIT} && rm -rf {AGENT_STATE} && "
                f"systemctl start {AGENT_UNIT}",
                self.limit(COMMAND_SECONDS),
            )
