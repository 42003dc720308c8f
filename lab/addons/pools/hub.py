"""yurthub of an edge node with a pool: its unit's command line, as a drop-in, and its pool."""

from __future__ import annotations

import shlex

from edge_lab.addons.base import AddOnContext
from edge_lab.addons.pools.membership import pool_of
from edge_lab.provisioning.provision import GuestFile
from edge_lab.stacks.openyurt import POOL_FLAG, YURTHUB_UNIT, OpenYurt
from edge_lab.stacks.unit import UNIT_FOLDER, command_line
from edge_lab.topology import Node

DROP_IN = f"{UNIT_FOLDER}/{YURTHUB_UNIT}.d/60-edge-lab-pools.conf"


def hub_drop_in(ctx: AddOnContext, runtime: OpenYurt, node: Node) -> GuestFile:
    """yurthub with the name of its node's pool, and with the filter of endpoints."""
    service = runtime.hub_service(ctx.topology, node, ctx.api, pool_of(node))
    text = f"[Service]\nExecStart=\nExecStart={command_line(service.command)}\n"
    return GuestFile.text(DROP_IN, text)


def hub_pool_command(pool: str) -> str:
    """A shell command that restarts yurthub of a node with the name of another pool: it reads the
    name at its start only, and not from its node's label (v1.7.0)."""
    named = shlex.quote(f"s/{POOL_FLAG}=[^ ]*/{POOL_FLAG}={pool}/")
    return (
        f"grep -q -e {POOL_FLAG}={pool}' ' {DROP_IN} || {{ sed -i {named} {DROP_IN} && "
        f"systemctl daemon-reload && systemctl restart {YURTHUB_UNIT}; }}"
    )
