"""Judges observations of a cache, as pure functions that return problems: empty means passed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024

UPSTREAM = re.compile(
    r"50[234]|i/o timeout|time(d )?-?out|no route to host|network is unreachable|connection refused"
    r"|deadline exceeded",
    re.IGNORECASE,
)
"""Messages of nginx, docker-registry and containerd for an unreachable registry."""


@dataclass(frozen=True)
class Start:
    """Whether a pod's container was restarted, and the messages about its image."""

    started: bool
    seconds: float
    """Until the restart, or the end of the watch."""
    said: str = ""
    """Messages of kubelet and container runtime about its image."""


def wrong_starts(seen: Mapping[str, Start], shall_start: Collection[str]) -> dict[str, str]:
    """By pod: it should have started but did not, or the reverse, or no clear reason was given."""
    wrong = {}
    for pod, start in seen.items():
        if pod in shall_start:
            if not start.started:
                wrong[pod] = (
                    f"not started within {start.seconds:.0f} s: {start.said or 'no message'}"
                )
        elif start.started:
            wrong[pod] = f"started after {start.seconds:.0f} s, with an image that is not available"
        elif not UPSTREAM.search(start.said):
            wrong[pod] = f"no message names the unreachable registry: {start.said or 'no message'}"
    missing = set(shall_start) - seen.keys()
    return {**wrong, **dict.fromkeys(missing, "not watched")}


@dataclass(frozen=True)
class Resumed:
    """A pull that was interrupted and repeated."""

    before: int
    """Bytes over the uplink until the interruption."""
    after: int
    """Bytes over the uplink since then."""
    whole: int
    """Bytes of the image."""


OVERHEAD = 1.12
"""Overhead of frames, TLS and acknowledgements, and other traffic of the node."""
SLACK = 4 * MIB
"""Slices in transit, and other traffic that the node receives while it waits."""


def wrong_resumption(seen: Resumed) -> str:
    """The pull was not interrupted half-way, or it was not resumed."""
    if not 0.2 * seen.whole < seen.before < 0.9 * seen.whole * OVERHEAD:
        return f"no evidence: interrupted at {seen.before} of {seen.whole} bytes"
    least = (seen.whole - seen.before) * 0.9 - SLACK
    if seen.after < least:
        return f"only {seen.after} bytes were received after it: the rest came from elsewhere"
    most = seen.whole * OVERHEAD + SLACK - seen.before
    if seen.after > most:
        return f"{seen.after} bytes after it, of at most {most:.0f}: the pull started over"
    return ""


def wrong_sharing(uplink: int, shared: int, whole: int) -> str:
    """An image of `whole` bytes arrived over the uplink instead of the site's network."""
    if uplink > whole * 0.2:
        return f"{uplink} bytes were received over the uplink, of an image of {whole}"
    if shared < whole * 0.9:
        return f"only {shared} bytes were received over the site's network, of an image of {whole}"
    return ""


@dataclass(frozen=True)
class Filled:
    """A cache that was asked for more content than its limit."""

    asked: int
    """Bytes of distinct content."""
    held: int
    """Bytes on the disk in the end."""
    limit: int
    restarted: bool
    """Whether the running container was stopped meanwhile."""
    starts_again: bool
    """Whether its container restarts while no upstream is reachable."""
    evicted: bool
    """Whether the cache had the container's image before, and does not have it any more."""


def wrong_eviction(seen: Filled) -> str:
    """It exceeded its limit, evicted nothing or everything, or affected what runs."""
    if seen.asked <= seen.limit:
        return f"no evidence: {seen.asked} bytes fit into {seen.limit}"
    if seen.held > seen.limit:
        return f"{seen.held} bytes held, {seen.limit} are the limit"
    if seen.held < seen.limit / 3:
        return f"only {seen.held} bytes of {seen.limit} are held: the newest content is missing"
    if seen.restarted:
        return "a container was stopped while the cache evicted"
    if not seen.evicted:
        return "no evidence: the image of the container was not evicted from the cache"
    if not seen.starts_again:
        return "a container whose image was evicted from the cache does not start again"
    return ""


UNREACHED = re.compile(
    r"connection refused|no route to host|network is unreachable|i/o timeout|no such host",
    re.IGNORECASE,
)
"""Messages of containerd for a cache or a registry that is down or out of reach."""


@dataclass(frozen=True)
class Refused:
    """A pull of an image whose layer is damaged in the cache."""

    how: str
    """poisoned or truncated."""
    whole: int
    """Bytes of the layer."""
    status: int
    """HTTP status of the cache's response with the layer, before the pull."""
    sent: int
    """Bytes of it."""
    unchanged: bool
    """Whether they were the layer."""
    said: str
    """The error of the pull; empty if it succeeded."""


def wrong_refusal(seen: Refused) -> str:
    """The damaged layer was accepted, was not served, or the pull failed for another reason."""
    damaged = seen.sent == seen.whole if seen.how == "poisoned" else 0 < seen.sent < seen.whole
    if seen.status != 200 or seen.unchanged or not damaged:
        return (
            f"no evidence: the cache serves no {seen.how} layer, but {seen.sent} of {seen.whole} "
            f"bytes with status {seen.status}"
        )
    if not seen.said:
        return f"a {seen.how} layer was accepted"
    if UNREACHED.search(seen.said) or (seen.how == "poisoned" and "digest" not in seen.said):
        return f"the pull failed for another reason: {seen.said}"
    return ""


NO_ROOM = re.compile("no space left on device", re.IGNORECASE)


@dataclass(frozen=True)
class Full:
    """A node whose disk became full in the middle of a pull, and had room again later."""

    pulled: bool
    """Whether the pulled image was started while the disk was full."""
    said: str
    """Messages about the pulled image meanwhile."""
    served: bool
    """Whether the cache returned cached content unchanged meanwhile, without its uplink."""
    cached: Start
    """A container whose image only the cache has, when there was room again, without the uplink."""
    fetched: bool
    """Whether the container runtime has that image again."""
    again: Start
    """A container of the pulled image, when there was room again."""
    damaged: Collection[str] = ()
    """Images whose layer the cache did not return unchanged in the end, without its uplink."""


def wrong_full_disk(seen: Full) -> str:
    """The full disk affected no pull, gave no clear reason, or cost content that was cached; or the
    pull did not go on, or left something damaged."""
    if seen.pulled:
        return "no evidence: the image was pulled while the disk was full"
    if not NO_ROOM.search(seen.said):
        return f"no message names the full disk: {seen.said or 'no message'}"
    if not seen.served:
        return "cached content was not served while the disk was full"
    for start, what in ((seen.cached, "the cached image"), (seen.again, "the pulled image")):
        if not start.started:
            said = start.said or "no message"
            return f"{what} was not started within {start.seconds:.0f} s of room: {said}"
    if not seen.fetched:
        return "no evidence: the cached image was started without a pull"
    if seen.damaged:
        return f"the cache does not serve unchanged: {', '.join(sorted(seen.damaged))}"
    return ""


@dataclass(frozen=True)
class Read:
    """One reading of a data set."""

    sha256: str
    milliseconds: float
    cache: str = ""
    """The cache's header: HIT, MISS, or empty."""


def wrong_reads(reads: Sequence[Read], sha256: str, *, hits_after: int) -> str:
    """A reading had wrong content, or was a cache miss after the first so many."""
    for number, read in enumerate(reads):
        if read.sha256 != sha256:
            return f"read {number} returned different content"
    late = [read for read in reads[hits_after:] if read.cache != "HIT"]
    if not reads[hits_after:]:
        return "no evidence: nothing was read twice"
    return f"{len(late)} reads were not cache hits" if late else ""


def wrong_collection(
    before: Collection[str], after: Collection[str], pinned: str, other: str
) -> str:
    """The kubelet removed the pinned image, or did not remove the other one."""
    if not {pinned, other} <= set(before):
        return "no evidence: one of the images was not present before"
    if other in after:
        return f"{other} is still present: nothing was collected"
    return "" if pinned in after else f"{pinned} was removed, though it is pinned"
