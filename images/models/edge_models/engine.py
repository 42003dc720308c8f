"""Versions of models in memory: each is loaded whole, from one folder, before it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .states import Version
from .store import Store, damage_of

MODEL, SCALING = "model.onnx", "scaling.json"
"""The files of a version. Both belong together: one version's scaling with another's model gives
wrong results, without any error."""
LOADED = 3
"""Versions that are in memory: what serves, the one before, and a candidate."""


class Unloadable(Exception):
    """A version cannot be loaded."""


class Run(Protocol):
    """Computes the outputs of a model for scaled inputs, a row each."""

    def __call__(self, rows: Sequence[Sequence[float]]) -> Sequence[float]: ...


Load = Callable[[Path], Run]
"""Loads an ONNX file."""


def load_onnx(path: Path) -> Run:
    """By ONNX Runtime, on one thread: the node has other work."""
    import numpy
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )
    name = session.get_inputs()[0].name

    def run(rows: Sequence[Sequence[float]]) -> Sequence[float]:
        (found,) = session.run(None, {name: numpy.asarray(rows, dtype=numpy.float32)})
        return [float(value) for value in found[:, 0]]

    return run


@dataclass(frozen=True)
class Scaling:
    """From raw inputs to the model's, and from its output to the device's unit."""

    offsets: tuple[float, ...]
    scales: tuple[float, ...]
    offset: float
    scale: float

    def rows(self, inputs: Sequence[Sequence[float]]) -> list[list[float]]:
        """ValueError if a row has not as many inputs as the model."""
        if any(len(row) != len(self.scales) for row in inputs):
            raise ValueError(f"the model has {len(self.scales)} inputs")
        return [
            [
                (value - offset) / scale
                for value, offset, scale in zip(row, self.offsets, self.scales, strict=True)
            ]
            for row in inputs
        ]

    def outputs(self, found: Sequence[float]) -> tuple[float, ...]:
        return tuple(value * self.scale + self.offset for value in found)


@dataclass(frozen=True)
class Loaded:
    """One version in memory; it never changes."""

    version: Version
    run: Run
    scaling: Scaling

    def infer(self, inputs: Sequence[Sequence[float]]) -> tuple[float, ...]:
        rows = self.scaling.rows(inputs)
        return self.scaling.outputs(self.run(rows)) if rows else ()


def load_version(folder: Path, version: Version, load: Load) -> Loaded:
    """Verifies and loads a version.

    Raises:
        Unloadable: its files are not what its digest says, or the runtime refuses them.
    """
    if damage := damage_of(folder, version.digest):
        raise Unloadable(damage)
    try:
        found = json.loads((folder / SCALING).read_text(encoding="utf-8"))
        scaling = Scaling(
            tuple(map(float, found["offsets"])),
            tuple(map(float, found["scales"])),
            float(found["offset"]),
            float(found["scale"]),
        )
        loaded = Loaded(version, load(folder / MODEL), scaling)
        # What loads may still be unable to run.
        loaded.infer([list(scaling.offsets)])
    except Exception as trouble:
        message = f"{type(trouble).__name__}: {str(trouble)[:300]}"
        raise Unloadable(message) from trouble
    return loaded


class Engine:
    """The versions of one model: what serves, and others for comparisons."""

    def __init__(self, store: Store, load: Load) -> None:
        self._store, self._load = store, load
        self._lock = threading.Lock()
        self._loaded: dict[str, Loaded] = {}
        self._serving: Loaded | None = None

    @property
    def serving(self) -> Loaded | None:
        return self._serving

    def reload(self) -> None:
        """Serves what the state says; if that cannot be loaded, what has served goes on.

        Raises:
            Unloadable: that is so.
        """
        current = self._store.state().current
        with self._lock:
            if current is None or (self._serving and self._serving.version == current):
                return
            # One assignment: a request gets the whole old version or the whole new one.
            self._serving = self._get(current)

    def version(self, digest: str) -> Loaded:
        """Any version that is complete on the node; Unloadable otherwise."""
        with self._lock:
            return self._get(Version("", digest))

    def _get(self, version: Version) -> Loaded:
        found = self._loaded.pop(version.digest, None)
        if found is None or (version.tag and found.version.tag != version.tag):
            folder = self._store.version(version.digest)
            found = load_version(folder, version, self._load)
        self._loaded[version.digest] = found
        while len(self._loaded) > LOADED:
            del self._loaded[next(iter(self._loaded))]
        return found
