"""All twins of one node: its devices, and one task for each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .fields import MALFORMED
from .lines import PROTOCOLS, Lines
from .objects import Device, Key, Model, key_of, model_key, parse_device, parse_model
from .outbox import Outbox
from .twin import RETRY_SECONDS, DeviceTwin

log = logging.getLogger(__name__)


class Mapper:
    """Told by a transport of Device and DeviceModel objects; reports go into the outbox."""

    def __init__(self, node: str, lines: Lines) -> None:
        self.node = node
        self.outbox = Outbox()
        self._lines = lines
        self._models: dict[Key, Model] = {}
        self._objects: dict[Key, Mapping[str, Any]] = {}
        self._served: dict[Key, _Served] = {}
        self._going: set[asyncio.Task[None]] = set()

    def device(self, key: Key) -> Device | None:
        """The device of that name, if it is one of this node."""
        served = self._served.get(key)
        return served.device if served else None

    # -- what there is ---------------------------------------------------------------------

    def put_model(self, item: Mapping[str, Any]) -> None:
        """A model is there, or has changed."""
        model = parse_model(item)
        if self._models.get(model.key) == model:
            return
        self._models[model.key] = model
        for each in list(self._objects.values()):
            if model_key(each) == model.key:
                self.put_device(each)

    def remove_model(self, key: Key) -> None:
        self._models.pop(key, None)

    def put_models(self, items: Iterable[Mapping[str, Any]]) -> None:
        """These are all models."""
        given = list(items)
        for key in self._models.keys() - {key_of(each) for each in given}:
            self.remove_model(key)
        for each in given:
            self._put(self.put_model, each)

    def put_device(self, item: Mapping[str, Any]) -> None:
        """A device is there, or has changed. One of another node, or of none, is none of ours."""
        key = key_of(item)
        if item.get("spec", {}).get("nodeName") != self.node:
            self.remove_device(key)
            return
        wanted = model_key(item)  # before it is kept: put_model asks all that are
        self._objects[key] = item
        model = self._models.get(wanted)
        if model is None:  # put_model comes back to it
            log.info("%s: waits for its model %s", "/".join(key), "/".join(wanted))
            return
        try:
            device = parse_device(item, model)
        except (TypeError, ValueError, AttributeError) as trouble:
            log.warning("%s: refused: %s", "/".join(key), trouble)
            return
        if device.protocol not in PROTOCOLS:
            log.warning("%s: refused: unknown protocol %r", "/".join(key), device.protocol)
            return
        served = self._served.get(key)
        if served and served.device.uid == device.uid:
            if served.device == device:
                return
            if served.device.same_but_desired(device):
                served.device = device
                served.twin.update(device)
                return
        self._stop(key)
        self._start(device)

    def put_devices(self, items: Iterable[Mapping[str, Any]]) -> None:
        """These are all devices."""
        given = list(items)
        for key in self._objects.keys() - {key_of(each) for each in given}:
            self.remove_device(key)
        for each in given:
            self._put(self.put_device, each)

    @staticmethod
    def _put(put: Callable[[Mapping[str, Any]], None], item: Mapping[str, Any]) -> None:
        try:
            put(item)
        except MALFORMED as trouble:
            log.warning("%s: refused: %s", "/".join(key_of(item)), trouble)

    def remove_device(self, key: Key) -> None:
        """The device is no more, or no more ours."""
        self._objects.pop(key, None)
        if key in self._served:
            log.info("%s: is gone from the cluster", "/".join(key))
            self._stop(key)
        self.outbox.forget(key)

    # -- tasks -----------------------------------------------------------------------------

    def _start(self, device: Device) -> None:
        name, line = self._lines.take(device.protocol, device.config)
        twin = DeviceTwin(device, line, self.outbox)
        task = asyncio.get_running_loop().create_task(self._serve(device, twin))
        self._served[device.key] = _Served(device, twin, task, name)

    async def _serve(self, device: Device, twin: DeviceTwin) -> None:
        before = ""
        while True:
            try:
                await twin.run()
            except asyncio.CancelledError:
                raise
            except Exception as trouble:  # an error of one device must not stop the others
                if before != repr(trouble):
                    log.exception("%s: not served for now", "/".join(device.key))
                before = repr(trouble)
                twin.stumbled(trouble)
            await asyncio.sleep(RETRY_SECONDS)

    def _stop(self, key: Key) -> None:
        served = self._served.pop(key, None)
        if served is not None:
            task = asyncio.get_running_loop().create_task(self._wind_up(served))
            self._going.add(task)
            task.add_done_callback(self._going.discard)

    async def _wind_up(self, served: _Served) -> None:
        # Once may not do: a wait_for that ends just then swallows it (before Python 3.12), and
        # a library may take it for a device that does not answer.
        while not served.task.done():
            served.task.cancel()
            await asyncio.wait((served.task,), timeout=0.5)
        await self._lines.give_back(served.line)

    async def close(self) -> None:
        """Ends all tasks and lines."""
        for key in list(self._served):
            self._stop(key)
        await asyncio.gather(*self._going, return_exceptions=True)


class _Served:
    def __init__(
        self, device: Device, twin: DeviceTwin, task: asyncio.Task[None], line: str
    ) -> None:
        self.device = device
        self.twin = twin
        self.task = task
        self.line = line
