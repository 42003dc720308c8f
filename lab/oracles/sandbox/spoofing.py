"""Whether a node was deceived by a pod that claims another pod's address.

A pod can only report what it sent. Whether that had an effect is read on the node, over the
management path: its neighbour table (ip-neighbour(8)) while the pod runs, and a counter of nftables
for datagrams that have the other pod's address and a mark of the attempt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge_lab.core.errors import LabError
from edge_lab.oracles.sandbox.records import AttemptRun

ARP, IP = "arp-spoof", "ip-spoof"

NeighbourTable = Mapping[str, str]
"""MAC address by IP address. An address without one is not contained."""


def parse_neighbours(text: str) -> NeighbourTable:
    """The output of `ip -json neigh show dev NIC`; LabError if it is no such table."""
    try:
        entries: Any = json.loads(text or "[]")
        return {str(entry["dst"]): str(entry["lladdr"]) for entry in entries if "lladdr" in entry}
    except (ValueError, TypeError, KeyError) as trouble:
        raise LabError(f"invalid neighbour table of a node: {trouble!r}") from trouble


def parse_counter(text: str) -> int:
    """Packets of the only counter in the output of `nft -j list table …`; LabError if there is not
    exactly one."""
    try:
        entries: Any = json.loads(text)["nftables"]
        (packets,) = [
            int(part["counter"]["packets"])
            for entry in entries
            for part in entry.get("rule", {}).get("expr", ())
            if "counter" in part
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as trouble:
        raise LabError(f"invalid counter of a node: {trouble!r}") from trouble
    return packets


@dataclass
class NodeEvidence:
    """What a node showed of one pod's spoofing."""

    neighbour: str
    """The claimed address."""
    mac: str
    """That the neighbour has, as the node knew it before."""
    attacker: str = ""
    """The address of the pod that claims it; empty if it is not known."""
    tables: list[NeighbourTable] = field(default_factory=list)
    """In their order, while the pod ran."""
    datagrams: int = 0
    """With the mark, that arrived from the claimed address."""

    @property
    def redirected(self) -> bool:
        """Whether the node's table had the attacker's MAC address for the neighbour's address.

        Raises:
            LabError: the neighbour's entry changed, and no table has the attacker's own.
        """
        own = {table[self.attacker] for table in self.tables if self.attacker in table}
        claimed = {
            table[self.neighbour]
            for table in self.tables
            if table.get(self.neighbour, self.mac) != self.mac
        }
        if claimed and not own:
            raise LabError(
                f"the node had {', '.join(sorted(claimed))} for {self.neighbour}, and nothing "
                f"for {self.attacker or 'a pod whose address is not known'}"
            )
        return bool(claimed & own)


def confirmed(run: AttemptRun, evidence: NodeEvidence) -> AttemptRun:
    """The run, in which an attempt that reports success counts only if the node shows it."""
    seen = {ARP: lambda: evidence.redirected, IP: lambda: evidence.datagrams > 0}
    records = tuple(
        record.model_copy(update={"reached": False, "without_effect": True})
        if record.reached and record.attempt in seen and not seen[record.attempt]()
        else record
        for record in run.records
    )
    return run.model_copy(update={"records": records})


def unreported(run: AttemptRun, evidence: NodeEvidence) -> tuple[str, ...]:
    """Attempts with an effect on the node that their pod does not report: then it is not the pod's,
    or the pod's report is wrong."""
    reported = {record.attempt for record in run.records if record.reached}
    found: Iterable[tuple[str, bool]] = (
        (ARP, evidence.redirected),
        (IP, evidence.datagrams > 0),
    )
    return tuple(name for name, effect in found if effect and name not in reported)
