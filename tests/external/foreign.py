"""A machine that is not the lab's, as a root of its own on this host.

sshd, sudo and shell are real; programs of a few lines are in place of those that would reach the
host's kernel.

Root file system and processes are in namespaces that end with it; what it does to itself is in
memory.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

_BUILD = r"""
set -eu
port=$1 home=$2 arch=$3 user=$4
mount --make-rprivate /
root=$home/root
mkdir -p "$root"
mount -t tmpfs none "$root"
cd "$root"
mkdir -p .up .work usr etc var/lib var/log var/tmp run/sshd run/systemd/system tmp root dev proc \
    sys/fs/cgroup sys/class/net/eth0 sys/class/net/eth1 home/field
chmod 1777 tmp var/tmp
chmod 700 root
mount -t overlay none -o lowerdir=/usr,upperdir=.up,workdir=.work usr
for link in bin sbin lib lib64; do ln -s "usr/$link" "$link"; done
mount --rbind /dev dev
mount -t proc proc proc
echo 'cpuset cpu io memory pids' > sys/fs/cgroup/cgroup.controllers
for it in alternatives ld.so.cache ld.so.conf pam.d security nsswitch.conf; do
  cp -a "/etc/$it" etc/ 2>/dev/null || :
done
echo 'root:x:0:0:root:/root:/bin/bash
sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
field:x:1000:1000::/home/field:/bin/bash' > etc/passwd
echo 'root:*:19000:0:99999:7:::
field:*:19000:0:99999:7:::' > etc/shadow
echo 'root:x:0:
field:x:1000:' > etc/group
echo 'root ALL=(ALL) ALL' > etc/sudoers
[ "$user" != sudo ] || echo 'field ALL=(ALL) NOPASSWD: ALL' >> etc/sudoers
chmod 440 etc/sudoers
printf '127.0.0.1\tlocalhost\n10.1.1.1\tforeign' > etc/hosts
mkdir -p etc/containerd
echo 'the owner of this machine wrote it' > etc/containerd/config.toml
for who in root home/field; do
  mkdir -p "$who/.ssh"
  cp "$home/key.pub" "$who/.ssh/authorized_keys"
done
chown -R 1000:1000 home/field
printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' 'HostKey /etc/ssh_host_key' 'PidFile none' \
    'UsePAM no' 'StrictModes no' 'PermitRootLogin yes' 'MaxSessions 64' > etc/sshd_config
install -m 600 "$home/host" etc/ssh_host_key
mkdir -p usr/lib/cni
for program in containerd runc ctr systemctl modprobe sysctl ip iptables uname stat ping awkward; do
  install -m 755 "$home/fake" "usr/local/bin/$program"
done
install -m 755 "$home/fake" usr/lib/cni/bridge
echo "$arch" > etc/fake-arch
exec chroot . /usr/sbin/sshd -D -e -f /etc/sshd_config
"""

# Each call is noted. What is to be said is what a machine says on which all is well.
_FAKE = r"""#!/bin/bash
name=${0##*/}
echo "$name $*" >> /var/log/calls
case "$name $*" in
  "uname -m") cat /etc/fake-arch;;
  uname*) /usr/bin/uname "$@";;
  "stat -fc %T /sys/fs/cgroup") echo cgroup2fs;;
  stat*) exec /usr/bin/stat "$@";;
  "containerd --version") echo "containerd github.com/containerd/containerd 1.7.24 abc";;
  "systemctl is-active -q containerd.service") exit 0;;
  "systemctl is-active"*|"systemctl is-enabled"*) exit 3;;
  "systemctl --failed"*) echo "broken-before.service loaded failed failed";;
  "systemctl is-system-running"*) echo degraded;;
  "systemctl start"*) [ ! -e /etc/fail-start ] || { echo "Job failed" >&2; exit 1; };;
  "sysctl -n "*) cat "/var/lib/fake-$2" 2>/dev/null || echo 0;;
  "sysctl -qw "*) IFS== read -r key value <<< "$2"; echo "$value" > "/var/lib/fake-$key";;
  "sysctl -q -p "*) while IFS== read -r key value; do
      echo "${value# }" > "/var/lib/fake-${key% }"; done < "$3";;
  "ip -o route show default") echo "default via 10.1.1.254 dev eth0";;
  "ctr -n k8s.io images ls -q") echo docker.io/library/mine:1;;
esac
exit 0
"""


@dataclass(frozen=True)
class Foreign:
    """The machine that runs."""

    port: int
    key: Path
    """Of root and of `field`, who may use sudo if that was said."""
    host_key: str
    """Public."""
    pid: int

    def path(self, path: str) -> Path:
        """A file of the machine, from here."""
        return Path(f"/proc/{self.pid}/root{path}")

    def calls(self) -> list[str]:
        """What its programs were called with."""
        return self.path("/var/log/calls").read_text().splitlines()

    def files(self) -> dict[str, bytes]:
        """By path, all that is in the folders where the lab writes."""
        found = {}
        for top in ("/etc", "/opt", "/var/lib", "/usr/local/lib/edge-lab"):
            base = self.path(top)
            for path in base.rglob("*") if base.is_dir() else ():
                name = top + str(path).removeprefix(str(base))
                if path.is_file() and not name.startswith("/var/lib/fake-"):
                    found[name] = path.read_bytes()
        return found


def require() -> None:
    """A skip where there can be no such machine."""
    if os.geteuid():
        pytest.skip("a root file system of its own takes root")
    for program in ("sshd", "sudo", "unshare", "ssh-keygen"):
        if shutil.which(program, path=_PATH) is None:
            pytest.skip(f"no {program} here: apt-get install openssh-server sudo")


@contextlib.contextmanager
def foreign_machine(folder: Path, *, arch: str = "x86_64", sudo: bool = True) -> Iterator[Foreign]:
    """A machine whose SSH server answers, until the block is left."""
    require()
    (port,) = choose_ports(1)
    for name in ("key", "host"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    (folder / "fake").write_text(_FAKE)
    (folder / "build").write_text(_BUILD)
    words = [str(port), str(folder), arch, "sudo" if sudo else "none"]
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "bash",
                f"{folder}/build",
                *words,
            ],
            stdout=log,
            stderr=log,
        )
    try:

        def greets() -> bool:
            if process.poll() is not None:
                pytest.skip(f"no such machine here: {(folder / 'sshd.log').read_text()[-300:]}")
            with socket.create_connection(("127.0.0.1", port), 5) as line:
                return line.recv(4) == b"SSH-"

        Deadline.after(60).wait_for("sshd greets", greets, every=0.05, transient=(OSError,))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Foreign(
            port, folder / "key", (folder / "host.pub").read_text().strip(), int(children[0])
        )
    finally:
        process.kill()  # and the kernel what is in its namespace
        process.wait(60)
