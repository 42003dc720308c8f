"""The expected outcome of each hostile attempt in each setting: measured on x86_64 with runc and
runsc 20240729, or taken from the sources where it could not be measured (docs/sandbox.md).

The nodes run Debian's kernel, with its sysctls; masked and read-only paths are the kubelet's. Pods
have no seccomp profile unless they request one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox.expected import Row, by_runtime, either, reached, row
from edge_lab.oracles.sandbox.expected import turned_away as away

_SENTRY = "inside the sandbox's own kernel only"
_NO_NET_RAW = "runsc takes CAP_NET_RAW away (--net-raw=false), from privileged pods too"
_BY_DEFAULT = "open to any container: runtimes give it no seccomp profile unless they are asked"
_SECCOMP = "by the container runtime's seccomp profile"
_CAP_ERROR = "EPERM without the capability, ENOSYS with it: gVisor does not have the call"
_YAMA = "Debian's kernel begins with Yama's ptrace_scope 0; for others: `kernel_rows`"
_SYSFS = (
    "sysfs is of the pod's network namespace, where the pause container has mounted it read-only"
)
_RO = "read-only by a mount, or not root's"

_GONE = away("EPERM", "ENOSYS")
"""Not allowed, or absent: some kernels are built without it."""


def _modules(title: str) -> Row:
    beyond = reached("what is given is no module, which comes after the check")
    refused = away("EPERM")
    return row(title, refused, refused, beyond, refused, away("ENOSYS", note=_CAP_ERROR))


def _namespace(title: str) -> Row:
    return row(title, away("EPERM"), away("EPERM"), reached(), away("EPERM"), reached(_SENTRY))


KERNEL: Mapping[str, Row] = MappingProxyType(
    {
        "mount-tmpfs": _namespace("mount a tmpfs"),
        "mount-proc": _namespace("mount a proc"),
        "unshare-mount": _namespace("a new mount namespace"),
        "unshare-net": _namespace("a new network namespace"),
        "unshare-pid": row(
            "a new PID namespace",
            away("EPERM"),
            away("EPERM"),
            reached(),
            away("EPERM"),
            either(reached(_SENTRY), away("EINVAL")),
        ),
        "unshare-cgroup": row(
            "a new cgroup namespace",
            away("EPERM"),
            away("EPERM"),
            reached(),
            reached("gVisor takes the flag, and does nothing"),
            reached("gVisor takes the flag, and does nothing"),
        ),
        "unshare-user": row(
            "a new user namespace",
            reached(f"Debian lets any user; {_BY_DEFAULT}"),
            away("EPERM", note=_SECCOMP),
            reached(),
            reached(_SENTRY),
            reached(_SENTRY),
        ),
        "fsopen": row(
            "the newer mount calls: fsopen",
            away("EPERM"),
            away("EPERM"),
            reached(),
            away("ENOSYS"),
            away("ENOSYS"),
        ),
        "open-tree": row(
            "the newer mount calls: open_tree, a clone of the root mount",
            away("EPERM"),
            away("EPERM"),
            reached(),
            away("ENOSYS"),
            away("ENOSYS"),
        ),
        "io-uring": row(
            "io_uring_setup",
            reached(_BY_DEFAULT),
            either(reached("containerd 1.7's seccomp profile lets it through"), away("EPERM")),
            reached(),
            away("ENOSYS"),
            away("ENOSYS"),
        ),
        "bpf": row(
            "bpf: make a map",
            away("EPERM"),
            away("EPERM"),
            reached(),
            away("EPERM"),
            away("ENOSYS", note=_CAP_ERROR),
        ),
        "userfaultfd": row(
            "userfaultfd, for the kernel's faults too",
            away("EPERM"),
            away("EPERM"),
            reached(),
            away("ENOSYS"),
            away("ENOSYS"),
        ),
        "perf-event": row(
            "perf_event_open, with the kernel's events",
            away("EACCES"),
            away("EPERM", note=_SECCOMP),
            reached(),
            away("ENODEV"),
            away("ENODEV"),
        ),
        "init-module": _modules("init_module"),
        "finit-module": _modules("finit_module"),
        "kexec-load": row(
            "kexec_load",
            _GONE,
            _GONE,
            either(reached("its arguments are refused, after the check"), away("ENOSYS")),
            away("EPERM"),
            away("ENOSYS", note=_CAP_ERROR),
        ),
        "open-by-handle": row(
            "open the root of the node's disk by its handle",
            away("EPERM"),
            away("EPERM"),
            reached("CAP_DAC_READ_SEARCH"),
            away("EOPNOTSUPP"),
            away("EOPNOTSUPP"),
        ),
        "add-key": row(
            "add_key",
            reached(_BY_DEFAULT),
            away("EPERM", note=_SECCOMP),
            reached(),
            away("EACCES"),
            away("EACCES"),
        ),
        "keyctl-read": row(
            "keyctl: read the session keyring",
            reached(_BY_DEFAULT),
            away("EPERM", note=_SECCOMP),
            reached(),
            away("ENOSYS"),
            away("ENOSYS"),
        ),
        "personality": row(
            "personality READ_IMPLIES_EXEC",
            reached(_BY_DEFAULT),
            away("EPERM", note=_SECCOMP),
            reached(),
            away("EINVAL"),
            away("EINVAL"),
        ),
        "kcmp": row(
            "kcmp, of itself",
            reached(_BY_DEFAULT),
            away("EPERM", note=_SECCOMP),
            reached(),
            away("EPERM"),
            away("ENOSYS", note=_CAP_ERROR),
        ),
        "pidfd-open": by_runtime("pidfd_open of process 1", reached(), away("ENOSYS")),
        "memfd-secret": by_runtime(
            "memfd_secret",
            either(reached("the runtime's seccomp profile lets it through"), away("ENOSYS")),
            away("ENOSYS"),
        ),
        "raw-socket": row(
            "a raw IP socket",
            reached("CAP_NET_RAW is one of the default capabilities"),
            away("EPERM"),
            reached(),
            away("EPERM", note=_NO_NET_RAW),
            away("EPERM", note=_NO_NET_RAW),
        ),
        "packet-socket": row(
            "a packet socket: all frames of the pod's interface",
            reached("CAP_NET_RAW is one of the default capabilities"),
            away("EPERM"),
            reached(),
            away("EPERM", note=_NO_NET_RAW),
            away("EPERM", note=_NO_NET_RAW),
        ),
        "vsock": row(
            "a socket to the hypervisor",
            either(reached(_BY_DEFAULT), away("EAFNOSUPPORT")),
            away("EPERM", "EAFNOSUPPORT", note=_SECCOMP),
            either(reached(), away("EAFNOSUPPORT")),
            away("EAFNOSUPPORT"),
            away("EAFNOSUPPORT"),
        ),
        "sethostname": row(
            "sethostname, the name that there is",
            away("EPERM"),
            away("EPERM"),
            reached("its own UTS namespace"),
            away("EPERM"),
            reached(_SENTRY),
        ),
        "ptrace-init": row(
            "ptrace of process 1, which is the pod's own",
            reached(_YAMA),
            reached(_YAMA),
            reached(_YAMA),
            away("EPERM", note="gVisor has Yama's rules of its own, and begins with 1"),
            reached("CAP_SYS_PTRACE, inside the sandbox's own kernel only"),
        ),
        "kernel-log": row(
            "syslog: read the kernel's log",
            away("EPERM", note="dmesg_restrict"),
            away("EPERM"),
            reached("the node's"),
            reached("the sandbox's own"),
            reached("the sandbox's own"),
        ),
        "kmsg": row(
            "open /dev/kmsg",
            away("ENOENT"),
            away("ENOENT"),
            reached("all devices of the node are there"),
            away("ENOENT"),
            away("ENXIO", "ENOENT"),
        ),
        "core-pattern": row(
            "open the program for core dumps for writing: it would be run as root of the node",
            away("EROFS"),
            away("EROFS", "EACCES", note=_RO),
            reached(),
            away("ENOENT"),
            away("ENOENT"),
        ),
        "sysrq": row(
            "open /proc/sysrq-trigger for writing",
            away("EROFS", "ENOENT"),
            away("EROFS", "EACCES", "ENOENT", note=_RO),
            either(reached(), away("ENOENT")),
            reached("a write would be EIO"),
            reached("a write would be EIO"),
        ),
        "sys-write": row(
            "open a file of /sys for writing",
            away("EROFS", "ENOENT"),
            away("EROFS", "EACCES", "ENOENT", note=_RO),
            either(reached(), away("EROFS", note=_SYSFS)),
            away("ENOENT"),
            away("ENOENT"),
        ),
        "cgroup-procs": row(
            "open cgroup.procs of the uppermost cgroup that is seen, for writing",
            away("EROFS"),
            away("EROFS", "EACCES", note=_RO),
            reached("it is the node's own"),
            away("ENOENT", note="gVisor shows cgroup v1, a folder for each controller"),
            away("ENOENT"),
        ),
        "release-agent": by_runtime(
            "open a file of cgroup v1 by which a program escapes, for writing",
            away("ENOENT", note="nodes have cgroup v2, without one"),
            reached(f"gVisor shows a cgroup v1 of its own: {_SENTRY}"),
        ),
        "mknod-device": row(
            "mknod: what /dev/mem is",
            reached("CAP_MKNOD is one of the default capabilities; opening is what counts"),
            away("EPERM"),
            reached(),
            reached(_SENTRY),
            either(reached(_SENTRY), away("EPERM")),
        ),
        "open-memory": row(
            "open the node's memory by a device node",
            away("EPERM", note="by the device rules of its cgroup"),
            away("EPERM"),
            either(reached(), away("ENXIO")),
            away("ENXIO"),
            away("ENXIO", "EPERM"),
        ),
        "open-disk": row(
            "open the node's disk by a device node",
            away("EPERM", note="by the device rules of its cgroup"),
            away("EPERM"),
            reached(),
            away("ENXIO"),
            away("ENXIO", "EPERM"),
        ),
    }
)
"""Attempts that need only a kernel."""


def kernel_rows(ptrace_scope: int) -> Mapping[str, Row]:
    """The rows of a node with that kernel.yama.ptrace_scope (Documentation/admin-guide/LSM/
    Yama.rst of Linux): process 1 is not a child of the tracer, so 1 and 2 need CAP_SYS_PTRACE, and
    3 always refuses."""
    name = "ptrace-init"
    if ptrace_scope == 0:
        return KERNEL
    refused = away("EPERM", note=f"Yama's ptrace_scope is {ptrace_scope}")
    expects = dict(KERNEL[name].expects)
    expects[Setting.RUNC_DEFAULT] = expects[Setting.RUNC_RESTRICTED] = refused
    if ptrace_scope > 2:
        expects[Setting.RUNC_PRIVILEGED] = refused
    changed = replace(KERNEL[name], expects=MappingProxyType(expects))
    return MappingProxyType({**KERNEL, name: changed})
