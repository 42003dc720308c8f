"""A node's own wall around its management address.

Linux takes a packet for any of its addresses by whichever NIC it comes, so that a neighbour with a
route, or a pod, would get to what listens on the management address alone.
"""

from __future__ import annotations

from edge_lab.machines.guest import MANAGEMENT_ADDRESS, MANAGEMENT_NIC

RULES = "/etc/ssh/edge-lab-management.nft"
TABLE = "edge_lab_management"

LOAD = f"/usr/sbin/nft -f {RULES}"
"""A command of the guest; right as well if the rules are there."""
UNLOAD = f"/usr/sbin/nft delete table ip {TABLE}"


def rules() -> str:
    """For nft: packets to the management address come by its NIC, or from the node itself."""
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
