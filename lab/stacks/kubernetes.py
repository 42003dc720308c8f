"""Control plane `kubernetes`: API server, controller manager and scheduler over kine.

kine keeps the cluster's state in SQLite, as K3s does. Everything is a unit of its own; they
start in the order in which they need each other, so that an emulated processor does not
spend itself on programs that wait. The server is up when all of them serve. It runs a plain
kubelet, so that it takes pods whatever the edge runtime is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edge_lab.artifacts import Want
from edge_lab.cluster.addresses import SERVICE_SUBNET
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.rbac import binding_manifest
from edge_lab.pki import (
    CLUSTER,
    Identity,
    InstalledAuthority,
    InstalledCertificate,
    LabSigner,
    Request,
    TrustBundle,
    TrustForm,
)
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks import identities as names
from edge_lab.stacks.audit import AUDIT_LOG, AUDIT_POLICY, audit_policy
from edge_lab.stacks.base import (
    API_PORT,
    ApiEndpoint,
    Capability,
    StackContext,
    go_duration,
    kubectl_want,
)
from edge_lab.stacks.endpoints import (
    api_server_endpoint,
    api_server_health,
    component_endpoints,
    kubelet_endpoints,
)
from edge_lab.stacks.kubeconfig import kubeconfig
from edge_lab.stacks.kubelet import (
    CLUSTER_CA,
    KUBELET,
    KUBELET_UNIT,
    kubelet_certificates,
    kubelet_provision,
    node_kubeconfig,
)
from edge_lab.stacks.node import IMAGES, POD_NETWORK
from edge_lab.stacks.serving import serving
from edge_lab.stacks.unit import Service
from edge_lab.topology import Topology

KINE, API_SERVER = "kine", "kube-apiserver"
CONTROLLER_MANAGER, SCHEDULER = "kube-controller-manager", "kube-scheduler"

API_SERVES, CONTROL_PLANE_SERVES = "edge-lab-api-server-serves", "edge-lab-control-plane-serves"
API_SERVES_UNIT = f"{API_SERVES}.service"
"""The API server ends itself when it has not prepared its roles within 30 s of its start. So at a
boot none of its clients may start on its machine before it is through; the controller manager
would give up after 10 s anyway, and begin anew."""
API_READY = f"https://127.0.0.1:{API_PORT}/readyz?exclude=etcd&exclude=etcd-readiness"
"""Without the datastore, for which a busy one has too little time (2 s): the rest asks it too."""
CONTROLLERS_RUN = "https://127.0.0.1:10257/healthz?verbose#node-lifecycle-controller"
"""It is healthy long before it has an API server; its controllers are listed when they run."""
SCHEDULER_READY = "https://127.0.0.1:10259/readyz"

PKI = "/etc/kubernetes/pki"
SIGNER, SIGNER_KEY = f"{PKI}/signer.crt", f"{PKI}/signer.key"
"""The authority that signs certificate requests. Apart from the one that is trusted: that may be
two for a while, and the controller manager takes no bundle here."""
CONTROLLER_MANAGER_CONFIG = "/etc/kubernetes/controller-manager.conf"
SCHEDULER_CONFIG = "/etc/kubernetes/scheduler.conf"
DATASTORE_SOCKET = "unix:///run/kine/kine.sock"
"""A socket, not a port: the datastore asks nobody who they are."""
DATABASE = (
    "sqlite:///var/lib/kine/state.db"
    "?_journal_mode=WAL&_busy_timeout=30000&_synchronous=FULL&_txlock=immediate"
)
"""kine's own parameters but for `synchronous`: with its NORMAL, a server that loses its power
forgets what it has confirmed last, and nodes that wait for news of it wait for ever."""
PROGRESS_EVERY = "1m"
"""For a watch with no news: "all is well so far". kine's own 5 s are, over the API server's 58
watches, ten times as many messages as there are events. When it needs to know, it asks."""
SELF_CHECKS = ("DetectCacheInconsistency", "SizeBasedListCostEstimate")
"""Features of Kubernetes 1.34 that read all objects of some sixty kinds again and again: to compare
the cache with the datastore, and to guess what a list would cost. Together with the count of all
objects for a metric, once a minute and kind, they were most of what an idle datastore did."""
SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"

MEMORY_MIB = {KINE: 160, API_SERVER: 600, CONTROLLER_MANAGER: 220, SCHEDULER: 140}
"""Soft limits of the Go heap: above them the collector works harder. Twice what was seen."""


class Kubernetes:
    """The four programs on the server node."""

    name = "kubernetes"
    capabilities: frozenset[Capability] = frozenset()

    def wants(self, topology: Topology) -> tuple[Want, ...]:
        arch = topology.server.arch
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KUBELET)
        return (*(Want(program, arch) for program in programs), kubectl_want())

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (
            *names.admin_requests(),
            *names.control_plane_requests(topology),
            *names.node_requests(topology, topology.server),
        )

    def endpoint(self, ctx: StackContext) -> ApiEndpoint:
        authority = ctx.pki.authority(CLUSTER)
        return ApiEndpoint(server_url(ctx.topology), authority.certificate_pem, API_SERVES_UNIT)

    def admin_kubeconfig(self, ctx: StackContext) -> str:
        return kubeconfig(
            f"https://127.0.0.1:{ctx.api_host_port}",
            ca_pem=ctx.pki.authority(CLUSTER).certificate_pem,
            identity=ctx.pki.identity(CLUSTER, names.ADMIN),
        )

    def units(self) -> tuple[str, ...]:
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, IMAGES, POD_NETWORK)
        names = (*programs, API_SERVES, CONTROL_PLANE_SERVES)
        return (*(f"{name}.service" for name in names), KUBELET_UNIT)

    def endpoints(self, topology: Topology) -> tuple[Endpoint, ...]:
        server = topology.server
        return (
            api_server_endpoint(server),
            api_server_health(server),
            *component_endpoints(server),
            *kubelet_endpoints((server,)),
        )

    def certificates(self, topology: Topology) -> tuple[InstalledCertificate, ...]:
        server = topology.server
        api_server = InstalledCertificate(
            name="api-server",
            node=server.name,
            spec=names.api_server_spec(topology),
            signer=LabSigner(CLUSTER),
            certificate=f"{PKI}/apiserver.crt",
            key=f"{PKI}/apiserver.key",
            unit=f"{API_SERVER}.service",
            reloads=True,
            shown_at=(topology.cluster_link(server.name).address, API_PORT),
        )
        return (api_server, *kubelet_certificates(topology, server, KUBELET_UNIT))

    def trust_bundles(self, topology: Topology) -> tuple[TrustBundle, ...]:
        """The first is for clients of the API server and of its node's kubelet, for the kubelets
        that it calls, and what service accounts get."""
        node = topology.server.name
        manager, scheduler = f"{CONTROLLER_MANAGER}.service", f"{SCHEDULER}.service"
        inline = TrustForm.KUBECONFIG
        return (
            TrustBundle(
                node, CLUSTER, CLUSTER_CA, (f"{API_SERVER}.service", manager, KUBELET_UNIT)
            ),
            TrustBundle(node, CLUSTER, CONTROLLER_MANAGER_CONFIG, (manager,), inline),
            TrustBundle(node, CLUSTER, SCHEDULER_CONFIG, (scheduler,), inline),
        )

    def installed_authorities(self, topology: Topology) -> tuple[InstalledAuthority, ...]:
        unit = f"{CONTROLLER_MANAGER}.service"
        return (InstalledAuthority(topology.server.name, CLUSTER, SIGNER, SIGNER_KEY, unit),)

    def provision(self, ctx: StackContext) -> Provision:
        server = ctx.topology.server
        programs = (KINE, API_SERVER, CONTROLLER_MANAGER, SCHEDULER)
        return Provision.total(
            (
                self._keys(ctx),
                datastore(),
                api_server(ctx),
                controller_manager(ctx),
                scheduler(ctx),
                readiness(),
                kubelet_provision(
                    ctx,
                    server,
                    node_kubeconfig(self.endpoint(ctx)),
                    after=(API_SERVES_UNIT,),
                ),
                Provision(payload=tuple(ctx.binary(program, server) for program in programs)),
            )
        )

    def manifests(self, ctx: StackContext) -> tuple[Manifest, ...]:
        return (
            binding_manifest(
                "edge-lab:apiserver-kubelet-client",
                "system:kubelet-api-admin",
                [names.KUBELET_CLIENT_USER],
                subject_kind="User",
            ),
        )

    def _keys(self, ctx: StackContext) -> Provision:
        shown = {
            "signer": ctx.pki.authority(CLUSTER).identity,
            "apiserver": ctx.pki.identity(CLUSTER, names.API_SERVER),
            "apiserver-kubelet-client": ctx.pki.identity(CLUSTER, names.API_SERVER_KUBELET_CLIENT),
            CONTROLLER_MANAGER: ctx.pki.identity(CLUSTER, names.CONTROLLER_MANAGER),
            SCHEDULER: ctx.pki.identity(CLUSTER, names.SCHEDULER),
        }
        secret = {f"{name}.key": identity.key_pem for name, identity in shown.items()}
        public = {f"{name}.crt": identity.certificate_pem for name, identity in shown.items()}
        secret["service-account.key"] = ctx.pki.signing_key(CLUSTER, names.SERVICE_ACCOUNT)
        public["service-account.pub"] = ctx.pki.verification_key(CLUSTER, names.SERVICE_ACCOUNT)
        return Provision(
            files=(
                *(GuestFile(f"{PKI}/{name}", text, 0o600) for name, text in secret.items()),
                *(GuestFile(f"{PKI}/{name}", text) for name, text in public.items()),
            )
        )


def server_url(topology: Topology) -> str:
    """The API server as the nodes see it."""
    return f"https://{topology.cluster_link(topology.server.name).address}:{API_PORT}"


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
    """kube-apiserver: mutual TLS for all, Node and RBAC authorization, an audit log."""
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
            # Node names resolve in the guests, but nothing else than the wire must be needed.
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
    """kube-controller-manager, which also signs the certificates that the lab approves."""
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
    return service + _kubeconfig_file(
        ctx, config, ctx.pki.identity(CLUSTER, names.CONTROLLER_MANAGER)
    )


def scheduler(ctx: StackContext) -> Provision:
    """kube-scheduler with its defaults; on its own node anyone may read its metrics."""
    config = SCHEDULER_CONFIG
    service = _program(
        SCHEDULER,
        "Kubernetes scheduler",
        (
            f"--kubeconfig={config}",
            *_serving_certificate(SCHEDULER),
            "--leader-elect=false",
            # Its defaults and one more. The other way is to ask the API server for each reader.
            "--authorization-always-allow-paths=/healthz,/readyz,/livez,/metrics",
            "--profiling=false",
        ),
        after=(API_SERVES_UNIT,),
    )
    return service + _kubeconfig_file(ctx, config, ctx.pki.identity(CLUSTER, names.SCHEDULER))


def _serving_certificate(program: str) -> tuple[str, ...]:
    """How it can be asked how it is. Left without a certificate it makes two RSA keys at each
    start, 3 s each on an emulated CPU."""
    return (
        "--bind-address=127.0.0.1",
        f"--tls-cert-file={PKI}/{program}.crt",
        f"--tls-private-key-file={PKI}/{program}.key",
    )


def readiness() -> Provision:
    """What has started when the API server serves, and when all of the control plane does."""
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


def _kubeconfig_file(ctx: StackContext, path: str, identity: Identity) -> Provision:
    """A kubeconfig for a program on the server node itself."""
    text = kubeconfig(
        f"https://127.0.0.1:{API_PORT}",
        ca_pem=ctx.pki.authority(CLUSTER).certificate_pem,
        identity=identity,
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
