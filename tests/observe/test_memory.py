"""A node's memory: what is read of its files, whose it is, and that it adds up."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons import get_platform
from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import Group, MemoryPart, NodeMemorySeen
from edge_lab.observe.memory.collecting import between, parse_moment
from edge_lab.observe.memory.files import CGROUPS, number_lines, parse_snapshot, stalled_share
from edge_lab.observe.memory.looking import pressure_of
from edge_lab.observe.memory.objects import cluster_event, pod_memory, quantity_mib
from edge_lab.observe.memory.parts import node_memory, owners
from edge_lab.observe.memory.script import PROCESSES, snapshot
from edge_lab.provisioning.cri import CONTAINERD, CRI_O, CriRuntime
from edge_lab.topology import Cri
from tests.faults.plans import TOPOLOGY

MIB = 1 << 20
UID = "12345678-1234-1234-1234-123456789abc"
POD = f"/sys/fs/cgroup/kubepods/burstable/pod{UID}"
TASK = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/0123abcd/config.json"
KUBELET = "/sys/fs/cgroup/system.slice/kubelet.service"
ANNOTATION = "io.kubernetes.cri.sandbox-"

SNAPSHOT = f"""\
/proc/meminfo:MemTotal:        1024000 kB
/proc/meminfo:MemFree:          204800 kB
/proc/meminfo:MemAvailable:     512000 kB
/proc/meminfo:Buffers:           10240 kB
/proc/meminfo:Cached:           307200 kB
/proc/meminfo:AnonPages:        307200 kB
/proc/meminfo:Shmem:             20480 kB
/proc/meminfo:Slab:              81920 kB
/proc/meminfo:KernelStack:        4096 kB
/proc/meminfo:PageTables:         6144 kB
/proc/meminfo:Percpu:             2048 kB
/proc/meminfo:VmallocUsed:       10240 kB
/proc/vmstat:oom_kill 2
/proc/pressure/memory:some avg10=12.50 avg60=3.00 avg300=0.00 total=1
/proc/pressure/memory:full avg10=1.50 avg60=0.00 avg300=0.00 total=1
/sys/fs/cgroup/memory.stat:anon 314572800
{KUBELET}/memory.stat:anon {60 * MIB}
{KUBELET}/memory.stat:shmem {2 * MIB}
{KUBELET}/memory.stat:file {50 * MIB}
{KUBELET}/memory.current:{120 * MIB}
{KUBELET}/memory.peak:{150 * MIB}
{KUBELET}/memory.events:oom_kill 1
/sys/fs/cgroup/system.slice/containerd.service/memory.stat:anon {40 * MIB}
/sys/fs/cgroup/system.slice/yurthub.service/memory.stat:anon {30 * MIB}
/sys/fs/cgroup/system.slice/ssh.service/memory.stat:anon {4 * MIB}
/sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice/memory.stat:anon 4096
/sys/fs/cgroup/user.slice/memory.stat:anon {6 * MIB}
/sys/fs/cgroup/system.slice/memory.stat:anon {140 * MIB}
{POD}/memory.stat:anon {100 * MIB}
{POD}/0123abcd/memory.stat:anon {99 * MIB}
{POD}/memory.current:{130 * MIB}
{TASK}:"{ANNOTATION}name":"sampler-edge-arm"
{TASK}:"{ANNOTATION}namespace":"edge-lab"
{TASK}:"{ANNOTATION}uid":"{UID}"
/proc/300/smaps_rollup:Pss:               71680 kB
/proc/400/smaps_rollup:Pss:               10240 kB
/proc/401/smaps_rollup:Pss:                1024 kB
/proc/300/cgroup:0::/system.slice/kubelet.service
/proc/400/cgroup:0::/kubepods/burstable/pod{UID}/0123abcd
/proc/401/cgroup:0::/kubepods/burstable/pod{UID}/0123abcd
"""
OWNED = {
    "kubelet.service": Group.EDGE_RUNTIME,
    "yurthub.service": Group.EDGE_RUNTIME,
    "containerd.service": Group.CONTAINERD,
}


def seen_of(text: str = SNAPSHOT) -> NodeMemorySeen:
    return node_memory(parse_snapshot(text), "edge-arm", 1100, OWNED)


def part(seen: NodeMemorySeen, name: str) -> MemoryPart:
    (found,) = (part for part in seen.parts if part.name == name)
    return found


def test_the_parts_add_up_to_the_machine_s_memory() -> None:
    seen = seen_of()
    assert sum(part.mib for part in seen.parts) == pytest.approx(1100, abs=0.5)
    assert (seen.total_mib, seen.available_mib, seen.stalled) == (1000.0, 500.0, 12.5)
    assert seen.number == 500.0


def test_each_part_is_whose_it_is() -> None:
    seen = seen_of()
    assert seen.of(Group.EDGE_RUNTIME) == 92
    assert seen.of(Group.CONTAINERD) == 40
    assert seen.of(Group.PODS) == 100
    assert seen.of(Group.PAGE_CACHE) == 290
    assert seen.of(Group.KERNEL) == 80 + 4 + 6 + 2 + 6
    assert seen.of(Group.FREE) == 200
    assert seen.of(Group.SYSTEM) == pytest.approx(320 - 232, abs=0.2)
    assert seen.of(Group.RESERVED) == 100
    assert seen.of(Group.UNACCOUNTED) == pytest.approx(1000 - 320 - 290 - 98 - 200, abs=0.5)
    assert part(seen, "ssh.service").mib == 4
    assert part(seen, "user.slice").mib == 6
    assert part(seen, "in no unit and no pod").mib == pytest.approx(320 - 242, abs=0.2)


def test_units_and_pods_have_what_their_control_groups_say() -> None:
    seen = seen_of()
    kubelet, pod = part(seen, "kubelet.service"), part(seen, "edge-lab/sampler-edge-arm")
    assert (kubelet.charged_mib, kubelet.peak_mib, kubelet.oom_kills) == (120, 150, 1)
    assert kubelet.pss_mib == 70
    assert (pod.charged_mib, pod.peak_mib, pod.pss_mib) == (130, None, 11)


def test_a_pod_that_the_runtime_does_not_name_is_shown_all_the_same() -> None:
    text = "\n".join(line for line in SNAPSHOT.splitlines() if not line.startswith("/run"))
    assert part(seen_of(text), f"pod {UID}").mib == 100


def test_without_a_look_at_processes_there_is_no_proportional_set() -> None:
    text = "\n".join(line for line in SNAPSHOT.splitlines() if "smaps" not in line)
    assert part(seen_of(text), "kubelet.service").pss_mib is None


def test_pods_are_found_whatever_the_cgroup_driver() -> None:
    name = f"kubepods-burstable-pod{UID.replace('-', '_')}.slice"
    path = f"/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/{name}"
    more = (
        f"{path}/memory.stat:anon {MIB}\n{path}/cri-containerd:0123.scope/memory.stat:anon {MIB}\n"
    )
    groups = parse_snapshot(SNAPSHOT + more).groups
    inner = groups[PurePosixPath(path.removeprefix("/sys/fs/cgroup")) / "cri-containerd:0123.scope"]
    assert (inner.pod, inner.is_pod) == (UID, False)
    assert groups[inner.path.parent].is_pod


@pytest.mark.parametrize("lost", ["MemTotal", "MemFree", "AnonPages", "oom_kill 2", "memory.stat"])
def test_an_answer_with_a_hole_is_a_lab_error(lost: str) -> None:
    text = "\n".join(line for line in SNAPSHOT.splitlines() if lost not in line)
    with pytest.raises(LabError):
        parse_snapshot(text)


@given(st.text())
def test_any_answer_is_read_or_is_a_lab_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_snapshot(text)


@given(st.data())
def test_any_damaged_answer_is_read_or_is_a_lab_error(data: st.DataObject) -> None:
    lines = SNAPSHOT.splitlines()
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = lines[place][: data.draw(st.integers(0, len(lines[place])))]
    try:
        seen = seen_of("\n".join(lines))
    except LabError:
        return
    assert sum(part.mib for part in seen.parts) == pytest.approx(1100, abs=1)


@pytest.mark.parametrize("runtime", [CONTAINERD, CRI_O], ids=lambda runtime: runtime.name)
def test_the_node_s_own_grep_prints_what_is_read_here(tmp_path: Path, runtime: CriRuntime) -> None:
    groups = tmp_path / "cgroup"
    kubelet = groups / "system.slice/kubelet.service"
    kubelet.mkdir(parents=True)
    (kubelet / "memory.stat").write_text("anon 4096\nfile_mapped 7\nslab_reclaimable 9\n")
    (kubelet / "memory.events").write_text("oom 0\noom_kill 3\n")
    (kubelet / "memory.current").write_text("8192\n")
    (kubelet / "memory.max").write_text("77\n")
    (kubelet / "memory.peak").write_text("9000\n")
    states = tmp_path / runtime.states.removeprefix("/")
    state = Path(str(states).replace("*", "0123"))
    state.mkdir(parents=True)
    names = runtime.annotations
    spec = {names.name: "name", names.namespace: "namespace", names.uid: UID}
    # Those of CRI-O are formatted for readers.
    layout = {"indent": "\t"} if runtime is CRI_O else {"separators": (",", ":")}
    text = json.dumps({"annotations": spec}, **layout)
    (state / "config.json").write_text(text)
    command = (snapshot(runtime) + PROCESSES).replace(CGROUPS, str(groups))
    command = command.replace(runtime.states, str(states))
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    seen = parse_snapshot(done.stdout.replace(str(groups), CGROUPS).replace(str(tmp_path), ""))
    group = seen.groups[PurePosixPath("/system.slice/kubelet.service")]
    assert (group.stat, group.events["oom_kill"]) == ({"anon": 4096}, 3)
    assert (group.current, group.peak) == (8192, 9000)
    assert seen.pods == {UID: "namespace/name"}
    assert seen.pss


words = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)


@given(st.dictionaries(words, st.integers(0, 2**63), max_size=9))
def test_what_memory_stat_says_is_read(stat: dict[str, int]) -> None:
    assert number_lines(f"{name} {number}" for name, number in stat.items()) == stat
    kilo = (f"{name}:   {number} kB" for name, number in stat.items())
    assert number_lines(kilo) == {name: number * 1024 for name, number in stat.items()}


@given(st.lists(st.text()))
def test_any_lines_are_read(lines: list[str]) -> None:
    number_lines(lines)
    stalled_share(lines)


def test_pressure_stall_information_may_be_missing() -> None:
    assert stalled_share(["some avg10=0.31 avg60=0.00 avg300=0.00 total=9"]) == 0.31
    assert stalled_share([]) is None


def test_units_of_a_lab_have_their_owners() -> None:
    platform = get_platform("kubernetes+openyurt", TOPOLOGY)
    server = owners(platform, TOPOLOGY, TOPOLOGY.server)
    edge = owners(platform, TOPOLOGY, TOPOLOGY.node("edge-arm"))
    assert server["kube-apiserver.service"] is Group.CONTROL_PLANE
    assert edge["kubelet.service"] is edge["yurthub.service"] is Group.EDGE_RUNTIME
    assert edge["containerd.service"] is Group.CONTAINERD
    assert Group.ADD_ONS in edge.values()
    assert set(platform.units(TOPOLOGY)["edge-arm"]) <= edge.keys()


def test_the_container_runtime_of_a_node_has_its_own_part() -> None:
    node = TOPOLOGY.node("edge-arm").model_copy(update={"cri": Cri.CRI_O})
    edge = owners(get_platform("kubernetes+openyurt", TOPOLOGY), TOPOLOGY, node)
    assert edge["crio.service"] is Group.CRI_O
    assert "containerd.service" not in edge


# -- evidence ------------------------------------------------------------------------------------

MOMENT = """\
boot 11-22
MemAvailable:    1024000 kB
oom_kill 3
/sys/fs/cgroup/kubepods/memory.events:oom_kill 2
/sys/fs/cgroup/system.slice/ssh.service/memory.events:oom_kill 0
MainPID=300
NRestarts=1
Id=kubelet.service

Id=edge-lab-images.service
MainPID=0
NRestarts=0
"""


def test_a_moment_of_a_node_is_read() -> None:
    moment = parse_moment(MOMENT)
    assert (moment.boot, moment.available_mib, moment.kills) == ("11-22", 1000.0, 3)
    assert moment.cgroup_kills == {"/kubepods": 2, "/system.slice/ssh.service": 0}
    assert moment.units == {"kubelet.service": "300/1", "edge-lab-images.service": "0/0"}


@pytest.mark.parametrize("lost", ["boot", "MemAvailable", "oom_kill 3"])
def test_a_moment_with_a_hole_is_a_lab_error(lost: str) -> None:
    with pytest.raises(LabError):
        parse_moment("\n".join(line for line in MOMENT.splitlines() if lost not in line))


@given(st.text())
def test_any_moment_is_read_or_is_a_lab_error(text: str) -> None:
    with pytest.raises(LabError):
        parse_moment(text)


def test_a_log_is_what_is_between_its_marks() -> None:
    log = ["a", "x begins", "b", "x ends", "c"]
    assert between(log, "x begins", "x ends") == ("x begins", "b", "x ends")
    assert between(log, "x ends", "x begins") == ()
    assert between(log, "y begins", "x ends") == ()
    assert between([], "x begins", "x ends") == ()


@pytest.mark.parametrize(
    ("text", "mib"), [("64Mi", 64), ("1Gi", 1024), ("1048576", 1), ("512Ki", 0.5), ("1e6", 0.9537)]
)
def test_amounts_of_memory(text: str, mib: float) -> None:
    assert quantity_mib(text) == pytest.approx(mib, rel=1e-3)


@given(st.text())
def test_any_amount_is_read_or_is_a_lab_error(text: str) -> None:
    with contextlib.suppress(LabError):
        assert quantity_mib(text) >= 0


def test_a_pod_says_how_it_fared() -> None:
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    pod = {
        "metadata": {"namespace": "edge-lab", "name": "eater", "uid": UID},
        "spec": {
            "priority": 7,
            "containers": [
                {"resources": {"requests": {"memory": "64Mi"}}},
                {"resources": {}},
                {"resources": {"requests": {"memory": "1Mi"}}},
            ],
        },
        "status": {
            "qosClass": "Burstable",
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "main", "restartCount": 2, "lastState": killed, "state": {"running": {}}}
            ],
        },
    }
    seen = pod_memory(pod)
    assert (seen.key, seen.qos, seen.priority, seen.request_mib) == (
        "edge-lab/eater",
        "Burstable",
        7,
        65.0,
    )
    assert (seen.restarts, seen.ready) == (2, True)
    assert [(end.reason, end.exit_code) for end in seen.ends] == [("OOMKilled", 137)]


def test_events_have_their_last_time() -> None:
    about = {"kind": "Pod", "namespace": "edge-lab", "name": "eater"}
    event = {"involvedObject": about, "reason": "Evicted", "lastTimestamp": "2023-11-14T22:13:20Z"}
    seen = cluster_event(event)
    assert (seen.name, seen.time) == ("edge-lab/eater", 1_700_000_000_000_000_000)
    assert cluster_event({**event, "lastTimestamp": None}).time == 0
    assert cluster_event({"involvedObject": {"kind": "Node", "name": "n"}}).name == "n"


def test_a_node_under_pressure_is_told_from_one_at_rest() -> None:
    def node(status: str, *taints: str) -> dict[str, object]:
        conditions = [
            {"type": "MemoryPressure", "status": status},
            {"type": "Ready", "status": "True"},
        ]
        keys = [{"key": key, "effect": "NoSchedule"} for key in taints]
        return json.loads(  # type: ignore[no-any-return]
            json.dumps(
                {
                    "metadata": {"name": "edge-arm"},
                    "spec": {"taints": keys} if keys else {},
                    "status": {"conditions": conditions},
                }
            )
        )

    pressed = pressure_of(node("True", "node.kubernetes.io/memory-pressure"))
    assert (pressed.condition, pressed.tainted, pressed.ready) == ("True", True, "True")
    rested = pressure_of(node("False", "other"))
    assert (rested.condition, rested.tainted) == ("False", False)
