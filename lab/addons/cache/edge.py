"""nginx on an edge node and on the server: which upstreams it has there, and its units."""

from __future__ import annotations

from pathlib import Path

from edge_lab.addons.cache import soundness
from edge_lab.addons.cache.identities import site_name
from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE_PORT,
    CACHE_UNIT,
    CERTIFICATE,
    DATA_NAME,
    DATA_PORT,
    DATA_UNIT,
    KEY,
    KEYS,
    NGINX,
    ORIGIN_PORT,
    REGISTRY_NAME,
    SITE_PORT,
    STAGE_PORT,
    STATE,
    site_peers,
)
from edge_lab.addons.cache.nginx import STORES, Cache, Upstream, cache_config, data_config
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service
from edge_lab.topology import Node, Topology

CONFIG, DATA_CONFIG = f"{KEYS}/cache.conf", f"{KEYS}/data.conf"
SOUNDNESS = f"{KEYS}/soundness.py"
DATA_STATE = "/run/edge-lab-data"
JOURNAL = "syslog:server=unix:/dev/log,nohostname,tag=cache"


def cache_of(topology: Topology, node: Node) -> Cache:
    """The cache of an edge node."""
    server = topology.cluster_link(topology.server.name).address

    def stage(number: int) -> str:
        return f"127.0.0.1:{STAGE_PORT + number}"

    return Cache(
        listens=f"127.0.0.1:{CACHE_PORT}",
        site=tuple(f"{link.address}:{SITE_PORT}" for link in topology.links_of(node.name)),
        registry=Upstream("registry", f"{server}:{ORIGIN_PORT}", REGISTRY_NAME, stage(0)),
        data=Upstream("data", f"{server}:{DATA_PORT}", DATA_NAME, stage(1)),
        peers=tuple(
            Upstream(f"peer-{name}", f"{link.address}:{SITE_PORT}", site_name(name), stage(number))
            for number, (name, link) in enumerate(site_peers(topology, node), 2)
        ),
        state=STATE,
        authority=AUTHORITY,
        certificate=CERTIFICATE,
        key=KEY,
        log=JOURNAL,
        pid="/run/edge-lab-cache.pid",
    )


def cache_provision(topology: Topology, node: Node) -> Provision:
    """The unit of an edge node; the caller adds program and keys."""
    config = cache_config(cache_of(topology, node))
    stores = tuple(f"{STATE}/{name}" for name in STORES)
    check = ("/usr/bin/python3", "-I", SOUNDNESS, *stores)
    service = _service(CACHE_UNIT, "Cache of images and data", CONFIG, STATE, check)
    script = Path(soundness.__file__).read_text(encoding="utf-8")
    return service.provision(GuestFile.text(CONFIG, config), GuestFile.text(SOUNDNESS, script))


def data_provision(topology: Topology) -> Provision:
    """The unit of the server; the caller adds program, keys and data sets."""
    address = topology.cluster_link(topology.server.name).address
    config = data_config(
        f"{address}:{DATA_PORT}",
        root=str(PAYLOAD_MOUNT),
        state=DATA_STATE,
        certificate=CERTIFICATE,
        key=KEY,
    )
    service = _service(DATA_UNIT, "Data sets of the lab", DATA_CONFIG, DATA_STATE)
    return service.provision(GuestFile.text(DATA_CONFIG, config))


def _service(
    unit: str, description: str, config: str, state: str, *before: tuple[str, ...]
) -> Service:
    owner = ("-o", "nobody", "-g", "nogroup")
    return Service(
        name=unit.removesuffix(".service"),
        description=description,
        command=(*NGINX.command, "-e", "stderr", "-c", config),
        after=("systemd-networkd.service",),
        before_start=(("/usr/bin/install", "-d", *owner, state, f"{state}/scratch"), *before),
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-900,
    )
