"""The seed disk: a raw tar that the guest unpacks to / at each boot.

It contains what is specific to one machine: its name, its keys, its network and the files of
the stack.  The image unpacks it before udev renames NICs, and before network and SSH start.
Equal files give equal bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import PurePosixPath

from edge_lab.core.errors import LabError
from edge_lab.machines import emulated, managementwall, virtualization, workingset
from edge_lab.machines.guest import (
    MANAGEMENT_ADDRESS,
    MANAGEMENT_MAC,
    MANAGEMENT_NIC,
    AcceleratorName,
    GuestSpec,
    WireNic,
)
from edge_lab.machines.keys import LabKeys
from edge_lab.provisioning.provision import GuestFile

SECTOR = 512
"""Bytes: QEMU accepts only whole sectors for a raw disk."""

_ADDRESS_IS_THERE = (
    f"until ip -4 -o address show dev {MANAGEMENT_NIC} | grep -qF {MANAGEMENT_ADDRESS}; "
    "do sleep 0.1; done"
)
"""A command of the guest; it is limited by the timeout of its unit."""

WANTS = "/etc/systemd/system/multi-user.target.wants"


def build_seed(files: Iterable[GuestFile], units: Iterable[str] = ()) -> bytes:
    """The tar of `files`, with a link that enables each unit of `units`.

    All entries belong to root and have the time 0; folders have mode 0755, and existing folders
    of the guest are not changed.
    """
    by_path: dict[str, GuestFile] = {}
    for file in files:
        path = str(PurePosixPath(file.path))
        if not path.startswith("/") or ".." in PurePosixPath(path).parts or path == "/":
            raise LabError(f"{file.path!r} is not an absolute path in a guest")
        if by_path.setdefault(path, file) != file:
            raise LabError(f"two different files for {path} on the seed disk")
    links = {f"{WANTS}/{unit}": _unit_path(unit, by_path) for unit in units}
    folders = {
        str(parent)
        for path in (*by_path, *links)
        for parent in PurePosixPath(path).parents
        if str(parent) != "/"
    }
    clash = folders & set(by_path)
    if clash:
        raise LabError(f"{min(clash)} is both a file and a folder on the seed disk")
    sink = io.BytesIO()
    # GNU format: busybox's tar reads it without extended headers, and sizes are not limited.
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folders | set(by_path) | set(links)):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.uname = entry.gname = "root"
            if path in folders:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
            elif path in links:
                entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, links[path]
                tar.addfile(entry)
            else:
                file = by_path[path]
                entry.mode, entry.size = file.mode, len(file.content)
                tar.addfile(entry, io.BytesIO(file.content))
    content = sink.getvalue()
    return content + bytes(-len(content) % SECTOR)


def _unit_path(unit: str, files: Iterable[str]) -> str:
    """The path of the unit's file: among these files, or in the image."""
    template, at, _ = unit.partition("@")
    name = f"{template}@.{unit.rpartition('.')[2]}" if at else unit
    for folder in ("/etc/systemd/system", "/usr/local/lib/systemd/system"):
        if f"{folder}/{name}" in set(files):
            return f"{folder}/{name}"
    return f"/usr/lib/systemd/system/{name}"


def machine_files(spec: GuestSpec, keys: LabKeys) -> tuple[GuestFile, ...]:
    """The files that every seed disk contains."""
    host_key = keys.host(spec.name)
    return (
        GuestFile.text("/etc/hostname", f"{spec.name}\n"),
        # Otherwise systemd creates a new one at each first boot.
        GuestFile.text("/etc/machine-id", f"{spec.uuid.hex}\n", 0o444),
        GuestFile.text("/etc/hosts", hosts_file(spec)),
        GuestFile("/etc/ssh/ssh_host_ed25519_key", host_key.private, 0o600),
        GuestFile.text("/etc/ssh/ssh_host_ed25519_key.pub", f"{host_key.public}\n"),
        GuestFile.text(
            "/etc/ssh/sshd_config.d/10-edge-lab.conf",
            f"ListenAddress {MANAGEMENT_ADDRESS.ip}\n"
            "HostKey /etc/ssh/ssh_host_ed25519_key\nUseDNS no\nMaxSessions 64\n"
            "AuthorizedKeysFile /etc/ssh/edge-lab-authorized-keys .ssh/authorized_keys\n",
        ),
        # sshd fails if its only address does not exist yet: networkd has started before it, but may
        # not have configured the NIC.
        GuestFile.text(
            "/etc/systemd/system/ssh.service.d/20-edge-lab-management.conf",
            # The firewall rules are loaded before sshd listens. If that fails, the node still
            # works, but the suite `walls` fails.
            f"[Service]\nExecStartPre=-{managementwall.LOAD}\n"
            f"ExecStartPre=/bin/sh -c '{_ADDRESS_IS_THERE}'\n",
        ),
        GuestFile.text(managementwall.RULES, managementwall.rules()),
        # Not below /root: the seed would create its folder with mode 0755, which sshd rejects.
        GuestFile.text("/etc/ssh/edge-lab-authorized-keys", f"{keys.client.public}\n", 0o600),
        *workingset.guest_files(),
        *_network_files(spec.nics),
    )


def hosts_file(spec: GuestSpec) -> str:
    """/etc/hosts: the names of the lab and of the guest."""
    lines: list[tuple[str | IPv4Address, str]] = [("127.0.0.1", "localhost")]
    if spec.name not in spec.hosts:
        lines.append(("127.0.1.1", spec.name))
    lines += [(address, name) for name, address in spec.hosts.items()]
    return "".join(f"{address}\t{name}\n" for address, name in lines)


def _network_files(nics: Iterable[WireNic]) -> tuple[GuestFile, ...]:
    files = [
        _link_file(MANAGEMENT_NIC, MANAGEMENT_MAC),
        _network_file(MANAGEMENT_NIC, [f"Address={MANAGEMENT_ADDRESS}"]),
        # A pulled cable takes effect immediately: its routes are removed.
        GuestFile.text(
            "/etc/sysctl.d/60-edge-lab-wires.conf",
            "net.ipv4.conf.all.ignore_routes_with_linkdown = 1\n"
            "net.ipv4.conf.default.ignore_routes_with_linkdown = 1\n",
        ),
    ]
    for nic in nics:
        lines = [f"Address={nic.address}"]
        for route in nic.routes:
            lines += ["", "[Route]", f"Destination={route.destination}", f"Gateway={route.via}"]
        files += [_link_file(nic.name, nic.mac), _network_file(nic.name, lines)]
    return tuple(files)


def _link_file(name: str, mac: str) -> GuestFile:
    return GuestFile.text(
        f"/etc/systemd/network/10-{name}.link",
        f"[Match]\nMACAddress={mac}\nType=ether\n\n[Link]\nName={name}\n",
    )


def _network_file(name: str, lines: Iterable[str]) -> GuestFile:
    # The address stays without a cable: a node that boots offline needs it.
    head = (
        f"[Match]\nName={name}\n\n"
        "[Link]\nRequiredForOnline=no\n\n"
        "[Network]\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nLLDP=no\n"
        "ConfigureWithoutCarrier=yes\n"
    )
    return GuestFile.text(f"/etc/systemd/network/10-{name}.network", head + "\n".join(lines) + "\n")


def guest_seed(spec: GuestSpec, keys: LabKeys, accelerator: AcceleratorName) -> bytes:
    """The whole seed disk of one machine."""
    more = emulated.guest_files() if accelerator == "tcg" else ()
    if spec.node.virtualization:
        more = (*more, *virtualization.guest_files(spec.arch, accelerator))
    return build_seed((*machine_files(spec, keys), *more, *spec.files), spec.units)
