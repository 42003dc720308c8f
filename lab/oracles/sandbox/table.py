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
from edge_lab.oracles.sandbox.expected import Row, by_runtime, either, reached, refused, row

_SENTRY = "inside the sandbox's own kernel only"
_NO_NET_RAW = "runsc takes CAP_NET_RAW away (--net-raw=false), from privileged pods too"
_BY_DEFAULT = "permitted in any container: runtimes apply no seccomp profile unless requested"
_SECCOMP = "by the container runtime's seccomp profile"
_CAP_ERROR = "EPERM without the capability, ENOSYS with it: gVisor does not have the call"
_YAMA = "Debian's kernel begins with Yama's ptrace_scope 0; for others: `kernel_rows`"
_SYSFS = (
    "sysfs is of the pod's network namespace, where the pause container has mounted it read-only"
)
_RO = "read-only by a mount, or not root's"

_GONE = refused("EPERM", "ENOSYS")
"""Not allowed, or absent: some kernels are built without it."""


def _modules(title: str) -> Row:
    beyond = reached("the given data is no module, which is checked after the permission")
    denied = refused("EPERM")
    return row(title, denied, denied, beyond, denied, refused("ENOSYS", note=_CAP_ERROR))


def _namespace(title: str) -> Row:
    return row(
        title, refused("EPERM"), refused("EPERM"), reached(), refused("EPERM"), reached(_SENTRY)
    )


KERNEL: Mapping[str, Row] = MappingProxyType(
    {
        "mount-tmpfs": _namespace("mount a tmpfs"),
        "mount-proc": _namespace("mount a proc"),
        "unshare-mount": _namespace("a new mount namespace"),
        "unshare-net": _namespace("a new network namespace"),
        "unshare-pid": row(
            "a new PID namespace",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            refused("EPERM"),
            either(reached(_SENTRY), refused("EINVAL")),
        ),
        "unshare-cgroup": row(
            "a new cgroup namespace",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            reached("gVisor accepts the flag and ignores it"),
            reached("gVisor accepts the flag and ignores it"),
        ),
        "unshare-user": row(
            "a new user namespace",
            reached(f"Debian lets any user; {_BY_DEFAULT}"),
            refused("EPERM", note=_SECCOMP),
            reached(),
            reached(_SENTRY),
            reached(_SENTRY),
        ),
        "fsopen": row(
            "the newer mount calls: fsopen",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            refused("ENOSYS"),
            refused("ENOSYS"),
        ),
        "open-tree": row(
            "the newer mount calls: open_tree, a clone of the root mount",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            refused("ENOSYS"),
            refused("ENOSYS"),
        ),
        "io-uring": row(
            "io_uring_setup",
            reached(_BY_DEFAULT),
            either(reached("containerd 1.7's seccomp profile lets it through"), refused("EPERM")),
            reached(),
            refused("ENOSYS"),
            refused("ENOSYS"),
        ),
        "bpf": row(
            "bpf: make a map",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            refused("EPERM"),
            refused("ENOSYS", note=_CAP_ERROR),
        ),
        "userfaultfd": row(
            "userfaultfd, for the kernel's faults too",
            refused("EPERM"),
            refused("EPERM"),
            reached(),
            refused("ENOSYS"),
            refused("ENOSYS"),
        ),
        "perf-event": row(
            "perf_event_open, with the kernel's events",
            refused("EACCES"),
            refused("EPERM", note=_SECCOMP),
            reached(),
            refused("ENODEV"),
            refused("ENODEV"),
        ),
        "init-module": _modules("init_module"),
        "finit-module": _modules("finit_module"),
        "kexec-load": row(
            "kexec_load",
            _GONE,
            _GONE,
            either(
                reached("its arguments are refused after the permission check"), refused("ENOSYS")
            ),
            refused("EPERM"),
            refused("ENOSYS", note=_CAP_ERROR),
        ),
        "open-by-handle": row(
            "open the root of the node's disk by its handle",
            refused("EPERM"),
            refused("EPERM"),
            reached("CAP_DAC_READ_SEARCH"),
            refused("EOPNOTSUPP"),
            refused("EOPNOTSUPP"),
        ),
        "add-key": row(
            "add_key",
            reached(_BY_DEFAULT),
            refused("EPERM", note=_SECCOMP),
            reached(),
            refused("EACCES"),
            refused("EACCES"),
        ),
        "keyctl-read": row(
            "keyctl: read the session keyring",
            reached(_BY_DEFAULT),
            refused("EPERM", note=_SECCOMP),
            reached(),
            refused("ENOSYS"),
            refused("ENOSYS"),
        ),
        "personality": row(
            "personality READ_IMPLIES_EXEC",
            reached(_BY_DEFAULT),
            refused("EPERM", note=_SECCOMP),
            reached(),
            refused("EINVAL"),
            refused("EINVAL"),
        ),
        "kcmp": row(
            "kcmp, of itself",
            reached(_BY_DEFAULT),
            refused("EPERM", note=_SECCOMP),
            reached(),
            refused("EPERM"),
            refused("ENOSYS", note=_CAP_ERROR),
        ),
        "pidfd-open": by_runtime("pidfd_open of process 1", reached(), refused("ENOSYS")),
        "memfd-secret": by_runtime(
            "memfd_secret",
            either(reached("the runtime's seccomp profile lets it through"), refused("ENOSYS")),
            refused("ENOSYS"),
        ),
        "raw-socket": row(
            "a raw IP socket",
            reached("CAP_NET_RAW is one of the default capabilities"),
            refused("EPERM"),
            reached(),
            refused("EPERM", note=_NO_NET_RAW),
            refused("EPERM", note=_NO_NET_RAW),
        ),
        "packet-socket": row(
            "a packet socket: all frames of the pod's interface",
            reached("CAP_NET_RAW is one of the default capabilities"),
            refused("EPERM"),
            reached(),
            refused("EPERM", note=_NO_NET_RAW),
            refused("EPERM", note=_NO_NET_RAW),
        ),
        "vsock": row(
            "a socket to the hypervisor",
            either(reached(_BY_DEFAULT), refused("EAFNOSUPPORT")),
            refused("EPERM", "EAFNOSUPPORT", note=_SECCOMP),
            either(reached(), refused("EAFNOSUPPORT")),
            refused("EAFNOSUPPORT"),
            refused("EAFNOSUPPORT"),
        ),
        "sethostname": row(
            "sethostname, to the current name",
            refused("EPERM"),
            refused("EPERM"),
            reached("its own UTS namespace"),
            refused("EPERM"),
            reached(_SENTRY),
        ),
        "ptrace-init": row(
            "ptrace of process 1, which is the pod's own",
            reached(_YAMA),
            reached(_YAMA),
            reached(_YAMA),
            refused("EPERM", note="gVisor has Yama's rules of its own, and begins with 1"),
            reached("CAP_SYS_PTRACE, inside the sandbox's own kernel only"),
        ),
        "kernel-log": row(
            "syslog: read the kernel's log",
            refused("EPERM", note="dmesg_restrict"),
            refused("EPERM"),
            reached("the node's"),
            reached("the sandbox's own"),
            reached("the sandbox's own"),
        ),
        "kmsg": row(
            "open /dev/kmsg",
            refused("ENOENT"),
            refused("ENOENT"),
            reached("all devices of the node are present"),
            refused("ENOENT"),
            refused("ENXIO", "ENOENT"),
        ),
        "core-pattern": row(
            "open the program for core dumps for writing: it would be run as root of the node",
            refused("EROFS"),
            refused("EROFS", "EACCES", note=_RO),
            reached(),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
        "sysrq": row(
            "open /proc/sysrq-trigger for writing",
            refused("EROFS", "ENOENT"),
            refused("EROFS", "EACCES", "ENOENT", note=_RO),
            either(reached(), refused("ENOENT")),
            reached("a write would be EIO"),
            reached("a write would be EIO"),
        ),
        "sys-write": row(
            "open a file of /sys for writing",
            refused("EROFS", "ENOENT"),
            refused("EROFS", "EACCES", "ENOENT", note=_RO),
            either(reached(), refused("EROFS", note=_SYSFS)),
            refused("ENOENT"),
            refused("ENOENT"),
        ),
        "cgroup-procs": row(
            "open cgroup.procs of the topmost visible cgroup for writing",
            refused("EROFS"),
            refused("EROFS", "EACCES", note=_RO),
            reached("it is the node's own"),
            refused("ENOENT", note="gVisor shows cgroup v1, a folder for each controller"),
            refused("ENOENT"),
        ),
        "release-agent": by_runtime(
            "open a file of cgroup v1 that permits an escape for writing",
            refused("ENOENT", note="nodes have cgroup v2, without one"),
            reached(f"gVisor shows a cgroup v1 of its own: {_SENTRY}"),
        ),
        "mknod-device": row(
            "mknod of a device node such as /dev/mem",
            reached("CAP_MKNOD is one of the default capabilities; opening is what counts"),
            refused("EPERM"),
            reached(),
            reached(_SENTRY),
            either(reached(_SENTRY), refused("EPERM")),
        ),
        "open-memory": row(
            "open the node's memory by a device node",
            refused("EPERM", note="by the device rules of its cgroup"),
            refused("EPERM"),
            either(reached(), refused("ENXIO")),
            refused("ENXIO"),
            refused("ENXIO", "EPERM"),
        ),
        "open-disk": row(
            "open the node's disk by a device node",
            refused("EPERM", note="by the device rules of its cgroup"),
            refused("EPERM"),
            reached(),
            refused("ENXIO"),
            refused("ENXIO", "EPERM"),
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
    denied = refused("EPERM", note=f"Yama's ptrace_scope is {ptrace_scope}")
    expects = dict(KERNEL[name].expects)
    expects[Setting.RUNC_DEFAULT] = expects[Setting.RUNC_RESTRICTED] = denied
    if ptrace_scope > 2:
        expects[Setting.RUNC_PRIVILEGED] = denied
    changed = replace(KERNEL[name], expects=MappingProxyType(expects))
    return MappingProxyType({**KERNEL, name: changed})
