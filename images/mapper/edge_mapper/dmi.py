"""The transport `dmi`: devices from an edge core by gRPC on Unix sockets, reports to it.

The edge core accepts one request per second, in bursts of a hundred.  A report is one request
with all changed properties of a device.  The edge core drops reports while the node is offline,
so all known values are sent again periodically, one device after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from . import VERSION
from .config import DmiConfig
from .lines import PROTOCOLS
from .mapper import Mapper
from .messages import MANAGER, MAPPER, device_item, message, methods, model_item
from .objects import Key
from .outbox import Report, Twin

log = logging.getLogger(__name__)

ANSWER_SECONDS = 20.0
RETRY_SECONDS = 3.0
REPORTS_PER_SECOND = 1.0
REPORTS_AT_ONCE = 60
"""Below the edge core's hundred: another mapper may be there."""
AGAIN_SECONDS = 30.0
"""Until all of a device is told again. The edge core forwards what it knows already as news: told
again every 10 s, two devices that are collected every 30 s sent it four times what they said."""
APART_SECONDS = 10.0
"""Between two devices of which all is told again, no matter how many there are."""


def until_next_again(devices: int) -> float:
    """Seconds between two devices of which all is told again, when so many are known."""
    return max(APART_SECONDS, AGAIN_SECONDS / max(1, devices))


class Pace:
    """A rate limit: requests in a burst, and requests per second."""

    def __init__(self, per_second: float, at_once: int) -> None:
        self._rate, self._most = per_second, float(at_once)
        self._left, self._at = self._most, time.monotonic()

    async def turn(self) -> None:
        """Waits for its turn."""
        while True:
            now = time.monotonic()
            self._left = min(self._most, self._left + (now - self._at) * self._rate)
            self._at = now
            if self._left >= 1.0:
                self._left -= 1.0
                return
            await asyncio.sleep((1.0 - self._left) / self._rate)


class DmiTransport:
    """Synchronizes the mapper with the edge core."""

    def __init__(self, mapper: Mapper, config: DmiConfig) -> None:
        self._mapper = mapper
        self._config = config
        self._pace = Pace(REPORTS_PER_SECOND, REPORTS_AT_ONCE)
        self._known: dict[Key, tuple[dict[str, Twin], str]] = {}
        self._calls: dict[str, Callable[..., Awaitable[Any]]] = {}

    async def run(self) -> None:
        """Registers, and sends reports until it is cancelled."""
        server = await self._serve()
        async with grpc.aio.insecure_channel(
            f"unix:{self._config.socket}", options=_LOCAL
        ) as channel:
            for name, (request, response) in methods(MANAGER).items():
                self._calls[name] = channel.unary_unary(
                    f"/{MANAGER}/{name}",
                    request_serializer=request.SerializeToString,
                    response_deserializer=response.FromString,
                )
            again = asyncio.ensure_future(self._tell_again())
            try:
                await self._register()
                await self._send_all()
            finally:
                again.cancel()
                await server.stop(1.0)

    # -- to the edge core ------------------------------------------------------------------

    async def _ask(self, name: str, request: Any) -> Any:
        await self._pace.turn()
        return await self._calls[name](request, timeout=ANSWER_SECONDS)

    async def _register(self) -> None:
        """For each protocol, until the edge core has heard of it."""
        for protocol in PROTOCOLS:
            request = message("MapperRegisterRequest")()
            request.withData = True
            request.mapper.name = f"edge-mapper-{protocol}"
            request.mapper.version = VERSION
            request.mapper.api_version = "v1beta1"
            request.mapper.protocol = protocol
            request.mapper.address = self._config.own.encode()
            request.mapper.state = "ok"
            trouble = ""
            while True:
                try:
                    answer = await self._ask("MapperRegister", request)
                    break
                except grpc.aio.AioRpcError as error:
                    if not trouble:
                        trouble = said(error)
                        log.warning("the edge core does not take %s: %s", protocol, trouble)
                await asyncio.sleep(RETRY_SECONDS)
            log.info("registered for %s, %d devices are there", protocol, len(answer.deviceList))
            for model in answer.modelList:
                self._mapper.put_model(model_item(model))
            for device in answer.deviceList:
                self._mapper.put_device(device_item(device, self._mapper.node))

    async def _send_all(self) -> None:
        while True:
            report = await self._mapper.outbox.take()
            if self._mapper.device(report.key) is None:
                self._known.pop(report.key, None)
                continue
            try:
                await self._send(report)
            except grpc.aio.AioRpcError as error:
                self._mapper.outbox.put_back(report)
                log.warning("reports wait: %s", said(error))
                await asyncio.sleep(RETRY_SECONDS)
                # It may have started anew, and know nothing of this mapper.
                if error.code() is not grpc.StatusCode.UNKNOWN:
                    await self._register()

    async def _send(self, report: Report) -> None:
        namespace, name = report.key
        # Before anything is sent: what is told again meanwhile must not be older than this.
        twins, state = self._known.get(report.key, ({}, ""))
        self._known[report.key] = {**twins, **report.twins}, report.state or state
        if report.state:
            states = message("ReportDeviceStatesRequest")()
            states.deviceName, states.deviceNamespace = name, namespace
            states.state = report.state
            await self._ask("ReportDeviceStates", states)
        if report.twins:
            status = message("ReportDeviceStatusRequest")()
            status.deviceName, status.deviceNamespace = name, namespace
            for each, twin in report.twins.items():
                said_of = status.reportedDevice.twins.add()
                said_of.propertyName = each
                # Both must be there: the edge core reads either without a look.
                said_of.observedDesired.value = twin.observed
                said_of.reported.value = twin.reported
                said_of.reported.metadata["timestamp"] = str(twin.time)
            await self._ask("ReportDeviceStatus", status)

    async def _tell_again(self) -> None:
        while True:
            for key in list(self._known):
                await asyncio.sleep(until_next_again(len(self._known)))
                if key in self._known:
                    twins, state = self._known[key]
                    self._mapper.outbox.put_back(Report(key, twins, state))
            if not self._known:
                await asyncio.sleep(until_next_again(0))

    # -- from the edge core ----------------------------------------------------------------

    async def _serve(self) -> Any:
        own = Path(self._config.own)
        own.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            own.unlink()
        server = grpc.aio.server(options=_LOCAL)
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                _handler(getattr(self, f"_on_{name}"), response),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
            for name, (request, response) in methods(MAPPER).items()
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(MAPPER, handlers),))
        server.add_insecure_port(f"unix:{own}")
        await server.start()
        return server

    def _on_RegisterDevice(self, request: Any, response: Any) -> None:  # noqa: N802
        self._put(request.device, response)

    def _on_UpdateDevice(self, request: Any, _response: Any) -> None:  # noqa: N802
        self._put(request.device)

    def _put(self, device: Any, response: Any = None) -> None:
        item = device_item(device, self._mapper.node)
        self._mapper.put_device(item)
        if response is not None:
            response.deviceName = item["metadata"]["name"]
            response.deviceNamespace = item["metadata"]["namespace"]

    def _on_RemoveDevice(self, request: Any, _response: Any) -> None:  # noqa: N802
        key = (request.deviceNamespace or "default", request.deviceName)
        self._known.pop(key, None)
        self._mapper.remove_device(key)

    def _on_CreateDeviceModel(self, request: Any, response: Any) -> None:  # noqa: N802
        self._mapper.put_model(model_item(request.model))
        response.deviceModelName = request.model.name
        response.deviceModelNamespace = request.model.namespace

    def _on_UpdateDeviceModel(self, request: Any, _response: Any) -> None:  # noqa: N802
        self._mapper.put_model(model_item(request.model))

    def _on_RemoveDeviceModel(self, request: Any, _response: Any) -> None:  # noqa: N802
        self._mapper.remove_model((request.modelNamespace or "default", request.modelName))

    def _on_GetDevice(self, request: Any, response: Any) -> None:  # noqa: N802
        key = (request.deviceNamespace or "default", request.deviceName)
        device = self._mapper.device(key)
        if device is None:
            raise KeyError(f"no device {key[0]}/{key[1]}")
        response.device.namespace, response.device.name = device.key
        response.device.spec.protocol.protocolName = device.protocol


def _handler(call: Callable[[Any, Any], None], response: Any) -> Any:
    async def handle(request: Any, context: Any) -> Any:
        answer = response()
        try:
            call(request, answer)
        except KeyError as trouble:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(trouble))
        return answer

    return handle


# A socket of this machine: no proxy, and no waiting longer for it than for others to start.
_LOCAL = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_reconnect_backoff_ms", 5000),
    ("grpc.default_authority", "localhost"),
)


def said(error: Any) -> str:
    """The error in one line."""
    return f"{error.code().name} {error.details()}"
