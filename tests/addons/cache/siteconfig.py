"""What cloud and edge of a `Site` are given: keys, content, and the configurations of the lab."""

from __future__ import annotations

import os
from ipaddress import IPv4Address
from pathlib import Path

from edge_lab.addons.cache.content import DataSet, LabImage, write_data, write_registry
from edge_lab.addons.cache.identities import REGISTRIES, site_name
from edge_lab.addons.cache.names import DATA_NAME, REGISTRY_NAME
from edge_lab.addons.cache.nginx import Cache, Upstream, cache_config, data_config
from edge_lab.addons.cache.registry import origin_config, pull_through_config
from edge_lab.artifacts import host_arch
from edge_lab.pki import Authority, CertificateSpec, IdentityRequest, Pki, Usage

CLOUD, EDGE = "10.99.0.1", "10.99.0.2"
NODES = ("near", "far")
"""Two caches of one site; the second is for those who share."""
IMAGES = (LabImage("cached"), LabImage("absent"), *(LabImage(f"large-{n}", 12) for n in range(3)))
SETS = tuple(DataSet(f"set-{number}.bin") for number in range(8))
IMAGES_MIB, DATA_MIB = 24, 8


def port_of(node: str) -> int:
    """Where the cache of a node listens."""
    return 5001 + 100 * NODES.index(node)


def make_keys(folder: Path) -> None:
    """Of the cloud and of both caches, below `folder`."""
    spec = {
        "server": ((REGISTRY_NAME, DATA_NAME), CLOUD),
        **{node: ((site_name(node),), "127.0.0.1") for node in NODES},
    }
    requests = [
        IdentityRequest(
            REGISTRIES,
            name,
            CertificateSpec(
                names[0],
                dns_names=names,
                addresses=(IPv4Address(address),),
                usages=(Usage.SERVER,),
            ),
        )
        for name, (names, address) in spec.items()
    ]
    pki = Pki.create(folder / "pki", requests)
    (folder / "ca.crt").write_bytes(pki.authority(REGISTRIES).certificate_pem)
    for name in spec:
        identity = pki.identity(REGISTRIES, name)
        (folder / f"{name}.crt").write_bytes(identity.certificate_pem)
        (folder / f"{name}.key").write_bytes(identity.key_pem)


def make_content(folder: Path) -> dict[str, str]:
    """Returns the digest of each image's index by name."""
    program = folder / "program"
    program.write_bytes(b"a program")
    write_data(folder / "sets/data", SETS)
    return write_registry(folder / "store", IMAGES, {host_arch(): program}, folder / "blobs")


def configure(folder: Path) -> None:
    """All programs of a site that is in `folder`."""
    user = "root root" if os.geteuid() == 0 else ""

    def file(name: str) -> str:
        return str(folder / name)

    (folder / "o.yml").write_text(
        origin_config(
            f"{CLOUD}:5000",
            storage=file("store"),
            certificate=file("server.crt"),
            key=file("server.key"),
        )
    )
    (folder / "data.conf").write_text(
        data_config(
            f"{CLOUD}:5444",
            root=file("sets"),
            state=file("served"),
            certificate=file("server.crt"),
            key=file("server.key"),
            user=user,
        )
    )
    (folder / "pull-through.yml").write_text(
        pull_through_config(
            f"127.0.0.1:{port_of(NODES[0])}", f"https://{CLOUD}:5000", storage=file("near")
        )
    )
    for place in ("served", *NODES):
        (folder / place / "scratch").mkdir(parents=True)
    for number, node in enumerate(NODES):
        other = NODES[1 - number]
        base = 100 * number
        (folder / f"{node}.conf").write_text(
            cache_config(
                Cache(
                    listens=f"127.0.0.1:{port_of(node)}",
                    site=(f"127.0.0.1:{5443 + base}",),
                    registry=Upstream(
                        "registry", f"{CLOUD}:5000", REGISTRY_NAME, f"127.0.0.1:{5010 + base}"
                    ),
                    data=Upstream("data", f"{CLOUD}:5444", DATA_NAME, f"127.0.0.1:{5011 + base}"),
                    peers=(
                        Upstream(
                            f"peer-{other}",
                            f"127.0.0.1:{5543 - base}",
                            site_name(other),
                            f"127.0.0.1:{5012 + base}",
                        ),
                    ),
                    state=file(node),
                    authority=file("ca.crt"),
                    certificate=file(f"{node}.crt"),
                    key=file(f"{node}.key"),
                    images_mib=IMAGES_MIB,
                    data_mib=DATA_MIB,
                    log=file(f"{node}.access"),
                    pid=file(f"{node}.pid"),
                    user=user,
                )
            )
        )


def show_false_certificate(folder: Path) -> None:
    """From its next start on the cloud shows one by an authority that nobody trusts."""
    names = (REGISTRY_NAME, DATA_NAME)
    spec = CertificateSpec(names[0], dns_names=names, usages=(Usage.SERVER,))
    identity = Authority.create("edge-lab registries").issue(spec)
    (folder / "server.crt").write_bytes(identity.certificate_pem)
    (folder / "server.key").write_bytes(identity.key_pem)
