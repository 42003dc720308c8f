"""From what is wanted to files with digests: each source asked in its turn."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.artifacts.cache import ArtifactCache, Origin
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.artifacts.components import Components, Owned, installed_components
from edge_lab.artifacts.componentset import LOCK_NAME, OWN, ComponentSet
from edge_lab.artifacts.gofiles import join_files, pinned_sum
from edge_lab.artifacts.gomodules import (
    FLAGS,
    GO_REMEDY,
    GOFLAGS,
    BuildFailed,
    GoBuilder,
    GoModule,
    Toolchain,
    find_toolchain,
    link_flags,
    module_digest,
)
from edge_lab.artifacts.lock import (
    Lock,
    check_lock,
    disagreements,
    make_lock,
    misfit,
    pin_of,
    read_lock,
    write_lock,
)
from edge_lab.artifacts.mirror import VARIABLE, Mirror, find_in_mirror, mirror_place, read_mirror
from edge_lab.artifacts.model import (
    Artifact,
    ArtifactState,
    Availability,
    CannotObtain,
    Component,
    Refusal,
    SourceFailed,
    Want,
)
from edge_lab.artifacts.offers import Found, take, vouch
from edge_lab.artifacts.pin import Pin
from edge_lab.artifacts.places import Place, WebFolder
from edge_lab.artifacts.release import RELEASE_PAGE, find_release
from edge_lab.artifacts.web import Web
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError
from edge_lab.core.home import cache_home
from edge_lab.core.step import Step, step
from edge_lab.data import IMAGES
from edge_lab.topology import Arch

GO = "Go modules"
NOT_CACHED = Refusal("cache", "not there, or damaged")


@dataclass(frozen=True)
class _Order:
    """A want with all that follows from it."""

    want: Want
    component: Component
    module: GoModule | None
    """Of which it is had, if it is."""
    pin: Pin | None
    key: str


@dataclass(frozen=True)
class _Source:
    """Where a component would come from, in words; `sure` if that has been looked at."""

    words: str
    sure: bool


class ArtifactStore:
    """Resolves components to local files: cache, mirror, release page, Go modules.

    Debian packages are not a source of single files: what comes from Debian is in the
    root images.
    """

    def __init__(
        self,
        cache: Path,
        mirror: Mirror = None,
        *,
        catalog: Mapping[str, Component] = CATALOG,
        recipes: Path = IMAGES,
        components: Components | None = None,
    ) -> None:
        """`catalog` and the folder `recipes` stand for edge-lab's own components where no
        `components` are given."""
        self._home = cache
        self._cache = ArtifactCache(cache / "artifacts")
        self._mirror = mirror
        self._components = components or Components(
            ComponentSet(OWN, tuple(catalog.values()), recipes / LOCK_NAME, recipes / "go")
        )

    @classmethod
    def default(cls) -> ArtifactStore:
        """The store in the lab's cache, with the mirror that LAB_MIRROR names, if it does, and
        the components of all distributions that are installed.

        Raises:
            InputError: LAB_MIRROR is an address that cannot be used.
        """
        mirror = read_mirror(os.environ.get(VARIABLE, ""))
        return cls(cache_home(), mirror, components=installed_components())

    # -- what is asked of it -------------------------------------------------------------

    def resolve(self, wanted: Sequence[Want], deadline: Deadline) -> dict[Want, Artifact]:
        """Each want as a file in the cache; what is missing is fetched or built.

        Everything is looked for before anything is built, so that a stack that cannot be
        had is known in a moment.  One process works at a time; others wait and then find
        the result.

        Raises:
            InputError: an unknown component, or the lock disagrees with the catalogue.
            CannotObtain: no source has it; names every source tried.
            LabError: the disk is full.
            DeadlineExceeded: not done in time.
        """
        orders = self._orders(wanted)
        found = self._cached(orders)
        missing = [order for order in orders if order.want not in found]
        if missing:
            with step(f"obtain {_in_words(missing)}") as this, self._alone(this, deadline):
                self._cache.sweep()
                found |= self._cached(missing)  # another process may have been faster
                missing = [order for order in missing if order.want not in found]
                found |= self._obtain(missing, this, deadline)
        return {order.want: found[order.want] for order in orders}

    def state(self, wanted: Sequence[Want]) -> list[ArtifactState]:
        """Where each want is, or would come from. Builds nothing, asks no network.

        Raises:
            InputError: an unknown component, or a lock file that cannot be read.
        """
        toolchain = find_toolchain()
        locks: dict[Path, Lock] = {}
        rows = []
        for want in dict.fromkeys(wanted):
            owned = self._components.find(want.component)
            component, owner = owned.component, owned.owner
            if owner.lock not in locks:
                locks[owner.lock] = read_lock(owner)
            lock = locks[owner.lock]
            if remedy := misfit(owner, lock, want):
                missing = Availability.MISSING
                rows.append(
                    ArtifactState(component.name, component.version, want.arch, missing, "", remedy)
                )
            else:
                rows.append(self._row(self._order(want, owned, lock), toolchain))
        return rows

    def verify(self) -> tuple[Path, ...]:
        """Reads every cached artifact in full; removes and returns those that are damaged."""
        return self._cache.verify()

    def update_lock(self, of: str = OWN) -> tuple[str, ...]:
        """Pins the set of components of that name as it is now; returns in words what changed.

        Raises:
            InputError: catalogue and go.mod do not have the same version of something, there is
                no such set, or its lock file cannot be written.
        """
        owner = self._components.set_named(of)
        before = None
        with contextlib.suppress(InputError):
            before = read_lock(owner)
        after = make_lock(owner, before)
        if after == before:
            return ()
        write_lock(owner.lock, after)
        if before is None:
            return (f"{owner.lock} is new",)
        gone = [f"{name} is gone" for name in before.components if name not in owner.by_name]
        return (*disagreements(before, owner, owner.components), *gone)

    # -- orders and keys -----------------------------------------------------------------

    def _orders(self, wanted: Sequence[Want]) -> list[_Order]:
        owned = {want: self._components.find(want.component) for want in dict.fromkeys(wanted)}
        locks: dict[Path, Lock] = {}
        for owner in {each.owner.lock: each.owner for each in owned.values()}.values():
            locks[owner.lock] = read_lock(owner)
            theirs = [want for want, each in owned.items() if each.owner == owner]
            check_lock(owner, locks[owner.lock], theirs)
        return [self._order(want, each, locks[each.owner.lock]) for want, each in owned.items()]

    def _order(self, want: Want, owned: Owned, lock: Lock) -> _Order:
        component, module = owned.component, owned.owner.module(owned.component)
        pin = pin_of(owned.owner, lock, want)
        parts: dict[str, object] = {
            "component": component.name,
            "version": component.version,
            "arch": want.arch.value,
            "pinned": str(pin.digest) if pin else "",
            **({"image": True} if component.image else {}),
        }
        if release := component.release:
            files = release.files.get(want.arch, ())
            parts["release"] = [release.page, *files, release.member]
        if component.go and module:
            parts |= {
                "module": "" if module.problem() else module_digest(module, component.go),
                "package": component.go.package,
                "flags": [*FLAGS, GOFLAGS, link_flags(component.go)],
            }
        if component.files and module:
            parts |= {
                "module": "" if module.problem() else module_digest(module, component.files),
                "patterns": component.files.patterns,
            }
        text = json.dumps(parts, sort_keys=True)
        return _Order(want, component, module, pin, hashlib.sha256(text.encode()).hexdigest())

    def _cached(self, orders: Sequence[_Order]) -> dict[Want, Artifact]:
        seen = {
            order.want: self._cache.look(order.component, order.want.arch, order.key)
            for order in orders
        }
        return {want: artifact for want, artifact in seen.items() if artifact}

    # -- obtaining -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self, this: Step, deadline: Deadline) -> Iterator[None]:
        """Holds the one lock for builds and downloads; it falls open when its holder dies."""
        self._cache.root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._cache.root / "build.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            this.progress("waiting for another process that builds")
            try:
                lock.acquire(timeout=deadline.remaining)
            except Timeout as trouble:
                raise DeadlineExceeded(
                    "another process kept building artifacts for all of the time "
                    f"({deadline.total:.0f} s)",
                    remedy="Wait for it to end, and try again.",
                ) from trouble
        try:
            yield
        finally:
            lock.release()

    def _obtain(
        self, orders: Sequence[_Order], this: Step, deadline: Deadline
    ) -> dict[Want, Artifact]:
        if not orders:
            return {}
        web = Web(deadline)
        toolchain = find_toolchain()
        place = mirror_place(self._mirror, web)
        offers = {order.want: _look_into(place, order) for order in orders}
        self._give_up_early(orders, offers, toolchain)
        found: dict[Want, Artifact] = {}
        refusals: dict[Want, list[Refusal]] = {order.want: [NOT_CACHED] for order in orders}
        for order in orders:
            _tell(this, len(found), len(orders))
            got = self._from_mirror(order, place, offers[order.want])
            if isinstance(got, Refusal):
                refusals[order.want].append(got)
                got = self._from_release(order, web)
            if isinstance(got, Refusal):
                refusals[order.want].append(got)
            else:
                found[order.want] = got
        left = [order for order in orders if order.want not in found]
        hopeless = {}
        for order in left:
            if reason := _why_not_go(order, toolchain):
                refusals[order.want].append(Refusal(GO, reason))
                hopeless[order.want] = refusals[order.want]
        if hopeless:
            raise CannotObtain(hopeless)
        if isinstance(toolchain, Toolchain):
            for built in self._build_all(left, toolchain, refusals, deadline):
                found |= built
                _tell(this, len(found), len(orders))
        return found

    def _give_up_early(
        self,
        orders: Sequence[_Order],
        offers: Mapping[Want, Found | Refusal],
        toolchain: Toolchain | str,
    ) -> None:
        """CannotObtain, before anything is downloaded, if an order has no source at all."""
        hopeless = {}
        for order in orders:
            offer = offers[order.want]
            released = find_release(order.component, order.want.arch)
            reason = _why_not_go(order, toolchain)
            if isinstance(offer, Refusal) and isinstance(released, Refusal) and reason:
                hopeless[order.want] = (NOT_CACHED, offer, released, Refusal(GO, reason))
        if hopeless:
            raise CannotObtain(hopeless)

    def _from_mirror(
        self, order: _Order, place: Place | Refusal, offer: Found | Refusal
    ) -> Artifact | Refusal:
        if isinstance(place, Refusal):
            return place
        if isinstance(offer, Refusal):
            return offer
        return self._take(order, place, offer, "mirror", f"mirror {place}")

    def _from_release(self, order: _Order, web: Web) -> Artifact | Refusal:
        release = find_release(order.component, order.want.arch)
        if isinstance(release, Refusal):
            return release
        place = WebFolder(release.page, web)
        found = vouch(place, release.offer, order.pin)
        if isinstance(found, str):
            return Refusal(f"{RELEASE_PAGE} {release.page}", found)
        return self._take(order, place, found, "release", RELEASE_PAGE)

    def _take(
        self, order: _Order, place: Place, found: Found, kind: str, refuser: str
    ) -> Artifact | Refusal:
        """The file that was found, in the cache. `kind` and `refuser` name its source in words."""
        component, arch = order.component, order.want.arch
        with (
            step(f"get {component.name} ({arch.value})") as this,
            self._cache.scratch() as folder,
        ):
            try:
                file = take(place, found, folder, this)
            except SourceFailed as trouble:
                return Refusal(refuser, trouble.reason)
            source = f"{kind} {place.where(found.offer.path)}"
            origin = Origin(source, vouched=found.vouched)
            return self._cache.put(file, component, arch, order.key, origin)

    def _build_all(
        self,
        orders: Sequence[_Order],
        toolchain: Toolchain,
        refusals: Mapping[Want, list[Refusal]],
        deadline: Deadline,
    ) -> Iterator[dict[Want, Artifact]]:
        """One `go build` for all orders of one module, architecture and set of flags.

        Gives what each has made as soon as it has. Files of a module that are only joined come
        first: they are had in a moment.
        """
        groups: dict[tuple[GoModule, Arch, str], list[_Order]] = {}
        for order in sorted(orders, key=lambda order: order.component.files is None):
            source = order.component.go
            flags = link_flags(source) if source else ""
            if order.module:
                group = (order.module, order.want.arch, flags)
                groups.setdefault(group, []).append(order)
        builder = GoBuilder(toolchain, self._home / "go", self._home / "logs")
        for (module, arch, _), group_orders in groups.items():
            make = self._join if group_orders[0].component.files else self._build
            try:
                yield make(module, arch, group_orders, builder, deadline)
            except BuildFailed as trouble:
                for order in group_orders:
                    refusals[order.want].append(Refusal(GO, trouble.reason))
                raise CannotObtain(
                    {order.want: refusals[order.want] for order in group_orders}
                ) from trouble

    def _build(
        self,
        module: GoModule,
        arch: Arch,
        orders: Sequence[_Order],
        builder: GoBuilder,
        deadline: Deadline,
    ) -> dict[Want, Artifact]:
        components = [order.component for order in orders]
        title = f"build {', '.join(each.name for each in components)} ({arch.value})"
        with step(title) as this, self._cache.scratch() as folder:
            read = [module_digest(module, each.go) for each in components if each.go]
            files = builder.build(module, components, arch, folder, this, deadline)
            if read != [module_digest(module, each.go) for each in components if each.go]:
                raise BuildFailed(f"{module.shown} was changed during the build")
            this.progress("checking", 1.0)
            found = {}
            for order, digest in zip(orders, read, strict=True):
                file = files[order.component.name]
                if not file.is_file():
                    raise BuildFailed(f"`go build` made no {file.name}")
                origin = Origin(
                    _built_from(order.component, module), digest, builder.toolchain.version
                )
                found[order.want] = self._cache.put(file, order.component, arch, order.key, origin)
            return found

    def _join(
        self,
        module: GoModule,
        arch: Arch,
        orders: Sequence[_Order],
        builder: GoBuilder,
        deadline: Deadline,
    ) -> dict[Want, Artifact]:
        """The files of `module` that each order wants, one file for each order."""
        found = {}
        for order in orders:
            component, source = order.component, order.component.files
            assert source is not None
            with step(f"get {component.name}") as this, self._cache.scratch() as folder:
                read = module_digest(module, source)
                pinned = pinned_sum(module, source.upstream, component.version)
                archive = builder.fetch(module, source.upstream, component.version, this, deadline)
                file = folder / "joined"
                join_files(archive, source, component.version, pinned, file)
                if read != module_digest(module, source):
                    raise BuildFailed(f"{module.shown} was changed in the meantime")
                origin = Origin(_built_from(component, module), read, builder.toolchain.version)
                found[order.want] = self._cache.put(file, component, arch, order.key, origin)
        return found

    # -- the table -----------------------------------------------------------------------

    def _row(self, order: _Order, toolchain: Toolchain | str) -> ArtifactState:
        component, arch = order.component, order.want.arch

        def row(state: Availability, source: str, remedy: str = "") -> ArtifactState:
            return ArtifactState(component.name, component.version, arch, state, source, remedy)

        cached = self._cache.look(component, arch, order.key)
        if cached:
            return row(Availability.CACHED, cached.source)
        refused: list[Refusal] = []
        mirrored = self._mirrored(order)
        if isinstance(mirrored, Refusal):
            refused.append(mirrored)
        elif mirrored.sure:
            return row(Availability.AVAILABLE, mirrored.words)
        released = find_release(component, arch)
        reason = _why_not_go(order, toolchain)
        otherwise = ""
        if not isinstance(released, Refusal):
            otherwise = f"release {released.url}"
        elif not reason:
            otherwise = _built_from(component, order.module)
        else:
            refused += [released, Refusal(GO, reason)]
        if isinstance(mirrored, _Source):
            why_not = "; ".join(map(str, refused))
            words = f"{mirrored.words}; else {otherwise or f'from nowhere ({why_not})'}"
            return row(Availability.AVAILABLE, words)
        if otherwise:
            return row(Availability.AVAILABLE, otherwise)
        return row(Availability.MISSING, "", "; ".join(map(str, refused)))

    def _mirrored(self, order: _Order) -> _Source | Refusal:
        """What is known of the mirror without asking any network."""
        if isinstance(self._mirror, str):
            return _Source(f"mirror {self._mirror}, if it has it", sure=False)
        place = mirror_place(self._mirror, Web(Deadline.after(0)))  # a folder: no web is asked
        if isinstance(place, Refusal):
            return place
        found = find_in_mirror(place, order.component, order.want.arch, order.pin)
        if isinstance(found, Refusal):
            return found
        return _Source(f"mirror {place.where(found.offer.path)}", sure=True)


def _why_not_go(order: _Order, toolchain: Toolchain | str) -> str:
    if order.module is None:
        return f"{order.component.name} is not built from Go modules"
    if problem := order.module.problem():
        return problem
    return f"{toolchain}. {GO_REMEDY}" if isinstance(toolchain, str) else ""


def _look_into(place: Place | Refusal, order: _Order) -> Found | Refusal:
    """What the mirror has for `order`; nothing is taken from it yet."""
    if isinstance(place, Refusal):
        return place
    return find_in_mirror(place, order.component, order.want.arch, order.pin)


def _built_from(component: Component, module: GoModule | None) -> str:
    recipe = component.recipe
    if recipe is None or module is None:
        return ""
    if recipe.local:
        return f"{GO}: {module.shown}"
    return f"{GO}: {recipe.upstream}@{component.version}"


def _tell(this: Step, obtained: int, wanted: int) -> None:
    if wanted > 1:
        this.progress(f"{wanted - obtained} left", obtained / wanted)


def _in_words(orders: Sequence[_Order]) -> str:
    if len(orders) == 1:
        return str(orders[0].want)
    return f"{len(orders)} artifacts"
