"""Obtains artifacts: each source is tried in turn."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from filelock import FileLock, Timeout

from edge_lab.artifacts.availability import Prospects
from edge_lab.artifacts.builds import Builds
from edge_lab.artifacts.cache import ArtifactCache, Origin
from edge_lab.artifacts.catalog import CATALOG
from edge_lab.artifacts.components import Components, installed_components
from edge_lab.artifacts.componentset import LOCK_NAME, OWN, ComponentSet
from edge_lab.artifacts.gomodules import Toolchain, find_toolchain
from edge_lab.artifacts.lock import disagreements, make_lock, read_lock, write_lock
from edge_lab.artifacts.mirror import VARIABLE, Mirror, find_in_mirror, mirror_place, read_mirror
from edge_lab.artifacts.model import (
    Artifact,
    ArtifactState,
    CannotObtain,
    Component,
    Refusal,
    SourceFailed,
    Want,
)
from edge_lab.artifacts.offers import Found, take, vouch
from edge_lab.artifacts.orders import Order, OrderBook
from edge_lab.artifacts.places import Place, WebFolder
from edge_lab.artifacts.release import RELEASE_PAGE, ReleasePages, read_release_pages
from edge_lab.artifacts.release import VARIABLE as RELEASES
from edge_lab.artifacts.web import Web
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError
from edge_lab.core.home import cache_home
from edge_lab.core.step import Step, step, warn
from edge_lab.data import IMAGES

NOT_CACHED = Refusal("cache", "missing, or damaged")


class ArtifactStore:
    """Resolves components to local files from the cache, mirror, release page or sources.

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
        pages: ReleasePages = ReleasePages(),  # noqa: B008 - it is frozen
    ) -> None:
        """`catalog` and the folder `recipes` are edge-lab's own components if no `components` are
        given."""
        self._cache = ArtifactCache(cache / "artifacts")
        self._mirror = mirror
        self._pages = pages
        self._silent: dict[str, str] = {}
        self._components = components or Components(
            ComponentSet(OWN, tuple(catalog.values()), recipes / LOCK_NAME, recipes / "go")
        )
        self._orders = OrderBook(self._components)
        self._builds = Builds(self._cache, cache)

    @classmethod
    def default(cls) -> ArtifactStore:
        """The store in the lab's cache, with the mirror of LAB_MIRROR, if any, the release pages
        that LAB_RELEASES permits, and the components of all installed distributions.

        Raises:
            InputError: LAB_MIRROR is an address that cannot be used, or LAB_RELEASES has an
                unknown value.
        """
        mirror = read_mirror(os.environ.get(VARIABLE, ""))
        pages = read_release_pages(os.environ.get(RELEASES, ""))
        return cls(cache_home(), mirror, components=installed_components(), pages=pages)

    # -- Requests ------------------------------------------------------------------------

    def resolve(self, wanted: Sequence[Want], deadline: Deadline) -> dict[Want, Artifact]:
        """Each want as a file in the cache; what is missing is downloaded or built.

        All sources are checked before anything is built, so that an unavailable stack is
        reported immediately.  One process works at a time; others wait and then find the
        result.

        Raises:
            InputError: an unknown component, or the lock disagrees with the catalogue.
            CannotObtain: no source has it; lists all sources tried.
            LabError: the disk is full.
            DeadlineExceeded: not done in time.
        """
        orders = self._orders.orders(wanted)
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
        """Where each want is, or would come from. Builds nothing, without network access.

        Raises:
            InputError: an unknown component, or a lock file that cannot be read.
        """
        prospects = Prospects(
            self._cache, self._mirror, self._builds, find_toolchain(), self._pages
        )
        return [
            prospects.state(found) if isinstance(found, Order) else found
            for found in self._orders.looked_up(wanted)
        ]

    def verify(self) -> tuple[Path, ...]:
        """Reads every cached artifact in full; removes and returns those that are damaged."""
        return self._cache.verify()

    def update_lock(self, of: str = OWN) -> tuple[str, ...]:
        """Pins the set of components of that name as it is now; returns descriptions of changes.

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

    def _cached(self, orders: Sequence[Order]) -> dict[Want, Artifact]:
        seen = {
            order.want: self._cache.look(order.component, order.want.arch, order.key)
            for order in orders
        }
        return {want: artifact for want, artifact in seen.items() if artifact}

    # -- Obtaining -----------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self, this: Step, deadline: Deadline) -> Iterator[None]:
        """Holds the lock for builds and downloads; it is released when its holder ends."""
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
                    "another process was building artifacts for the whole time "
                    f"({deadline.total:.0f} s)",
                    remedy="Wait for it to end, and try again.",
                ) from trouble
        try:
            yield
        finally:
            lock.release()

    def _obtain(
        self, orders: Sequence[Order], this: Step, deadline: Deadline
    ) -> dict[Want, Artifact]:
        if not orders:
            return {}
        web = Web(deadline, self._silent)
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
            if unbuildable := self._builds.refusal(order, toolchain):
                refusals[order.want].append(unbuildable)
                hopeless[order.want] = refusals[order.want]
        if hopeless:
            raise CannotObtain(hopeless)
        for built in self._builds.build_all(left, toolchain, refusals, deadline):
            found |= built
            _tell(this, len(found), len(orders))
        return found

    def _give_up_early(
        self,
        orders: Sequence[Order],
        offers: Mapping[Want, Found | Refusal],
        toolchain: Toolchain | str,
    ) -> None:
        """CannotObtain, before anything is downloaded, if an order has no source at all."""
        hopeless = {}
        for order in orders:
            offer = offers[order.want]
            released = self._pages.find(order.component, order.want.arch)
            unbuildable = self._builds.refusal(order, toolchain)
            if isinstance(offer, Refusal) and isinstance(released, Refusal) and unbuildable:
                hopeless[order.want] = (NOT_CACHED, offer, released, unbuildable)
        if hopeless:
            raise CannotObtain(hopeless)

    def _from_mirror(
        self, order: Order, place: Place | Refusal, offer: Found | Refusal
    ) -> Artifact | Refusal:
        if isinstance(place, Refusal):
            return place
        if isinstance(offer, Refusal):
            return offer
        return self._take(order, place, offer, "mirror", f"mirror {place}")

    def _from_release(self, order: Order, web: Web) -> Artifact | Refusal:
        release = self._pages.find(order.component, order.want.arch)
        if isinstance(release, Refusal):
            return release
        page = f"{RELEASE_PAGE} {release.page}"
        # Without a network, do not wait for components that can also be built.
        optional = order.component.recipe is not None
        if optional and (reason := web.silent(release.url)):
            return Refusal(page, reason)
        checksums = WebFolder(release.page, web.hurried() if optional else web)
        found = vouch(checksums, release.offer, order.pin)
        if isinstance(found, str):
            return Refusal(page, found)
        got = self._take(order, WebFolder(release.page, web), found, "release", RELEASE_PAGE)
        if optional and isinstance(got, Refusal):
            web.give_up(release.url, f"not tried again, since {got.reason}")
            warn(f"{order.want}: {got}; it is built instead")
        return got

    def _take(
        self, order: Order, place: Place, found: Found, kind: str, refuser: str
    ) -> Artifact | Refusal:
        """Adds the file that was found to the cache. `kind` and `refuser` describe its source."""
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


def _look_into(place: Place | Refusal, order: Order) -> Found | Refusal:
    """What the mirror has for `order`; nothing is downloaded yet."""
    if isinstance(place, Refusal):
        return place
    return find_in_mirror(place, order.component, order.want.arch, order.pin)


def _tell(this: Step, obtained: int, wanted: int) -> None:
    if wanted > 1:
        this.progress(f"{wanted - obtained} left", obtained / wanted)


def _in_words(orders: Sequence[Order]) -> str:
    if len(orders) == 1:
        return str(orders[0].want)
    return f"{len(orders)} artifacts"
