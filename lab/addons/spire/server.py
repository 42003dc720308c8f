"""The server: its configuration and its unit."""

from __future__ import annotations

from typing import Any

from edge_lab.addons.spire.hcl import hcl, plugin
from edge_lab.addons.spire.identities import SPIRE_NODES
from edge_lab.addons.spire.lifetimes import Lifetimes, go_duration
from edge_lab.addons.spire.names import (
    CONFIG,
    SERVER_HEALTH,
    SERVER_PORT,
    SERVER_SOCKET,
    SERVER_STATE,
    SPIFFE_ROOT,
    SPIRE_SERVER,
    TRUST_DOMAIN,
)
from edge_lab.pki import Pki
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

PROGRAM = str(PAYLOAD_MOUNT / "bin" / SPIRE_SERVER)
SERVER_CONFIG = f"{CONFIG}/server.conf"
ROOT_CERTIFICATE, ROOT_KEY = f"{CONFIG}/root.crt", f"{CONFIG}/root.key"
NODES_AUTHORITY = f"{CONFIG}/nodes.crt"

MEMORY_MIB = 160
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def server_config(
    lifetimes: Lifetimes,
    *,
    port: int = SERVER_PORT,
    address: str = "0.0.0.0",
    socket: str = SERVER_SOCKET,
    health: str = SERVER_HEALTH,
    state: str = SERVER_STATE,
    files: str = CONFIG,
) -> str:
    """The text of server.conf; `files` is the folder of certificates and keys."""
    health_address, _, health_port = health.rpartition(":")
    settings: dict[str, Any] = {
        "server": {
            "bind_address": address,
            "bind_port": str(port),
            "socket_path": socket,
            "trust_domain": TRUST_DOMAIN,
            "data_dir": state,
            "log_level": "INFO",
            "ca_ttl": go_duration(lifetimes.authority),
            "default_x509_svid_ttl": go_duration(lifetimes.svid),
            "agent_ttl": go_duration(lifetimes.agent),
            # Otherwise one attestation per second and address: after a heal all nodes attest at
            # once.
            "ratelimit": {"attestation": False},
        },
        "health_checks": {
            "listener_enabled": True,
            "bind_address": health_address,
            "bind_port": health_port,
        },
        "plugins": {
            'DataStore "sql"': plugin(
                database_type="sqlite3", connection_string=f"{state}/datastore.sqlite3"
            ),
            'KeyManager "disk"': plugin(keys_path=f"{state}/keys.json"),
            'NodeAttestor "x509pop"': plugin(
                ca_bundle_path=f"{files}/nodes.crt",
                agent_path_template="/node/{{ .Subject.CommonName }}",
            ),
            'UpstreamAuthority "disk"': plugin(
                cert_file_path=f"{files}/root.crt", key_file_path=f"{files}/root.key"
            ),
        },
    }
    return hcl(settings)


def server_service() -> Service:
    return Service(
        name=SPIRE_SERVER,
        description="SPIRE server",
        command=(PROGRAM, "run", "-config", SERVER_CONFIG),
        before_start=(("/usr/bin/mkdir", "-p", SERVER_STATE, SERVER_SOCKET.rpartition("/")[0]),),
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
    )


def server_provision(pki: Pki, lifetimes: Lifetimes) -> Provision:
    """Unit and files; the caller adds the program."""
    root = pki.authority(SPIFFE_ROOT).identity
    return server_service().provision(
        GuestFile.text(SERVER_CONFIG, server_config(lifetimes), 0o600),
        GuestFile(ROOT_CERTIFICATE, root.certificate_pem),
        GuestFile(ROOT_KEY, root.key_pem, 0o600),
        GuestFile(NODES_AUTHORITY, pki.authority(SPIRE_NODES).certificate_pem),
    )
