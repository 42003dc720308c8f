"""The SPIRE server of the lab: registration entries, attested nodes, lifetimes of SVIDs."""

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
    SERVER_STATE,
    SERVER_UNIT,
    account_id,
    agent_id,
)
from edge_lab.addons.spire.server import PROGRAM, SERVER_CONFIG, server_config
from edge_lab.addons.workload import NAMESPACE
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.outcomes import eventually
from edge_lab.provisioning.provision import GuestFile

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab
    from edge_lab.machines import CommandResult, Machine

COMMAND_SECONDS = 120.0
START_SECONDS = 120.0
"""Seconds until a started server or agent answers."""
VOLUME_MIB = 128
"""Size of the volume for the server's state."""


@dataclass(frozen=True)
class Registry:
    """Commands of `spire-server`, on the server node over the management path."""

    lab: Lab
    limit: TimeLimit

    @property
    def _machine(self) -> Machine:
        return self.lab.machines[self.lab.topology.server.name]

    def _run(self, *words: str, check: bool = True) -> CommandResult:
        command = shlex.join([PROGRAM, *words, "-socketPath", SERVER_SOCKET])
        return self._machine.run(command, self.limit(COMMAND_SECONDS), check=check)

    def _server(self, *words: str, check: bool = True) -> bool:
        return self._run(*words, check=check).ok

    @contextlib.contextmanager
    def entry(
        self, name: str, node: str, spiffe_id: str, account: str, svid_seconds: int = 0
    ) -> Iterator[None]:
        """Pods of a service account on a node get `spiffe_id` while the block runs."""
        selectors = [("k8s", f"ns:{NAMESPACE}"), ("k8s", f"sa:{account}")]
        text = entry_document(name, spiffe_id, agent_id(node), selectors, svid_seconds)
        # Not .json, so that it is not registered after a boot.
        file = GuestFile.text(f"{FOLDER}/{name}.test", text)
        self._machine.write(file, self.limit(COMMAND_SECONDS))
        try:  # it may exist even if the response came too late
            self._server("entry", "create", "-data", file.path)
            yield
        finally:
            self._server("entry", "delete", "-entryID", name, check=False)

    def refuses_entries(self, name: str, node: str) -> str:
        """The server's error when `name` is registered; empty on success.

        The entry is deleted again. It is for a service account that does not exist.
        """
        selectors = f"k8s:sa:{name}"
        spiffe_id = account_id(NAMESPACE, name)
        words = ("-entryID", name, "-spiffeID", spiffe_id, "-parentID", agent_id(node))
        done = self._run("entry", "create", *words, "-selector", selectors, check=False)
        if done.ok:
            self._server("entry", "delete", "-entryID", name)
            return ""
        return f"{done.stdout}\n{done.stderr}".strip()

    @contextlib.contextmanager
    def own_volume(self) -> Iterator[str]:
        """The server keeps its state on a separate volume while the block runs; yields its path.

        So a full disk affects only the server, not the cluster's datastore. State that the server
        stores meanwhile is kept.
        """
        image, aside = f"{SERVER_STATE}.img", f"{SERVER_STATE}.aside"
        start = f"systemctl start {SERVER_UNIT}"
        unmount = f"! mountpoint -q {SERVER_STATE} || umount {SERVER_STATE}"
        try:
            self._machine.run(
                f"set -e; truncate -s {VOLUME_MIB}M {image}; mkfs.ext4 -q {image}; "
                f"systemctl stop {SERVER_UNIT}; mkdir -p {aside}; mount -o loop {image} {aside}; "
                f"cp -a {SERVER_STATE}/. {aside}/; umount {aside}; "
                f"mount -o loop {image} {SERVER_STATE}; {start}",
                self.limit(COMMAND_SECONDS),
            )
            self._until_healthy()
            yield SERVER_STATE
        finally:
            self._machine.run(
                f"set -e; systemctl stop {SERVER_UNIT}; {unmount}; "
                f"if test -e {image}; then mkdir -p {aside}; "
                f"if mount -o loop {image} {aside}; then cp -a {aside}/. {SERVER_STATE}/; "
                f"umount {aside}; fi; rm -rf {image} {aside}; fi; {start}",
                self.limit(COMMAND_SECONDS),
            )
            self._until_healthy()

    def evict(self, node: str) -> None:
        """Evicts the node's agent, which may attest again."""
        self._server("agent", "evict", "-spiffeID", agent_id(node))

    @contextlib.contextmanager
    def banned(self, node: str) -> Iterator[None]:
        """Bans the node's agent from the trust domain while the block runs."""
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
        """The server issues with these lifetimes; the agents of `nodes` attest again and get such
        SVIDs."""
        try:
            self._issue(lifetimes, nodes)
            yield
        finally:
            self._issue(Lifetimes(), nodes)

    def _issue(self, lifetimes: Lifetimes, nodes: Sequence[str]) -> None:
        file = GuestFile.text(SERVER_CONFIG, server_config(lifetimes), 0o600)
        self._machine.write(file, self.limit(COMMAND_SECONDS))
        self._machine.run(f"systemctl restart {SERVER_UNIT}", self.limit(COMMAND_SECONDS))
        self._until_healthy()
        for node in nodes:
            self.lab.machines[node].run(
                f"systemctl stop {AGENT_UNIT} && rm -rf {AGENT_STATE} && "
                f"systemctl start {AGENT_UNIT}",
                self.limit(COMMAND_SECONDS),
            )

    def _until_healthy(self) -> None:
        eventually(
            "the server answers",
            lambda: self._server("healthcheck", check=False),
            self.limit(START_SECONDS),
        )
