"""Which interfaces of a host can be the end of a link, by what `ip -json` prints of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from edge_lab.fabric import hostinterface
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


def over(name: str, kind: str) -> dict[str, Any]:
    """An interface of this kind that is linked to `name`."""
    return {"ifname": "upper0", "link": name, "linkinfo": {"info_kind": kind}}


@pytest.mark.parametrize("kind", ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"])
def test_one_over_which_another_speaks_is_refused(kind: str) -> None:
    objection = judge("eth1", FREE, [], [FREE, over("eth1", kind)])
    assert objection is not None
    assert "upper0" in objection.message
    assert judge("eth1", FREE, [], [FREE, over("eth2", kind)]) is None


def test_the_other_end_of_a_cable_is_no_use_of_it() -> None:
    assert judge("eth1", FREE, [], [FREE, over("eth1", "veth")]) is None


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of `ip`, for an interface that is free; a test may change the file."""
    program = tmp_path / "ip"
    program.write_text(
        "#!/bin/sh\n"
        """case "$*" in *address*) echo '[{"link_type":"ether","flags":["UP"]}]';;\n"""
        """"$FAILS"*) echo planted >&2; exit 1;; *) echo '[]';; esac\n"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAILS", "none")
    monkeypatch.setattr(hostinterface, "_IPV6", tmp_path)
    return program


def test_a_host_that_does_not_say_what_it_uses_has_no_free_interface(
    ip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_objection("lo") is None
    for fails in ("-json -4 route", "-json -6 route", "-json -details link"):
        monkeypatch.setenv("FAILS", fails)
        objection = find_objection("lo")
        assert objection is not None, fails
        assert "planted" in objection.message
    ip.write_text("#!/bin/sh\necho nonsense\n")
    assert find_objection("lo") is not None


def test_a_kernel_without_ipv6_is_not_asked_for_its_routes(
    ip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "-json -6 route")
    monkeypatch.setattr(hostinterface, "_IPV6", tmp_path / "absent")
    assert find_objection("lo") is None
