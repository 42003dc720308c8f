"""A small topology whose edge node is external, as text."""

from __future__ import annotations

from pathlib import Path

from edge_lab.topology import Topology, parse_topology

EXTERNAL = """\
name: small
stacks: [kubernetes+kubelet]
networks:
  - {name: cloud, subnet: 10.77.0.0/24}
nodes:
  - {name: server, arch: x86_64, role: server}
  - name: board
    arch: x86_64
    role: edge
    memory: 512MiB
    external:
      address: 127.0.0.1
      port: 2222
      user: root
      key: id_board
      host_key: SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg
links:
  - {name: server-cloud, endpoint: server, network: cloud, address: 10.77.0.1}
  - name: board-cloud
    endpoint: board
    network: cloud
    address: 10.77.0.2
    host-interface: eth7
    node-interface: eth1
"""

POWER = """\
      power:
        driver: ExternalPowerDriver
        arguments: {cmd_on: power on, cmd_off: power off}
"""


def with_more(more: str, text: str = EXTERNAL) -> str:
    """With more lines below `external`."""
    return text.replace("links:\n", f"{more}links:\n")


def reached_at(
    port: int, key: Path, host_key: str, *, user: str = "root", more: str = ""
) -> Topology:
    """The topology of a machine that listens there on loopback."""
    text = with_more(more)
    text = text.replace("port: 2222", f"port: {port}").replace("user: root", f"user: {user}")
    text = text.replace("key: id_board", f"key: {key}")
    return parse_topology(
        text.replace("SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg", host_key)
    )
