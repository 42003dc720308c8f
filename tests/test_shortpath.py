"""Sockets below a cache whose path is too long for them."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from edge_lab.bringup.lifecycle import bring_up, take_down
from edge_lab.bringup.processes import start_fabric
from edge_lab.core import shortpath
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.home import LONGEST_SOCKET, RunDir
from edge_lab.core.process import processes_of
from edge_lab.doctor import doctor
from edge_lab.doctor.model import AcceleratorFinding
from edge_lab.machines.ssh import control_path, ssh_config
from edge_lab.topology import Topology
from tests.test_doctor import FakeHost
from tests.test_lifecycle import made, state_of


@pytest.fixture
def deep(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache deep in a home directory; links to it are made in `own_cache`."""
    cache = own_cache / "home" / "jane.smith" / ("of a rather long name" * 5)
    cache.mkdir(parents=True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    return cache


def place() -> Path:
    return shortpath.ROOM / f"edge-lab-{os.geteuid()}"


def test_a_short_path_is_its_own(own_cache: Path) -> None:
    run = RunDir("one")
    run.make()
    assert run.short == run.path
    assert not place().exists()


def test_the_longest_socket_can_be_made_below_a_deep_cache(deep: Path) -> None:
    run = RunDir("a" * 20)
    run.make()
    assert run.short.resolve() == run.path.resolve()
    name = "y" * (LONGEST_SOCKET - 1)
    with socket.socket(socket.AF_UNIX) as line:
        line.bind(str(run.short / name))
    assert stat.S_ISSOCK((run.path / name).stat().st_mode)
    with pytest.raises(OSError, match="too long"), socket.socket(socket.AF_UNIX) as line:
        line.bind(str(run.path / name))


def test_what_lets_others_in_is_refused_before_anything_is_made(
    deep: Path, default_topology: Topology, tmp_path: Path
) -> None:
    def refused() -> None:
        run = RunDir(default_topology.name)
        for verb in (run.require_sockets, run.make, lambda: bring_up(default_topology)):
            with pytest.raises(LabError, match="XDG_CACHE_HOME"):
                verb()
        run.remove()

    place().mkdir(mode=0o777)
    place().chmod(0o777)
    refused()
    place().rmdir()
    place().symlink_to(tmp_path)  # which is 0700, and ours
    refused()
    assert list(tmp_path.iterdir()) == []
    place().unlink()
    place().touch()
    refused()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another's folder")
def test_a_folder_of_somebody_else_is_refused(deep: Path) -> None:
    place().mkdir(mode=0o700)
    os.chown(place(), 65534, 65534)
    with pytest.raises(LabError, match="XDG_CACHE_HOME"):
        RunDir("one").require_sockets()


def test_a_lab_that_is_taken_down_leaves_no_link(deep: Path, default_topology: Topology) -> None:
    other = RunDir("other")
    other.make()
    run = made(default_topology)
    assert run.short.is_symlink()
    take_down(default_topology.name, Deadline.after(20))
    assert not os.path.lexists(run.short)
    assert other.short.is_symlink()
    take_down("other", Deadline.after(20))
    assert not place().exists()


def test_a_link_that_was_swept_or_bent_is_made_anew(deep: Path, tmp_path: Path) -> None:
    run = RunDir("one")
    run.make()
    run.short.unlink()
    run.link()
    assert run.short.resolve() == run.path.resolve()
    run.short.unlink()
    run.short.symlink_to(tmp_path)
    run.remove()
    assert tmp_path.is_dir()
    run.make()
    assert run.short.resolve() == run.path.resolve()


def test_the_fabric_answers_below_a_deep_cache(deep: Path, default_topology: Topology) -> None:
    run = made(default_topology)
    client = start_fabric(run, state_of(default_topology), Deadline.after(20))
    assert client.links()
    assert any(processes_of(run.path))
    take_down(default_topology.name, Deadline.after(20))
    assert not any(processes_of(run.path))


def test_ssh_is_told_the_short_path(deep: Path) -> None:
    run = RunDir("one")
    assert len(os.fsencode(control_path(run, "a" * 20))) + 17 < shortpath.SOCKET_PATH_LIMIT
    assert "ControlPath" not in ssh_config(run, [])  # one for each machine


def test_the_doctor_tells_of_it(deep: Path, default_topology: Topology) -> None:
    def check() -> tuple[bool, bool, str]:
        report = doctor(
            default_topology,
            host=FakeHost(),
            accelerator=lambda: AcceleratorFinding(name="tcg", reason=""),
        )
        (line,) = [check for check in report.checks if check.name == "socket paths"]
        return line.ok, line.required, line.remedy

    assert check() == (True, True, "")
    place().chmod(0o755)
    ok, required, remedy = check()
    assert (ok, required) == (False, True)
    assert "XDG_CACHE_HOME" in remedy
