"""Firewall rules of a node for its management address.

Linux accepts packets for any of its addresses on every NIC, so a neighbour with a route, or a pod,
could reach services that listen only on the management address.
"""

from __future__ import annotations

from edge_lab.machines.guest import MANAGEMENT_ADDRESS, MANAGEMENT_NIC

RULES = "/etc/ssh/edge-lab-management.nft"
TABLE = "edge_lab_management"

LOAD = f"/usr/sbin/nft -f {RULES}"
"""A command of the guest; also works if the rules are already loaded."""
UNLOAD = f"/usr/sbin/nft delete table ip {TABLE}"


def rules() -> str:
    """For nft: packets to the management address must arrive on its NIC, or be local."""
    return f"""\
table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
  chain input {{
    type filter hook input priority filter; policy accept;
    ip daddr {MANAGEMENT_ADDRESS.ip} iifname != {{ "{MANAGEMENT_NIC}", "lo" }} drop
  }}
}}
"""
