"""An external node is provisioned by a real sshd and shell, and given back as it was."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.bringup.external import lacks, scratch_machine
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError, NotPossible
from edge_lab.core.home import RunDir
from edge_lab.core.process import end_processes
from edge_lab.machines import write_ssh_config
from edge_lab.machines.external import ExternalMachine, ssh_host
from edge_lab.machines.external.examination import HANDOVER, Needs
from edge_lab.machines.external.handover import CONTAINERD_CONFIG, UNDO
from edge_lab.machines.external.hosts import fingerprint
from edge_lab.machines.guest import cluster_hosts, wire_nics
from edge_lab.provisioning.provision import GuestFile, PayloadFile, Provision
from edge_lab.topology import Topology
from tests.external.foreign import Foreign, foreign_machine
from tests.external.topologies import reached_at

pytestmark = pytest.mark.slow(reason="a machine of its own, with sshd, for each group of tests")

KUBELET = b"\x7fELF kubelet"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    with foreign_machine(tmp_path_factory.mktemp("foreign")) as machine:
        yield machine


def topology_of(foreign: Foreign, user: str = "root", host_key: str = "") -> Topology:
    return reached_at(
        foreign.port, foreign.key, host_key or fingerprint(foreign.host_key), user=user
    )


@pytest.fixture
def run() -> Iterator[RunDir]:
    made = RunDir("small")
    made.make()
    yield made
    end_processes(made.path, Deadline.after(30))
    made.remove()


@pytest.fixture
def provision(tmp_path: Path) -> Provision:
    (tmp_path / "kubelet").write_bytes(KUBELET)
    unit = "[Service]\nExecStart=/opt/edge-lab/bin/kubelet\n"
    return Provision(
        files=(
            GuestFile.text("/etc/systemd/system/kubelet.service", unit),
            GuestFile.text("/var/lib/kubelet/config.yaml", "kind: KubeletConfiguration\n"),
            GuestFile("/var/lib/kubelet/pki/key.pem", b"secret", 0o600),
        ),
        units=("kubelet.service",),
        payload=(
            PayloadFile("bin/kubelet", tmp_path / "kubelet", hashlib.sha256(KUBELET).hexdigest()),
        ),
        folders=("/var/lib/kubelet", "/var/log/pods", "/var/lib/edge-lab/sampler"),
        undo=("iptables -w -t nat -X SOME-CHAIN", "false"),
    )


def machine_of(run: RunDir, topology: Topology, provision: Provision | None) -> ExternalMachine:
    node = topology.node("board")
    write_ssh_config(run, (), [ssh_host(node, run.keys)])
    return ExternalMachine(
        node,
        topology,
        run,
        nics=wire_nics(topology, "board", {"board-cloud": (1, 2)}),
        hosts=cluster_hosts(topology),
        provision=provision,
    )


def soon() -> Deadline:
    return Deadline.after(120)


@pytest.fixture(params=["root", "field"])
def machine(
    request: pytest.FixtureRequest, foreign: Foreign, run: RunDir, provision: Provision
) -> Iterator[ExternalMachine]:
    found = machine_of(run, topology_of(foreign, request.param), provision)
    yield found
    found.give_back(soon())
    found.shell.disconnect()


def test_it_is_provisioned_and_given_back_as_it_was(
    foreign: Foreign, machine: ExternalMachine
) -> None:
    before = foreign.files()
    machine.boot(soon())

    assert foreign.path("/opt/edge-lab/bin/kubelet").read_bytes() == KUBELET
    assert foreign.path("/opt/edge-lab/bin/kubelet").stat().st_mode & 0o777 == 0o755
    assert foreign.path("/var/lib/kubelet/pki/key.pem").stat().st_mode & 0o777 == 0o600
    assert foreign.path("/var/lib/kubelet/pki/key.pem").stat().st_uid == 0
    assert "sandbox_image" in foreign.path(CONTAINERD_CONFIG).read_text()
    hosts = foreign.path("/etc/hosts").read_text()
    assert "10.1.1.1\tforeign\n10.77.0.1\tserver\n" in hosts
    wires = foreign.path("/usr/local/lib/edge-lab/wires").read_text()
    assert "ip address add 10.77.0.2/24 dev eth1" in wires
    assert foreign.path(f"{HANDOVER}/lab").read_text() == "small\n"
    calls = foreign.calls()
    starts = [call for call in calls if call.startswith("systemctl start")]
    assert starts[-1].endswith("edge-lab-wires.service edge-lab-images.service kubelet.service")
    assert foreign.path("/var/lib/fake-vm.overcommit_memory").read_text().strip() == "1"
    # What its programs make, and what is mounted there by nobody else.
    foreign.path("/var/lib/kubelet/pods").mkdir()
    foreign.path("/var/log/pods").mkdir()
    foreign.path("/var/lib/edge-lab/sampler").mkdir(parents=True)
    foreign.path("/var/lib/edge-lab/sampler/samples.db").write_bytes(b"samples")
    assert machine.record.boot_seconds is not None

    done = machine.give_back(soon())
    assert done is not None
    assert not done.trouble, done.trouble
    assert foreign.files() == before
    assert not foreign.path("/opt/edge-lab").exists()
    assert not foreign.path("/var/lib/kubelet").exists()
    assert not foreign.path("/var/log/pods").exists()
    assert not foreign.path("/var/lib/edge-lab").exists()
    assert not foreign.path(HANDOVER).exists()
    assert foreign.path("/var/lib/fake-vm.overcommit_memory").read_text().strip() == "0"
    undone = foreign.calls()[len(calls) :]
    assert "iptables -w -t nat -X SOME-CHAIN" in undone
    assert any(
        call.startswith("systemctl disable") and "kubelet.service" in call for call in undone
    )
    assert "systemctl restart containerd.service" in undone
    assert machine.give_back(soon()) is None


def test_a_second_start_takes_back_what_the_first_has_left(
    foreign: Foreign, machine: ExternalMachine
) -> None:
    before = foreign.files()
    machine.boot(soon())
    # The lab's host has crashed: its run directory is gone, and nothing was given back.
    machine.handed_over.unlink()
    machine.add_files([GuestFile.text("/etc/edge-lab/late", "a token")])
    machine.boot(soon())
    assert foreign.path("/etc/edge-lab/late").read_text() == "a token"
    assert foreign.path("/etc/hosts").read_text().count("server") == 1
    machine.give_back(soon())
    assert foreign.files() == before


def test_a_failed_step_leaves_it_usable(foreign: Foreign, machine: ExternalMachine) -> None:
    before = foreign.files()
    foreign.path("/etc/fail-start").touch()
    try:
        with pytest.raises(LabError, match="Job failed"):
            machine.boot(soon())
    finally:
        foreign.path("/etc/fail-start").unlink()
    machine.give_back(soon())
    assert foreign.files() == before


def test_a_payload_that_arrives_changed_is_seen(foreign: Foreign, machine: ExternalMachine) -> None:
    provision = machine.provision
    assert provision is not None
    wrong = replace(provision.payload[0], sha256="0" * 64)
    machine.provision = replace(provision, payload=(wrong,))
    with pytest.raises(LabError, match="bin/kubelet"):
        machine.boot(soon())


def test_the_machine_itself_can_undo_it(foreign: Foreign, machine: ExternalMachine) -> None:
    before = foreign.files()
    machine.boot(soon())
    done = subprocess.run(
        ["ssh", "-F", str(machine.run_dir.ssh_config), "board", f"sudo -n sh {UNDO} || sh {UNDO}"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert foreign.files() == before


def test_a_start_that_has_failed_elsewhere_ends_its_own(
    foreign: Foreign, machine: ExternalMachine
) -> None:
    before = foreign.files()
    machine.discard()
    with pytest.raises(LabError, match="has ended before"):
        machine.boot(soon())
    assert foreign.files() == before


def test_what_it_cannot_is_said(foreign: Foreign, run: RunDir) -> None:
    machine = machine_of(run, topology_of(foreign), None)
    balloon = (lambda: machine.set_balloon(1), machine.balloon_mib)
    for forbidden in (machine.suspend, machine.resume, machine.power_off, machine.reset, *balloon):
        with pytest.raises(NotPossible, match="external node"):
            forbidden()
    assert machine.is_on
    machine.set_carrier("", up=False)  # a real cable's stays up


# -- who it is -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("other") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file.with_suffix(".pub").read_text().strip()


def test_a_public_key_will_do_and_so_will_known_hosts(foreign: Foreign, tmp_path: Path) -> None:
    key = " ".join(foreign.host_key.split()[:2])
    assert lacks_at(topology_of(foreign, host_key=key)) == ""
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{foreign.port} {key}\n")
    topology = with_known_hosts(topology_of(foreign), known)
    assert lacks_at(topology) == ""
    # As OpenSSH itself writes it by default on Debian.
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert lacks_at(topology) == ""


def with_known_hosts(topology: Topology, known: Path) -> Topology:
    board = topology.node("board")
    assert board.external is not None
    external = board.external.model_copy(update={"host_key": None, "known_hosts": known})
    nodes = (topology.server, board.model_copy(update={"external": external}))
    return topology.model_copy(update={"nodes": nodes})


def lacks_at(topology: Topology) -> str:
    return lacks(topology, topology.node("board"), soon())


@pytest.mark.parametrize("form", ["fingerprint", "public key", "known_hosts"])
def test_another_host_key_is_refused_at_once(
    foreign: Foreign, other_key: str, tmp_path: Path, form: str
) -> None:
    key = " ".join(other_key.split()[:2])
    topology = topology_of(foreign, host_key=fingerprint(key) if form == "fingerprint" else key)
    if form == "known_hosts":
        (tmp_path / "known").write_text(f"[127.0.0.1]:{foreign.port} {key}\n")
        topology = with_known_hosts(topology, tmp_path / "known")
    with pytest.raises(InputError) as caught:
        lacks_at(topology)
    assert caught.value.remedy
    if form == "fingerprint":
        assert fingerprint(foreign.host_key) in caught.value.message


def test_a_host_that_is_not_in_known_hosts_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    (tmp_path / "known").write_text("[127.0.0.1]:1 ssh-ed25519 AAAA\n")
    with pytest.raises(InputError, match="has no host key of"):
        lacks_at(with_known_hosts(topology_of(foreign), tmp_path / "known"))


def test_a_key_that_it_does_not_know_is_refused_at_once(foreign: Foreign, tmp_path: Path) -> None:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True
    )
    topology = reached_at(foreign.port, tmp_path / "k", fingerprint(foreign.host_key))
    with pytest.raises(InputError, match="Permission denied") as caught:
        lacks_at(topology)
    assert "ssh -p" in caught.value.remedy


# -- what it lacks ---------------------------------------------------------------------------


def test_lacks_are_found_before_anything_is_changed(foreign: Foreign) -> None:
    before = foreign.files()
    foreign.path("/etc/fake-arch").write_text("riscv64\n")
    foreign.path("/usr/local/bin/ctr").rename(foreign.path("/usr/local/bin/ctr-away"))
    topology = topology_of(foreign)
    try:
        with scratch_machine(topology, topology.node("board")) as machine:
            machine.wait_reached(soon())
            found, _ = machine.examine(Needs.of(topology, topology.node("board")), soon())
    finally:
        foreign.path("/usr/local/bin/ctr-away").rename(foreign.path("/usr/local/bin/ctr"))
        foreign.path("/etc/fake-arch").write_text("x86_64\n")
    assert len(found) == 2
    assert "riscv64" in found[0].what
    assert "/usr/bin/ctr" in found[1].what
    assert foreign.files() == before


def test_a_machine_of_another_lab_is_refused(foreign: Foreign) -> None:
    foreign.path(HANDOVER).mkdir()
    foreign.path(f"{HANDOVER}/lab").write_text("another\n")
    try:
        assert "node of the lab 'another'" in lacks_at(topology_of(foreign))
    finally:
        foreign.path(f"{HANDOVER}/lab").unlink()
        foreign.path(HANDOVER).rmdir()


def test_a_user_without_sudo_is_told_what_to_do(tmp_path: Path) -> None:
    with foreign_machine(tmp_path, sudo=False) as machine:
        said = lacks_at(topology_of(machine, "field"))
    assert "field cannot use sudo" in said
    assert "NOPASSWD" in said


def test_one_that_does_not_answer_is_an_error_of_the_lab(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = reached_at(1, foreign.key, fingerprint(foreign.host_key))
    monkeypatch.setattr("edge_lab.machines.external.machine.REACH_SECONDS", 0.5)
    with pytest.raises(LabError, match=r"answers to SSH at 127\.0\.0\.1 port 1"):
        lacks_at(topology)
    with pytest.raises(LabError, match="no SSH server"):
        lacks(topology, topology.node("board"), soon(), wake=False)
