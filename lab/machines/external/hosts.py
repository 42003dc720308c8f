"""SSH access to an external node. Its host key is always verified."""

from __future__ import annotations

import base64
import binascii
import hashlib
import subprocess
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.machines.ssh import SshHost
from edge_lab.topology import External, Node
from edge_lab.topology.external import FINGERPRINT

SCAN_SECONDS = 30.0


def ssh_host(node: Node, keys: Path) -> SshHost:
    """The SSH settings; `keys` is the folder to which its verified host key is written."""
    external = external_of(node)
    return SshHost(
        name=node.name,
        host=external.address,
        port=external.port,
        user=external.user,
        key=external.key,
        known_hosts=keys / f"known_hosts-{node.name}",
    )


def trust(node: Node, keys: Path, deadline: Deadline) -> bool:
    """Writes the host key in the topology to known_hosts, once its server answers; returns True.

    Raises:
        InputError: known_hosts has no key of that host, or the server presents another key.
        LabError: the server presents no key.
    """
    lines = [f"{line}\n" for line in _known_lines(node, deadline)]
    ssh_host(node, keys).known_hosts.write_text("".join(lines), encoding="utf-8")
    return True


def _known_lines(node: Node, deadline: Deadline) -> list[str]:
    external = external_of(node)
    if external.known_hosts is not None:
        return known_lines(external, node.name, deadline)
    key = external.host_key or ""
    if not key.startswith(FINGERPRINT):
        return [f"{node.name} {key}"]
    shown = scan(external, deadline)
    if not shown:
        raise LabError(
            f"{node.name}: the SSH server at {external.address} port {external.port} presents no "
            "host key"
        )
    for line in shown:
        if fingerprint(line) == key:
            return [f"{node.name} {line}"]
    others = ", ".join(f"{fingerprint(line)} ({line.split()[0]})" for line in shown)
    raise InputError(
        f"{node.name}: the SSH server at {external.address} port {external.port} does not present "
        f"the host key {key}, but {others}",
        remedy="Another machine answers there, or the machine was reinstalled. Only if it was "
        "reinstalled, set `host_key` to the fingerprint that the machine itself shows: "
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
    )


def known_lines(external: External, name: str, deadline: Deadline) -> list[str]:
    """The lines of its known_hosts file for its address and port, hashed or not, renamed to `name`.

    Raises:
        InputError: there are none.
    """
    at = external.address if external.port == 22 else f"[{external.address}]:{external.port}"
    done = _ask(["ssh-keygen", "-F", at, "-f", str(external.known_hosts)], deadline)
    found = []
    for line in done.splitlines():
        words = line.split()
        if not words or words[0] == "#":
            continue
        marker = words[:1] if words[0].startswith("@") else []
        # The markers @revoked and @cert-authority do not depend on the name.
        found.append(" ".join([*marker, name, *words[len(marker) + 1 :]]))
    if not found:
        raise InputError(
            f"{external.known_hosts} has no host key of {at}",
            remedy=f"Log in once by hand and verify the fingerprint, which adds it: ssh -p "
            f"{external.port} {external.user}@{external.address}",
        )
    return found


def scan(external: External, deadline: Deadline) -> list[str]:
    """The public keys that its server presents."""
    said = _ask(["ssh-keyscan", "-T", "15", "-p", str(external.port), external.address], deadline)
    return [
        line.partition(" ")[2] for line in said.splitlines() if line and not line.startswith("#")
    ]


def fingerprint(public: str) -> str:
    """The fingerprint of a public key `ssh-ed25519 AAAA…`, as printed by `ssh-keygen -lf`; empty if
    the key is invalid."""
    try:
        blob = base64.b64decode(public.split()[1])
    except (IndexError, binascii.Error):
        return ""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"{FINGERPRINT}{digest}"


def external_of(node: Node) -> External:
    """The `external` field of a node; LabError if the lab boots it."""
    if node.external is None:
        raise LabError(f"{node.name} is a node that the lab boots")
    return node.external


def _ask(argv: list[str], deadline: Deadline) -> str:
    limit = deadline.within(SCAN_SECONDS)
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit.remaining,
            check=False,
        )
    except FileNotFoundError as trouble:
        raise InputError(
            f"{argv[0]} is not installed", remedy="As root: apt-get install openssh-client"
        ) from trouble
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout
