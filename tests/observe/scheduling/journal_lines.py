"""Lines as nodes write them: containerd 1.7 on aarch64 and 2.1 on riscv64, kubelet 1.34."""

from __future__ import annotations

UID = "b9cea15a-be0a-4c4d-8c21-d003eca694cd"
SANDBOX = "855451fadb18c4376206a988681606063cd2d1a1628182a3e4e5b84989e9f59e"
CONTAINER = "be712e2b6113bd5fe3d215c91042e2676df1193b7b11a475e217f20bf5ab3535"
OTHER = "ba705489-a6eb-426f-95c2-cba62d7b7b1e"

_CONTAINERD = "edge-arm containerd[236]:"
_POD = f"&PodSandboxMetadata{{Name:one,Uid:{UID},Namespace:edge-lab,Attempt:0,}}"
_IN = f'within sandbox \\"{SANDBOX}\\" for'
_MAIN = "&ContainerMetadata{Name:main,Attempt:0,}"

KUBELET = (
    "1795916659.262493 edge-arm kubelet[710]: I1129 01:44:19.261946     710 "
    'reconciler_common.go:251] "operationExecutor.VerifyControllerAttachedVolume started for '
    f'volume \\"tmp\\" (UniqueName: \\"kubernetes.io/empty-dir/{UID}-tmp\\") pod \\"one\\" '
    f'(UID: \\"{UID}\\") " pod="edge-lab/one"'
)
ASKED = (
    f'1795916659.898524 {_CONTAINERD} time="2026-11-29T01:44:19.897812928Z" level=info '
    f'msg="RunPodSandbox for {_POD}"'
)
OTHERS_ASKED = ASKED.replace(UID, OTHER).replace("19.897812928", "33.993740544")
SANDBOX_MADE = (
    f'1795916770.724598 {_CONTAINERD} time="2026-11-29T01:46:10.589729936Z" level=info '
    f'msg="RunPodSandbox for {_POD} returns sandbox id \\"{SANDBOX}\\""'
)
CREATING = (
    f'1795916772.739231 {_CONTAINERD} time="2026-11-29T01:46:12.738630064Z" level=info '
    f'msg="CreateContainer {_IN} container {_MAIN}"'
)
CREATED = (
    f'1795916775.368394 {_CONTAINERD} time="2026-11-29T01:46:15.367771744Z" level=info '
    f'msg="CreateContainer {_IN} {_MAIN} returns container id \\"{CONTAINER}\\""'
)
NOISE = (
    f'1795916716.034302 {_CONTAINERD} time="2026-11-29T01:45:16Z" level=info msg="loading plugin '
    '\\"io.containerd.event.v1.publisher\\"..." runtime=io.containerd.runc.v2'
)
LINES = (KUBELET, ASKED, OTHERS_ASKED, NOISE, SANDBOX_MADE, CREATING, CREATED)
