"""The components that come with edge-lab, as data.

The Kubernetes binaries are built from their Go modules, or come from a mirror of dl.k8s.io or, if
LAB_RELEASES allows it, from dl.k8s.io itself, which publishes a SHA-256 beside each file and none
for riscv64. K3s, KubeEdge, gVisor and CRI-O come from their release pages, which publish checksums
too, or from a mirror of those.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from edge_lab.artifacts import publishers
from edge_lab.artifacts.model import (
    FLAT,
    Component,
    DebianSource,
    FirmwareSource,
    GoFiles,
    GoSource,
)
from edge_lab.topology import Arch

KUBERNETES = "v1.34.4"
KINE = "v0.16.3"
OPENYURT = "v1.7.0"
KUBEEDGE = "v1.23.1"
K3S = "v1.34.9+k3s1"
COREDNS = "v1.14.7"
CRI_TOOLS = "v1.34.0"
WORKLOAD = "0.1.0"
RUNSC_ADAPTER = "0.1.0"
HOSTILE = "0.1.0"
KVM_PLUGIN = "0.1.0"
GVISOR = "20260817"
"""The last release whose programs are published as single files; from 20260831 on, runsc needs more
of them beside it."""
CRI_O = "v1.34.8"
KWOK = "v0.8.0"
SPIRE = "v1.13.3"
RTOS_FIRMWARE = "0.1.0"
FLUX = "v1.9.6"
KEDA = "v2.21.0"
"""Of both controllers."""
GIT_SERVER = "0.1.0"
FUNCTIONS = "0.1.0"
THANOS = "v0.42.4"
VERSITYGW = "v1.8.0"

_OPENYURT_MODULE = "github.com/openyurtio/openyurt"
_KEDA_MODULE = "github.com/kedacore/keda/v2"

_kubernetes = partial(publishers.kubernetes, KUBERNETES)
_spire = partial(publishers.spire, SPIRE)
_flux = partial(publishers.flux, FLUX)
_kubeedge = partial(publishers.kubeedge, KUBEEDGE)
_k3s = partial(publishers.k3s, K3S)
_gvisor = partial(publishers.gvisor, GVISOR)
_crio = partial(publishers.crio, CRI_O)

_K3S_IMAGES = ("k3s-airgap-images-{arch}.tar.zst", "k3s-airgap-images-{arch}.tar")

_COMPONENTS = (
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubectl"),
    _kubernetes("kubelet"),
    # A separate module: a change does not rebuild the others.
    _kubernetes("kube-proxy", "kube-proxy"),
    Component(
        "kine",
        KINE,
        go=GoSource(
            module="kine",
            package="github.com/k3s-io/kine",
            upstream="github.com/k3s-io/kine",
            ldflags=(
                f"-X github.com/k3s-io/kine/pkg/version.Version={KINE}",
                f"-X github.com/k3s-io/kine/pkg/version.GitCommit={KINE}",
            ),
        ),
    ),
    Component(
        "yurthub",
        OPENYURT,
        go=GoSource(
            module="yurthub",
            package=f"{_OPENYURT_MODULE}/cmd/yurthub",
            upstream=_OPENYURT_MODULE,
            ldflags=(f"-X {_OPENYURT_MODULE}/pkg/projectinfo.gitVersion={OPENYURT}",),
        ),
    ),
    Component(
        "yurt-manager",
        OPENYURT,
        go=GoSource(
            module="yurt-manager",
            package=f"{_OPENYURT_MODULE}/cmd/yurt-manager",
            upstream=_OPENYURT_MODULE,
            ldflags=(f"-X {_OPENYURT_MODULE}/pkg/projectinfo.gitVersion={OPENYURT}",),
        ),
    ),
    Component(
        "yurt-manager-crds",
        OPENYURT,
        files=GoFiles(
            module="yurt-manager",
            upstream=_OPENYURT_MODULE,
            patterns=tuple(
                f"charts/yurt-manager/crds/apps.openyurt.io_{kind}.yaml"
                for kind in ("nodebuckets", "nodepools", "yurtappsets")
            ),
        ),
        # The same file for every architecture; the second name is for generic mirrors.
        mirror=("{name}-{version}.yaml", FLAT),
    ),
    Component(
        "keda-operator",
        KEDA,
        go=GoSource(
            module="keda",
            package=f"{_KEDA_MODULE}/cmd/operator",
            upstream=_KEDA_MODULE,
            ldflags=(f"-X {_KEDA_MODULE}/version.Version={KEDA.removeprefix('v')}",),
        ),
    ),
    Component(
        "keda-crds",
        KEDA,
        files=GoFiles(
            module="keda", upstream=_KEDA_MODULE, patterns=("config/crd/bases/*keda.sh_*.yaml",)
        ),
        # The same file for every architecture; the second name is for generic mirrors.
        mirror=("{name}-{version}.yaml", FLAT),
    ),
    Component(
        "coredns",
        COREDNS,
        # A main package of edge-lab with few plugins; tests compare the version with go.mod's.
        go=GoSource(module="coredns", package="edge-lab/images/coredns"),
    ),
    Component(
        "critest",
        CRI_TOOLS,
        # A main package of edge-lab: upstream has one for `go test` alone.
        go=GoSource(module="critest", package="edge-lab/images/critest"),
    ),
    _kubeedge("cloudcore", "cloud/cloudcore/cloudcore"),
    _kubeedge("controllermanager", "cloud/controllermanager/controllermanager"),
    _kubeedge("edgecore", "edge/edgecore"),
    Component(
        "kubeedge-crds",
        KUBEEDGE,
        files=GoFiles(
            module="kubeedge-crds",
            upstream="github.com/kubeedge/kubeedge",
            patterns=tuple(
                f"build/crds/{group}/*.yaml"
                for group in (
                    "devices",
                    "reliablesyncs",
                    "router",
                    "apps",
                    "operations",
                    "policy",
                )
            ),
        ),
        # The same file for every architecture; the second name is for generic mirrors.
        mirror=("{name}-{version}.yaml", FLAT),
    ),
    _k3s("k3s", {Arch.X86_64: ("k3s",), Arch.AARCH64: ("k3s-arm64",)}),
    _k3s("k3s-airgap-images", {Arch.X86_64: _K3S_IMAGES, Arch.AARCH64: _K3S_IMAGES}),
    Component(
        "edge-workload",
        WORKLOAD,
        go=GoSource(
            module="workload",
            package="edge-lab/images/workload",
            ldflags=(f"-X main.version={WORKLOAD}",),
        ),
    ),
    Component(
        # The same with go-spiffe and gRPC in it: for labs with workload identities alone, since the
        # process of each sandbox would be larger by them.
        "edge-workload-spiffe",
        WORKLOAD,
        go=GoSource(
            module="workload",
            package="edge-lab/images/workload",
            ldflags=(f"-X main.version={WORKLOAD}",),
            tags=("spiffe",),
        ),
    ),
    Component(
        "edge-runsc",
        RUNSC_ADAPTER,
        go=GoSource(module="runsc", package="edge-lab/images/runsc"),
    ),
    _gvisor("runsc"),
    _gvisor("containerd-shim-runsc-v1"),
    _crio("crio"),
    _crio("pinns"),
    _crio("conmon"),
    _crio("crictl"),
    Component(
        "edge-kvm",
        KVM_PLUGIN,
        go=GoSource(module="kvm", package="edge-lab/images/kvm"),
    ),
    Component(
        "kwok",
        KWOK,
        go=GoSource(
            module="kwok",
            package="sigs.k8s.io/kwok/cmd/kwok",
            upstream="sigs.k8s.io/kwok",
        ),
    ),
    Component(
        "edge-hostile",
        HOSTILE,
        go=GoSource(module="hostile", package="edge-lab/images/hostile"),
    ),
    _spire("spire-agent"),
    # Its store, SQLite, is written in C.
    _spire("spire-server", cgo=True),
    Component(
        # FreeRTOS-Kernel V11.2.0 and lwIP 2.2.1. The same file for every architecture.
        "rtos-firmware",
        RTOS_FIRMWARE,
        firmware=FirmwareSource(
            folder="rtos",
            crate="freertos-next",
            debian=DebianSource(
                package="lwip",
                suite="trixie",
                tarball="lwip_2.2.1+dfsg1.orig.tar.xz",
                sha256="83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1",
            ),
            sources={
                "firmware": ("src/*.c",),
                "crate": tuple(
                    f"FreeRTOS-Kernel/{file}.c"
                    for file in (
                        *("tasks", "queue", "list"),
                        *("portable/GCC/ARM_CM3/port", "portable/MemMang/heap_4"),
                    )
                ),
                "debian": (
                    *("src/core/*.c", "src/core/ipv4/*.c", "src/api/*.c", "src/netif/ethernet.c"),
                    "contrib/ports/freertos/sys_arch.c",
                ),
            },
            includes=(
                *("firmware/include", "firmware/src", "crate/FreeRTOS-Kernel/include"),
                *("crate/FreeRTOS-Kernel/portable/GCC/ARM_CM3", "debian/src/include"),
                "debian/contrib/ports/freertos/include",
            ),
            script="firmware/mps2-an385.ld",
            flags=("-Os", "-std=gnu11", "-ffunction-sections", "-fdata-sections"),
        ),
        mirror=("{name}-{version}.elf", FLAT),
    ),
    *_flux("source-controller"),
    *_flux("kustomize-controller"),
    Component(
        "edge-gitserver",
        GIT_SERVER,
        go=GoSource(module="gitserver", package="edge-lab/images/gitserver"),
    ),
    Component(
        "edge-functions",
        FUNCTIONS,
        go=GoSource(module="functions", package="edge-lab/images/functions"),
    ),
    Component(
        "thanos",
        THANOS,
        go=GoSource(
            module="thanos",
            package="github.com/thanos-io/thanos/cmd/thanos",
            upstream="github.com/thanos-io/thanos",
            ldflags=(f"-X github.com/prometheus/common/version.Version={THANOS[1:]}",),
            tags=("netgo", "slicelabels"),  # without the latter it panics (thanos#8543)
        ),
    ),
    Component(
        "versitygw",
        VERSITYGW,
        go=GoSource(
            module="versitygw",
            package="github.com/versity/versitygw/cmd/versitygw",
            upstream="github.com/versity/versitygw",
            ldflags=(f"-X main.Version={VERSITYGW}",),
        ),
    ),
)

CATALOG: Mapping[str, Component] = MappingProxyType(
    {component.name: component for component in _COMPONENTS}
)
