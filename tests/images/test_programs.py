"""Programs of Debian packages with what they need, and the ELF files that say it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.images.elf import elf_needs
from edge_lab.images.programs import DebianProgram, host_command, program_files
from tests.images.unpacked import unpack_host_program

PROGRAM = DebianProgram("util-linux", "usr/bin/true")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return unpack_host_program(tmp_path, PROGRAM.path)


def test_a_program_comes_with_its_loader_and_all_libraries(root: Path) -> None:
    files = {file.path: file for file in program_files(root, PROGRAM)}
    assert {"debian/true", "debian/loader", "debian/lib/libc.so.6"} <= set(files)
    assert all(file.executable for file in files.values())
    for file in files.values():
        assert not file.source.is_symlink()
    folder = root / "payload"
    for path, file in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.source, folder / path)
        (folder / path).chmod(0o755)
    words = [str(folder / word.removeprefix("/opt/edge-lab/")) for word in PROGRAM.command[2:]]
    loader = str(folder / PROGRAM.command[0].removeprefix("/opt/edge-lab/"))
    assert subprocess.run([loader, "--library-path", *words], timeout=60).returncode == 0


@pytest.mark.parametrize("executes_itself", [False, True])
def test_only_a_program_that_is_started_directly_is_its_own_executable(
    tmp_path: Path, executes_itself: bool
) -> None:
    """What executes /proc/self/exe would execute the loader otherwise."""
    program = DebianProgram("coreutils", "usr/bin/readlink", executes_itself=executes_itself)
    root = unpack_host_program(tmp_path / "root", program.path, f"/{program.path}")
    payload = tmp_path / "payload"
    files = {file.path: file.source for file in program_files(root, program)}
    for path, source in files.items():
        (payload / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, payload / path)
        (payload / path).chmod(0o755)
    words = [word.replace("/opt/edge-lab", str(payload)) for word in program.command]
    done = subprocess.run(
        [*words, "/proc/self/exe"], capture_output=True, text=True, timeout=60, check=True
    )
    place = "debian/native/readlink" if executes_itself else "debian/loader"
    assert done.stdout.strip() == str(payload / place)
    # The loader of the node needs its own C library.
    assert any("libc.so" in path for path in files) != executes_itself


def test_it_starts_on_the_host_out_of_the_folder(root: Path) -> None:
    command = host_command(root, PROGRAM)
    (root / PROGRAM.path).chmod(0o755)
    Path(command[0]).chmod(0o755)
    assert subprocess.run(command, timeout=60).returncode == 0


@pytest.mark.parametrize("missing", ["usr/bin/true", "usr/lib/triplet/libc.so.6"])
def test_what_is_missing_is_told(root: Path, missing: str) -> None:
    (root / missing).unlink()
    with pytest.raises(LabError, match=Path(missing).name):
        program_files(root, PROGRAM)


def test_the_needs_of_this_interpreter_are_those_that_ldd_lists() -> None:
    program = Path(sys.executable).resolve()
    needs = elf_needs(program.read_bytes())
    if not needs.interpreter:
        pytest.skip("this Python is linked statically")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=60).stdout
    assert all(library in listed for library in needs.libraries)
    assert Path(needs.interpreter).name in listed


@given(data=st.data())
def test_a_damaged_program_is_refused_or_understood(data: st.DataObject) -> None:
    content = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, 1023))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(LabError):
        elf_needs(bytes(content[: data.draw(st.integers(0, len(content)))]))


@given(st.binary(max_size=300))
def test_other_bytes_are_refused_or_understood(content: bytes) -> None:
    for whole in (content, b"\x7fELF\x02\x01" + content):
        try:
            elf_needs(whole)
        except LabError:
            continue
