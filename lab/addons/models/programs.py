"""What runs on nodes: the programs of images/models, and the packages of the operator."""

from __future__ import annotations

import hashlib
import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from edge_lab.addons.cache.names import (
    AUTHORITY,
    CACHE_PORT,
    ORIGIN_PORT,
    ORIGIN_UNIT,
)
from edge_lab.addons.models.identities import API_FILES, INFERENCE_FILES, OPERATOR_FILES
from edge_lab.addons.models.names import (
    AGENT,
    CLOUD_PORT,
    CONFIG,
    FEED,
    FOLDER,
    HOME,
    MODEL,
    NAMESPACE,
    OPERATOR,
    OPERATOR_CONFIG,
    OPERATOR_PORT,
    PORT,
    READY,
    RUNTIME,
    SERVER,
    STATE,
    TOOL,
    unit,
)
from edge_lab.addons.models.versions import INPUTS, TARGET
from edge_lab.addons.purepython import pure_files, with_requirements
from edge_lab.addons.workload.manifests import sampled_devices
from edge_lab.data import IMAGES
from edge_lab.devices.protocols import protocol_of
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, PayloadFile, Provision
from edge_lab.stacks.serving import serving
from edge_lab.stacks.unit import Service
from edge_lab.topology import Device, Node, Topology

SOURCE = IMAGES / "models" / "edge_models"
CODE, PACKAGES = "models/code", "models/packages"
"""Folders of the payload: the programs, and the operator's packages."""
PYTHON = ("/usr/bin/python3", "-P")
BEAT_SECONDS = 5.0
"""Between two reports of an agent."""

COMPILED_PARTS = frozenset({"aiohttp", "frozenlist", "multidict", "propcache", "pyyaml", "yarl"})
"""Packages of the operator that work without their compiled modules, only slower."""
PURE = {
    f"{name}_NO_EXTENSIONS": "1"
    for name in ("AIOHTTP", "FROZENLIST", "MULTIDICT", "PROPCACHE", "YARL")
}
EXTRA = "Run `make setup`, or `pip install 'edge-lab[models]'`."


def judged_device(topology: Topology, node: Node) -> Device | None:
    """The device of a node whose values the model predicts; None if it has none."""
    for device in sampled_devices(topology, node):
        config = protocol_of(device.protocol).sampler_config(topology, device)
        names = {point["name"] for point in config.get("points", ())}
        if set(INPUTS) <= names and "address" in config:
            return device
    return None


def period_ms(topology: Topology) -> int:
    """Of the devices; models are made for one period."""
    found = (judged_device(topology, node) for node in topology.edges)
    return next((device.period_ms for device in found if device), 1000)


# -- payload -------------------------------------------------------------------------------------


def _payload(place: str, source: Path) -> PayloadFile:
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    return PayloadFile(place, source, digest, executable=False)


def program_files() -> tuple[PayloadFile, ...]:
    return tuple(
        _payload(f"{CODE}/{SOURCE.name}/{path.name}", path) for path in sorted(SOURCE.glob("*.py"))
    )


@cache
def operator_files() -> tuple[PayloadFile, ...]:
    """kopf and what it needs; LabError if it is not installed."""
    found: list[PayloadFile] = []
    for package in with_requirements(("kopf",), purpose="the operator of models", remedy=EXTRA):
        for name, path in pure_files(package, compiled_parts=package in COMPILED_PARTS):
            found.append(_payload(f"{PACKAGES}/{name}", path))
    return tuple(found)


# -- configuration -------------------------------------------------------------------------------


def node_config(topology: Topology, node: Node, api: str) -> dict[str, Any]:
    """images/models/edge_models/config.py."""
    server = topology.cluster_link(topology.server.name).address
    origin = {"url": f"https://{server}:{ORIGIN_PORT}", "authority": AUTHORITY}
    on_server = node.name == topology.server.name
    config: dict[str, Any] = {
        "node": node.name,
        "folder": FOLDER,
        "namespace": NAMESPACE,
        "api": {"url": api, **API_FILES.as_config()},
        # The node's cache first: what it has needs no uplink. The registry has the last word.
        "sources": [*([] if on_server else [{"url": f"http://127.0.0.1:{CACHE_PORT}"}]), origin],
        "host": "127.0.0.1",
        "port": PORT,
        "beat": BEAT_SECONDS,
    }
    if on_server:
        config["health"] = OPERATOR_PORT
        config["tls"] = {"host": str(server), "port": CLOUD_PORT, **INFERENCE_FILES.as_config()}
    else:
        config["cloud"] = {"url": f"https://{server}:{CLOUD_PORT}", **INFERENCE_FILES.as_config()}
        device = judged_device(topology, node)
        if device is not None:
            config["feed"] = feed_config(topology, device)
    return config


def feed_config(topology: Topology, device: Device) -> dict[str, Any]:
    config = protocol_of(device.protocol).sampler_config(topology, device)
    host, _, port = config["address"].rpartition(":")
    points = {point["name"]: point for point in config["points"]}
    return {
        "model": MODEL,
        "host": host,
        "port": int(port),
        "unit": config["unit"],
        "inputs": [points[name] for name in INPUTS],
        "target": TARGET,
        # Three reads per step: comparisons need two steps in a row.
        "every": device.period_ms / 3000,
    }


# -- units ---------------------------------------------------------------------------------------


def command(config: str, program: str) -> tuple[str, ...]:
    """One of the programs; the inference server runs with the libraries of its runtime."""
    python = (*RUNTIME.command, "-P") if program == "serve" else PYTHON
    return (*python, "-m", SOURCE.name, config, program)


def tool() -> GuestFile:
    """The command of a node: `edge-models rollback`, `ask`, `show` (images/models/edge_models)."""
    path = environment("agent")["PYTHONPATH"]
    words = shlex.join(("env", f"PYTHONPATH={path}", *PYTHON, "-m", SOURCE.name, CONFIG))
    return GuestFile.text(TOOL, f'#!/bin/sh\nexec {words} "$@"\n', 0o755)


def environment(program: str) -> dict[str, str]:
    path = [str(PAYLOAD_MOUNT / CODE)]
    more: dict[str, str] = {}
    if program == "serve":
        path.append(RUNTIME.path)
    if program == "operator":
        path.append(str(PAYLOAD_MOUNT / PACKAGES))
        more = PURE
    return {
        "PYTHONPATH": ":".join(path),
        # The payload is read-only, and compiling anew takes an emulated processor long.
        "PYTHONPYCACHEPREFIX": f"{FOLDER}/compiled",
        "MALLOC_ARENA_MAX": "2",
        **more,
    }


def _service(name: str, description: str, program: str, *after: str) -> Service:
    return Service(
        name=name,
        description=description,
        command=command(OPERATOR_CONFIG if program == "operator" else CONFIG, program),
        after=("systemd-networkd.service", *after),
        environment=environment(program),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )


def services(topology: Topology, node: Node, api_unit: str) -> tuple[Service, ...]:
    found = [
        _service(SERVER, "Inference server of the node", "serve"),
        _service(AGENT, "Agent of the node's models", "agent", unit(SERVER)),
    ]
    if node.name == topology.server.name:
        after = (api_unit, ORIGIN_UNIT)
        found.append(_service(OPERATOR, "Operator of EdgeModel objects", "operator", *after))
    elif judged_device(topology, node) is not None:
        found.append(_service(FEED, "Inference for each step of the device", "feed", unit(SERVER)))
    return tuple(found)


def unit_names(topology: Topology, node: Node) -> tuple[str, ...]:
    names = [service.unit for service in services(topology, node, "")]
    return (*names, unit(READY))


def node_provision(topology: Topology, node: Node, api: str, api_unit: str) -> Provision:
    """Units and configurations; the caller adds keys and payload."""
    config = node_config(topology, node, api)
    files = [_json(CONFIG, config), tool()]
    urls = [f"http://127.0.0.1:{PORT}/healthz"]
    if node.name == topology.server.name:
        api_of_operator = {"url": api, **OPERATOR_FILES.as_config()}
        files.append(_json(OPERATOR_CONFIG, {**config, "api": api_of_operator}))
    found = services(topology, node, api_unit)
    return Provision.total(
        (
            Provision(files=tuple(files), folders=(HOME,)),
            *(service.provision() for service in found),
            serving(READY, "Models are served", urls, (unit(SERVER),)),
        )
    )


def _json(path: str, content: dict[str, Any]) -> GuestFile:
    return GuestFile.text(path, json.dumps(content, indent=2) + "\n")
