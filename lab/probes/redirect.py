"""A unit's connections to the cloud, turned to another port of its node: rules for nftables.

Only connections of that unit are turned, by its control group, so that no other client of the node
meets the false cloud, and what is met is that unit's. nftables knows a group by its number, and a
unit that ends gets another one; one that alone dials an address and port is known by these.
Connections that stand are reset when the client next uses them.
"""

from __future__ import annotations

from edge_lab.probes.cloudclient import CloudClient


def table(port: int) -> str:
    """The name of the table that turns connections to `port`."""
    return f"edge_lab_false_cloud_{port}"


def rules(client: CloudClient, control_group: str, port: int) -> str:
    """For `nft -f -`: connections of `client`, whose unit is in `control_group`, go to `port`.

    `control_group` is as systemd names it: `/system.slice/kubelet.service`.
    """
    group = control_group.strip("/")
    level = group.count("/") + 1
    cloud = f"ip daddr {client.address} tcp dport {client.port}"
    if not client.dials_alone:
        cloud += f' socket cgroupv2 level {level} "{group}"'
    return f"""\
table ip {table(port)} {{
  chain turn {{
    type nat hook output priority -100; policy accept;
    {cloud} redirect to :{port}
  }}
  chain end {{
    type filter hook output priority 0; policy accept;
    {cloud} reject with tcp reset
  }}
}}
"""


def undo(port: int) -> str:
    """A shell command that takes the rules away; right as well if they are not there."""
    name = table(port)
    return f"! nft list table ip {name} >/dev/null 2>&1 || nft delete table ip {name}"
