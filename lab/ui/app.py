"""The page of a lab: its files, its requests, and the events that update it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import EdgeLabError, InputError
from edge_lab.faults.forms import PLACES, forms_for
from edge_lab.live.lab import LiveLab
from edge_lab.live.snapshot import Action
from edge_lab.ui.guard import Guard, refusal

ASSETS = Path(__file__).parent / "assets"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

LOG_SECONDS = 20.0
"""Seconds for a journal, which is read from the node."""

TELL_EVERY = 1.0
"""Seconds between events to the page."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Inject(_Body):
    """A fault by the arguments of `lab fault add`."""

    words: list[str] = Field(min_length=1, max_length=50)


class Heal(_Body):
    """Which faults to heal; all of them if none is named."""

    ids: list[int] = Field(max_length=1000)


def make_app(
    live: LiveLab,
    *,
    hosts: frozenset[str],
    token: str,
    is_over: Callable[[], bool] = lambda: False,
) -> Starlette:
    """The application; `is_over` ends the event streams when the server ends."""
    page = _Page(live, is_over)
    files = {path.name: path for path in ASSETS.iterdir() if path.suffix in TYPES}

    async def asset(request: Request) -> Response:
        path = files.get(request.path_params.get("name", "index.html"))
        if path is None:
            return refusal(404, "not-found", "there is no such file")
        return FileResponse(path, media_type=TYPES[path.suffix])

    return Starlette(
        routes=[
            Route("/", asset),
            Route("/assets/{name}", asset),
            Route("/api/snapshot", page.snapshot),
            Route("/api/events", page.events),
            Route("/api/picture", page.picture),
            Route("/api/forms", page.forms),
            Route("/api/logs", page.logs),
            Route("/api/log", page.log),
            Route("/api/faults", page.inject, methods=["POST"]),
            Route("/api/heal", page.heal, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, hosts=hosts, token=token)],
        exception_handlers={EdgeLabError: _trouble, 404: _no_such_place, 405: _no_such_place},
    )


class _Page:
    def __init__(self, live: LiveLab, is_over: Callable[[], bool]) -> None:
        self._live = live
        self._is_over = is_over

    # -- reading -------------------------------------------------------------------------------

    async def snapshot(self, request: Request) -> Response:
        return _json(self._live.snapshot().model_dump_json())

    async def events(self, request: Request) -> Response:
        return StreamingResponse(self._told(request), media_type="text/event-stream")

    async def _told(self, request: Request) -> AsyncIterator[str]:
        while not self._is_over() and not await request.is_disconnected():
            yield f"event: snapshot\ndata: {self._live.snapshot().model_dump_json()}\n\n"
            await asyncio.sleep(TELL_EVERY)

    async def picture(self, request: Request) -> Response:
        svg = await run_in_threadpool(self._live.picture)
        return Response(svg, media_type=TYPES[".svg"])

    async def forms(self, request: Request) -> Response:
        place, name = (request.query_params.get(key, "") for key in ("place", "name"))
        if place not in PLACES:
            raise InputError(f"{place!r} is none of {', '.join(PLACES)}")
        topology = self._live.source.topology
        known = {
            "link": [link.name for link in topology.links],
            "node": [node.name for node in topology.nodes],
            "device": [device.name for device in topology.devices],
        }
        if name not in known[place]:
            raise InputError(f"there is no {place} {name!r}")
        forms = await run_in_threadpool(forms_for, place, name, topology)
        return _json(json.dumps([form.model_dump(mode="json") for form in forms]))

    async def logs(self, request: Request) -> Response:
        names = await run_in_threadpool(lambda: self._live.source.logs())
        return _json(json.dumps(names))

    async def log(self, request: Request) -> Response:
        name = request.query_params.get("name", "")
        limit = Deadline.scaled(LOG_SECONDS)
        text = await run_in_threadpool(lambda: self._live.source.log(name, limit))
        return PlainTextResponse(text)

    # -- actions -------------------------------------------------------------------------------

    async def inject(self, request: Request) -> Response:
        return await self._do(
            request, Inject, lambda wanted: self._live.actions.inject(wanted.words)
        )

    async def heal(self, request: Request) -> Response:
        return await self._do(request, Heal, lambda wanted: self._live.actions.heal(wanted.ids))

    async def _do(
        self, request: Request, form: type[BaseModel], do: Callable[[Any], Action]
    ) -> Response:
        if self._live.read_only:
            return refusal(
                403, "read-only", "this page is read-only", "Start `lab ui` without --read-only."
            )
        try:
            wanted = form.model_validate_json(await request.body())
        except ValidationError as trouble:
            return refusal(400, "input", f"not a request: {trouble.errors()[0]['msg']}")
        action = await run_in_threadpool(do, wanted)
        return _json(action.model_dump_json(), 202)


def _json(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="application/json")


async def _trouble(request: Request, trouble: Exception) -> Response:
    """400 for errors that the user can correct; 503 for a lab that is broken or not running."""
    if not isinstance(trouble, EdgeLabError):  # pragma: no cover - as registered
        raise trouble
    status, code = (400, "input") if isinstance(trouble, InputError) else (503, "lab")
    return refusal(status, code, trouble.message, trouble.remedy)


async def _no_such_place(request: Request, trouble: Exception) -> Response:
    return refusal(getattr(trouble, "status_code", 404), "not-found", "there is nothing there")
