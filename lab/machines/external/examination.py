"""Checks whether a machine meets the requirements of a node, before anything is changed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from edge_lab.core.errors import LabError
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, Provision
from edge_lab.topology import Arch, Node, Topology

HANDOVER = "/var/lib/edge-lab-external"
"""Folder on the machine: the lab that uses it, and the script that undoes all changes."""
OWNER = f"{HANDOVER}/lab"

MODULES = ("overlay", "br_netfilter", "veth", "bridge")
CONTROLLERS = ("cpu", "memory", "pids")
PROGRAMS = (
    *("/bin/bash", "/bin/tar", "/bin/systemctl", "/sbin/ip", "/bin/ping"),
    *("/usr/sbin/iptables", "/usr/bin/setsid", "/usr/sbin/modprobe", "/usr/bin/awk"),
)
RUNTIME = ("/usr/bin/containerd", "/usr/bin/ctr", "/usr/sbin/runc", "/usr/lib/cni/bridge")
PACKAGES = "containerd runc containernetworking-plugins iptables iproute2 iputils-ping kmod"
"""Debian packages with both."""
PYTHON = "/usr/bin/python3"
MEMORY_PART = 0.85
"""Fraction of the memory in the topology: MemTotal excludes what the kernel reserves."""
SPARE_MIB = 1024
"""Free disk space, in addition to the payload and the unpacked images."""
CLOCK_SECONDS = 2.0

_EXEC = re.compile(r"^Exec\w+=[-+!:@|]*\"?(/[^\s\"]+)", re.MULTILINE)
_MIB = 1024


class Lack(NamedTuple):
    """A missing requirement, and its remedy."""

    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}" if self.remedy else self.what


@dataclass(frozen=True)
class Needs:
    """The requirements."""

    arch: Arch
    memory_mib: int
    interfaces: tuple[str, ...]
    programs: tuple[str, ...] = (*PROGRAMS, *RUNTIME)
    modules: tuple[str, ...] = MODULES
    python: tuple[str, ...] = ()
    """Modules that its Python must be able to import."""
    payload_mib: int = 0

    @classmethod
    def of(cls, topology: Topology, node: Node, provision: Provision | None = None) -> Needs:
        """Those of a node; with its provision, also the programs that its units start."""
        interfaces = tuple(topology.nic(link) for link in topology.links_of(node.name))
        programs = dict.fromkeys((*PROGRAMS, *RUNTIME))
        payload = 0
        if provision is not None:
            programs |= dict.fromkeys(programs_of(provision))
            payload = sum(file.source.stat().st_size for file in provision.payload) // _MIB**2
        return cls(
            arch=node.arch,
            memory_mib=node.memory,
            interfaces=interfaces,
            programs=tuple(programs),
            python=("grpc", "google.protobuf", "cryptography") if PYTHON in programs else (),
            payload_mib=payload,
        )


def programs_of(provision: Provision) -> Iterator[str]:
    """The machine's own programs that the provision's units start."""
    ours = {file.path for file in provision.files}
    for file in provision.files:
        if file.path.startswith("/etc/systemd/system/"):
            for program in _EXEC.findall(file.content.decode(errors="replace")):
                if program not in ours and not program.startswith(f"{PAYLOAD_MOUNT}/"):
                    yield program


@dataclass(frozen=True)
class Facts:
    """The output of `look`: lines `key=value`, in which a key may occur several times."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Facts:
        """Raises LabError if the output is incomplete."""
        found: dict[str, tuple[str, ...]] = {}
        for line in text.splitlines():
            key, equals, value = line.partition("=")
            if equals:
                found[key] = (*found.get(key, ()), value)
        if "end" not in found:
            raise LabError(f"the machine's answer is incomplete: {text.strip()[-200:]!r}")
        return cls(found)

    def one(self, key: str) -> str:
        """The first value; empty if there is none."""
        return next(iter(self.values.get(key, ())), "")

    def all(self, key: str) -> tuple[str, ...]:
        return self.values.get(key, ())

    def number(self, key: str) -> int:
        text = self.one(key)
        return int(text) if text.isdecimal() else 0


def look(needs: Needs) -> str:
    """The shell script that prints the `Facts`. It is run as root, and changes nothing."""
    return "\n".join(
        (
            "export LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin",
            'echo "arch=$(uname -m)"',
            'echo "user=$(id -u)"',
            "[ -d /run/systemd/system ] && echo systemd=yes",
            'echo "cgroup=$(stat -fc %T /sys/fs/cgroup 2>/dev/null)"',
            'echo "controllers=$(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null)"',
            "echo \"memory=$(awk '/^MemTotal:/ {print int($2 / 1024)}' /proc/meminfo)\"",
            "echo \"disk=$(df -Pk /var | awk 'NR == 2 {print int($4 / 1024)}')\"",
            f"for module in {_words(needs.modules)}; do",
            '  modprobe -n -q "$module" 2>/dev/null || [ -d "/sys/module/$module" ] ||'
            ' grep -qs "/$module\\.ko" "/lib/modules/$(uname -r)/modules.builtin" ||'
            ' echo "no-module=$module"',
            "done",
            f"for program in {_words(needs.programs)}; do",
            # Debian has merged /bin and /usr/bin; other distributions have not.
            '  [ -x "$program" ] || command -v "${program##*/}" >/dev/null 2>&1 ||'
            ' echo "no-program=$program"',
            "done",
            *(
                f"{PYTHON} -c 'import {module}' 2>/dev/null || echo no-python={module}"
                for module in needs.python
            ),
            f"for nic in {_words(needs.interfaces)}; do",
            '  [ -e "/sys/class/net/$nic" ] || echo "no-nic=$nic"',
            '  ip -o route show default | awk -v nic="$nic" \'{for (i = 1; i < NF; i++) '
            'if ($i == "dev" && $(i + 1) == nic) print "default-route=" nic}\'',
            '  ip -o -4 address show dev "$nic" 2>/dev/null | awk -v nic="$nic" '
            '\'{print "address=" nic " " $4}\'',
            "done",
            'for nic in /sys/class/net/*; do echo "nic=${nic##*/}"; done',
            "for unit in kubelet k3s k3s-agent edgecore yurthub; do",
            '  systemctl is-active -q "$unit" 2>/dev/null && echo "kubernetes=$unit"',
            "done",
            "ctr -n k8s.io containers ls -q 2>/dev/null | sed 's/^/container=/' | head -3",
            f'[ -e {OWNER} ] && echo "owner=$(cat {OWNER})"',
            "echo \"containerd=$(containerd --version 2>/dev/null | awk '{print $3}')\"",
            "echo end=",
        )
    )


def lacks_of(needs: Needs, facts: Facts, lab: str, way: str = "") -> tuple[Lack, ...]:
    """The missing requirements for a node of `lab`. `way` is the address of the machine at which
    the lab has logged in."""
    return tuple(_lacks(needs, facts, lab, way))


def _lacks(needs: Needs, facts: Facts, lab: str, way: str) -> Iterator[Lack]:
    if (arch := facts.one("arch")) != needs.arch.value:
        yield Lack(
            f"its architecture is {arch or 'unknown'}, but the topology says {needs.arch.value}",
            "Correct `arch`.",
        )
    if facts.one("user") != "0":
        yield Lack("commands do not run as root", "Log in as root, or allow the user to use sudo.")
    if facts.one("systemd") != "yes":
        yield Lack("it was not booted by systemd", "Nodes run systemd units.")
    if facts.one("cgroup") != "cgroup2fs":
        yield Lack(
            "it has no cgroup v2",
            "Add systemd.unified_cgroup_hierarchy=1 to the kernel's command line.",
        )
    elif lost := [
        controller
        for controller in CONTROLLERS
        if controller not in facts.one("controllers").split()
    ]:
        yield Lack(
            f"its control groups lack {_list(lost)}",
            "Add cgroup_enable=memory to the kernel's command line." if "memory" in lost else "",
        )
    if none := facts.all("no-module"):
        yield Lack(f"its kernel has no module {_list(none)}", "Use the kernel of a distribution.")
    if none := facts.all("no-program"):
        yield Lack(f"it has no {_list(none)}", f"On Debian: apt-get install {PACKAGES}")
    if none := facts.all("no-python"):
        yield Lack(
            f"its Python has no {_list(none)}",
            "On Debian: apt-get install python3-grpcio python3-protobuf python3-cryptography",
        )
    yield from _wrong_interfaces(needs, facts, way)
    memory = facts.number("memory")
    if memory < needs.memory_mib * MEMORY_PART:
        yield Lack(
            f"it has {memory} MiB of memory, but the topology says {needs.memory_mib} MiB",
            "Correct `memory`.",
        )
    # The payload itself, and the images in it unpacked.
    wanted = 3 * needs.payload_mib + SPARE_MIB
    if facts.number("disk") < wanted:
        yield Lack(f"{facts.number('disk')} MiB are free on /var, but {wanted} MiB are needed")
    yield from _in_use(facts, lab)


def _wrong_interfaces(needs: Needs, facts: Facts, way: str) -> Iterator[Lack]:
    for nic in facts.all("no-nic"):
        there = [name for name in facts.all("nic") if name != "lo"]
        yield Lack(f"it has no network interface {nic}", f"It has: {_list(there)}.")
    for nic in set(needs.interfaces).intersection(facts.all("default-route")):
        yield Lack(
            f"its default route uses {nic}",
            "Faults cut and delay links of the lab: use another interface for the link.",
        )
    for line in facts.all("address"):
        nic, _, address = line.partition(" ")
        if way and address.partition("/")[0] == way and nic in needs.interfaces:
            yield Lack(
                f"the lab reaches it over {nic}, which the topology uses for a link",
                "Faults must not touch the management path: use two interfaces.",
            )


def _in_use(facts: Facts, lab: str) -> Iterator[Lack]:
    owner = facts.one("owner")
    if owner not in ("", lab):
        yield Lack(
            f"it is a node of the lab {owner!r}",
            f"Run lab down --lab {owner}; or on the machine, as root: sh {HANDOVER}/undo",
        )
    if owner:
        return
    if units := facts.all("kubernetes"):
        yield Lack(f"it is already a Kubernetes node: {_list(units)} runs", "Remove that from it.")
    elif containers := facts.all("container"):
        yield Lack(
            f"containerd has Kubernetes containers, such as {containers[0]}",
            "List and remove them: ctr -n k8s.io containers ls",
        )


def told(node: str, lacks: Sequence[Lack]) -> str:
    """A message with all of them."""
    return f"the external node {node!r} cannot join:" + "".join(f"\n  - {lack}" for lack in lacks)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _words(names: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, names))
