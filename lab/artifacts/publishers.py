"""Components of publishers with several programs: what is alike for all of them."""

from __future__ import annotations

from collections.abc import Mapping

from edge_lab.artifacts.model import FLAT, Component, GoFiles, GoSource, ReleaseSource
from edge_lab.topology import Arch

GITHUB = "https://github.com/{project}/releases/download/{{version}}"
_KUBERNETES_FILE = ("bin/linux/{arch}/{name}",)


def kubernetes(version: str, name: str, module: str = "kubernetes") -> Component:
    base = "k8s.io/component-base/version"
    major, minor, _ = version.removeprefix("v").split(".")
    values = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
    }
    return Component(
        name,
        version,
        go=GoSource(
            module=module,
            package=f"k8s.io/kubernetes/cmd/{name}",
            upstream="k8s.io/kubernetes",
            ldflags=tuple(f"-X {base}.{key}={value}" for key, value in values.items()),
        ),
        release=ReleaseSource(
            page="https://dl.k8s.io/release/{version}",
            files={Arch.X86_64: _KUBERNETES_FILE, Arch.AARCH64: _KUBERNETES_FILE},
            upstream="release",
            checksums="{file}.sha256",
        ),
        # The same below a mirror, which may also have files that are not published.
        mirror=("release/{version}/bin/linux/{arch}/{name}", FLAT),
    )


def spire(version: str, name: str, *, cgo: bool = False) -> Component:
    return Component(
        name,
        version,
        go=GoSource(
            module="spire",
            package=f"github.com/spiffe/spire/cmd/{name}",
            upstream="github.com/spiffe/spire",
            ldflags=(
                f"-X github.com/spiffe/spire/pkg/common/version.gittag={version.removeprefix('v')}",
                *(('-linkmode external -extldflags "-static"',) if cgo else ()),
            ),
            # The same for both, so that common packages are compiled once.
            tags=("netgo", "osusergo", "sqlite_omit_load_extension"),
            cgo=cgo,
        ),
    )


def flux(version: str, name: str) -> tuple[Component, Component]:
    """One of Flux' controllers, and its kinds."""
    upstream = f"github.com/fluxcd/{name}"
    program = Component(
        name, version, go=GoSource(module="flux", package=upstream, upstream=upstream)
    )
    kinds = Component(
        f"{name}-crds",
        version,
        files=GoFiles(module="flux", upstream=upstream, patterns=("config/crd/bases/*.yaml",)),
        # The same file for every architecture; the second name is for generic mirrors.
        mirror=("{name}-{version}.yaml", FLAT),
    )
    return program, kinds


def kubeedge(version: str, name: str, member: str) -> Component:
    """A program of KubeEdge. Its tarballs are published for two of the architectures."""
    tarball = ("kubeedge-{version}-linux-{arch}.tar.gz",)
    return Component(
        name,
        version,
        release=ReleaseSource(
            page=GITHUB.format(project="kubeedge/kubeedge"),
            files={Arch.X86_64: tarball, Arch.AARCH64: tarball},
            upstream="kubeedge",
            checksums="checksum_{file}.txt",
            member=member,
        ),
    )


def k3s(version: str, name: str, files: Mapping[Arch, tuple[str, ...]]) -> Component:
    """A file of a K3s release. Its publisher has none for riscv64."""
    return Component(
        name,
        version,
        release=ReleaseSource(
            page=GITHUB.format(project="k3s-io/k3s"),
            files=files,
            upstream="k3s",
            checksums="sha256sum-{arch}.txt",
        ),
    )


def gvisor(version: str, name: str) -> Component:
    """A program of a gVisor release. There is none for riscv64."""
    return Component(
        name,
        version,
        release=ReleaseSource(
            page="https://storage.googleapis.com/gvisor/releases/release/{version}",
            files={Arch.X86_64: ("x86_64/{name}",), Arch.AARCH64: ("aarch64/{name}",)},
            upstream="gvisor",
            checksums="{file}.sha512",
        ),
    )


def crio(version: str, name: str) -> Component:
    """A program of CRI-O's release bundle, at the version of the bundle. There is none for
    riscv64."""
    bundle = ("cri-o.{arch}.{version}.tar.gz",)
    return Component(
        name,
        version,
        release=ReleaseSource(
            page="https://storage.googleapis.com/cri-o/artifacts",
            files={Arch.X86_64: bundle, Arch.AARCH64: bundle},
            upstream="cri-o",
            checksums="{file}.sha256sum",
            member=f"bin/{name}",
        ),
    )
