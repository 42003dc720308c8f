"""images/artifacts.lock: what the catalogue may mean, pinned and committed.

A change of a version, of a module's go.mod or go.sum, or of a release digest takes effect
only after the lock was made anew on purpose.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.artifacts.checksums import Digest
from edge_lab.artifacts.gomodules import GoModule
from edge_lab.artifacts.model import Component
from edge_lab.core.errors import InputError
from edge_lab.topology import Arch

FORMAT = 1
REMEDY = "If the change is meant, pin it with `lab doctor --lock` and commit images/artifacts.lock."


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedComponent(_Model):
    version: str
    module: str = ""
    """Folder of the Go module below images/go."""
    module_digest: str = ""
    """Hex SHA-256 over its go.mod and go.sum."""
    files: dict[Arch, str] = Field(default_factory=dict)
    """Hex SHA-256 (or SHA-512) of the component by architecture, wherever a file of it is taken
    from; of the component itself, not of a tarball that it comes in."""

    def digest(self, arch: Arch) -> Digest | None:
        return Digest.of(self.files.get(arch, ""))


class Lock(_Model):
    format: int = FORMAT
    components: dict[str, LockedComponent]


def read_lock(file: Path) -> Lock:
    """The lock in `file`.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as trouble:
        raise InputError(
            f"cannot read the lock: {trouble.strerror}", file=file, remedy=REMEDY
        ) from trouble
    try:
        lock = Lock.model_validate_json(text)
    except ValidationError as trouble:
        first = trouble.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"not a lock file: {where}: {first['msg']}", file=file, remedy=REMEDY
        ) from trouble
    for name, locked in lock.components.items():
        for arch, text in locked.files.items():
            if Digest.of(text) is None:
                raise InputError(f"{name}: {text!r} is no digest ({arch.value})", file=file)
    return lock


def make_lock(catalog: Mapping[str, Component], modules: Path, before: Lock | None = None) -> Lock:
    """The lock that fits the catalogue and the modules below `modules` as they are now.

    Digests of files for which the catalogue pins none (a user's own, of what a mirror holds or a
    publisher's checksum file vouched for) are kept from `before`, as long as the version stays.

    Raises:
        InputError: a component's version is not the one that its go.mod requires.
    """
    components = {}
    for name, component in sorted(catalog.items()):
        entry = LockedComponent(version=component.version)
        old = before.components.get(name) if before else None
        files = dict(old.files) if old and old.version == component.version else {}
        if component.release:
            files |= component.release.sha256
        update: dict[str, object] = {"files": dict(sorted(files.items()))}
        if component.recipe:
            module = GoModule(component.recipe.module, modules / component.recipe.module)
            _check_module(component, module)
            update |= {"module": module.name, "module_digest": module.digest()}
        components[name] = entry.model_copy(update=update)
    return Lock(components=components)


def _check_module(component: Component, module: GoModule) -> None:
    file = module.folder / "go.mod"
    if problem := module.problem():
        raise InputError(f"{component.name} is built from it: {problem}", file=file)
    upstream = component.recipe.upstream if component.recipe else ""
    if upstream:
        required = module.requires(upstream)
        if required != component.version:
            raise InputError(
                f"requires {upstream} {required or '(nothing)'}, but the catalogue "
                f"(lab/artifacts/catalog.py) has {component.name} at {component.version}",
                file=file,
                remedy="Give both the same version.",
            )


def write_lock(file: Path, lock: Lock) -> None:
    """Replaces `file` in one step."""
    text = json.dumps(lock.model_dump(mode="json", exclude_defaults=False), indent=2) + "\n"
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".lock-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(file)


def disagreements(lock: Lock, components: Iterable[Component], modules: Path) -> tuple[str, ...]:
    """In words, each way in which lock and catalogue differ about `components`."""
    found = []
    for component in components:
        locked = lock.components.get(component.name)
        if locked is None:
            found.append(f"{component.name} is not in the lock")
            continue
        if locked.version != component.version:
            found.append(
                f"{component.name} is {component.version} in the catalogue, "
                f"{locked.version} in the lock"
            )
        if component.release:
            for arch, digest in component.release.sha256.items():
                if locked.files.get(arch) != digest:
                    found.append(f"the digest of {component.name} for {arch.value} differs")
        if component.recipe:
            module = GoModule(component.recipe.module, modules / component.recipe.module)
            if module.problem():
                continue  # the Go source refuses by itself; other sources may serve
            if (locked.module, locked.module_digest) != (module.name, module.digest()):
                found.append(
                    f"images/go/{module.name}/go.mod or go.sum is not as it was when "
                    f"{component.name} was pinned"
                )
    return tuple(found)


def check_lock(file: Path, lock: Lock, components: Iterable[Component], modules: Path) -> None:
    """Raises InputError when the lock and the catalogue disagree about `components`."""
    if found := disagreements(lock, components, modules):
        raise InputError(
            "lock and catalogue disagree: " + "; ".join(dict.fromkeys(found)),
            file=file,
            remedy=REMEDY,
        )
