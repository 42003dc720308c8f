"""Assembling a root disk, with recorded commands: a change of what it does needs a new format.

`assembled-1.txt` is what format 1 makes of a small recipe: every command, and every file that the
disk and the initial RAM disk are made of. Comments and messages are not in it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.images import accounts, assemble, ext4, initramfs
from edge_lab.images.assembly import FORMAT
from edge_lab.images.root import image_digest
from edge_lab.topology import Arch

GOLDEN = Path(__file__).parent

RECIPE = """\
mirror: http://mirror/debian
disk: 1024
packages: [systemd, busybox-static]
architectures:
  x86_64:
    suite: trixie
    kernel: linux-image-amd64
    packages: [runsc]
    files: [common, more]
    check_valid_until: false
modules: [virtio_blk]
keep_modules: ["net/*.ko"]
users:
  - {name: sshd, id: 996, group: nogroup, comment: sshd user, home: /run/sshd}
  - {name: alone, id: 998}
groups:
  - {name: kvm, id: 995}
enable: {multi-user.target: [ours.service, theirs.service]}
links: {/etc/localtime: /usr/share/zoneinfo/UTC}
directories: [/etc/cni/net.d]
remove: [usr/share/doc, etc/dangling, no/such/*]
"""

UNPACKED = {
    "usr/lib/modules/6.1/kernel/net/kept.ko": "kept",
    "usr/lib/modules/6.1/kernel/net/needed-by-kept.txt": "no module",
    "usr/lib/modules/6.1/kernel/lib/needed.ko": "needed by a kept one",
    "usr/lib/modules/6.1/kernel/block/virtio_blk.ko": "in the RAM disk",
    "usr/lib/modules/6.1/kernel/sound/useless.ko": "useless",
    "boot/vmlinuz-6.1": "the kernel",
    "usr/bin/busybox": "busybox",
    "usr/share/doc/readme": "to be removed",
    "usr/share/base-passwd/passwd.master": "root:*:0:0:root:/root:/bin/bash\n",
    "usr/share/base-passwd/group.master": "root:*:0:\nnogroup:*:65534:\n",
    "usr/lib/sysusers.d/a.conf": "u sshd - -\n",
    "usr/share/ca-certificates/mozilla/b.crt": "\nB\n\n",
    "usr/share/ca-certificates/mozilla/a.crt": "A",
    "usr/lib/systemd/system/theirs.service": "[Unit]\n",
    "etc/hosts": "of a package\n",
}
MODULES_DEP = """\
kernel/net/kept.ko: kernel/lib/needed.ko
kernel/lib/needed.ko:
kernel/block/virtio_blk.ko:
kernel/sound/useless.ko:
"""
OURS = {
    "common/etc/hosts": "hidden\n",
    "common/etc/systemd/system/ours.service": "[Service]\n",
    "more/etc/hosts": "127.0.0.1 localhost\n",
    "more/usr/local/bin/script": "#!/bin/sh\n",
    "initramfs/init": "#!/bin/sh\nexec true\n",
}


def write_all(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def tree_lines(root: Path) -> Iterator[str]:
    """One line for each entry below `root`: mode, path, and digest, size or target."""
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = ""
        if stat.S_ISLNK(mode):
            content = f" -> {path.readlink()}"
        elif path.name == "disk.raw":  # sparse, and nothing but zeros where no mke2fs runs
            content = f" {path.stat().st_size} bytes"
        elif stat.S_ISREG(mode):
            content = f" {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        yield f"  {mode:o} {path.relative_to(root).as_posix()}{content}"


class Recorder:
    """Replaces `subprocess.run`: keeps the commands and does what assembling relies on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[str] = []

    def __call__(
        self, argv: list[str], env: dict[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        command = [str(word).replace(str(self.folder), "") for word in argv]
        given = {
            key: value.replace(str(self.folder), "")
            for key, value in sorted((env or {}).items())
            if key != "PATH" and os.environ.get(key) != value
        }
        self.lines += [f"run {command} {given} {options.get('input') or ''}".rstrip()]
        root = self.folder / "scratch/root"
        output = ""
        if argv[0] == "mmdebstrap":
            write_all(root, UNPACKED)
            (root / "etc/dangling").symlink_to("nowhere")
        elif argv[0] == "depmod":
            (root / "usr/lib/modules/6.1/modules.dep").write_text(MODULES_DEP)
        elif argv[0] == "modprobe":
            output = f"insmod {root}/usr/lib/modules/6.1/kernel/block/virtio_blk.ko\n"
        elif argv[0] == "mke2fs":
            self.lines += tree_lines(root)
        return subprocess.CompletedProcess(argv, 0, output, "")


@pytest.fixture
def assembled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Assembles the small recipe; returns all that was done, as text."""

    def run() -> str:
        monkeypatch.delenv("E2FSPROGS_FAKE_TIME", raising=False)
        monkeypatch.setenv("TMPDIR", "/elsewhere")
        recipe, scratch, result = (tmp_path / name for name in ("recipe", "scratch", "result"))
        write_all(recipe, OURS | {"recipe.yaml": RECIPE})
        scratch.mkdir()
        result.mkdir()
        plan = assemble.Plan(
            arch=Arch.X86_64,
            folder=recipe,
            scratch=scratch,
            result=result,
            mirror="http://mirror/debian",
            apt_options=('Acquire::Retries "3"',),
        )
        (tmp_path / "plan.json").write_text(plan.model_dump_json())
        recorder = Recorder(tmp_path)
        before = os.umask(0o077)
        try:
            with monkeypatch.context() as patch:
                patch.setattr(subprocess, "run", recorder)
                assert assemble.main(str(tmp_path / "plan.json")) == 0
        finally:
            os.umask(before)
        return "\n".join([*recorder.lines, "result", *tree_lines(result)]) + "\n"

    return run


def golden() -> str:
    """What the declared format makes; a new format comes with a new file."""
    return (GOLDEN / f"assembled-{FORMAT}.txt").read_text(encoding="utf-8")


def test_a_format_always_assembles_the_same(assembled: Callable[[], str]) -> None:
    """If this fails on purpose: raise FORMAT, and write what is assembled now to a new file."""
    assert assembled() == golden()


CHANGES: dict[str, tuple[object, str, object]] = {
    "the label of the disk": (assemble, "LABEL", "other"),
    "the file of certificates": (assemble, "_CERTIFICATES", "etc/other.crt"),
    "the shell of accounts": (accounts, "NOLOGIN", "/bin/false"),
    "the programs of the RAM disk": (initramfs, "APPLETS", ("sh",)),
    "the UUID": (ext4, "_UUID", "0"),
    "the time of files": (ext4, "_TIME", "2"),
    "a step left out": (assemble, "_certificates", lambda root: None),
}


@pytest.mark.parametrize(("place", "name", "value"), CHANGES.values(), ids=CHANGES)
def test_a_changed_behaviour_is_noticed(
    assembled: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
    place: object,
    name: str,
    value: object,
) -> None:
    monkeypatch.setattr(place, name, value)
    assert assembled() != golden()


def test_changed_messages_are_not(
    assembled: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assemble, "_tell", lambda text: None)
    assert assembled() == golden()


def test_images_of_the_first_format_keep_their_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the key: the source files are no part of it."""
    before = image_digest(Arch.X86_64)
    read = Path.read_bytes

    def other_sources(path: Path) -> bytes:
        return read(path) + (b"# a comment\n" if path.suffix == ".py" else b"")

    monkeypatch.setattr(Path, "read_bytes", other_sources)
    assert image_digest(Arch.X86_64) == before
