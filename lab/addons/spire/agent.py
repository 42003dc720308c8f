"""The agent on each node: its configuration and its unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edge_lab.addons.spire.hcl import hcl, plugin
from edge_lab.addons.spire.identities import SPIRE_NODES
from edge_lab.addons.spire.names import (
    AGENT_FOLDER,
    AGENT_HEALTH,
    AGENT_SOCKET,
    AGENT_STATE,
    CONFIG,
    SERVER_PORT,
    SPIFFE_ROOT,
    SPIRE_AGENT,
    TRUST_DOMAIN,
)
from edge_lab.pki import Pki
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node

PROGRAM = str(PAYLOAD_MOUNT / "bin" / SPIRE_AGENT)
AGENT_CONFIG = f"{CONFIG}/agent.conf"
BUNDLE = f"{CONFIG}/bundle.crt"
NODE_CERTIFICATE, NODE_KEY = f"{CONFIG}/node.crt", f"{CONFIG}/node.key"

SYNC = "2s"
"""Sync interval with the server (5 s is its default). While the server does not answer, it backs
off up to 48 times as long, which bounds the time from a heal to the renewal."""

MEMORY_MIB = 64
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def agent_config(
    server: str,
    attestor: Mapping[str, Any],
    *,
    port: int = SERVER_PORT,
    socket: str = AGENT_SOCKET,
    health: str = AGENT_HEALTH,
    state: str = AGENT_STATE,
    files: str = CONFIG,
) -> str:
    """The text of agent.conf of an agent whose server is at the address `server`."""
    health_address, _, health_port = health.rpartition(":")
    settings: dict[str, Any] = {
        "agent": {
            "data_dir": state,
            "log_level": "INFO",
            "server_address": server,
            "server_port": str(port),
            "socket_path": socket,
            "trust_domain": TRUST_DOMAIN,
            "trust_bundle_path": f"{files}/bundle.crt",
            # Otherwise it exits at once if the server is not ready.
            "retry_bootstrap": True,
            "experimental": {"sync_interval": SYNC},
        },
        "health_checks": {
            "listener_enabled": True,
            "bind_address": health_address,
            "bind_port": health_port,
        },
        "plugins": {
            'KeyManager "disk"': plugin(directory=state),
            # By a long-lived certificate, not by a join token, which is valid only once: a node
            # whose agent was offline for too long recovers by itself.
            'NodeAttestor "x509pop"': plugin(
                private_key_path=f"{files}/node.key", certificate_path=f"{files}/node.crt"
            ),
            **attestor,
        },
    }
    return hcl(settings)


def agent_service(after: tuple[str, ...]) -> Service:
    return Service(
        name=SPIRE_AGENT,
        description="SPIRE agent",
        command=(PROGRAM, "run", "-config", AGENT_CONFIG),
        after=after,
        wants=after,
        # No RuntimeDirectory: systemd would create a new one at each start, and pods that have
        # mounted the old one would never see the new socket.
        before_start=(
            ("/usr/bin/mkdir", "-p", AGENT_STATE),
            ("/usr/bin/mkdir", "-p", "-m", "755", AGENT_FOLDER),
        ),
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
    )


def agent_provision(
    pki: Pki, node: Node, server: str, attestor: Mapping[str, Any], after: tuple[str, ...] = ()
) -> Provision:
    """Unit and files; the caller adds the program and the files of the attestor."""
    identity = pki.identity(SPIRE_NODES, node.name)
    return agent_service(after).provision(
        GuestFile.text(AGENT_CONFIG, agent_config(server, attestor), 0o600),
        GuestFile(BUNDLE, pki.authority(SPIFFE_ROOT).certificate_pem),
        GuestFile(NODE_CERTIFICATE, identity.certificate_pem),
        GuestFile(NODE_KEY, identity.key_pem, 0o600),
    )
