"""The seed disk: a raw tar that the guest unpacks over / at each boot.

It holds what makes a machine this machine: its name, its keys, its network and the files
of the stack.  The image unpacks it before udev renames NICs, before the network and
before SSH.  Equal files make equal bytes.
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
"""Bytes: QEMU takes a raw disk of whole sectors only."""

_ADDRESS_IS_THERE = (
    f"until ip -4 -o address show dev {MANAGEMENT_NIC} | grep -qF {MANAGEMENT_ADDRESS}; "
    "do sleep 0.1; done"
)
"""A command of the guest; the unit's own time limit ends it."""

WANTS = "/etc/systemd/system/multi-user.target.wants"


def build_seed(files: Iterable[GuestFile], units: Iterable[str] = ()) -> bytes:
    """The tar of `files`, with a link that enables each unit of `units`.

    Everything belongs to root and bears the time 0; folders are 0755, and those that the
    guest has already keep what they are there.
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
    # GNU format: what busybox's tar reads without extended headers, and no size limit of note.
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
    """Where the unit's file is: among our own, or in the image."""
    template, at, _ = unit.partition("@")
    name = f"{template}@.{unit.rpartition('.')[2]}" if at else unit
    for folder in ("/etc/systemd/system", "/usr/local/lib/systemd/system"):
        if f"{folder}/{name}" in set(files):
            return f"{folder}/{name}"
    return f"/usr/lib/systemd/system/{name}"


def machine_files(spec: GuestSpec, keys: LabKeys) -> tuple[GuestFile, ...]:
    """The files that the machine layer itself puts on each seed disk."""
    host_key = keys.host(spec.name)
    return (
        GuestFile.text("/etc/hostname", f"{spec.name}\n"),
        # Else systemd makes one at first boot, and a checkpoint's would differ from a cold start's.
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
        # sshd gives up where its one address is not there yet: networkd has started before it, and
        # may not be through with the NIC.
        GuestFile.text(
            "/etc/systemd/system/ssh.service.d/20-edge-lab-management.conf",
            # The wall is up before sshd listens. Without it there is a node all the same, and the
            # suite `walls` fails.
            f"[Service]\nExecStartPre=-{managementwall.LOAD}\n"
            f"ExecStartPre=/bin/sh -c '{_ADDRESS_IS_THERE}'\n",
        ),
        GuestFile.text(managementwall.RULES, managementwall.rules()),
        # Not below /root: a folder made by the seed is 0755, and sshd is strict about homes.
        GuestFile.text("/etc/ssh/edge-lab-authorized-keys", f"{keys.client.public}\n", 0o600),
        *workingset.guest_files(),
        *_network_files(spec.nics),
    )


def hosts_file(spec: GuestSpec) -> str:
    """/etc/hosts: the names of the lab, and the guest's own."""
    lines: list[tuple[str | IPv4Address, str]] = [("127.0.0.1", "localhost")]
    if spec.name not in spec.hosts:
        lines.append(("127.0.1.1", spec.name))
    lines += [(address, name) for name, address in spec.hosts.items()]
    return "".join(f"{address}\t{name}\n" for address, name in lines)


def _network_files(nics: Iterable[WireNic]) -> tuple[GuestFile, ...]:
    files = [
        _link_file(MANAGEMENT_NIC, MANAGEMENT_MAC),
        _network_file(MANAGEMENT_NIC, [f"Address={MANAGEMENT_ADDRESS}"]),
        # A cable that is pulled is seen at once: routes over it are no routes any more.
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
    # The address stays while the cable is out: a node that boots offline has its own address.
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
