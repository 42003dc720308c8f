"""The loop on a node, run by a real bash over made-up folders, and what its lines mean."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.workload.manifests import SAMPLER_STATUS
from edge_lab.core.errors import LabError
from edge_lab.observe.nodeview import LOOP, TASKS, Look, NodeView, PodKey, Samples

POD = PodKey("edge-lab", "sampler-edge-arm", "0d5d8a3e")


def task(folder: Path, id: str, kind: str, pid: int, pod: PodKey = POD) -> None:
    """A task's folder, as containerd's shim leaves it."""
    annotations = {
        f"io.kubernetes.cri.{key}": value
        for key, value in {
            "container-type": kind,
            "sandbox-namespace": pod.namespace,
            "sandbox-name": pod.name,
            "sandbox-uid": pod.uid,
        }.items()
    }
    place = folder / id
    place.mkdir(parents=True)
    text = json.dumps({"ociVersion": "1.1.0", "annotations": annotations}, separators=(",", ":"))
    (place / "config.json").write_text(text)
    (place / "init.pid").write_text(str(pid))


class Loop:
    """The loop at work over folders of this machine."""

    def __init__(self, folder: Path) -> None:
        self.tasks = folder / "tasks"
        self.tasks.mkdir()
        self.status = folder / "status.json"
        script = LOOP.replace(TASKS, str(self.tasks)).replace(SAMPLER_STATUS, str(self.status))
        self._process = subprocess.Popen(
            ["bash", "-c", script.replace("sleep 1", "sleep 0.05")],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.view = NodeView()

    def next(self, kind: type[Look] | type[Samples]) -> Look | Samples:
        """What the next line of that kind tells."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            seen = self.view.read(line.rstrip("\n"))
            if isinstance(seen, kind):
                return seen
        raise AssertionError("the loop has ended")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Loop]:
    running = Loop(tmp_path)
    yield running
    running.close()


def running(loop: Loop, tries: int = 20) -> dict[PodKey, tuple[str, ...]]:
    """What the node shows once it has looked anew: the look under way may be older."""
    loop.next(Look)
    seen = loop.next(Look)
    assert isinstance(seen, Look)
    return seen.running


def test_containers_are_seen_with_their_pod_and_sandboxes_are_left_out(loop: Loop) -> None:
    task(loop.tasks, "aaaa", "sandbox", os.getpid())
    task(loop.tasks, "bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    assert loop.view.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_container_whose_process_is_gone_does_not_run(loop: Loop) -> None:
    ended = subprocess.Popen(["true"])
    task(loop.tasks, "bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    ended.wait()
    (loop.tasks / "bbbb" / "init.pid").write_text(str(ended.pid))
    assert running(loop) == {POD: ()}


def test_a_container_that_takes_anothers_place_is_another_one(loop: Loop) -> None:
    task(loop.tasks, "bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    for file in (loop.tasks / "bbbb").iterdir():
        file.unlink()
    (loop.tasks / "bbbb").rmdir()
    task(loop.tasks, "cccc", "container", os.getpid())
    assert running(loop) == {POD: ("cccc",)}


def test_samples_that_wait_are_summed_over_devices(loop: Loop) -> None:
    devices = {"boiler": {"waiting": 3, "sampled": 40}, "press": {"waiting": 4, "sampled": 38}}
    loop.status.write_text(json.dumps({"node": "edge-arm", "devices": devices}, indent=2))
    assert loop.next(Samples) == Samples(waiting=7, sampled=78)


def test_a_status_that_is_being_written_tells_nothing() -> None:
    assert NodeView().read('S {"devices": {"boiler": {"wait') is None


@given(st.text(st.characters(codec="ascii", exclude_characters="BCLS \n"), min_size=1))
def test_a_line_of_something_else_is_a_lab_error(line: str) -> None:
    with pytest.raises(LabError, match="unexpected output"):
        NodeView().read(line)
