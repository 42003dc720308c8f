"""python3 -m edge_models CONFIG agent|serve|feed|operator|show
python3 -m edge_models CONFIG rollback MODEL
python3 -m edge_models CONFIG ask edge|cloud MODEL COUNT INPUT…
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .agent import LOOK_SECONDS, ROLLBACK, Agent, ModelAgent, readings_in
from .ask import ask
from .client import Client, NoAnswer
from .config import Config, read_config
from .feed import Device, Feed
from .kubeapi import objects_path
from .store import Journal, Store

EVALUATE_SECONDS = 60.0
"""For a first evaluation, which loads a version on an emulated processor."""
INFER_SECONDS = 10.0
ASK_SECONDS = 60.0


def local(config: Config, timeout: float) -> Client:
    return Client(f"http://{config.host}:{config.port}", timeout=timeout)


def make_agent(config: Config) -> Agent:
    journal, server = Journal(config.journal), local(config, EVALUATE_SECONDS)
    api, path = config.client(), objects_path(config.namespace, "modelnodes", config.node, "status")
    feed = config.feed

    def make(name: str) -> ModelAgent:
        has_feed = feed is not None and feed.model == name
        return ModelAgent(
            name=name,
            store=Store(config.model(name)),
            sources=config.sources,
            server=server,
            journal=journal,
            readings=lambda: readings_in(config.requests) if has_feed else [],
            target=feed.target if has_feed and feed is not None else None,
        )

    def exchange(status: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to a report is the whole object, with its spec: one request for both."""
        found = api.call("PATCH", path, {"status": status})
        models: Mapping[str, Any] = (found.get("spec") or {}).get("models") or {}
        return models

    agent = Agent(make, exchange, server, journal, config.beat)
    folder = config.folder / "models"
    for known in sorted(folder.iterdir()) if folder.is_dir() else ():
        agent.models[known.name] = make(known.name)
    return agent


def run_agent(config: Config) -> None:
    agent = make_agent(config)
    while True:
        agent.look()
        time.sleep(LOOK_SECONDS)


def run_serve(config: Config) -> None:
    from .serve import Server

    Server(config).run()


def serves(client: Client, model: str) -> bool:
    try:
        return model in client.serving()
    except NoAnswer:
        return False


def run_feed(config: Config) -> None:
    if config.feed is None:
        raise SystemExit(f"node {config.node} has no device")
    device = Device(config.feed.host, config.feed.port, config.feed.unit)
    client = local(config, INFER_SECONDS)
    # At a boot the server needs much longer than this program.
    while not serves(client, config.feed.model):
        time.sleep(LOOK_SECONDS)
    Feed(config.feed, device.read, client.infer, Journal(config.requests)).run()


def run_operator(config: Config) -> None:
    from .operator import run

    run(config)


def run_show(config: Config) -> None:
    folder = config.folder / "models"
    states = {
        path.name: json.loads((path / "state.json").read_text(encoding="utf-8"))
        for path in sorted(folder.iterdir())
        if (path / "state.json").exists()
    }
    print(json.dumps({"serving": local(config, ASK_SECONDS).serving(), "states": states}))


COMMANDS = {
    "agent": run_agent,
    "serve": run_serve,
    "feed": run_feed,
    "operator": run_operator,
    "show": run_show,
}


def main(words: list[str]) -> int:
    # The journal has the time already.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    match words:
        case [config, command] if command in COMMANDS:
            COMMANDS[command](read_config(Path(config)))
        case [config, "rollback", model]:
            (read_config(Path(config)).model(model) / ROLLBACK).touch()
        case [config, "ask", "edge" | "cloud" as where, model, count, *inputs]:
            read = read_config(Path(config))
            client = local(read, ASK_SECONDS)
            if where == "cloud":
                url = read.cloud["url"]
                client = Client(url, timeout=ASK_SECONDS, tls=read.cloud)
            print(json.dumps(ask(client, model, [float(one) for one in inputs], int(count))))
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
