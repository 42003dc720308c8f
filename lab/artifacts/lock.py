"""The lock file of a set of components: their versions and digests, pinned and committed.

Edge-lab's own is images/artifacts.lock. A change of a version, of a module's go.mod or go.sum, or
of a digest takes effect only after the lock file was regenerated on purpose.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_lab.artifacts.checksums import Digest
from edge_lab.artifacts.componentset import ComponentSet
from edge_lab.artifacts.model import Component, Want
from edge_lab.artifacts.pin import Pin
from edge_lab.core.errors import InputError
from edge_lab.topology import Arch

FORMAT = 1


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LockedComponent(_Model):
    version: str
    module: str = ""
    """Folder of the Go module below its owner's sources."""
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


def line_in_lock(file: Path, *keys: str) -> int:
    """The line (from 1) of the innermost of `keys` that is in the lock `file`; 0 if none is.

    A lock is JSON with a key on each line, as `write_lock` writes it.
    """
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    found = 0
    for key in keys:
        sought = re.compile(rf'[^"]*{re.escape(json.dumps(key))}\s*:')
        at = next((n for n, line in enumerate(lines[found:], found + 1) if sought.match(line)), 0)
        if not at:
            break
        found = at
    return found


def read_lock(owner: ComponentSet) -> Lock:
    """The lock of a set of components.

    Raises:
        InputError: it is missing or damaged.
    """
    file = owner.lock
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as trouble:
        raise InputError(
            f"cannot read the lock: {trouble.strerror}", file=file, remedy=_remedy(owner)
        ) from trouble
    try:
        lock = Lock.model_validate(json.loads(text))
    except json.JSONDecodeError as trouble:
        raise InputError(
            f"not a lock file: {trouble.msg}",
            file=file,
            line=trouble.lineno,
            remedy=_remedy(owner),
        ) from trouble
    except ValidationError as trouble:
        first = trouble.errors()[0]
        where = [str(part) for part in first["loc"]]
        told = f"{'.'.join(where)}: {first['msg']}" if where else first["msg"]
        raise InputError(
            f"not a lock file: {told}",
            file=file,
            line=line_in_lock(file, *where) or 1,
            remedy=_remedy(owner),
        ) from trouble
    for name, locked in lock.components.items():
        for arch, digest in locked.files.items():
            if Digest.of(digest) is None:
                raise InputError(
                    f"{name}: {digest!r} is not a digest ({arch.value})",
                    file=file,
                    line=line_in_lock(file, "components", name, "files", arch.value),
                )
    return lock


def make_lock(owner: ComponentSet, before: Lock | None = None) -> Lock:
    """The lock for the components and their Go modules as they are now.

    Digests of files for which the components pin none (a user's own, of what a mirror holds or a
    publisher's checksum file verified) are kept from `before`, as long as the version is the same.

    Raises:
        InputError: a component's version is not the one that its go.mod requires.
    """
    components = {}
    for name, component in sorted(owner.by_name.items()):
        entry = LockedComponent(version=component.version)
        old = before.components.get(name) if before else None
        files = dict(old.files) if old and old.version == component.version else {}
        files |= component.pins
        update: dict[str, object] = {"files": dict(sorted(files.items()))}
        if module := owner.module(component):
            _check_module(component, owner)
            update |= {"module": module.name, "module_digest": module.digest()}
        components[name] = entry.model_copy(update=update)
    return Lock(components=components)


def _check_module(component: Component, owner: ComponentSet) -> None:
    module = owner.module(component)
    assert module is not None
    file = module.folder / "go.mod"
    if problem := module.problem():
        raise InputError(f"{component.name} is built from it: {problem}", file=file)
    upstream = component.recipe.upstream if component.recipe else ""
    if upstream:
        required = module.requires(upstream)
        if required != component.version:
            where = " (lab/artifacts/catalog.py)" if owner.is_own else ""
            raise InputError(
                f"requires {upstream} {required or '(nothing)'}, but the catalogue{where} has "
                f"{component.name} at {component.version}",
                file=file,
                remedy="Give both the same version.",
            )


def write_lock(file: Path, lock: Lock) -> None:
    """Replaces `file` atomically; InputError if its folder cannot be written to."""
    text = json.dumps(lock.model_dump(mode="json", exclude_defaults=False), indent=2) + "\n"
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=".lock-")
    except OSError as trouble:
        raise InputError(
            f"cannot write the lock: {trouble.strerror}",
            file=file,
            remedy="A lock is made where its owner's sources are, and installed with them.",
        ) from trouble
    with os.fdopen(descriptor, "w", encoding="utf-8") as sink:
        sink.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(file)


# -- Comparison --------------------------------------------------------------------------


def disagreements(
    lock: Lock, owner: ComponentSet, components: Iterable[Component]
) -> tuple[str, ...]:
    """Descriptions of all differences between the lock and its owner about `components`."""
    return tuple(text for component in components for text in _differ(lock, owner, component))


def _differ(lock: Lock, owner: ComponentSet, component: Component) -> list[str]:
    locked = lock.components.get(component.name)
    if locked is None:
        return [f"{component.name} is not in the lock"]
    found = []
    if locked.version != component.version:
        found.append(
            f"{component.name} is {component.version} in the catalogue, {locked.version} in the "
            "lock"
        )
    for arch, digest in component.pins.items():
        if locked.files.get(arch) != digest:
            found.append(f"the digest of {component.name} for {arch.value} differs")
    module = owner.module(component)
    # Not a valid module: the Go source reports it; other sources may have the component.
    pinned = (locked.module, locked.module_digest)
    if module and not module.problem() and pinned != (module.name, module.digest()):
        found.append(
            f"{module.shown}/go.mod or go.sum is not as it was when {component.name} was pinned"
        )
    return found


def misfit(owner: ComponentSet, lock: Lock, want: Want) -> str:
    """The remedy for a lock that does not match what is wanted; empty if it matches."""
    if differ := _differ(lock, owner, owner.by_name[want.component]):
        return f"{'; '.join(differ)}: if that is intended, pin it with `{owner.lock_command}`."
    return _no_pin_remedy(owner, want) if _lacks_pin(owner, lock, want) else ""


def _lacks_pin(owner: ComponentSet, lock: Lock, want: Want) -> bool:
    """Whether no digest is known for what is wanted; its component is in the lock."""
    needed = owner.by_name[want.component].needs_pin(want.arch)
    return needed and lock.components[want.component].digest(want.arch) is None


def _no_pin_remedy(owner: ComponentSet, want: Want) -> str:
    """The remedy for a missing pin."""
    return (
        f"Give {want.component} its SHA-256 for {want.arch.value} in {owner.lock_shown} (`files`), "
        f"or in its `sha256` and then `{owner.lock_command}`; or use a version that has one."
    )


def check_lock(owner: ComponentSet, lock: Lock, wants: Iterable[Want]) -> None:
    """InputError when the lock and its owner disagree about what is wanted, or it lacks a pin."""
    wants = tuple(wants)
    components = list(dict.fromkeys(want.component for want in wants))
    for name in components:
        if _differ(lock, owner, owner.by_name[name]):
            found = disagreements(
                lock, owner, (owner.by_name[component] for component in components)
            )
            raise InputError(
                "lock and catalogue disagree: " + "; ".join(dict.fromkeys(found)),
                file=owner.lock,
                line=line_in_lock(owner.lock, "components", name),
                remedy=_remedy(owner),
            )
    for want in (candidate for candidate in wants if _lacks_pin(owner, lock, candidate)):
        raise InputError(
            f"no digest of {want} is pinned, and no other digest of it is published",
            file=owner.lock,
            line=line_in_lock(owner.lock, "components", want.component, "files"),
            remedy=_no_pin_remedy(owner, want),
        )


def pin_of(owner: ComponentSet, lock: Lock, want: Want) -> Pin | None:
    """The digest that the lock requires, if any."""
    digest = lock.components[want.component].digest(want.arch)
    if digest is None:
        return None
    if owner.is_own:
        return Pin(digest, owner.lock_shown)
    line = line_in_lock(owner.lock, "components", want.component, "files", want.arch.value)
    return Pin(digest, f"{owner.lock_shown}:{line}")


def _remedy(owner: ComponentSet) -> str:
    return (
        f"If the change is intended, pin it with `{owner.lock_command}` and commit "
        f"{owner.lock_shown}."
    )
