"""The programs of the control plane `kubernetes`: their flags, files and units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.audit import AUDIT_LOG, AUDIT_POLICY, audit_policy
from edge_lab.stacks.base import API_PORT, StackContext, go_duration
from edge_lab.stacks.kubeconfig import kubeconfig_of_files
from edge_lab.stacks.kubelet import CLUSTER_CA
from edge_lab.stacks.serving import serving
from edge_lab.stacks.unit import Service

KINE, API_SERVER = "kine", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"

API_SERVES, CONTROL_PLANE_SERVES = "edge-lab-api-server-serves", "edge-lab-control-plane-serves"
API_SERVES_UNIT = f"{API_SERVES}.service"
"""The API server exits if it has not created its roles within 30 s of its start. So during a boot
none of its clients on its machine may start before it is ready; the controller manager would exit
after 10 s anyway, and restart."""
API_READY = f"https://127.0.0.1:{API_PORT}/readyz?exclude=etcd&exclude=etcd-readiness"
"""Without the check of the datastore, whose timeout (2 s) is too short if it is busy; the other
checks use the datastore as well."""
CONTROLLERS_RUN = "https://127.0.0.1:10257/healthz?verbose#node-lifecycle-controller"
"""It is healthy long before it has reached the API server, but lists only running controllers."""
SCHEDULER_READY = "https://127.0.0.1:10259/readyz"

PKI = "/etc/kubernetes/pki"
SIGNER, SIGNER_KEY = f"{PKI}/signer.crt", f"{PKI}/signer.key"
"""The authority that signs certificate requests. Not the trust bundle, which may contain two
authorities for a while: the controller manager accepts only one here."""
CONTROLLER_MANAGER_CONFIG = "/etc/kubernetes/controller-manager.conf"
SCHEDULER_CONFIG = "/etc/kubernetes/scheduler.conf"
DATASTORE_SOCKET = "unix:///run/kine/kine.sock"
"""A socket instead of a port, since the datastore does not authenticate clients."""
DATABASE = (
    "sqlite:///var/lib/kine/state.db"
    "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=FULL&_txlock=immediate"
)
"""kine's default parameters except for `synchronous`: with NORMAL, a server that loses power also
loses its last confirmed writes, and nodes that watch for newer revisions wait for ever."""
PROGRESS_EVERY = "1m"
"""Interval of progress notifications for watches without events. kine's default of 5 s would send
ten times as many messages as there are events, over the API server's 58 watches. The API server
requests progress when it needs it."""
SELF_CHECKS = ("DetectCacheInconsistency", "SizeBasedListCostEstimate")
"""Features of Kubernetes 1.34 that repeatedly read all objects of some sixty kinds: to compare the
cache with the datastore, and to estimate the cost of lists. Together with the count of all objects
for a metric, once a minute for each kind, they caused most of the load of an idle datastore."""
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"

MEMORY_MIB = {KINE: 160, API_SERVER: 600, CONTROLLER_MANAGER: 220, SCHEDULER: 140}
"""Soft limits of the Go heap: above them garbage collection gets more frequent. Twice the observed
use."""


def datastore() -> Provision:
    """kine on SQLite, at a socket that only root may open."""
    return _program(
        KINE,
        "kine: the cluster's state, in SQLite",
        (
            f"--listen-address={DATASTORE_SOCKET}",
            f"--endpoint={DATABASE}",
            "--metrics-bind-address=0",
            f"--watch-progress-notify-interval={PROGRESS_EVERY}",
        ),
        state_directory="kine",
        runtime_directory="kine",
    )


def api_server(ctx: StackContext) -> Provision:
    """kube-apiserver: mutual TLS, Node and RBAC authorization, an audit log."""
    timing = ctx.topology.timing
    address = ctx.topology.cluster_link(ctx.topology.server.name).address
    service = _program(
        API_SERVER,
        "Kubernetes API server",
        (
            f"--advertise-address={address}",
            "--bind-address=0.0.0.0",
            f"--secure-port={API_PORT}",
            f"--etcd-servers={DATASTORE_SOCKET}",
            f"--service-cluster-ip-range={SERVICE_SUBNET}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--client-ca-file={CLUSTER_CA}",
            f"--tls-cert-file={PKI}/apiserver.crt",
            f"--tls-private-key-file={PKI}/apiserver.key",
            f"--kubelet-certificate-authority={CLUSTER_CA}",
            f"--kubelet-client-certificate={PKI}/apiserver-kubelet-client.crt",
            f"--kubelet-client-key={PKI}/apiserver-kubelet-client.key",
            # Node names resolve in the guests, but connections must not depend on that.
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
            f"--service-account-key-file={PKI}/service-account.pub",
            f"--service-account-signing-key-file={PKI}/service-account.key",
            f"--default-not-ready-toleration-seconds={round(timing.not_ready_toleration)}",
            f"--default-unreachable-toleration-seconds={round(timing.unreachable_toleration)}",
            f"--audit-policy-file={AUDIT_POLICY}",
            f"--audit-log-path={AUDIT_LOG}",
            "--audit-log-maxsize=10",
            "--audit-log-maxbackup=1",
            # A handful of nodes in a 2 GiB machine: few requests at a time.
            "--max-requests-inflight=100",
            "--max-mutating-requests-inflight=50",
            "--etcd-count-metric-poll-period=0",
            f"--feature-gates={','.join(f'{name}=false' for name in SELF_CHECKS)}",
            "--profiling=false",
        ),
        kind="notify",
        after=(f"{KINE}.service",),
    )
    policy = GuestFile.text(AUDIT_POLICY, audit_policy())
    return service + Provision(files=(policy,))


def controller_manager(ctx: StackContext) -> Provision:
    """kube-controller-manager, which also signs the certificate requests that the lab approves."""
    timing = ctx.topology.timing
    config = CONTROLLER_MANAGER_CONFIG
    service = _program(
        CONTROLLER_MANAGER,
        "Kubernetes controller manager",
        (
            f"--kubeconfig={config}",
            *_serving_certificate(CONTROLLER_MANAGER),
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            "--allocate-node-cidrs=false",
            f"--root-ca-file={CLUSTER_CA}",
            f"--service-account-private-key-file={PKI}/service-account.key",
            f"--cluster-signing-cert-file={SIGNER}",
            f"--cluster-signing-key-file={SIGNER_KEY}",
            f"--node-monitor-period={go_duration(timing.node_monitor_period)}",
            f"--node-monitor-grace-period={go_duration(timing.node_monitor_grace)}",
            "--profiling=false",
        ),
        after=(API_SERVES_UNIT,),
    )
    return service + _kubeconfig_file(CONTROLLER_MANAGER, config)


def scheduler() -> Provision:
    """kube-scheduler with its defaults; on its own node anyone may read its metrics."""
    config = SCHEDULER_CONFIG
    service = _program(
        SCHEDULER,
        "Kubernetes scheduler",
        (
            f"--kubeconfig={config}",
            *_serving_certificate(SCHEDULER),
            "--leader-elect=false",
            # The default paths and one more. Otherwise each reader is authorized by the API server.
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
            "--profiling=false",
        ),
        after=(API_SERVES_UNIT,),
    )
    return service + _kubeconfig_file(SCHEDULER, config)


def _serving_certificate(program: str) -> tuple[str, ...]:
    """Options for serving its health. Without a certificate it generates two RSA keys at each
    start, which take 3 s each on an emulated CPU."""
    return (
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={PKI}/{program}.crt",
        f"--tls-private-key-file={PKI}/{program}.key",
    )


def readiness() -> Provision:
    """Units that have started when the API server serves, and when the control plane does."""
    api_server = serving(
        API_SERVES, "The API server serves", [API_READY], (f"{API_SERVER}.service",)
    )
    control_plane = serving(
        CONTROL_PLANE_SERVES,
        "The control plane serves",
        [API_READY, CONTROLLERS_RUN, SCHEDULER_READY],
        (f"{CONTROLLER_MANAGER}.service", f"{SCHEDULER}.service"),
    )
    return api_server + control_plane


def _kubeconfig_file(program: str, path: str) -> Provision:
    """A kubeconfig for a program on the server node, with its serving certificate."""
    text = kubeconfig_of_files(
        f"https://127.0.0.1:{API_PORT}",
        authority=CLUSTER_CA,
        certificate=f"{PKI}/{program}.crt",
        key=f"{PKI}/{program}.key",
    )
    return Provision(files=(GuestFile.text(path, text, 0o600),))


def _program(
    name: str,
    description: str,
    flags: Sequence[str],
    *,
    kind: Literal["exec", "notify"] = "exec",
    after: tuple[str, ...] = (),
    state_directory: str = "",
    runtime_directory: str = "",
) -> Provision:
    return Service(
        name=name,
        description=description,
        command=(str(PAYLOAD_MOUNT / "bin" / name), *flags),
        kind=kind,
        after=after,
        wants=after,
        environment={"GOMEMLIMIT": f"{MEMORY_MIB[name]}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=state_directory,
        runtime_directory=runtime_directory,
        oom_score_adjust=-997,
    ).provision()
