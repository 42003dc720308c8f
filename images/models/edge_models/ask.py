"""Times requests to an inference server, one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from .client import Client, NoAnswer


def ask(client: Client, model: str, inputs: Sequence[float], count: int) -> dict[str, Any]:
    """Milliseconds of each request on one connection; the first one, which opens it, apart."""
    times: list[float] = []
    tags: list[str] = []
    troubles: list[str] = []
    for _ in range(count + 1):
        began = time.monotonic()
        try:
            tags.append(client.infer(model, [inputs]).tag)
        except NoAnswer as trouble:
            troubles.append(str(trouble))
            continue
        times.append((time.monotonic() - began) * 1000)
    return {
        "first_ms": times[0] if times else None,
        "ms": times[1:],
        "tags": sorted(set(tags)),
        "troubles": troubles,
    }
