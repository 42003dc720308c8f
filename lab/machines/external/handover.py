"""The provision of an external node, and the script that undoes it, which is installed first.

A node that the lab boots has a root image, a seed disk and a payload disk. On an external node, the
same provision is copied over SSH, with the few files of the root image that its units rely on.
Files are backed up before they are replaced. The script `undo` beside the backup reverts all
changes; it is run by `lab down`, by the next `lab up` after a crash, or by hand.
"""

from __future__ import annotations

import io
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from edge_lab.core.errors import LabError
from edge_lab.images.recipe import ROOT, load_recipe, recipe_files
from edge_lab.machines.external.examination import HANDOVER, MODULES
from edge_lab.machines.guest import WireNic
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.topology import Arch

WIRES = "edge-lab-wires"
WIRES_SCRIPT = "/usr/local/lib/edge-lab/wires"
IMAGES_UNIT = "edge-lab-images.service"
UNDO = f"{HANDOVER}/undo"
FILES = f"{HANDOVER}/files"
FAILED = f"{HANDOVER}/failed"
"""Units that had failed before the lab used the machine: they may be failed later, too."""

HOSTS = "/etc/hosts"
SYSCTL = "/etc/sysctl.d/50-edge-lab.conf"
CONTAINERD_CONFIG = "/etc/containerd/config.toml"
CONTAINERD = "containerd.service"
OF_THE_ROOT_IMAGE = (
    f"/etc/systemd/system/{IMAGES_UNIT}",
    "/usr/local/lib/edge-lab/import-images",
    SYSCTL,
)

STAYS = (
    "entries in its journal, containerd's empty folders, and the kernel modules "
    f"{', '.join(MODULES)}"
)
"""Not removed from a machine that is given back; modules stay until its next reboot."""


@dataclass(frozen=True)
class Handover:
    """Everything that is installed on an external node."""

    lab: str
    node: str
    files: tuple[GuestFile, ...]
    units: tuple[str, ...]
    """Enabled and started, and finally stopped and disabled."""
    folders: tuple[str, ...]
    undo: tuple[str, ...]
    payload: tuple[str, ...] = ()
    """Paths of the payload's files on the machine."""

    @classmethod
    def of(
        cls,
        lab: str,
        node: str,
        arch: Arch,
        provision: Provision,
        nics: Iterable[WireNic],
        hosts: Mapping[str, IPv4Address],
        *,
        containerd: str,
        hosts_before: str,
    ) -> Handover:
        """`containerd` is the version on the machine, `hosts_before` the text of its /etc/hosts."""
        files = {file.path: file for file in root_files(arch, containerd)}
        files |= {file.path: file for file in wire_files(nics)}
        files[HOSTS] = GuestFile.text(HOSTS, with_hosts(hosts_before, hosts))
        files["/etc/modules-load.d/edge-lab.conf"] = GuestFile.text(
            "/etc/modules-load.d/edge-lab.conf", "".join(f"{name}\n" for name in MODULES)
        )
        files |= {file.path: file for file in provision.files}
        units = (f"{WIRES}.service", IMAGES_UNIT, *provision.units)
        return cls(
            lab=lab,
            node=node,
            files=tuple(files.values()),
            units=tuple(dict.fromkeys(units)),
            folders=(str(PAYLOAD_MOUNT), *provision.folders),
            undo=provision.undo,
            payload=tuple(f"{PAYLOAD_MOUNT}/{file.path}" for file in provision.payload),
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """All files that are installed."""
        return (*(file.path for file in self.files), *self.payload)

    # -- scripts for the machine ---------------------------------------------------------

    def begin(self) -> str:
        """A script that records the state of the machine, and backs up files that will be replaced.
        It reads the paths of files from standard input, and changes nothing else."""
        keys = " ".join(_sysctl_keys(self.files))
        return "\n".join(
            (
                "set -eu; export LC_ALL=C; umask 077",
                f"mkdir -p {HANDOVER}; cd {HANDOVER}; cat > files",
                "systemctl --failed --plain --no-legend --no-pager | awk '{print $1}' > failed",
                "ctr -n k8s.io images ls -q 2>/dev/null | sort > images || true",
                "ls /run/netns 2>/dev/null | sort > namespaces || true",
                f"systemctl is-active -q {CONTAINERD} && echo yes > containerd-ran || true",
                f"for unit in {_words(self.units)}; do",
                '  if systemctl is-enabled -q "$unit" 2>/dev/null; then echo "$unit"; fi',
                "done > enabled",
                f"for key in {keys}; do",
                '  value=$(sysctl -n "$key" 2>/dev/null) &&'
                ' printf "sysctl -qw %s=\'%s\'\\n" "$key" "$value" || true',
                "done > sysctl",
                # The topmost folder that is missing, of each file and each folder.
                "{",
                "  while read -r file; do printf '%s\\n' \"${file%/*}\"; done < files",
                f"  for folder in {_words(self.folders)}; do printf '%s\\n' \"$folder\"; done",
                "} | while read -r folder; do",
                '  missing=""',
                '  while [ -n "$folder" ] && [ ! -e "$folder" ]; do',
                "    missing=$folder; folder=${folder%/*}",
                "  done",
                '  if [ -n "$missing" ]; then printf "%s\\n" "$missing"; fi',
                "done | sort -u > made",
                "while read -r file; do",
                '  if [ -e "$file" ]; then printf "%s\\n" "${file#/}"; fi',
                "done < files > existing",
                "tar -C / -cf backup.tar -T existing",
                f"sync; printf '%s\\n' {shlex.quote(self.lab)} > lab; sync",
            )
        )

    def undo_script(self) -> str:
        """A script that reverts all changes, run by root on the machine. It is idempotent."""
        units = _words(self.units)
        return "\n".join(
            (
                "#!/bin/sh",
                f"# Reverts the changes of the lab {self.lab} to this machine.",
                "export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C",
                "undo() {",
                f"cd {HANDOVER} || return 0",
                "if [ -e lab ]; then",
                f"systemctl stop {units} 2>/dev/null",
                f"systemctl disable --quiet {units} 2>/dev/null",
                "for task in $(ctr -n k8s.io tasks ls -q 2>/dev/null); do",
                '  ctr -n k8s.io tasks delete --force "$task" >/dev/null 2>&1',
                "done",
                "for container in $(ctr -n k8s.io containers ls -q 2>/dev/null); do",
                '  ctr -n k8s.io containers delete "$container" >/dev/null 2>&1',
                "done",
                "ctr -n k8s.io images ls -q 2>/dev/null | sort | comm -13 images - |",
                "  xargs -r ctr -n k8s.io images rm >/dev/null 2>&1",
                "for name in $(ls /run/netns 2>/dev/null | sort | comm -13 namespaces -); do",
                '  case $name in cni-*) ip netns delete "$name" 2>/dev/null;; esac',
                "done",
                *(f"{command} 2>/dev/null" for command in self.undo),
                "while read -r folder; do",
                '  awk -v at="$folder/" \'index($2 "/", at) == 1 {print $2}\' /proc/mounts |',
                "    sort -r | xargs -r -n 1 umount -l 2>/dev/null",
                "done < made",
                'while read -r file; do rm -f -- "$file"; done < files',
                "tar -C / -xpf backup.tar",
                "sort -r made | while read -r folder; do",
                '  rm -rf --one-file-system -- "$folder"',
                "done",
                "sh ./sysctl 2>/dev/null",
                "systemctl daemon-reload",
                f"systemctl reset-failed {units} 2>/dev/null",
                # Units with the name of one that the machine had before.
                "xargs -r systemctl enable --quiet < enabled 2>/dev/null",
                f"if [ -e containerd-ran ]; then systemctl restart {CONTAINERD}",
                f"else systemctl stop {CONTAINERD} 2>/dev/null; fi",
                "fi",
                f"cd / && rm -rf {HANDOVER}",
                "}",
                "undo; exit 0",
                "",
            )
        )

    def start(self) -> str:
        """A script that starts the units, without waiting until they run."""
        return "\n".join(
            (
                "set -e; export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin",
                "systemctl daemon-reload",
                *(f"modprobe {name} 2>/dev/null || true" for name in MODULES),
                f"sysctl -q -p {SYSCTL} || true",
                f"systemctl restart {CONTAINERD}",
                f"systemctl enable --quiet {_words(self.units)}",
                f"systemctl start {WIRES}.service",
                f"systemctl start --no-block {_words(self.units)}",
            )
        )


def root_files(arch: Arch, containerd: str) -> tuple[GuestFile, ...]:
    """The files of a root image that units of a provision rely on, for that version of
    containerd on the machine."""
    by_path = {f"/{file.path}": file for file in recipe_files(load_recipe(), arch)}
    found = []
    for path in OF_THE_ROOT_IMAGE:
        if path not in by_path:
            raise LabError(f"the {arch.value} root image has no {path}")
        file = by_path[path]
        found.append(GuestFile(path, file.source.read_bytes(), file.mode))
    folder = "containerd-1.7" if containerd.lstrip("v").startswith("1.") else "containerd-2"
    config = ROOT / folder / CONTAINERD_CONFIG.lstrip("/")
    return (*found, GuestFile(CONTAINERD_CONFIG, config.read_bytes()))


def with_hosts(before: str, hosts: Mapping[str, IPv4Address]) -> str:
    """/etc/hosts with the names of the lab."""
    kept = before if before.endswith("\n") or not before else f"{before}\n"
    return kept + "".join(f"{address}\t{name}\n" for name, address in hosts.items())


def wire_files(nics: Iterable[WireNic]) -> tuple[GuestFile, ...]:
    """A unit that adds addresses and routes to the machine's interfaces while it is active.

    When it stops, interfaces have their previous state.
    """
    up, down = [], []
    for nic in nics:
        kept = f"/run/edge-lab-wires-{nic.name}"
        up += [
            f"if ip -o link show dev {nic.name} | grep -q '[<,]UP[,>]'; then echo up; fi > {kept}",
            f"if ip -o -4 address show dev {nic.name} | grep -qF ' {nic.address} '; then",
            f"  echo address >> {kept}",
            f"else ip address add {nic.address} dev {nic.name}; fi",
            f"ip link set {nic.name} up",
        ]
        for route in nic.routes:
            up.append(f"ip route replace {route.destination} via {route.via} dev {nic.name} onlink")
            down.append(f"ip route delete {route.destination} dev {nic.name} 2>/dev/null")
        down += [
            f"grep -q address {kept} || ip address delete {nic.address} dev {nic.name}",
            f"grep -q up {kept} || ip link set {nic.name} down",
            f"rm -f {kept}",
        ]
    script = "\n".join(
        (
            "#!/bin/sh",
            "export PATH=$PATH:/usr/sbin:/sbin",
            "case $1 in",
            "up) set -e",
            *up,
            ";;",
            "down)",
            *down,
            ";;",
            "esac",
            "exit 0",
            "",
        )
    )
    unit = (
        "[Unit]\nDescription=Network configuration of the links of the lab\n"
        "After=network.target systemd-udev-settle.service\n"
        "Before=kubelet.service k3s.service edgecore.service yurthub.service\n\n"
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
        f"ExecStart={WIRES_SCRIPT} up\nExecStop={WIRES_SCRIPT} down\n"
        "Restart=on-failure\nRestartSec=3\n\n"
        "[Install]\nWantedBy=multi-user.target\n"
    )
    return (
        GuestFile.text(WIRES_SCRIPT, script, 0o755),
        GuestFile.text(f"/etc/systemd/system/{WIRES}.service", unit),
    )


def archive(files: Iterable[GuestFile]) -> bytes:
    """A tar archive of `files`, owned by root, without entries for folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            entry.uname = entry.gname = "root"
            tar.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()


UNPACK = "umask 022; exec tar -C / -xpf - --no-same-owner --no-overwrite-dir"
"""Unpacks `archive` from standard input; new folders get the default mode."""
UNPACK_PAYLOAD = (
    f"umask 022; mkdir -p {PAYLOAD_MOUNT} && exec tar -C {PAYLOAD_MOUNT} -xpf - --no-same-owner"
)


def _sysctl_keys(files: Iterable[GuestFile]) -> list[str]:
    for file in files:
        if file.path == SYSCTL:
            lines = file.content.decode().splitlines()
            return [line.partition("=")[0].strip() for line in lines if "=" in line]
    return []


def _words(names: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, names))
