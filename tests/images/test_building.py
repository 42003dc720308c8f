"""What happens around a build: locks, remains, records, mirrors."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge_lab.artifacts.debianmirror import apt_options, debian_mirror
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from edge_lab.core.home import cache_home
from edge_lab.images import cached_root_image, root
from edge_lab.images.contained import prefix, run_contained
from edge_lab.images.scratch import building
from edge_lab.topology import Arch


def namespaces() -> bool:
    tried = subprocess.run([*prefix(), "true"], check=False, capture_output=True)
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(not namespaces(), reason="no namespaces on this host")


def test_a_scratch_folder_is_gone_after_the_build_and_after_its_failure() -> None:
    seen = []

    def fail() -> None:
        with building("thing", Deadline.after(5)) as folder:
            (folder / "x").write_text("x")
            seen.append(folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not seen[0].exists()


def test_what_a_killed_build_left_is_swept_by_the_next_one() -> None:
    left = cache_home() / "tmp" / "thing.left.d"
    other = cache_home() / "tmp" / "another.left.d"
    for folder in (left, other):
        (folder / "deep").mkdir(parents=True)
    with building("thing", Deadline.after(5)):
        assert not left.exists()
        assert other.exists()


@pytest.mark.slow(reason="builds as processes")
def test_two_builds_of_one_kind_do_not_run_at_a_time() -> None:
    with building("thing", Deadline.after(5)):
        code = (
            "from edge_lab.images.scratch import building\n"
            "from edge_lab.core.deadline import Deadline\n"
            "with building('thing', Deadline.after(0.3)): pass\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    assert "DeadlineExceeded" in done.stderr


@needs_namespaces
def test_a_failed_step_is_told_with_the_end_of_its_output(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(LabError, match=r"trying failed \(exit status 3\)") as caught:
        run_contained(
            ["sh", "-c", "echo early; for i in $(seq 50); do echo line $i; done; exit 3"],
            what="trying",
            log=log,
            deadline=Deadline.after(10),
        )
    assert "line 50" in str(caught.value)
    assert "early" not in str(caught.value)
    assert str(log) in str(caught.value)


@needs_namespaces
def test_a_step_that_takes_too_long_is_stopped_with_all_that_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(DeadlineExceeded):
        run_contained(
            ["sh", "-c", f"exec 9>{pipe}; setsid sleep 600 & echo started; wait"],
            what="sleeping",
            log=tmp_path / "log",
            deadline=Deadline.after(0.5),
        )
    # The pipe closes when its last holder, the sleep in a session of its own, is gone.
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


@needs_namespaces
def test_nothing_outlives_a_builder_that_is_killed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    code = (
        "from edge_lab.images.contained import run_contained\n"
        "from edge_lab.core.deadline import Deadline\n"
        "from pathlib import Path\n"
        f"run_contained(['sh', '-c', 'exec 9>{pipe}; echo x >&9; setsid sleep 600 & wait'],\n"
        f"  what='x', log=Path('{tmp_path}/log'), deadline=Deadline.after(60))\n"
    )
    builder = subprocess.Popen([sys.executable, "-c", code])
    started = b""
    until = time.monotonic() + 60
    while not started and time.monotonic() < until:
        time.sleep(0.02)
        with contextlib.suppress(BlockingIOError):
            started = os.read(reader, 2)  # nothing, as long as nobody has it open
    assert started == b"x\n"
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def make_image(arch: Arch, digest: str) -> Path:
    folder = cache_home() / "images" / f"{arch.value}-{digest[: root.DIGITS]}"
    folder.mkdir(parents=True)
    sizes = {}
    for name in (root.DISK, root.KERNEL, root.INITRD, root.BUSYBOX):
        (folder / name).write_bytes(name.encode())
        sizes[name] = len(name)
    record = root._Record(
        arch=arch,
        digest=digest,
        versions={"systemd": "257"},
        sizes=sizes,
        packages=(),
        mirror="http://a/b",
        seconds=1.0,
    )
    (folder / root.RECORD).write_text(record.model_dump_json())
    return folder


def test_a_built_image_is_found_and_nothing_is_built() -> None:
    folder = make_image(Arch.X86_64, root.image_digest(Arch.X86_64))
    image = root.build_root_image(Arch.X86_64, Deadline.after(0))
    assert image == cached_root_image(Arch.X86_64)
    assert image.disk == folder / root.DISK
    assert image.versions == {"systemd": "257"}


@pytest.mark.parametrize("harm", ["missing record", "short disk", "missing kernel", "junk"])
def test_an_image_that_is_not_whole_is_none(harm: str) -> None:
    folder = make_image(Arch.X86_64, root.image_digest(Arch.X86_64))
    if harm == "missing record":
        (folder / root.RECORD).unlink()
    elif harm == "short disk":
        (folder / root.DISK).write_bytes(b"")
    elif harm == "missing kernel":
        (folder / root.KERNEL).unlink()
    else:
        (folder / root.RECORD).write_text("{")
    assert cached_root_image(Arch.X86_64) is None


def test_versions_are_read_from_the_names_of_the_packages(tmp_path: Path) -> None:
    listing = tmp_path / "packages"
    listing.write_text(
        "systemd_257.1-1_amd64.deb\niproute2_1%3a6.1-2_amd64.deb\n"
        "linux-image-amd64_6.12-1_amd64.deb\nlock\npartial\n"
    )
    packages = root._packages(listing)
    assert packages == (
        "iproute2_1:6.1-2_amd64",
        "linux-image-amd64_6.12-1_amd64",
        "systemd_257.1-1_amd64",
    )
    assert root._versions(packages, "linux-image-amd64") == {
        "kernel": "6.12-1",
        "systemd": "257.1-1",
    }


def test_a_password_in_the_address_of_a_mirror_is_not_told() -> None:
    assert root._public("http://me:secret@host/debian") == "http://host/debian"


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("E: Failed to fetch http://a/b  Could not connect", True),
        ("  File has unexpected size (1 != 2). Mirror sync in progress?", True),
        ("E: Unable to locate package nosuch", False),
        ("the packages contain 2 kernels", False),
    ],
)
def test_trouble_of_the_mirror_is_told_from_other_trouble(line: str, ours: bool) -> None:
    assert bool(root._MIRROR_TROUBLE.search(line)) is ours


def fake_apt(folder: Path, name: str, output: str) -> None:
    tool = folder / name
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    tool.chmod(0o755)


def test_the_mirror_is_the_hosts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("LAB_DEBIAN_MIRROR", raising=False)
    fake_apt(
        tmp_path,
        "apt-get",
        "Debian|Debian-Security|http://near/debian-security/\nDebian|Debian|http://near/debian/",
    )
    assert debian_mirror("http://default") == "http://near/debian/"
    fake_apt(tmp_path, "apt-get", "Ubuntu|Ubuntu|http://near/ubuntu/")
    assert debian_mirror("http://default") == "http://default"
    monkeypatch.setenv("LAB_DEBIAN_MIRROR", "http://chosen")
    assert debian_mirror("http://default") == "http://chosen"


def test_the_proxy_is_the_hosts_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    fake_apt(
        tmp_path,
        "apt-config",
        'APT "";\nAcquire::http::Proxy "http://p:1";\nAcquire::http::Proxy::near "DIRECT";\n'
        'Acquire::Languages "none";\nAcquire::https::CaInfo "";',
    )
    assert apt_options() == (
        'Acquire::Retries "3"',
        'Acquire::http::Proxy "http://p:1"',
        'Acquire::http::Proxy::near "DIRECT"',
    )
