"""Which network interfaces of the host can be endpoints of links.

Everything on a link is part of the lab.  So an interface that the host itself uses is refused:
faults would cut off the host, and devices on the link could reach it.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError

CAPABILITY_REMEDY = (
    "Without being root: sudo setpriv --reuid $USER --regid $(id -g) --init-groups "
    "--inh-caps +net_raw --ambient-caps +net_raw lab up …"
)

_SIOCGIWNAME = 0x8B01
_SECONDS = 10.0
_UPPER_KINDS = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})
"""Types of interfaces that send over another one. (The other end of a veth pair does not.)"""
_IPV6 = Path("/proc/net/if_inet6")
"""Does not exist if the kernel has no IPv6."""

Row = Mapping[str, Any]
"""An object in the output of `ip -json`."""


@dataclass(frozen=True)
class InterfaceObjection:
    """Why an interface cannot be the endpoint of a link."""

    message: str
    remedy: str

    def error(self) -> InputError:
        return InputError(self.message, remedy=self.remedy)


def find_objection(name: str) -> InterfaceObjection | None:
    """Why the interface `name` cannot be the endpoint of a link now; None if it can."""
    if name not in (known := [name for _, name in socket.if_nameindex()]):
        return InterfaceObjection(
            f"this host has no network interface {name!r}", f"Available: {', '.join(known)}."
        )
    families = ("-4", "-6") if _IPV6.exists() else ("-4",)
    try:
        (link,) = _ip("address", "show", "dev", name) or [{}]
        routes = [
            route
            for family in families
            for route in _ip(family, "route", "show", "table", "all", "dev", name)
        ]
        links = _ip("-details", "link", "show")
    except LabError as trouble:
        return InterfaceObjection(
            f"cannot determine what {name} is used for: {trouble.message}", trouble.remedy
        )
    return judge(name, link, routes, links, is_wireless=_is_wireless(name))


def judge(
    name: str,
    link: Row,
    routes: Sequence[Row],
    links: Sequence[Row] = (),
    *,
    is_wireless: bool = False,
) -> InterfaceObjection | None:
    """The same, from the output of `ip -json` for its addresses and routes, and for all links."""
    if link.get("link_type") != "ether":
        return InterfaceObjection(
            f"{name} is not an Ethernet interface ({link.get('link_type', 'unknown')})",
            "Use a wired Ethernet interface.",
        )
    if any(route.get("dst") == "default" for route in routes):
        return InterfaceObjection(
            f"{name} carries a default route of this host",
            "Use an interface that the host does not use itself: a second card, or a USB adapter.",
        )
    addresses = [
        f"{address['local']}/{address['prefixlen']}"
        for address in link.get("addr_info", ())
        if "local" in address
    ]
    if addresses:
        return InterfaceObjection(
            f"{name} has an address of this host: {', '.join(addresses)}",
            "If the host does not need it, as root: "
            f"sysctl -w net.ipv6.conf.{name}.disable_ipv6=1; "
            f"ip address flush dev {name} (and keep NetworkManager off: "
            f"nmcli device set {name} managed no).",
        )
    if master := link.get("master"):
        return InterfaceObjection(
            f"{name} is a port of {master}",
            f"As root, if that is not needed: ip link set {name} nomaster",
        )
    uppers = [
        str(row.get("ifname"))
        for row in links
        if row.get("link") == name and row.get("linkinfo", {}).get("info_kind") in _UPPER_KINDS
    ]
    if uppers:
        return InterfaceObjection(
            f"this host uses {name} through {', '.join(uppers)}",
            f"As root, if not needed: {'; '.join(f'ip link delete {upper}' for upper in uppers)}",
        )
    if is_wireless:
        return InterfaceObjection(
            f"{name} is a wireless interface, which carries only frames with its own address",
            "Use a wired Ethernet interface.",
        )
    if "UP" not in link.get("flags", ()):
        return InterfaceObjection(f"{name} is down", f"As root: ip link set {name} up")
    return None


def _ip(*words: str) -> list[Row]:
    """The output of `ip -json`.

    Raises:
        InputError: it is not installed.
        LabError: it fails.
    """
    command = " ".join(("ip", *words))
    remedy = f"Run it by hand to see the reason: {command}"
    try:
        done = subprocess.run(
            ["ip", "-json", *words],
            capture_output=True,
            text=True,
            timeout=Deadline.scaled(_SECONDS).remaining,
            check=False,
        )
        found = json.loads(done.stdout or "[]")
    except FileNotFoundError as trouble:
        raise InputError(
            "ip is not installed", remedy="As root: apt-get install iproute2"
        ) from trouble
    except (OSError, subprocess.SubprocessError, ValueError) as trouble:
        raise LabError(f"{command}: {trouble}", remedy=remedy) from trouble
    if done.returncode:
        raise LabError(f"{command}: {done.stderr.strip()}", remedy=remedy)
    return [row for row in found if row]


def _is_wireless(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCGIWNAME, struct.pack("16s16x", name.encode()))
        except OSError:
            return False
    return True
