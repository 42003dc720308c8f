"""Another pod of the node, as the target of hostile pods, and what the node shows of attempts to be
taken for it."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edge_lab.addons.hostile.pods import HostilePod, facts_pod
from edge_lab.addons.hostile.settings import Setting
from edge_lab.addons.workload import NAMESPACE
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.sandbox import POD_SECONDS, HostilePods
from edge_lab.oracles.sandbox.spoofing import NodeEvidence, parse_counter, parse_neighbours
from edge_lab.stacks.node import POD_BRIDGE

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

ACCOUNT = "edge-lab-hostile-neighbour"
"""The service account of the neighbour."""
SUBJECT = f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
SPOOFED_PORT = 9
"""Of the node, for datagrams: nobody listens there."""
TABLE = "edge_lab_spoof"


@dataclass(frozen=True)
class Neighbour:
    """A pod of the node that does nothing."""

    pod: HostilePod
    uid: str
    address: str

    def process_options(self, name: str) -> tuple[str, ...]:
        """For attempts at its process, with names that end with `name`."""
        return ("--process", f"{name}={self.pod.name}", "--subject", SUBJECT)

    def folder_options(self, kubelet: str) -> tuple[str, ...]:
        """For attempts at its token in the kubelet's folder, at its path in the attacker."""
        return ("--kubelet", kubelet, "--pod", self.uid, "--subject", SUBJECT)


@contextlib.contextmanager
def neighbour_account(lab: Lab, limit: TimeLimit) -> Iterator[None]:
    """The service account `ACCOUNT` exists while the block runs."""
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
    }
    try:  # it may exist even if the response came too late
        lab.kubectl.apply([account], limit(60))
        yield
    finally:
        lab.kubectl.delete("serviceaccount", ACCOUNT, "-n", NAMESPACE, deadline=limit(60))


def neighbour_pod(node: str, secret: str = "") -> HostilePod:
    """The pod: with no security context, and with a token of `ACCOUNT`."""
    plain = facts_pod(node, Setting.RUNC_DEFAULT, None, name=f"neighbour-{node}")
    return replace(plain, token=True, service_account=ACCOUNT, secret=secret)


@contextlib.contextmanager
def neighbour(
    lab: Lab, pods: HostilePods, node: LabNode, limit: TimeLimit, secret: str = ""
) -> Iterator[Neighbour]:
    """Runs the pod on the node while the block runs, with a Secret as a volume if one is named."""
    pod = neighbour_pod(node.name, secret)
    with neighbour_account(lab, limit), pods.applied(pod) as uid:
        pods.facts(pod, uid)
        address = eventually(
            f"{pod.name} has an address",
            lambda: pods.address(pod) or None,
            limit(POD_SECONDS),
            every=2.0,
        )
        yield Neighbour(pod, uid, address)


# -- what the node shows -----------------------------------------------------------------------


@dataclass(frozen=True)
class Watch:
    """Looks at the node while a pod claims the neighbour's address."""

    lab: Lab
    node: LabNode
    neighbour: Neighbour
    mark: str
    """Unique to this watch; 8 hexadecimal digits."""
    evidence: NodeEvidence

    def options(self) -> tuple[str, ...]:
        """For the attacker."""
        gateway = next(self.lab.topology.pod_cidr(self.node.name).hosts())
        to = f"{_address(self.lab, self.node)}:{SPOOFED_PORT}"
        return (
            *("--neighbour", self.neighbour.address, "--gateway", str(gateway)),
            *("--spoof-to", to, "--mark", self.mark),
        )

    def look(self, pods: HostilePods, attacker: HostilePod) -> None:
        """Adds the node's neighbour table, and what has arrived, to the evidence."""
        evidence = self.evidence
        evidence.tables.append(parse_neighbours(_table(self.node)))
        evidence.datagrams = parse_counter(self.node.output(f"nft -j list table ip {TABLE}"))
        evidence.attacker = evidence.attacker or pods.address(attacker)


def _address(lab: Lab, node: LabNode) -> str:
    return str(lab.topology.cluster_link(node.name).address)


def _table(node: LabNode) -> str:
    return node.output(f"ip -json neigh show dev {POD_BRIDGE}")


def counting_rules(neighbour: str, node: str, mark: str, *, drop: bool = False) -> str:
    """For `nft -f -`: counts datagrams with the mark from the neighbour's address to the node's,
    when they are delivered. With `drop`, the node drops them before that."""
    spoofed = f"ip saddr {neighbour} ip daddr {node} udp dport {SPOOFED_PORT} @th,64,32 0x{mark}"
    guard = f"""\
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    {spoofed} drop
  }}
"""
    return f"""\
table ip {TABLE} {{
{guard if drop else ""}  chain arrived {{
    type filter hook input priority filter; policy accept;
    {spoofed} counter
  }}
}}
"""


def known_mac(node: LabNode, address: str, deadline: Deadline) -> str:
    """The MAC address of a pod, as the node resolves it now; LabError if it does not answer."""
    undone = f"ip neigh del {address} dev {POD_BRIDGE} 2>/dev/null; "

    def asked() -> str | None:
        node.succeeds(f"{undone}ping -c 1 -W 10 {address}")
        return parse_neighbours(_table(node)).get(address)

    return deadline.wait_for(f"{node} has an entry for {address}", asked, every=2.0)


@contextlib.contextmanager
def watched(
    lab: Lab, node: LabNode, neighbour: Neighbour, limit: TimeLimit, *, defended: bool = False
) -> Iterator[Watch]:
    """Watches the node while the block runs, and removes what the attack has left; LabError if the
    neighbour is then not known by its own MAC address. With `defended`, the node has a permanent
    entry for the neighbour, and drops the attempt's datagrams."""
    mac = known_mac(node, neighbour.address, limit(120))
    mark = secrets.token_hex(4)
    rules = counting_rules(neighbour.address, _address(lab, node), mark, drop=defended)
    permanent = f"ip neigh replace {neighbour.address} lladdr {mac} dev {POD_BRIDGE} nud permanent"
    try:  # what a command did stays, even if its response came too late
        node.output(f"{_REMOVE}; nft -f - <<'EDGE_LAB_END'\n{rules}EDGE_LAB_END")
        if defended:
            node.output(permanent)
        yield Watch(lab, node, neighbour, mark, NodeEvidence(neighbour.address, mac))
    finally:
        node.output(
            f"{_REMOVE}; ip neigh del {neighbour.address} dev {POD_BRIDGE} 2>/dev/null; true"
        )
    after = known_mac(node, neighbour.address, limit(120))
    if after != mac:
        raise LabError(f"{node} has {after} for {neighbour.address}, which had {mac} before")


_REMOVE = f"nft delete table ip {TABLE} 2>/dev/null"
