"""docker-registry 2.8: the registry in the cloud, and as a pull-through cache at the edge.

As a cache it contacts its upstream when it starts, and for every tag, without a timeout
(https://github.com/distribution/distribution/issues/4038): if the upstream is down, it does not
start, and if it is silent, requests for tags hang.
"""

from __future__ import annotations

from typing import Any

from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE_UNIT,
    KEYS,
    ORIGIN_UNIT,
    REGISTRY,
    STATE,
)
from edge_lab.core.yamltext import yaml_text
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

CONTENT = PAYLOAD_MOUNT / "registry"
"""The registry's storage: on the payload, so it is read-only."""
ORIGIN_CONFIG = f"{KEYS}/registry.yml"
CACHE_CONFIG = f"{KEYS}/pull-through.yml"
MEMORY_MIB = 64
"""Soft limit of its Go heap (GOMEMLIMIT)."""


def origin_config(
    listens: str, *, storage: str, certificate: str = "", key: str = "", writable: bool = False
) -> str:
    """The registry's configuration; it serves the content of `storage`."""
    http: dict[str, Any] = {"addr": listens}
    if certificate:
        http["tls"] = {"certificate": certificate, "key": key, "minimumtls": "tls1.2"}
    maintenance: dict[str, Any] = {"uploadpurging": {"enabled": False}}
    if not writable:
        maintenance["readonly"] = {"enabled": True}
    return yaml_text(
        {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": storage}, "maintenance": maintenance},
            "http": http,
        }
    )


def pull_through_config(listens: str, upstream: str, *, storage: str) -> str:
    """The configuration of a pull-through cache of the registry at `upstream`."""
    return yaml_text(
        {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": storage}},
            "http": {"addr": listens},
            "proxy": {"remoteurl": upstream},
        }
    )


def origin_provision(config: str) -> Provision:
    """The unit of the server; the caller adds program, keys and content."""
    service = _service(ORIGIN_UNIT, "Registry of the lab", ORIGIN_CONFIG)
    return service.provision(GuestFile.text(ORIGIN_CONFIG, config))


def pull_through_provision(config: str) -> Provision:
    """The unit of an edge node; the caller adds program and authority."""
    service = _service(CACHE_UNIT, "Cache of the lab's registry", CACHE_CONFIG)
    return service.provision(GuestFile.text(CACHE_CONFIG, config))


def _service(unit: str, description: str, config: str) -> Service:
    return Service(
        name=unit.removesuffix(".service"),
        description=description,
        command=(*REGISTRY.command, "serve", config),
        after=("systemd-networkd.service",),
        before_start=(("/usr/bin/mkdir", "-p", STATE),),
        # Go then reads trusted authorities only from there.
        environment={"GOMEMLIMIT": f"{MEMORY_MIB}MiB", "SSL_CERT_FILE": AUTHORITY},
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-900,
    )
