"""The probes: each checks one thing that a lab needs.

A probe is an entry of `PROBES` (or of `TOOLS`, for programs): a function from an examination to
`HostCheck`s. Probes neither change the host nor use the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from edge_lab.artifacts.gomodules import Toolchain
from edge_lab.artifacts.goversions import go_remedy
from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.core.hostmemory import EMULATOR_MIB, memory_limit
from edge_lab.data import IMAGES
from edge_lab.devices.protocols import protocol_of
from edge_lab.doctor.externalnodes import check_external_nodes
from edge_lab.doctor.host import Examination, Host
from edge_lab.doctor.hostinterfaces import check_host_interfaces
from edge_lab.doctor.model import HostCheck
from edge_lab.doctor.serialports import check_serial_ports
from edge_lab.topology import Arch, booted_nodes

GIB = 1024**3
MIB = 1024**2

DISK_FOR_BUILDS = 25 * GIB
"""Free space for building everything once: Go's caches (14 GiB), root images, checkpoints."""
DISK_FOR_A_LAB = 6 * GIB
"""Free space for one lab when all artifacts are cached: images, overlays, checkpoints."""
NODE_MINIMUM = (20, 19)
"""The version that Allure 3 requires."""
HOST_PACKAGES = IMAGES / "host-packages.txt"
INSTALLER = "images/install-host-packages.sh"


@dataclass(frozen=True)
class Tool:
    """A program that must be in PATH (or in a folder of system programs)."""

    program: str
    package: str
    needed_for: str
    version: tuple[str, ...] = ("--version",)
    """Arguments that print its version; empty if there are none."""
    required: bool = True

    def check(self, host: Host) -> HostCheck:
        path = host.which(self.program)
        told = host.output([path, *self.version]) if path and self.version else ""
        works = path is not None and told is not None
        if path is None:
            found = "not installed"
        elif told is None:
            found = f"{path} cannot be run"
        else:
            found = _version_in(told) or path
        return HostCheck(
            name=self.program,
            ok=works,
            found=found,
            needed_for=self.needed_for,
            remedy="" if works else f"As root: apt-get install {self.package}",
            required=self.required,
            needs_root=not works,
        )


EMULATORS: Mapping[Arch, Tool] = {
    Arch.X86_64: Tool("qemu-system-x86_64", "qemu-system-x86", "x86_64 nodes"),
    Arch.AARCH64: Tool("qemu-system-aarch64", "qemu-system-arm", "aarch64 nodes"),
    Arch.RISCV64: Tool("qemu-system-riscv64", "qemu-system-misc", "riscv64 nodes"),
}

TOOLS = (
    Tool("qemu-img", "qemu-utils", "disks of the nodes"),
    Tool("libvirtd", "libvirt-daemon libvirt-daemon-driver-qemu", "machines"),
    Tool("virsh", "libvirt-clients", "inspecting machines by hand", required=False),
    Tool("mmdebstrap", "mmdebstrap", "root images"),
    Tool("mke2fs", "e2fsprogs", "root images and payload disks", ("-V",)),
    Tool("depmod", "kmod", "root images"),
    Tool("ssh", "openssh-client", "commands in guests", ("-V",)),
    Tool("ip", "iproute2", "network namespaces of the devices", ("-V",)),
    Tool("unshare", "util-linux", "namespaces of devices and machines"),
)

Probe = Callable[[Examination], Iterable[HostCheck]]


def _emulators(this: Examination) -> Iterator[HostCheck]:
    for arch in this.topology.architectures:
        yield EMULATORS[arch].check(this.host)


def _devices(this: Examination) -> Iterator[HostCheck]:
    """Programs that devices need in addition to those of every lab."""
    names = dict.fromkeys(device.protocol for device in this.topology.devices)
    for name in names:
        for program, package in protocol_of(name).host_programs.items():
            yield Tool(program, package, f"devices that speak {name}").check(this.host)


def _tools(this: Examination) -> Iterator[HostCheck]:
    for tool in TOOLS:
        yield tool.check(this.host)


def _libvirt_python(this: Examination) -> Iterator[HostCheck]:
    there = this.host.module("libvirt")
    yield HostCheck(
        name="libvirt for Python",
        ok=there,
        found="installed" if there else "not installed",
        needed_for="machines",
        remedy="" if there else "Run `make setup`; it compiles against Debian's libvirt-dev.",
    )


def _go(this: Examination) -> Iterator[HostCheck]:
    toolchain = this.host.toolchain()
    ok = isinstance(toolchain, Toolchain)
    yield HostCheck(
        name="go",
        ok=ok,
        found=toolchain.version if isinstance(toolchain, Toolchain) else toolchain,
        needed_for="building components that are not in the cache or the mirror",
        remedy="" if ok else go_remedy(),
        required=False,  # the table of artifacts shows whether it is
    )


def _node(this: Examination) -> Iterator[HostCheck]:
    for program in ("node", "npm"):
        path = this.host.which(program)
        told = this.host.output([path, "--version"]) if path else None
        numbers = _numbers(told or "")
        ok = bool(numbers) and (program == "npm" or numbers >= NODE_MINIMUM)
        yield HostCheck(
            name=program,
            ok=ok,
            found=_version_in(told or "") or "not installed",
            needed_for="the Allure report of a test run (`make report`)",
            remedy="" if ok else f"Install Node.js {_dotted(NODE_MINIMUM)} or newer, with npm.",
            required=False,
        )


def _packages(this: Examination) -> Iterator[HostCheck]:
    if this.host.which("dpkg-query") is None:
        return  # not Debian: the programs are checked one by one
    wanted = host_packages(HOST_PACKAGES.read_text(encoding="utf-8"))
    query = "${db:Status-Status} ${Package}\\n"
    told = this.host.output(["dpkg-query", "--show", f"--showformat={query}"]) or ""
    installed = {line.split()[1] for line in told.splitlines() if line.startswith("installed ")}
    missing = [package for package in wanted if package not in installed]
    yield HostCheck(
        name="Debian packages",
        ok=not missing,
        found=f"missing: {', '.join(missing)}" if missing else f"all {len(wanted)} installed",
        needed_for="machines, root images, the Python environment",
        remedy=f"As root: {INSTALLER} (part of `make setup`)." if missing else "",
        required=False,  # required programs have separate checks
        needs_root=bool(missing),
    )


def host_packages(text: str) -> tuple[str, ...]:
    """The packages in host-packages.txt: one per line, # begins a comment."""
    names = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(name for name in names if name)


def _tun(this: Examination) -> Iterator[HostCheck]:
    if not this.topology.devices:
        return
    problem = this.host.open_problem("/dev/net/tun")
    yield HostCheck(
        name="/dev/net/tun",
        ok=not problem,
        found=problem or "can be opened",
        needed_for="the link of each device",
        remedy="As root: modprobe tun; mkdir -p /dev/net; "
        "[ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; chmod 666 /dev/net/tun"
        if problem
        else "",
        needs_root=bool(problem),
    )


def _namespaces(this: Examination) -> Iterator[HostCheck]:
    host = this.host
    root = host.uid == 0
    flags = ["--net", "--mount"] if root else ["--user", "--map-root-user", "--net", "--mount"]
    ok = host.output(["unshare", *flags, "true"]) is not None
    remedy = ""
    if not ok and root:
        remedy = (
            "This root user lacks CAP_SYS_ADMIN (a container?): run the lab as an ordinary user."
        )
    elif not ok:
        remedy = "As root: " + (_userns_remedy(host) or "allow user namespaces to ordinary users.")
    yield HostCheck(
        name="namespaces" if root else "user namespaces",
        ok=ok,
        found="can be created" if ok else "cannot be created",
        needed_for="isolating devices and machines from the host's network and mounts",
        remedy=remedy,
        needs_root=not ok and not root,
    )


def _userns_remedy(host: Host) -> str:
    """The command that changes the setting that forbids user namespaces."""
    switches = {
        "/proc/sys/kernel/unprivileged_userns_clone": ("0", "1"),
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": ("1", "0"),
        "/proc/sys/user/max_user_namespaces": ("0", "15000"),
    }
    for path, (forbidden, allowed) in switches.items():
        if (host.read(path) or "").strip() == forbidden:
            name = path.removeprefix("/proc/sys/").replace("/", ".")
            return f"sysctl -w {name}={allowed}"
    return ""


def _subordinate_ids(this: Examination) -> Iterator[HostCheck]:
    host = this.host
    if host.uid == 0:
        return
    yield Tool("newuidmap", "uidmap", "root images without root", ()).check(host)
    user = host.user()
    lacking = [
        file
        for file in ("/etc/subuid", "/etc/subgid")
        if not has_subordinate_ids(host.read(file) or "", user, host.uid)
    ]
    yield HostCheck(
        name="subordinate ids",
        ok=not lacking,
        found=f"none for {user} in {' and '.join(lacking)}" if lacking else "configured",
        needed_for="root images without root",
        remedy="As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 "
        + user
        + " (another range if that one is in use)"
        if lacking
        else "",
        needs_root=bool(lacking),
    )


def has_subordinate_ids(text: str, user: str, uid: int) -> bool:
    """Whether /etc/subuid or /etc/subgid (subuid(5)) gives the user a whole 16-bit range."""
    for line in text.splitlines():
        name, _, rest = line.strip().partition(":")
        _, _, count = rest.partition(":")
        if name in (user, str(uid)) and count.isdecimal() and int(count) >= 65536:
            return True
    return False


def _disk(this: Examination) -> Iterator[HostCheck]:
    free = this.host.free_disk(this.cache)
    wanted = DISK_FOR_A_LAB if this.all_cached else DISK_FOR_BUILDS
    ok = free >= wanted
    yield HostCheck(
        name="disk space",
        ok=ok,
        found=f"{_gib(free)} free in {this.cache}",
        needed_for="a lab" if this.all_cached else "building all components, and a lab",
        remedy=""
        if ok
        else f"Free disk space (about {_gib(wanted)} required), or set XDG_CACHE_HOME to "
        "another disk.",
        required=free < DISK_FOR_A_LAB,
    )


def _memory(this: Examination) -> Iterator[HostCheck]:
    nodes = booted_nodes(this.topology)
    wanted = sum(node.memory + EMULATOR_MIB for node in nodes) * MIB
    total, available = this.host.memory()
    limit = memory_limit(this.host.read)
    cap = min(total, limit or total)
    ok = min(available, cap) >= wanted
    held = "; a cgroup limits this process to " + _gib(limit) if limit and limit < total else ""
    yield HostCheck(
        name="memory",
        ok=ok,
        found=f"{_gib(available)} available of {_gib(total)}{held}",
        needed_for=f"{len(nodes)} nodes of {this.topology.name!r}: {_gib(wanted)}",
        remedy="" if ok else "Stop other programs, or reduce the nodes' `memory`.",
        required=cap < wanted,
    )


def _sockets(this: Examination) -> Iterator[HostCheck]:
    run = RunDir(this.topology.name)
    remedy = ""
    try:
        run.require_sockets()
    except LabError as trouble:
        found, remedy = trouble.message, trouble.remedy
    else:
        fits = run.short == run.path
        found = (
            f"paths below {run.path} are short enough"
            if fits
            else f"through {run.short}: paths are too long"
        )
    yield HostCheck(
        name="socket paths",
        ok=not remedy,
        found=found,
        needed_for="the sockets of machines and devices",
        remedy=remedy,
    )


def _cpus(this: Examination) -> Iterator[HostCheck]:
    count = this.host.cpus()
    yield HostCheck(
        name="processors",
        ok=count > 1,
        found=str(count),
        needed_for="emulation at a usable speed",
        remedy="" if count > 1 else "With a single processor everything takes much longer.",
        required=False,
    )


PROBES: tuple[Probe, ...] = (
    _emulators,
    _devices,
    _tools,
    _libvirt_python,
    _go,
    _node,
    _packages,
    _tun,
    _namespaces,
    check_host_interfaces,
    check_external_nodes,
    check_serial_ports,
    _subordinate_ids,
    _sockets,
    _disk,
    _memory,
    _cpus,
)


def _version_in(told: str) -> str:
    """The first version number in the output of a program, with any suffix, or its first line."""
    found = re.search(r"\d+\.\d+[\w.+~-]*", told)
    if found:
        return found[0]
    first = told.strip().partition("\n")[0]
    return first[:60]


def _numbers(told: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", told)
    return (int(found[1]), int(found[2])) if found else ()


def _dotted(numbers: Sequence[int]) -> str:
    return ".".join(map(str, numbers))


def _gib(size: int | None) -> str:
    return f"{(size or 0) / GIB:.1f} GiB"
