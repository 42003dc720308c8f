"""A QEMU guest that a lab uses like an external machine.

    python -m suites.external.guest FOLDER -- COMMAND …

It has its own power script and serial port over TCP; the lab only knows the topology
FOLDER/lab.yaml. It runs while COMMAND runs; afterwards its state must be the same as before.
Requires root, since its links are taps.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.core.ports import choose_ports
from edge_lab.images import build_root_image
from edge_lab.machines import build_seed, host_tsc_khz
from edge_lab.machines.disk import create_overlay
from edge_lab.machines.domain import find_emulator, kernel_command_line
from edge_lab.machines.emulated import guest_files
from edge_lab.machines.external.hosts import fingerprint
from edge_lab.machines.keys import LabKeys
from edge_lab.provisioning.provision import GuestFile
from edge_lab.topology import Arch

NODE = "board"
BUILD_SECONDS, BOOT_SECONDS, COMMAND_SECONDS = 5400.0, 300.0, 60.0
NICS = {"lan0": "52:54:00:fe:00:01", "field0": "52:54:00:fe:00:02", "field1": "52:54:00:fe:00:03"}
"""By name in the guest: the interface for SSH, and those for two links of the lab."""
TAPS = {"field0": "edge-ext0", "field1": "edge-ext1"}
ADDRESS = "10.0.2.15"

TOPOLOGY = """\
name: external
stacks: [kubernetes+kubelet, kubernetes+openyurt]
addons: [workload]
networks:
  - {{name: cloud, subnet: 10.77.0.0/24}}
  - {{name: plant, subnet: 10.78.0.0/24}}
nodes:
  - {{name: server, arch: x86_64, role: server}}
  - name: {node}
    arch: x86_64
    role: edge
    external:
      address: 127.0.0.1
      port: {ssh}
      key: keys/ssh
      host_key: {host_key}
      power:
        driver: ExternalPowerDriver
        arguments: {{cmd_on: {folder}/power on, cmd_off: {folder}/power off}}
      console:
        driver: SerialDriver
        resources:
          NetworkSerialPort: {{host: 127.0.0.1, port: {serial}, protocol: raw}}
links:
  - {{name: server-cloud, endpoint: server, network: cloud, address: 10.77.0.1}}
  - name: board-cloud
    endpoint: {node}
    network: cloud
    address: 10.77.0.2
    host-interface: edge-ext0
    node-interface: field0
  - name: board-plant
    endpoint: {node}
    network: plant
    address: 10.78.0.2
    host-interface: edge-ext1
    node-interface: field1
  - {{name: boiler-plant, endpoint: boiler, network: plant, address: 10.78.0.101}}
devices:
  - {{name: boiler, protocol: modbus-tcp, seed: 11}}
timing:
  node_lease: 20s
  node_monitor_period: 2s
  node_monitor_grace: 20s
  not_ready_toleration: 40s
  unreachable_toleration: 40s
  edge_heartbeat: 5s
"""

POWER = """\
#!/bin/sh
pid=$(cat {folder}/pid 2>/dev/null)
case $1 in
on) [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || exec {qemu} </dev/null >{folder}/qemu.log 2>&1;;
off)
  [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
  while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
  rm -f {folder}/pid;;
esac
"""

SHOW = (
    "find /etc /opt /usr/local /var/lib/kubelet /var/lib/edge-lab /var/lib/cni /run/edge-lab "
    "-xdev \\( -type f -o -type l \\) -printf '%p %s %m\\n' 2>/dev/null | sort; "
    "cksum /etc/hosts /etc/containerd/config.toml; ip -br address; ip route; "
    "ctr -n k8s.io containers ls -q; ctr -n k8s.io images ls -q | sort; "
    "iptables-save | grep '^-A'; ls /run/netns 2>/dev/null; :"
)
"""Prints the state that must be the same when the machine is given back."""


@dataclass(frozen=True)
class Guest:
    folder: Path
    ssh_port: int

    def power(self, what: str) -> None:
        """Powers it on or off; `what` is the word on or off."""
        subprocess.run([str(self.folder / "power"), what], check=True)

    def run(self, command: str) -> str:
        """The output of a command on it; LabError if the command fails."""
        keys = self.folder / "keys"
        done = subprocess.run(
            [
                *("ssh", "-p", str(self.ssh_port), "-i", str(keys / "ssh"), "-o", "BatchMode=yes"),
                *("-o", f"UserKnownHostsFile={keys / 'known'}", "-o", "IdentitiesOnly=yes"),
                *("-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=30", "root@127.0.0.1"),
                command,
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=Deadline.scaled(COMMAND_SECONDS).remaining,
            check=False,
        )
        if done.returncode:
            raise LabError(f"a command on the guest failed: {done.stderr.strip()}")
        return done.stdout

    def wait_up(self) -> None:
        def settled() -> bool:
            return self.run("systemctl is-system-running || :").strip() in ("running", "degraded")

        trouble = (LabError, subprocess.TimeoutExpired)
        Deadline.scaled(BOOT_SECONDS).wait_for(
            "the guest is up", settled, every=2.0, transient=trouble
        )
        # In place of NTP.
        self.run(f"date -s @{time.time():.0f} >/dev/null")


def seed(keys: LabKeys) -> bytes:
    """The seed disk that turns a lab's root image into a machine without any lab."""
    host = keys.host(NODE)
    files = [
        GuestFile.text("/etc/hostname", "foreign\n"),
        GuestFile.text("/etc/machine-id", f"{uuid.UUID(int=0xF0)!s}\n".replace("-", ""), 0o444),
        GuestFile("/etc/ssh/ssh_host_ed25519_key", host.private, 0o600),
        GuestFile.text("/etc/ssh/ssh_host_ed25519_key.pub", f"{host.public}\n"),
        GuestFile.text("/etc/ssh/foreign-keys", f"{keys.client.public}\n", 0o600),
        GuestFile.text(
            "/etc/ssh/sshd_config.d/10-foreign.conf",
            "HostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/foreign-keys\n",
        ),
        GuestFile.text(
            "/etc/systemd/network/10-lan0.network",
            f"[Match]\nName=lan0\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nAddress={ADDRESS}/24\n",
        ),
        *guest_files(),
    ]
    for name, mac in NICS.items():
        text = f"[Match]\nMACAddress={mac}\nType=ether\n\n[Link]\nName={name}\n"
        files.append(GuestFile.text(f"/etc/systemd/network/10-{name}.link", text))
    return build_seed(files)


def qemu(folder: Path, ssh: int, serial: int, kernel: Path, initrd: Path) -> str:
    """The command line of its QEMU."""
    arguments = [
        *(find_emulator(Arch.X86_64), "-name", "foreign", "-machine", "q35,accel=tcg"),
        *("-cpu", "max,-erms", "-m", "2048", "-smp", "2", "-display", "none", "-nodefaults"),
        *("-kernel", str(kernel), "-initrd", str(initrd)),
        *("-append", kernel_command_line(Arch.X86_64, "tcg", host_tsc_khz())),
    ]
    for name, kind, more in (("root", "qcow2", ""), ("seed", "raw", ",read-only=on")):
        file = folder / ("root.qcow2" if name == "root" else "seed.tar")
        arguments += [
            *("-drive", f"file={file},format={kind},if=none,id={name},cache=unsafe{more}"),
            *("-device", f"virtio-blk-pci,drive={name},serial={name}"),
        ]
    forward = f"hostfwd=tcp:127.0.0.1:{ssh}-{ADDRESS}:22"
    backends = {"lan0": f"user,id=lan0,restrict=on,ipv6=off,net=10.0.2.0/24,{forward}"}
    backends |= {
        nic: f"tap,id={nic},ifname={tap},script=no,downscript=no" for nic, tap in TAPS.items()
    }
    for nic, backend in backends.items():
        arguments += [
            *("-netdev", backend),
            *("-device", f"virtio-net-pci,netdev={nic},mac={NICS[nic]},romfile="),
        ]
    arguments += [
        *("-device", "virtio-rng-pci"),
        *("-serial", f"tcp:127.0.0.1:{serial},server=on,wait=off"),
        *("-daemonize", "-pidfile", str(folder / "pid")),
    ]
    return shlex.join(arguments)


@contextlib.contextmanager
def taps() -> Iterator[None]:
    """The host's ends of its links: up, and without any address."""
    try:
        for tap in TAPS.values():
            for command in (
                f"ip tuntap add dev {tap} mode tap",
                f"ip link set dev {tap} addrgenmode none",
                f"ip link set dev {tap} up",
            ):
                subprocess.run(command.split(), check=True)
        yield
    finally:
        for tap in TAPS.values():
            subprocess.run(["ip", "link", "delete", tap], capture_output=True, check=False)


@contextlib.contextmanager
def foreign_guest(folder: Path) -> Iterator[Guest]:
    """A running guest; `folder` contains all of its files, and a topology with it."""
    if os.geteuid():
        raise InputError("creating taps requires root", remedy="Run it as root.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    image = build_root_image(Arch.X86_64, Deadline.scaled(BUILD_SECONDS))
    keys = LabKeys(folder / "keys")
    ssh, serial = choose_ports(2)
    _ = keys.client
    host_key = keys.host(NODE).public
    (folder / "keys" / "known").write_text(f"[127.0.0.1]:{ssh} {host_key}\n")
    (folder / "seed.tar").write_bytes(seed(keys))
    create_overlay(folder / "root.qcow2", image.disk, "raw")
    command = qemu(folder, ssh, serial, image.kernel, image.initrd)
    power = folder / "power"
    power.write_text(POWER.format(folder=shlex.quote(str(folder)), qemu=command))
    power.chmod(0o755)
    values = {"node": NODE, "ssh": ssh, "serial": serial, "folder": folder}
    (folder / "lab.yaml").write_text(TOPOLOGY.format(host_key=fingerprint(host_key), **values))
    guest = Guest(folder, ssh)
    with taps():
        try:
            guest.power("on")
            guest.wait_up()
            yield guest
        finally:
            guest.power("off")


def main(arguments: Sequence[str]) -> int:
    """The exit code of the command; 1 if the state of the machine has changed."""
    if len(arguments) < 3 or arguments[1] != "--":
        print(__doc__, file=sys.stderr)
        return InputError.exit_code
    with foreign_guest(Path(arguments[0]).absolute()) as guest:
        before = guest.run(SHOW).splitlines()
        code = subprocess.run(arguments[2:], check=False).returncode
        guest.power("on")  # a test may have left it off
        guest.wait_up()
        after = guest.run(SHOW).splitlines()
    gone, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    for line in (*(f"- {line}" for line in gone), *(f"+ {line}" for line in new)):
        print(f"changed: {line}")
    if not gone and not new:
        print(f"given back unchanged: {len(before)} lines are the same")
    return code or int(bool(gone or new))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (InputError, LabError) as trouble:
        print(trouble, file=sys.stderr)
        sys.exit(trouble.exit_code)
