from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_lab.artifacts import (
    Artifact,
    ArtifactStore,
    Availability,
    CannotBuild,
    CannotObtain,
    Want,
)
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.core.step import Phase, StepEvent, listening
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo

slow = pytest.mark.slow(reason="a build that hangs, until its time or its process is over")

X86, ARM, RISCV = Arch.X86_64, Arch.AARCH64, Arch.RISCV64
ONE, TWO, OURS = Want("one", ARM), Want("two", ARM), Want("ours", RISCV)


def soon() -> Deadline:
    return Deadline.after(60)


def leftovers(cache: Path) -> list[Path]:
    return list((cache / "artifacts").glob(".scratch-*"))


def test_what_is_wanted_is_built_and_lies_in_the_cache(store: ArtifactStore, cache: Path) -> None:
    artifact = store.resolve([ONE], soon())[ONE]
    assert artifact.path.is_relative_to(cache)
    assert artifact.path.read_text() == "program example.org/hub/cmd/one arm64\n"
    assert os.access(artifact.path, os.X_OK)
    assert artifact.source == "Go modules: example.org/hub@v1.0.0"
    assert leftovers(cache) == []


def test_the_record_beside_it_tells_what_it_was_built_from(store: ArtifactStore) -> None:
    artifact = store.resolve([ONE], soon())[ONE]
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert record["sha256"] == artifact.sha256
    assert record["toolchain"] == "go1.26.1"
    assert len(record["module"]) == 64


def test_programs_of_one_module_are_built_together(store: ArtifactStore, fake_go: FakeGo) -> None:
    store.resolve([ONE, TWO, ONE, OURS, Want("one", X86)], soon())
    assert [call.split()[-2:] for call in fake_go.calls] == [
        ["example.org/hub/cmd/one", "example.org/hub/cmd/two"],
        [fake_go.calls[1].split()[-2], "example.org/ours"],
        [fake_go.calls[2].split()[-2], "example.org/hub/cmd/one"],
    ]


def test_a_build_is_told_to_be_reproducible_and_keeps_the_labs_mark(
    store: ArtifactStore, fake_go: FakeGo, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_LAB_RUN", "/run/of/a/lab")
    monkeypatch.setenv("GOFLAGS", "-race")
    store.resolve([ONE], soon())
    seen = fake_go.environment
    assert {"-trimpath", "-buildvcs=false"} <= set(fake_go.calls[0].split())
    assert seen["CGO_ENABLED"] == "0"
    assert (seen["GOOS"], seen["GOARCH"]) == ("linux", "arm64")
    assert seen["GOFLAGS"] == "-mod=readonly -modcacherw"
    assert seen["GOTOOLCHAIN"] == "local"
    assert seen["EDGE_LAB_RUN"] == "/run/of/a/lab"
    for name in ("GOCACHE", "GOMODCACHE", "GOTMPDIR"):
        assert Path(seen[name]).is_relative_to(cache / "go")


def test_a_second_time_nothing_is_built(store: ArtifactStore, fake_go: FakeGo) -> None:
    first = store.resolve([ONE, OURS], soon())
    calls = len(fake_go.calls)
    assert store.resolve([ONE, OURS], soon()) == first
    assert len(fake_go.calls) == calls


def _truncate(artifact: Artifact) -> None:
    artifact.path.chmod(0o644)
    artifact.path.write_text("prog")


def _rewrite(artifact: Artifact) -> None:
    size = artifact.path.stat().st_size
    artifact.path.chmod(0o644)
    artifact.path.write_text("x" * size)


def _lose_the_file(artifact: Artifact) -> None:
    artifact.path.unlink()


def _lose_the_record(artifact: Artifact) -> None:
    artifact.path.with_name("artifact.json").unlink()


def _damage_the_record(artifact: Artifact) -> None:
    artifact.path.with_name("artifact.json").write_text("{")


@pytest.mark.parametrize(
    "damage", [_truncate, _rewrite, _lose_the_file, _lose_the_record, _damage_the_record]
)
def test_a_damaged_cache_entry_is_built_again(
    store: ArtifactStore, fake_go: FakeGo, damage: Any
) -> None:
    first = store.resolve([ONE], soon())[ONE]
    damage(first)
    assert store.state([ONE])[0].state is Availability.AVAILABLE
    again = store.resolve([ONE], soon())[ONE]
    assert again == first
    assert again.path.read_text().startswith("program")
    assert len(fake_go.calls) == 2


def test_a_copied_cache_with_other_times_is_still_good(
    store: ArtifactStore, fake_go: FakeGo
) -> None:
    artifact = store.resolve([ONE], soon())[ONE]
    os.utime(artifact.path, (1, 1))
    store.resolve([ONE], soon())
    assert len(fake_go.calls) == 1


def test_verify_finds_damage_that_size_and_time_do_not_show(
    store: ArtifactStore, fake_go: FakeGo
) -> None:
    artifact = store.resolve([ONE, TWO], soon())[ONE]
    seen = artifact.path.stat()
    _rewrite(artifact)
    os.utime(artifact.path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert store.verify() == (artifact.path,)
    assert store.verify() == ()
    assert store.state([ONE])[0].state is Availability.AVAILABLE
    assert store.state([TWO])[0].state is Availability.CACHED


def test_our_own_source_is_part_of_the_key(store: ArtifactStore, recipes: Path) -> None:
    first = store.resolve([OURS], soon())[OURS]
    (recipes / "go/ours/main_test.go").write_text("package main\n")
    assert store.resolve([OURS], soon())[OURS].path == first.path
    (recipes / "go/ours/more.go").write_text("package main\n")
    assert store.resolve([OURS], soon())[OURS].path != first.path


def test_source_that_changes_under_the_build_is_not_cached(
    store: ArtifactStore, fake_go: FakeGo, recipes: Path
) -> None:
    fake_go.set("TOUCHES", str(recipes / "go/ours/main.go"))
    with pytest.raises(CannotObtain, match="changed during the build"):
        store.resolve([OURS], soon())


def test_a_failed_build_shows_the_end_of_its_output_and_every_source(
    store: ArtifactStore, fake_go: FakeGo, cache: Path
) -> None:
    fake_go.set("MODE", "fail")
    with pytest.raises(CannotBuild) as caught:
        store.resolve([ONE, TWO], soon())
    message = str(caught.value)
    assert "one for aarch64, two for aarch64" in message
    for source in ("cache", "mirror", "release page", "Go modules"):
        assert f"- {source}" in message
    assert "main.go:7:2: undefined: x" in message
    assert "example.org/dep\n" not in message
    log = cache / "logs/go-hub-aarch64.log"
    assert str(log) in message
    assert "undefined" in log.read_text()
    assert set(caught.value.failures) == {ONE, TWO}
    assert leftovers(cache) == []


def test_a_build_that_makes_no_file_is_a_failure(store: ArtifactStore, fake_go: FakeGo) -> None:
    fake_go.set("MODE", "nothing")
    with pytest.raises(CannotObtain, match="made no one"):
        store.resolve([ONE], soon())


def test_without_go_the_message_says_what_to_do(
    store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotObtain) as caught:
        store.resolve([ONE], soon())
    assert "Go is not installed" in str(caught.value)
    assert "https://go.dev/dl/" in str(caught.value)
    assert "LAB_MIRROR" in str(caught.value)


def test_a_hopeless_want_is_known_before_anything_is_built(
    store: ArtifactStore, fake_go: FakeGo, recipes: Path
) -> None:
    shutil.rmtree(recipes / "go/ours")
    with pytest.raises(CannotObtain, match=r"images/go/ours/go\.mod is missing"):
        store.resolve([ONE, OURS], soon())
    assert fake_go.calls == []


def test_a_disk_that_fills_up_in_the_build_is_named(
    store: ArtifactStore, fake_go: FakeGo, cache: Path
) -> None:
    fake_go.set("MODE", "full")
    with pytest.raises(LabError, match="the disk is full") as caught:
        store.resolve([ONE], soon())
    assert not isinstance(caught.value, CannotObtain)
    assert str(cache / "go") in str(caught.value)
    assert "GiB" in str(caught.value)


def test_a_disk_that_fills_up_in_the_cache_leaves_nothing(
    store: ArtifactStore, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LabError, match="the disk is full"):
        store.resolve([ONE], soon())
    monkeypatch.undo()
    assert leftovers(cache) == []
    assert not list((cache / "artifacts").rglob("one/*/one"))


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _hanging_compiler(fake_go: FakeGo) -> int:
    note = Path(f"{fake_go.calls_file}.child")
    soon().wait_for("the build hangs", lambda: note.exists() and note.read_text().strip())
    return int(note.read_text())


@slow
def test_a_build_that_takes_too_long_is_ended_with_all_its_children(
    store: ArtifactStore, fake_go: FakeGo, cache: Path
) -> None:
    fake_go.set("MODE", "hang")
    with pytest.raises(DeadlineExceeded):
        store.resolve([ONE], Deadline.after(5))
    compiler = _hanging_compiler(fake_go)
    soon().wait_for("the compiler ends", lambda: not _is_alive(compiler), every=0.02)
    assert leftovers(cache) == []


@slow
def test_nothing_of_a_build_survives_the_process_that_asked_for_it(
    store: ArtifactStore, fake_go: FakeGo, recipes: Path, cache: Path
) -> None:
    fake_go.set("MODE", "hang")
    script = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[3])\n"
        "from tests.artifacts.conftest import CATALOG\n"
        "from edge_lab.artifacts import ArtifactStore, Want\n"
        "from edge_lab.core.deadline import Deadline; from edge_lab.topology import Arch\n"
        "store = ArtifactStore(Path(sys.argv[1]), catalog=CATALOG, recipes=Path(sys.argv[2]))\n"
        "store.resolve([Want('one', Arch.AARCH64)], Deadline.after(60))\n"
    )
    root = str(Path(__file__).parent.parent.parent)
    asker = subprocess.Popen([sys.executable, "-c", script, str(cache), str(recipes), root])
    try:
        compiler = _hanging_compiler(fake_go)
        assert _is_alive(compiler)
    finally:
        asker.send_signal(signal.SIGKILL)
        asker.wait()
    soon().wait_for("the compiler ends", lambda: not _is_alive(compiler), every=0.02)
    fake_go.set("MODE", "work")
    store.resolve([ONE], soon())  # the lock fell open, and what lay about is swept up
    assert leftovers(cache) == []


def test_of_two_at_the_same_time_one_builds_and_the_other_finds(
    cache: Path, recipes: Path, store: ArtifactStore, fake_go: FakeGo
) -> None:
    results: list[Artifact] = []

    def work() -> None:
        other = ArtifactStore(cache, catalog=CATALOG, recipes=recipes)
        results.append(other.resolve([ONE], soon())[ONE])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fake_go.calls) == 1
    assert len(results) == 3
    assert len(set(results)) == 1


def test_progress_is_told_while_it_builds(store: ArtifactStore) -> None:
    events: list[StepEvent] = []
    with listening(events.append):
        store.resolve([ONE, TWO], soon())
    told = [event for event in events if event.phase is Phase.PROGRESS]
    assert any("downloaded 1 modules: example.org/dep" in event.detail for event in told)
    assert any(event.detail.startswith("compiled 2 packages") for event in told)
    fractions = [event.done for event in told if event.done is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0


def test_an_unknown_component_is_the_askers_mistake(store: ArtifactStore) -> None:
    with pytest.raises(InputError, match="no component is called 'oen'") as caught:
        store.resolve([Want("oen", ARM)], soon())
    assert "Did you mean 'one'?" in caught.value.remedy


def test_the_table_shows_where_each_would_come_from(store: ArtifactStore) -> None:
    store.resolve([ONE], soon())
    rows = {row.component: row for row in store.state([ONE, OURS])}
    assert rows["one"].state is Availability.CACHED
    assert rows["ours"].state is Availability.AVAILABLE
    assert rows["ours"].source == "Go modules: images/go/ours"


def test_the_mirror_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LAB_MIRROR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("LAB_RELEASES", "none")
    monkeypatch.setenv("PATH", str(tmp_path))
    (row,) = ArtifactStore.default().state([Want("kubelet", ARM)])
    assert row.state is Availability.MISSING
    assert "there is no such folder (it is named by LAB_MIRROR)" in row.remedy


def test_it_is_told_what_is_being_obtained_and_how_much_is_left(store: ArtifactStore) -> None:
    told: list[tuple[str, str, float | None]] = []
    started: list[str] = []

    def take(event: StepEvent) -> None:
        if event.phase is Phase.START:
            started.append(event.title)
        if event.phase is Phase.PROGRESS and event.title.startswith("obtain"):
            told.append((event.title, event.detail, event.done))

    wants = [Want(name, Arch.AARCH64) for name in CATALOG]
    with listening(take):
        store.resolve(wants, Deadline.after(30))
    assert dict.fromkeys(told) == dict.fromkeys(
        ("obtain 3 artifacts", f"{left} left", (3 - left) / 3) for left in (3, 1, 0)
    )
    assert started == ["obtain 3 artifacts", "build one, two (aarch64)", "build ours (aarch64)"]
