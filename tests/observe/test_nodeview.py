"""The loop on a node, run by a real bash over made-up folders, and what its lines mean."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.workload.manifests import SAMPLER_STATUS
from edge_lab.core.errors import LabError
from edge_lab.observe.nodeview import Look, NodeView, PodKey, Samples
from edge_lab.observe.nodeview import loop as loop_for
from edge_lab.provisioning.cri import CONTAINERD, CONTAINERS, CRI_O, TASKS, CriRuntime

POD = PodKey("edge-lab", "sampler-edge-arm", "0d5d8a3e")


class Loop:
    """The loop at work over folders of this machine, as one of the runtimes leaves them."""

    def __init__(self, folder: Path, runtime: CriRuntime) -> None:
        self.runtime = runtime
        self.states = folder / "states"
        self.states.mkdir()
        self.groups = folder / "groups"
        """Control groups by process, of the runtime whose pid files stay."""
        self.groups.mkdir()
        self.status = folder / "status.json"
        script = loop_for(runtime).replace(SAMPLER_STATUS, str(self.status))
        for place in (TASKS, CONTAINERS):
            script = script.replace(place, str(self.states))
        script = script.replace("/proc/$pid/cgroup", f"{self.groups}/$pid")
        self._process = subprocess.Popen(
            ["bash", "-c", script.replace("sleep 1", "sleep 0.05")],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.view = NodeView()

    def place(self, id: str) -> Path:
        """The folder of a container."""
        return self.states / id / "userdata" if self.runtime is CRI_O else self.states / id

    def pid(self, id: str, pid: int, owner: str = "") -> None:
        """The init of a container, which is in the control group of `owner`, or its own."""
        (self.groups / str(pid)).write_text(f"0::/kubepods/pod1/crio-{owner or id}\n")
        (self.place(id) / self.runtime.pid_file).write_text(str(pid))

    def container(self, id: str, kind: str, pid: int, pod: PodKey = POD) -> None:
        """A container's folder, as the runtime leaves it."""
        names = self.runtime.annotations
        annotations = {
            names.kind: kind,
            names.namespace: pod.namespace,
            names.name: pod.name,
            names.uid: pod.uid,
        }
        spec = {"ociVersion": "1.1.0", "annotations": annotations}
        if self.runtime is CRI_O:
            # Kubernetes' labels are there a second time, as JSON in a string.
            annotations["io.kubernetes.cri-o.Labels"] = json.dumps({names.name: "in a string"})
            text = json.dumps(spec, indent="\t")
        else:
            text = json.dumps(spec, separators=(",", ":"))
        self.place(id).mkdir(parents=True)
        (self.place(id) / "config.json").write_text(text)
        self.pid(id, pid)

    def remove(self, id: str) -> None:
        """The container is gone."""
        shutil.rmtree(self.states / id)

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


@pytest.fixture(params=[CONTAINERD, CRI_O], ids=lambda runtime: runtime.name)
def loop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Loop]:
    running = Loop(tmp_path, request.param)
    yield running
    running.close()


def running(loop: Loop, tries: int = 20) -> dict[PodKey, tuple[str, ...]]:
    """What the node shows once it has looked anew: the look under way may be older."""
    loop.next(Look)
    seen = loop.next(Look)
    assert isinstance(seen, Look)
    return seen.running


def test_containers_are_seen_with_their_pod_and_sandboxes_are_left_out(loop: Loop) -> None:
    loop.container("aaaa", "sandbox", os.getpid())
    loop.container("bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    assert loop.view.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_container_whose_process_is_gone_does_not_run(loop: Loop) -> None:
    ended = subprocess.Popen(["true"])
    loop.container("bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    ended.wait()
    loop.pid("bbbb", ended.pid)
    assert running(loop) == {POD: ()}


@pytest.mark.parametrize("loop", [CRI_O], indirect=True)
def test_a_process_of_another_container_with_the_same_id_does_not_count(loop: Loop) -> None:
    loop.container("bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    loop.pid("bbbb", os.getpid(), owner="cccc")
    assert running(loop) == {POD: ()}


def test_a_container_that_takes_anothers_place_is_another_one(loop: Loop) -> None:
    loop.container("bbbb", "container", os.getpid())
    assert running(loop) == {POD: ("bbbb",)}
    loop.remove("bbbb")
    loop.container("cccc", "container", os.getpid())
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
