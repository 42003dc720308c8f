"""What belongs to a lab is its owner's alone: another local user reaches none of it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from edge_lab.bringup.checkpoint import CheckpointStore
from edge_lab.core.home import RunDir, cache_home
from edge_lab.core.privatesocket import bind_private
from edge_lab.devices.control import SOCKET, ControlServer
from edge_lab.fabric.control import listen
from edge_lab.machines.daemonrooms import DaemonRooms
from edge_lab.machines.keys import LabKeys
from edge_lab.pki import Pki, SigningKeyRequest, TrustDomain

OTHER = 65534
SCRIPT = (Path(__file__).parent / "other_user.py").read_text(encoding="utf-8")

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


def reached(paths: Sequence[Path]) -> set[Path]:
    """Those of `paths` that another local user can read, list or connect to."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("there is no Python that another user can run")
    done = subprocess.run(
        [python, "-I", "-S", "-c", SCRIPT, *map(str, paths)],
        user=OTHER,
        group=OTHER,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(map(Path, json.loads(done.stdout)))


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user can enter, with the cache of labs in it, and a permissive umask."""
    folder = Path(tempfile.mkdtemp(prefix="walls-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    before = os.umask(0)
    yield folder
    os.umask(before)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lab(base: Path) -> Iterator[list[Path]]:
    """The files and sockets of a lab, created by the code that creates them for real labs."""
    run = RunDir("walls")
    run.make()
    LabKeys(run.keys).client  # noqa: B018 - creates the key
    Pki.create(run.keys, [SigningKeyRequest(TrustDomain("walls", "walls"), "tokens")])
    run.kubeconfig.touch(mode=0o600)
    run.state.write_text("{}", encoding="utf-8")
    seed = run.disks / "server.seed.tar"
    seed.touch(mode=0o600)
    rooms = DaemonRooms.of(run)
    rooms.make()
    store = CheckpointStore(cache_home() / "checkpoints")
    with ExitStack() as stack:
        stack.enter_context(listen(run.fabric_socket))
        # libvirtd's own sockets have the mode that its configuration says.
        libvirt = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        bind_private(libvirt, rooms.socket)
        libvirt.listen()
        with store.make("a" * 64) as checkpoint:
            checkpoint.state.write_text("{}", encoding="utf-8")
        paths = [
            cache_home(),
            run.path,
            run.keys,
            *(path for path in run.keys.rglob("*") if path.is_file()),
            run.kubeconfig,
            run.state,
            seed,
            run.fabric_socket,
            rooms.socket,
            rooms.config / "libvirtd.conf",
            store.root / ("a" * 64) / "state.json",
        ]
        assert all(path.exists() for path in paths)
        yield paths


@as_root
@pytest.mark.slow(reason="starts Python as another user")
def test_another_user_reaches_nothing_of_a_lab(lab: list[Path]) -> None:
    assert reached(lab) == set()


@as_root
@pytest.mark.slow(reason="starts Python as another user")
def test_a_planted_hole_is_found(lab: list[Path]) -> None:
    # Not by cache_home(), which closes the hole again.
    for place in {parent for path in lab for parent in (path, *path.parents)}:
        if place.is_relative_to(lab[0]):
            place.chmod(0o777)
    assert reached(lab) == set(lab)


@as_root
@pytest.mark.slow(reason="starts Python as another user")
def test_the_run_directory_alone_keeps_another_user_out(lab: list[Path]) -> None:
    cache, run = lab[0], lab[1]
    cache.chmod(0o755)
    inside = [path for path in lab if path.is_relative_to(run)]
    assert len(inside) > 5
    assert reached(inside) == set()


@as_root
@pytest.mark.slow(reason="starts Python as another user")
def test_sockets_and_keys_keep_another_user_out_by_themselves(lab: list[Path]) -> None:
    for folder in {parent for path in lab for parent in path.parents}:
        if folder.is_relative_to(lab[0]):
            folder.chmod(0o755)
    own = [path for path in lab if path.is_socket() or path.suffix in (".key", "")]
    own = [path for path in own if not path.is_dir()]
    assert {stat.S_IFMT(path.stat().st_mode) for path in own} == {stat.S_IFSOCK, stat.S_IFREG}
    assert reached(own) == set()


def test_a_cache_that_others_could_enter_is_closed(base: Path) -> None:
    (base / "edge-lab").mkdir(mode=0o755)
    assert stat.S_IMODE(cache_home().stat().st_mode) == 0o700


def test_control_sockets_are_their_owners_alone(base: Path) -> None:
    async def mode() -> int:
        server = ControlServer(base, {})
        await server.start()
        try:
            return stat.S_IMODE((base / SOCKET).stat().st_mode)
        finally:
            with suppress(OSError):
                await server.stop()

    assert asyncio.run(mode()) == 0o600
    with listen(base / "fabric.sock"):
        assert stat.S_IMODE((base / "fabric.sock").stat().st_mode) == 0o600
