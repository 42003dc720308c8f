"""The folders of a lab's libvirt daemon, and the command that starts it there."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir, cache_home
from edge_lab.machines.domain import EMULATORS, find_emulator
from edge_lab.topology import Arch

_ROOT_ROOMS = ("etc", "run", "lib", "cache", "log")
"""Folders below <run>/l that root's libvirtd sees as /etc/libvirt, /run/libvirt and so on."""

# $1 is <run>/l, $2 whether the machines may use KVM (yes or no), the rest is the daemon.
_ENTER = r"""
set -eu
rooms=$1 kvm=$2; shift 2

# cover DIR: the same content, but new entries in it are not visible on the host.
cover() {
    mkdir -p "$rooms/h$1"
    mount --rbind "$1" "$rooms/h$1"
    mount -t tmpfs -o mode=755 none "$1"
    for child in "$rooms/h$1"/* "$rooms/h$1"/.[!.]*; do
        name=${child##*/}
        if [ -L "$child" ]; then cp -P "$child" "$1/$name"
        elif [ -d "$child" ]; then mkdir -p "$1/$name"; mount --rbind "$child" "$1/$name"
        elif [ -f "$child" ]; then : > "$1/$name"; mount --bind "$child" "$1/$name"
        fi
    done
}

# take ROOM DIR: mounts the lab's folder ROOM at DIR.
take() {
    [ -d "$2" ] || { cover "${2%/*}"; mkdir "$2"; }
    mount --bind "$rooms/$1" "$2"
}
take etc /etc/libvirt
take run /run/libvirt
take lib /var/lib/libvirt
take cache /var/cache/libvirt
take log /var/log/libvirt

# libvirtd looks up its default user before it reads that it is to use root, and exits if there
# is none.
for list in passwd group; do
    grep -q '^libvirt-qemu:' "/etc/$list" && continue
    cp "/etc/$list" "$rooms/$list"
    case $list in
        passwd) echo 'libvirt-qemu:x:64055:64055::/nonexistent:/usr/sbin/nologin' ;;
        group) echo 'libvirt-qemu:x:64055:' ;;
    esac >> "$rooms/$list"
    mount --bind "$rooms/$list" "/etc/$list"
done

# Unless KVM was seen to work, hide it from libvirtd: it would make emulators try it, and a broken
# KVM may take long to fail.
if [ "$kvm" = no ] && [ -e /dev/kvm ]; then
    mkdir -p "$rooms/h/dev"
    mount --rbind /dev "$rooms/h/dev"
    mount -t tmpfs -o mode=755 none /dev
    ln -s /proc/self/fd /dev/fd
    for name in null zero full random urandom tty ptmx; do
        : > "/dev/$name"
        mount --bind "$rooms/h/dev/$name" "/dev/$name"
    done
    for name in pts shm; do
        mkdir "/dev/$name"
        mount --rbind "$rooms/h/dev/$name" "/dev/$name"
    done
fi

# No system bus and no cgroups: otherwise the machines of all labs would be registered with the
# host's systemd, with names that clash.
[ ! -d /run/dbus ] || mount -t tmpfs -o mode=755 none /run/dbus
while read -r _ point type _; do
    case "$type" in cgroup|cgroup2) umount -l "$point" ;; esac
done < /proc/mounts
exec "$@"
"""

_LIBVIRTD_CONF = """\
listen_tls = 0
listen_tcp = 0
unix_sock_ro_perms = "0700"
unix_sock_rw_perms = "0700"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_level = 3
log_outputs = "3:stderr"
"""

_QEMU_CONF = """\
stdio_handler = "file"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
dynamic_ownership = 0
max_core = 0
{user}"""


@dataclass(frozen=True)
class DaemonRooms:
    """The folders of one private daemon; all below <run>/l, to keep the paths of sockets short."""

    run: Path
    """The short path of the run directory."""
    root: bool

    @classmethod
    def of(cls, run: RunDir) -> DaemonRooms:
        """The folders for a lab of the current user."""
        return cls(run.short, os.geteuid() == 0)

    @property
    def base(self) -> Path:
        return self.run / "l"

    @property
    def config(self) -> Path:
        """The folder of libvirtd.conf and qemu.conf."""
        return self.base / ("etc" if self.root else "libvirt")

    @property
    def socket(self) -> Path:
        return self.base / ("run/libvirt-sock" if self.root else "r/libvirt/libvirt-sock")

    @property
    def uri(self) -> str:
        kind = "system" if self.root else "session"
        return f"qemu:///{kind}?socket={quote(str(self.socket))}"

    @property
    def emulators(self) -> Path:
        """The only folder in libvirtd's PATH.

        libvirtd would query every emulator of the host for its capabilities, which takes two
        seconds each.  All labs share the folder, since libvirt caches the answers by path.
        """
        return cache_home() / "libvirt" / "bin"

    @property
    def answers(self) -> Path:
        """Cached capabilities of emulators, for all labs; libvirt itself checks their age."""
        return cache_home() / "libvirt" / ("root" if self.root else "session")

    @property
    def emulator_logs(self) -> Path:
        """libvirt's logs of the emulators; the log of a killed emulator names the sender."""
        return self.base / ("log/qemu" if self.root else "c/libvirt/qemu/log")

    @property
    def environment(self) -> dict[str, str]:
        """Makes a session daemon write to the run directory; empty for root."""
        if self.root:
            return {}
        return {
            "XDG_CONFIG_HOME": str(self.base),
            "XDG_CACHE_HOME": str(self.base / "c"),
            "XDG_RUNTIME_DIR": str(self.base / "r"),
            "XDG_DATA_HOME": str(self.base / "d"),
        }

    def make(self) -> None:
        rooms = _ROOT_ROOMS if self.root else ("libvirt", "c", "r", "d")
        for room in rooms:
            (self.base / room).mkdir(parents=True, exist_ok=True, mode=0o700)
        answers = self.base / ("cache/qemu" if self.root else "c/libvirt/qemu/cache")
        for folder in (answers, self.answers, self.emulators):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _link(answers / "capabilities", self.answers)
        for arch in Arch:
            with contextlib.suppress(LabError):
                _link(self.emulators / EMULATORS[arch], find_emulator(arch))
        # Nothing of the host's configuration is read.
        (self.config / "libvirtd.conf").write_text(_LIBVIRTD_CONF)
        user = 'user = "root"\ngroup = "root"\n' if self.root else ""
        (self.config / "qemu.conf").write_text(_QEMU_CONF.format(user=user))
        # Files of a killed daemon would be mistaken for those of a running one.
        for stale in self.socket.parent.glob("*"):
            if stale.is_socket() or stale.suffix == ".pid":
                stale.unlink(missing_ok=True)


def daemon_argv(rooms: DaemonRooms, libvirtd: str, *, kvm: bool) -> list[str]:
    """The command that runs the daemon in the foreground."""
    daemon = [
        libvirtd,
        "--config",
        str(rooms.config / "libvirtd.conf"),
        "--pid-file",
        str(rooms.base / "libvirtd.pid"),
    ]
    # The daemon needs only emulators in PATH; `sh` and `mount` run before it is set.
    if not rooms.root:
        return ["env", f"PATH={rooms.emulators}", *daemon]
    return [
        *("unshare", "--mount", "--propagation", "private", "--"),
        *("sh", "-c", _ENTER, "libvirtd-of-a-lab", str(rooms.base), "yes" if kvm else "no"),
        *("env", f"PATH={rooms.emulators}"),
        *daemon,
    ]


def _link(link: Path, target: Path | str) -> None:
    """Creates or replaces a symbolic link atomically, since labs may start in parallel."""
    if link.is_symlink() and str(link.readlink()) == str(target):
        return
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.symlink_to(target)
    draft.replace(link)
