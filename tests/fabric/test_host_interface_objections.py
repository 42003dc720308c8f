"""Which interfaces of a host can be the end of a link, by what `ip -json` prints of them."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.fabric.hostinterface import find_objection, judge

FREE: dict[str, Any] = {
    "ifname": "eth1",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "link_type": "ether",
    "addr_info": [],
}
CONNECTED = {"dst": "10.9.9.0/24", "protocol": "kernel"}


def address(local: str, prefix: int) -> dict[str, Any]:
    return {"addr_info": [{"local": local, "prefixlen": prefix}]}


def test_an_interface_that_nobody_uses_is_taken() -> None:
    assert judge("eth1", FREE, []) is None
    assert judge("eth1", FREE, [CONNECTED]) is None


@pytest.mark.parametrize(
    ("change", "routes", "wireless", "named"),
    [
        (address("10.9.9.9", 24), [CONNECTED], False, "10.9.9.9/24"),
        (address("fe80::1", 64), [], False, "fe80::1/64"),
        ({}, [{"dst": "default", "gateway": "10.9.9.1"}], False, "default route"),
        ({"master": "br0"}, [], False, "br0"),
        ({"link_type": "loopback"}, [], False, "loopback"),
        ({"flags": ["BROADCAST"]}, [], False, "down"),
        ({}, [], True, "wireless"),
    ],
)
def test_one_that_the_host_uses_is_refused_with_a_remedy(
    change: dict[str, Any], routes: list[dict[str, Any]], wireless: bool, named: str
) -> None:
    objection = judge("eth1", {**FREE, **change}, routes, is_wireless=wireless)
    assert objection is not None
    assert named in objection.message
    assert objection.remedy


def test_one_that_is_not_there_is_refused_with_those_that_are() -> None:
    objection = find_objection("no-such-nic")
    assert objection is not None
    assert "lo" in objection.remedy


def test_loopback_is_refused_as_it_is_here() -> None:
    assert find_objection("lo") is not None
