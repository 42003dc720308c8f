"""The broker of a node: Debian's nats-server, with JetStream on disk.

Each edge node has its own broker, so that nothing on the node waits for the cloud. It is a leaf
node of the server's broker, which copies the events of all nodes when it can reach them.
"""

from __future__ import annotations

import json
from typing import Any

from edge_lab.addons.functions.names import BROKER, CLOUD_DOMAIN, STATE
from edge_lab.addons.functions.place import Place
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

MEMORY_MIB = 64
"""Soft limit of the Go heap."""
MOST_FILE_BYTES = 256 * 1024 * 1024
"""Maximum disk space of all streams of a node."""
RECONNECT_SECONDS = 2
"""Between two attempts of a leaf node to connect to the server."""
MONITOR_LIMIT = 8 * 1024 * 1024


def edge_config(place: Place) -> str:
    """The configuration of an edge node's broker."""
    remote = {
        "url": f"tls://{place.leaf}",
        "tls": {**place.tls, "handshake_first": True},
        # Prevents other nodes and the server from creating events of this node.
        "deny_imports": ["events.>"],
    }
    leafnodes = {"reconnect": RECONNECT_SECONDS, "remotes": [remote]}
    return _text(place, place.node, leafnodes)


def server_config(place: Place) -> str:
    """The configuration of the server's broker, whose leaf nodes are the edge nodes."""
    tls = {**place.tls, "verify": True, "handshake_first": True, "timeout": 20}
    return _text(place, CLOUD_DOMAIN, {"listen": place.leaf_listens, "tls": tls})


def _text(place: Place, domain: str, leafnodes: dict[str, Any]) -> str:
    """A configuration file of nats-server, whose syntax includes JSON."""
    config = {
        "server_name": place.node,
        "listen": place.client,
        "http": place.monitor,
        "jetstream": {
            "store_dir": place.store,
            "domain": domain,
            "max_file_store": MOST_FILE_BYTES,
            # By default events are synced to disk up to two minutes after the broker has
            # confirmed them: a loss of power would lose them.
            "sync_interval": "always",
        },
        "leafnodes": leafnodes,
        # Emulated nodes are too slow for the default.
        "write_deadline": "30s",
    }
    return json.dumps(config, indent=2) + "\n"


def broker_command(place: Place) -> tuple[str, ...]:
    return (*place.nats, "--config", place.config("broker"))


def broker_provision(place: Place, config: str) -> Provision:
    service = Service(
        name=BROKER,
        description="NATS JetStream broker for device events",
        command=broker_command(place),
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )
    return service.provision(GuestFile.text(place.config("broker"), config))
