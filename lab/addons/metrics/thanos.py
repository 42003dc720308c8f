"""Thanos' parts, v0.42: the sidecar on edge nodes; S3 server, store gateway and querier on the
server node.

https://thanos.io/tip/components, https://github.com/versity/versitygw
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.addons.metrics.identities import METRICS_DOMAIN
from edge_lab.addons.metrics.names import (
    OBJECTS,
    OBJECTS_PORT,
    QUERY,
    QUERY_GRPC,
    QUERY_PORT,
    SIDECAR,
    SIDECAR_HTTP,
    SIDECAR_PORT,
    STATE,
    STORE,
    STORE_HTTP,
    STORE_PORT,
    THANOS,
    VERSITYGW,
    unit,
)
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.receiver import LOOKBACK_SECONDS, WEB
from edge_lab.addons.metrics.senders import SIDECAR_SENDER
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.core.yamltext import yaml_text
from edge_lab.pki import Pki, SigningKeyRequest
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service

BUCKET = "metrics"
ACCESS_KEY = "edge-lab"
SECRET_REQUEST = SigningKeyRequest(METRICS_DOMAIN, "objects")
"""The key from which the secret of the S3 server is derived."""

RESPONSE_SECONDS = 5
"""Seconds without data after which the querier gives up a sidecar or the store gateway. Thanos'
default is no limit: a query takes two minutes while a node is silent."""
SYNC_SECONDS = 30
"""Interval at which the store gateway looks for new blocks; its default is 15 min."""

INDEX_CACHE = {"type": "IN-MEMORY", "config": {"max_size": "16MB", "max_item_size": "4MB"}}
"""Of the store gateway. With --index-cache-size, an item alone may have 125 MiB."""

MEMORY_MIB: Mapping[str, int] = {SIDECAR: 64, STORE: 96, QUERY: 96, OBJECTS: 64}
"""Soft limits of their Go heaps (GOMEMLIMIT)."""


@dataclass(frozen=True)
class Ports:
    """Where the parts listen: in a guest, or on the host of a test."""

    objects: str = f"0.0.0.0:{OBJECTS_PORT}"
    sidecar: str = f"0.0.0.0:{SIDECAR_PORT}"
    sidecar_http: str = SIDECAR_HTTP
    store: str = f"127.0.0.1:{STORE_PORT}"
    store_http: str = STORE_HTTP
    query: str = f"0.0.0.0:{QUERY_PORT}"
    query_grpc: str = QUERY_GRPC


PORTS = Ports()

# -- files ---------------------------------------------------------------------------------------


def secret_key(pki: Pki) -> str:
    """The secret access key, the same for a lab and its checkpoints."""
    key = pki.signing_key(SECRET_REQUEST.domain, SECRET_REQUEST.name)
    return hashlib.sha256(b"S3 secret access key\0" + key).hexdigest()[:40]


def credentials(secret: str) -> str:
    """The environment file of the S3 server."""
    return f"ROOT_ACCESS_KEY={ACCESS_KEY}\nROOT_SECRET_KEY={secret}\n"


def objects_config(place: Place, secret: str) -> str:
    """How sidecar and store gateway reach the S3 server; contains the secret."""
    return yaml_text(
        {
            "type": "S3",
            "config": {
                "bucket": BUCKET,
                "endpoint": f"{place.server}:{OBJECTS_PORT}",
                "access_key": ACCESS_KEY,
                "secret_key": secret,
                "bucket_lookup_type": "path",
                "http_config": {"tls_config": {"ca_file": place.ca}},
            },
        }
    )


def endpoints_config(place: Place, sidecars: tuple[str, ...], *, strict: bool = True) -> str:
    """What the querier asks: the sidecars at `address:port`, and the store gateway.

    A sidecar that is not `strict` is left out while it does not answer, without a warning.
    """
    tls = {"ca_file": place.ca, "cert_file": place.certificate, "key_file": place.key}
    endpoints: list[dict[str, Any]] = [
        {"address": sidecar, "strict": strict, "client_config": {"tls_config": tls}}
        for sidecar in sidecars
    ]
    endpoints.append({"address": PORTS.store, "strict": True})
    return yaml_text({"endpoints": endpoints})


# -- commands ------------------------------------------------------------------------------------


def objects_folder(place: Place) -> str:
    """The folder of all buckets: each is a folder in it."""
    return place.folder("objects")


def objects_command(place: Place, ports: Ports = PORTS) -> tuple[str, ...]:
    return (
        f"{place.bin}/{VERSITYGW}",
        f"--port={ports.objects}",
        f"--cert={place.certificate}",
        f"--key={place.key}",
        "--health=/healthz",
        "--quiet",
        "posix",
        objects_folder(place),
    )


def sidecar_files(place: Place) -> TlsFiles:
    """What the sidecar presents to the querier, and the authority with which it verifies it."""
    return TlsFiles(place.ca, f"{place.files}/sidecar.crt", f"{place.files}/sidecar.key")


def sidecar_command(place: Place, ports: Ports = PORTS) -> tuple[str, ...]:
    tls = sidecar_files(place)
    return (
        f"{place.bin}/{THANOS}",
        "sidecar",
        f"--prometheus.url=http://{SIDECAR_SENDER.address}",
        f"--tsdb.path={place.folder(SIDECAR_SENDER.name)}",
        f"--objstore.config-file={place.config('objects')}",
        f"--http-address={ports.sidecar_http}",
        f"--grpc-address={ports.sidecar}",
        f"--grpc-server-tls-cert={tls.certificate}",
        f"--grpc-server-tls-key={tls.key}",
        f"--grpc-server-tls-client-ca={tls.authority}",
    )


def store_command(place: Place) -> tuple[str, ...]:
    return (
        f"{place.bin}/{THANOS}",
        "store",
        f"--data-dir={place.folder('store')}",
        f"--objstore.config-file={place.config('objects')}",
        f"--http-address={PORTS.store_http}",
        f"--grpc-address={PORTS.store}",
        f"--sync-block-duration={SYNC_SECONDS}s",
        # The defaults are for object storages of terabytes.
        f"--index-cache.config={yaml_text(INDEX_CACHE)}",
        "--chunk-pool-size=64MB",
    )


def query_command(
    place: Place, ports: Ports = PORTS, endpoints: str = "endpoints"
) -> tuple[str, ...]:
    """Partial response is Thanos' default."""
    return (
        f"{place.bin}/{THANOS}",
        "query",
        f"--endpoint.sd-config-file={place.config(endpoints)}",
        f"--http-address={ports.query}",
        f"--http.config={place.config(WEB)}",
        f"--grpc-address={ports.query_grpc}",
        f"--query.lookback-delta={LOOKBACK_SECONDS}s",
        "--query.partial-response",
        f"--store.response-timeout={RESPONSE_SECONDS}s",
    )


# -- units ---------------------------------------------------------------------------------------


def _service(
    name: str, description: str, command: tuple[str, ...], after: tuple[str, ...] = (), **more: Any
) -> Service:
    return Service(
        name=name,
        description=description,
        command=command,
        after=("systemd-networkd.service", *after),
        wants=after,
        environment={"GOMEMLIMIT": f"{MEMORY_MIB[name]}MiB"},
        mounts=(str(PAYLOAD_MOUNT),),
        **more,
    )


def sidecar_service(place: Place) -> Service:
    """Its state is the folder of its Prometheus."""
    command, after = sidecar_command(place), (SIDECAR_SENDER.unit,)
    return _service(SIDECAR, "Thanos sidecar", command, after)


def server_services(place: Place) -> tuple[Service, ...]:
    """S3 server, store gateway and querier."""
    return (
        _service(
            OBJECTS,
            "S3 server for blocks of metrics",
            objects_command(place),
            before_start=(("/usr/bin/mkdir", "-p", f"{objects_folder(place)}/{BUCKET}"),),
            environment_file=place.environment("objects"),
            state_directory=f"{STATE}/objects",
        ),
        _service(
            STORE,
            "Thanos store gateway",
            store_command(place),
            (unit(OBJECTS),),
            state_directory=f"{STATE}/store",
        ),
        _service(QUERY, "Thanos querier", query_command(place), (unit(STORE),)),
    )
