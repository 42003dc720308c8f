"""Evidence of memory as good runs leave it, to be altered."""

from __future__ import annotations

from edge_lab.evidence.memory import (
    ClusterEvent,
    ContainerEnd,
    Group,
    MemoryEvidence,
    MemoryPart,
    NodeMemorySeen,
    NodeMoment,
    PodMemory,
    PressureSeen,
)

NODE = "edge-arm"
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND
EATER, SAMPLER, GUARANTEED, CRITICAL = (
    f"edge-lab/{name}" for name in ("eater", "sampler-edge-arm", "guaranteed", "critical")
)
UIDS = {
    name: f"0000000{number}-1111-2222-3333-444444444444"
    for number, name in enumerate((EATER, SAMPLER, GUARANTEED, CRITICAL), 1)
}
FIRST, LAST = "edge-lab: memory case 1 begins", "edge-lab: memory case 1 ends"
HOG = "edge-lab-memory-hog.service"
EATEN = 800.0


def at(seconds: float) -> int:
    return START + round(seconds * SECOND)


def line(seconds: float, text: str) -> str:
    return f"{1_700_000_000 + seconds:.6f} {NODE} kernel: {text}"


def group_of(name: str, qos: str = "besteffort") -> str:
    return f"/kubepods/{qos}/pod{UIDS[name]}/0123abcd"


def killed(
    seconds: float, group: str, *, pid: int = 700, process: str = "tail", limit: str = ""
) -> tuple[str, ...]:
    """What the kernel writes of one kill; at the limit of a control group, if there is one."""
    why = f"CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg={limit}"
    if not limit:
        why = "CONSTRAINT_NONE,nodemask=(null),cpuset=x,mems_allowed=0,global_oom"
    what = "Memory cgroup out of memory" if limit else "Out of memory"
    return (
        line(seconds, f"{process} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0"),
        line(
            seconds, f"oom-kill:constraint={why},task_memcg={group},task={process},pid={pid},uid=0"
        ),
        line(
            seconds,
            f"{what}: Killed process {pid} ({process}) total-vm:900000kB, anon-rss:819200kB, "
            "file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1700kB oom_score_adj:1000",
        ),
    )


def pod(name: str, qos: str, **change: object) -> PodMemory:
    space, _, short = name.partition("/")
    made = PodMemory(
        namespace=space, name=short, uid=UIDS[name], qos=qos, phase="Running", ready=True
    )
    return made.model_copy(update=change)


PODS = (
    pod(EATER, "BestEffort"),
    pod(SAMPLER, "Burstable", request_mib=32.0),
    pod(GUARANTEED, "Guaranteed", request_mib=32.0),
    pod(CRITICAL, "Burstable", request_mib=16.0, priority=2_000_001_000),
)


def moment(kills: int = 0, **groups: int) -> NodeMoment:
    counted = {"/kubepods": 0, f"/kubepods/besteffort/pod{UIDS[EATER]}": 0, "/system.slice": 0}
    return NodeMoment(
        boot="boot-1",
        available_mib=1300.0,
        kills=kills,
        cgroup_kills={**counted, **groups},
        units={"kubelet.service": "300/0", "containerd.service": "200/0"},
    )


def look(seconds: float, available: float, **used: float) -> NodeMemorySeen:
    names = {"eater": EATER, "sampler": SAMPLER, "guaranteed": GUARANTEED, "critical": CRITICAL}
    parts = tuple(
        MemoryPart(group=Group.PODS, name=name, mib=used.get(short, 8.0))
        for short, name in names.items()
    )
    return NodeMemorySeen(
        time=at(seconds),
        node=NODE,
        machine_mib=2048,
        total_mib=1971.0,
        available_mib=available,
        parts=parts,
    )


def pressure(seconds: float, condition: str, tainted: bool, ready: str = "True") -> PressureSeen:
    return PressureSeen(
        time=at(seconds), node=NODE, condition=condition, tainted=tainted, ready=ready
    )


def quiet() -> MemoryEvidence:
    """Nothing has happened."""
    return MemoryEvidence(
        node=NODE,
        runtime="kubernetes+openyurt",
        began=at(0),
        ended=at(120),
        before=moment(),
        after=moment(),
        marks=(FIRST, LAST),
        kernel_log=(line(0, FIRST), line(120, LAST)),
        pods_before=PODS,
        pods_after=PODS,
        events=(),
        pressure=(pressure(0, "False", False),),
        memory=(look(0, 1300.0), look(60, 1290.0)),
    )


def at_limit() -> MemoryEvidence:
    """A pod was killed at its own limit, and started again."""
    group = group_of(EATER, "burstable")
    return quiet().altered(
        kernel_log=(line(0, FIRST), *killed(20, group, limit=group), line(120, LAST)),
        after=moment(1, **{"/kubepods": 1, f"/kubepods/besteffort/pod{UIDS[EATER]}": 0}),
        pods_before=(pod(EATER, "Burstable", request_mib=64.0), *PODS[1:]),
        pods_after=(
            pod(EATER, "Burstable", request_mib=64.0, restarts=1, ends=(end(),)),
            *PODS[1:],
        ),
    )


def end(reason: str = "OOMKilled", exit_code: int = 137) -> ContainerEnd:
    return ContainerEnd(container="main", reason=reason, exit_code=exit_code)


def out_of_memory() -> MemoryEvidence:
    """The node was out of memory, and the kernel has chosen the pod that grew."""
    own = f"/kubepods/besteffort/pod{UIDS[EATER]}"
    return quiet().altered(
        kernel_log=(line(0, FIRST), *killed(20, group_of(EATER)), line(120, LAST)),
        after=moment(1, **{"/kubepods": 1, own: 1}),
        pods_after=(pod(EATER, "BestEffort", restarts=1, ends=(end(),)), *PODS[1:]),
        memory=(look(0, 1300.0), look(18, 60.0, eater=EATEN), look(60, 1290.0)),
    )


def evicted() -> MemoryEvidence:
    """The kubelet has evicted the pod that grew."""
    return quiet().altered(
        pods_after=(
            pod(EATER, "BestEffort", phase="Failed", reason="Evicted", ready=False),
            *PODS[1:],
        ),
        events=(
            ClusterEvent(
                kind="Pod",
                name=EATER,
                reason="Evicted",
                message="The node was low on resource: memory. Threshold quantity: 100Mi",
                time=at(21),
            ),
        ),
        pressure=(
            pressure(0, "False", False),
            pressure(20, "True", False),
            pressure(22, "True", True),
            pressure(100, "False", False),
        ),
        memory=(look(0, 1300.0), look(18, 60.0, eater=EATEN), look(60, 1290.0)),
    )


def hog_killed() -> MemoryEvidence:
    """The kernel has chosen a process outside Kubernetes."""
    group = f"/system.slice/{HOG}"
    return quiet().altered(
        kernel_log=(
            line(0, FIRST),
            *killed(20, group, pid=900, process="memory-hog"),
            line(120, LAST),
        ),
        after=moment(1, **{"/system.slice": 1}),
        events=(
            ClusterEvent(
                kind="Node",
                name=NODE,
                reason="SystemOOM",
                message="System OOM encountered, victim process: memory-hog, pid: 900",
                time=at(20),
            ),
        ),
    )
