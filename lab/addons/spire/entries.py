"""Registration entries of the server, and the unit that creates them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from edge_lab.addons.spire.names import (
    CONFIG,
    ENTRIES,
    SERVER_SOCKET,
    SERVER_UNIT,
    account_id,
    agent_id,
)
from edge_lab.addons.spire.server import PROGRAM
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

FOLDER = f"{CONFIG}/entries"
SCRIPT = f"{CONFIG}/register.sh"

# Existing entries stay: the registry is on the server's disk.
REGISTER = f"""\
#!/bin/sh
# Registers each file of {FOLDER} whose entry the server does not have.
set -eu
until {PROGRAM} healthcheck -socketPath {SERVER_SOCKET} >/dev/null 2>&1; do sleep 1; done
for file in {FOLDER}/*.json; do
    id=$(basename "$file" .json)
    if ! {PROGRAM} entry show -socketPath {SERVER_SOCKET} -entryID "$id" >/dev/null 2>&1; then
        {PROGRAM} entry create -socketPath {SERVER_SOCKET} -data "$file"
    fi
done
"""


@dataclass(frozen=True, order=True)
class Entry:
    """Only pods of a service account on one node get the account's identity."""

    node: str
    namespace: str
    account: str
    svid_seconds: int = 0
    """Lifetime of their SVIDs; 0 is the server's default."""

    @property
    def id(self) -> str:
        return f"{self.node}.{self.namespace}.{self.account}"

    @property
    def spiffe_id(self) -> str:
        return account_id(self.namespace, self.account)

    @property
    def selectors(self) -> tuple[tuple[str, str], ...]:
        """Types and values, as the k8s attestor reports them for a pod."""
        return (("k8s", f"ns:{self.namespace}"), ("k8s", f"sa:{self.account}"))

    def document(self) -> str:
        """In the format of `spire-server entry create -data`."""
        return entry_document(
            self.id, self.spiffe_id, agent_id(self.node), self.selectors, self.svid_seconds
        )


def entry_document(
    entry: str,
    spiffe_id: str,
    parent: str,
    selectors: Iterable[tuple[str, str]],
    svid_seconds: int = 0,
) -> str:
    """An entry of any selectors, as JSON."""
    found = {
        "entry_id": entry,
        "spiffe_id": spiffe_id,
        "parent_id": parent,
        "selectors": [{"type": kind, "value": value} for kind, value in selectors],
        "x509_svid_ttl": svid_seconds,
    }
    return json.dumps({"entries": [found]}, indent=2) + "\n"


def entries_provision(entries: Iterable[Entry]) -> Provision:
    """The unit of the server node that registers `entries` at each boot."""
    service = Service(
        name=ENTRIES,
        description="SPIRE registration entries",
        command=("/bin/sh", SCRIPT),
        kind="oneshot",
        after=(SERVER_UNIT,),
        wants=(SERVER_UNIT,),
        mounts=(str(PAYLOAD_MOUNT),),
    )
    files = (GuestFile.text(f"{FOLDER}/{entry.id}.json", entry.document()) for entry in entries)
    return service.provision(GuestFile.text(SCRIPT, REGISTER), *files)
