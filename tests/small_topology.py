"""A small topology as text, for tests that change it."""

from __future__ import annotations

import pytest

from edge_lab.core.errors import InputError
from edge_lab.topology import (
    parse_topology,
)

GOOD = """\
name: small
stacks: [kubernetes+kubelet]
networks:
  - {name: cloud, subnet: 10.77.0.0/24}
  - {name: plant, subnet: 10.78.0.0/24}
nodes:
  - {name: server, arch: x86_64, role: server}
  - {name: edge, arch: riscv64, role: edge, memory: 1GiB}
links:
  - {name: server-cloud, endpoint: server, network: cloud, address: 10.77.0.1}
  - {name: edge-cloud, endpoint: edge, network: cloud, address: 10.77.0.2}
  - {name: edge-plant, endpoint: edge, network: plant, address: 10.78.0.2}
  - {name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.9}
devices:
  - {name: boiler, protocol: modbus-tcp}
"""


def refusal(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        parse_topology(text, "lab.yaml")
    return caught.value
