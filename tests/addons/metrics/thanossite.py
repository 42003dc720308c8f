"""A `Site` with Thanos' parts: programs that the lab has built, and Debian's Prometheus."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from edge_lab.addons.metrics.identities import METRICS_DOMAIN, sidecar_spec
from edge_lab.addons.metrics.names import SIDECAR_PORT, THANOS, VERSITYGW
from edge_lab.addons.metrics.place import Place
from edge_lab.addons.metrics.senders import SIDECAR_SENDER, Sender
from edge_lab.addons.metrics.thanos import (
    BUCKET,
    SECRET_REQUEST,
    credentials,
    endpoints_config,
    objects_command,
    objects_config,
    objects_folder,
    query_command,
    secret_key,
    sidecar_command,
    sidecar_files,
    store_command,
)
from edge_lab.pki import IdentityRequest, Pki, Request
from tests.addons.metrics.site import EDGE_ADDRESS, NODE, Site
from tests.probes.api_server import program

SIDECAR_ENDPOINT = f"{EDGE_ADDRESS}:{SIDECAR_PORT}"


def thanos_programs() -> dict[str, Path]:
    """Programs; skips the test where the lab has not built them."""
    found = {name: program(name) for name in (THANOS, VERSITYGW)}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        pytest.skip(
            f"the lab has not built {' and '.join(missing)} for this host yet: "
            "`lab up labs/edge-thanos.yaml` does"
        )
    return {name: path for name, path in found.items() if path is not None}


class ThanosSite(Site):
    """Prometheus and the sidecar on the edge node; S3 server, store gateway and querier in the
    cloud. Also the receiver, which gets nothing."""

    senders: ClassVar[Mapping[str, Sender]] = {SIDECAR_SENDER.name: SIDECAR_SENDER}
    secret: str

    def requests(self) -> tuple[Request, ...]:
        sidecar = IdentityRequest(METRICS_DOMAIN, "sidecar", sidecar_spec(NODE, EDGE_ADDRESS))
        return (*super().requests(), SECRET_REQUEST, sidecar)

    def place(self, part: str) -> Place:
        return replace(super().place(part), bin=str(self.folder / "bin"))

    def write_more(self, pki: Pki) -> None:
        (self.folder / "bin").mkdir()
        for name, path in thanos_programs().items():
            (self.folder / "bin" / name).symlink_to(path)
        self.secret = secret_key(pki)
        cloud, edge = self.place("cloud"), self.place("edge")
        for place in (cloud, edge):
            Path(place.config("objects")).write_text(objects_config(place, self.secret))
        sidecars = (SIDECAR_ENDPOINT,)
        Path(cloud.config("endpoints")).write_text(endpoints_config(cloud, sidecars))
        lenient = endpoints_config(cloud, sidecars, strict=False)
        Path(cloud.config("lenient")).write_text(lenient)
        identity = pki.identity(METRICS_DOMAIN, "sidecar")
        tls = sidecar_files(edge)
        Path(tls.certificate).write_bytes(identity.certificate_pem)
        Path(tls.key).write_bytes(identity.key_pem)
        (Path(objects_folder(cloud)) / BUCKET).mkdir(parents=True)

    def start_cloud(self) -> None:
        super().start_cloud()
        cloud = self.place("cloud")
        settings = credentials(self.secret).split()
        env = shutil.which("env") or "/usr/bin/env"
        self.start("objects", self.cloud, (env, *settings, *objects_command(cloud)))
        self.start("store", self.cloud, store_command(cloud))
        self.start("query", self.cloud, query_command(cloud))

    def start_node(self) -> None:
        super().start_node()
        self.start_node_part("sidecar")

    def start_node_part(self, name: str) -> None:
        if name == "sidecar":
            self.start("sidecar", self.edge, sidecar_command(self.place("edge")))
        else:
            super().start_node_part(name)

    @property
    def node_parts(self) -> tuple[str, ...]:
        return (*super().node_parts, "sidecar")
