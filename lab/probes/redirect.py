"""Redirects a unit's connections to the cloud to another port of its node: rules for nftables.

Only connections of that unit are redirected, by its control group, so that no other client of the
node reaches the false cloud. nftables identifies a group by its number, which changes when a unit
restarts; a unit that is the only one to use an address and port is identified by these instead.
Established connections are reset when the client next uses them.
"""

from __future__ import annotations

from edge_lab.probes.cloudclient import CloudClient


def table(port: int) -> str:
    """The name of the table that redirects connections to `port`."""
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
    """A shell command that removes the rules; it also succeeds if there are none."""
    name = table(port)
    return f"! nft list table ip {name} >/dev/null 2>&1 || nft delete table ip {name}"
