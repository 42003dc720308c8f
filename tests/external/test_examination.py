"""What a machine lacks to be a node: each lack by itself, and all of them at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.machines.external.examination import (
    CONTROLLERS,
    MODULES,
    PYTHON,
    Facts,
    Needs,
    lacks_of,
    look,
    programs_of,
    told,
)
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.topology import Arch, parse_topology
from tests.external.topologies import EXTERNAL

GOOD = """\
arch=aarch64
user=0
systemd=yes
cgroup=cgroup2fs
controllers=cpuset cpu io memory pids
memory=1900
disk=9000
default-route=eth0
address=eth0 192.0.2.7/24
nic=lo
nic=eth0
nic=eth1
containerd=1.7.24
end=
"""
NEEDS = Needs(Arch.AARCH64, 2048, ("eth1",))
LAB = "small"


def lacks(change: tuple[str, str], needs: Needs = NEEDS, way: str = "192.0.2.7") -> list[str]:
    assert not change[0] or change[0] in GOOD
    text = GOOD.replace(*change) if change[0] else change[1] + GOOD
    return [each.what for each in lacks_of(needs, Facts.parse(text), LAB, way)]


def test_a_machine_that_has_all_can_join() -> None:
    assert lacks(("arch", "arch")) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("arch=aarch64", "arch=x86_64"), "architecture is x86_64"),
        (("user=0", "user=1000"), "root"),
        (("systemd=yes\n", ""), "systemd"),
        (("cgroup2fs", "tmpfs"), "cgroup v2"),
        ((" memory pids", " pids"), "lack memory"),
        (("", "no-module=br_netfilter\n"), "br_netfilter"),
        (("", "no-program=/usr/bin/containerd\nno-program=/usr/sbin/runc\n"), "containerd, /usr"),
        (("", "no-python=grpc\n"), "grpc"),
        (("", "no-nic=eth1\n"), "no network interface eth1"),
        (("default-route=eth0", "default-route=eth1"), "default route uses eth1"),
        (("eth0 192.0.2.7", "eth1 192.0.2.7"), "reaches it over eth1"),
        (("memory=1900", "memory=900"), "900 MiB of memory"),
        (("disk=9000", "disk=100"), "100 MiB are free"),
        (("", "owner=another\n"), "node of the lab 'another'"),
        (("", "kubernetes=kubelet\n"), "kubelet runs"),
        (("", "container=abc\n"), "abc"),
    ],
)
def test_each_lack_is_named(change: tuple[str, str], said: str) -> None:
    (found,) = lacks(change)
    assert said in found


def test_what_an_earlier_start_of_the_lab_has_left_is_no_lack() -> None:
    assert lacks(("", f"owner={LAB}\nkubernetes=kubelet\ncontainer=abc\n")) == []


def test_all_lacks_are_told_at_once() -> None:
    found = lacks_of(NEEDS, Facts.parse("arch=riscv64\nend="), LAB)
    assert len(found) >= 6
    message = told("board", found)
    assert message.count("\n  - ") == len(found)


def test_an_answer_that_broke_off_is_an_error_of_the_lab() -> None:
    with pytest.raises(LabError, match="incomplete"):
        Facts.parse(GOOD.replace("end=\n", ""))


def test_the_script_runs_on_a_real_machine_and_finds_what_is_not_there() -> None:
    needs = Needs(
        Arch.X86_64,
        1,
        ("no-such-nic", "lo"),
        programs=("/bin/sh", "/usr/bin/no-such-program"),
        modules=("no_such_module",),
        python=("no_such_python",) if Path(PYTHON).exists() else (),
    )
    script = look(needs)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    facts = Facts.parse(done.stdout)
    assert facts.one("arch")
    assert facts.all("no-nic") == ("no-such-nic",)
    assert facts.all("no-program") == ("/usr/bin/no-such-program",)
    assert facts.all("no-module") == ("no_such_module",)
    assert "lo 127.0.0.1/8" in facts.all("address")
    assert facts.number("memory") > 100


def test_what_the_units_start_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "kubelet").write_bytes(b"x" * 3 * 2**20)
    unit = (
        "[Service]\nExecStartPre=-/usr/sbin/iptables -w\nExecStartPre=/etc/edge-lab/ours\n"
        'ExecStart=/opt/edge-lab/bin/kubelet\nExecStop="/usr/bin/odd" x\n'
    )
    provision = Provision(
        files=(
            GuestFile.text("/etc/systemd/system/a.service", unit),
            GuestFile.text("/etc/edge-lab/ours", "#!/bin/sh\n", 0o755),
        ),
        payload=(PayloadFile("bin/kubelet", tmp_path / "kubelet", "0"),),
    )
    assert list(programs_of(provision)) == ["/usr/sbin/iptables", "/usr/bin/odd"]
    topology = parse_topology(EXTERNAL)
    needs = Needs.of(topology, topology.node("board"), provision)
    assert (needs.arch, needs.memory_mib, needs.interfaces) == (Arch.X86_64, 512, ("eth1",))
    assert "/usr/bin/odd" in needs.programs
    assert needs.payload_mib == 3
    assert not needs.python


def test_the_lists_are_what_nodes_of_a_lab_have() -> None:
    assert {"memory", "pids"} <= set(CONTROLLERS)
    assert {"overlay", "br_netfilter"} <= set(MODULES)
