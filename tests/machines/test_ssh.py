"""The lab's ssh_config, judged by OpenSSH itself."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import LONGEST_SOCKET, RunDir
from edge_lab.machines import GuestSpec, LabKeys, Unreachable, write_ssh_config
from edge_lab.machines.ssh import SshClient, control_path

MakeSpec = Callable[..., GuestSpec]


def settings(run: RunDir, host: str) -> dict[str, str]:
    """What `ssh -G` makes of the file."""
    out = subprocess.run(
        ["ssh", "-F", str(run.ssh_config), "-G", host], capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split(" ", 1) for line in out.splitlines() if " " in line)


@pytest.fixture
def configured(run: RunDir, make_spec: MakeSpec) -> RunDir:
    specs = [make_spec("server", 21000), make_spec("edge-arm", 22000)]
    write_ssh_config(run, specs)
    return run


def test_each_machine_has_its_port_and_all_share_one_key(configured: RunDir) -> None:
    found = settings(configured, "edge-arm")
    assert (found["hostname"], found["port"], found["user"]) == ("127.0.0.1", "22000", "root")
    assert found["identityfile"] == str(configured.keys / "ssh")
    assert settings(configured, "server")["port"] == "21000"


def test_a_foreign_host_key_is_refused(configured: RunDir) -> None:
    found = settings(configured, "server")
    assert found["stricthostkeychecking"] == "true"
    assert found["hostkeyalias"] == "server"
    known = (configured.keys / "known_hosts").read_text()
    assert f"server {LabKeys(configured.keys).host('server').public}\n" in known


def test_the_private_keys_are_readable_by_their_owner_only(configured: RunDir) -> None:
    for key in ("ssh", "ssh-host-server"):
        assert stat.S_IMODE((configured.keys / key).stat().st_mode) == 0o600


def test_openssh_takes_our_key_for_its_own(configured: RunDir) -> None:
    key = configured.keys / "ssh"
    shown = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True
    ).stdout
    assert shown.split()[:2] == LabKeys(configured.keys).client.public.split()


def test_the_control_path_fits_a_socket_beside_what_ssh_adds(run: RunDir) -> None:
    longest = control_path(run, "a" * 20)
    # RunDir leaves room for libvirt's much longer names.
    assert len(str(longest)) - len(str(run.short)) + 17 < LONGEST_SOCKET


def test_a_machine_that_is_off_is_unreachable(configured: RunDir) -> None:
    # Port 9 (discard) of loopback is closed on any sane host.
    client = SshClient(configured, "server", 9)
    assert not client.answers(0.2)
    with pytest.raises(Unreachable, match="server does not answer"):
        client.call("true", Deadline.after(20))


def test_a_spec_without_an_ssh_port_says_so(make_spec: MakeSpec) -> None:
    with pytest.raises(LabError, match="no port forward for SSH"):
        _ = make_spec(forwards=()).ssh_port
