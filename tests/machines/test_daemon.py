"""The private libvirt daemon: where it lives and how it is started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edge_lab.core.errors import LabError
from edge_lab.core.home import RunDir
from edge_lab.machines import LibvirtDaemon
from edge_lab.machines.daemonrooms import DaemonRooms, daemon_argv


def test_root_gets_a_mount_namespace_of_its_own() -> None:
    argv = daemon_argv(DaemonRooms(Path("/x/run"), root=True), "/usr/sbin/libvirtd", kvm=False)
    assert argv[:4] == ["unshare", "--mount", "--propagation", "private"]
    assert argv[argv.index("libvirtd-of-a-lab") + 1 :][:2] == ["/x/run/l", "no"]
    assert argv[-5:] == [
        "/usr/sbin/libvirtd",
        *("--config", "/x/run/l/etc/libvirtd.conf"),
        *("--pid-file", "/x/run/l/libvirtd.pid"),
    ]


def test_the_machines_see_kvm_only_when_it_is_proven() -> None:
    argv = daemon_argv(DaemonRooms(Path("/x"), root=True), "libvirtd", kvm=True)
    assert argv[argv.index("libvirtd-of-a-lab") + 2] == "yes"


def test_the_script_of_the_namespace_is_valid_shell() -> None:
    argv = daemon_argv(DaemonRooms(Path("/x"), root=True), "libvirtd", kvm=False)
    script = argv[argv.index("-c") + 1]
    subprocess.run(["sh", "-n", "-c", script], check=True)


def test_an_ordinary_user_gets_a_session_daemon_inside_the_run_directory() -> None:
    rooms = DaemonRooms(Path("/x/run"), root=False)
    argv = daemon_argv(rooms, "libvirtd", kvm=False)
    assert argv[:3] == ["env", f"PATH={rooms.emulators}", "libvirtd"]
    assert rooms.uri == "qemu:///session?socket=/x/run/l/r/libvirt/libvirt-sock"
    folders = {v for k, v in rooms.environment.items() if k.startswith("XDG_")}
    assert folders == {"/x/run/l", "/x/run/l/c", "/x/run/l/r", "/x/run/l/d"}


def test_a_space_in_the_path_survives_the_uri() -> None:
    rooms = DaemonRooms(Path("/x y/run"), root=True)
    assert rooms.uri == "qemu:///system?socket=/x%20y/run/l/run/libvirt-sock"


@pytest.mark.parametrize("root", [True, False])
def test_no_socket_of_a_killed_daemon_is_left_to_be_mistaken(run: RunDir, root: bool) -> None:
    rooms = DaemonRooms(run.path, root)
    rooms.make()
    pid = rooms.socket.parent / "driver.pid"
    pid.parent.mkdir(parents=True, exist_ok=True)
    pid.write_text("1")
    rooms.make()
    assert not pid.exists()


def test_the_daemon_listens_on_no_network(run: RunDir) -> None:
    rooms = DaemonRooms(run.path, root=True)
    rooms.make()
    text = (rooms.config / "libvirtd.conf").read_text()
    assert "listen_tcp = 0" in text
    assert "listen_tls = 0" in text


def test_attaching_to_a_lab_that_is_down_is_an_error_of_the_lab(run: RunDir) -> None:
    with pytest.raises(LabError, match="no running libvirt daemon"):
        LibvirtDaemon.attach(run)


def test_attaching_to_a_daemon_that_has_died_is_an_error_of_the_lab(run: RunDir) -> None:
    rooms = DaemonRooms(run.path, root=True)
    rooms.make()
    (rooms.base / "daemon.json").write_text(f'{{"uri": "{rooms.uri}"}}')
    with pytest.raises(LabError, match="does not answer"):
        LibvirtDaemon.attach(run)
