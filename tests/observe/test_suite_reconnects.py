"""How the leak suite tells connections apart."""

from __future__ import annotations

from suites.memory.reconnects import local_ports

SAID = """\
ESTAB 0      0      10.77.0.11:41234 10.77.0.1:6443
ESTAB 0      36     [::ffff:10.77.0.11]:50000 [::ffff:10.77.0.1]:10000 timer:(on,200ms,0)
"""


def test_connections_are_known_by_their_local_ports() -> None:
    assert local_ports(SAID) == {"41234", "50000"}
    assert local_ports("\n") == frozenset()
