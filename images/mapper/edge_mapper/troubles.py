"""Errors of a twin's properties: logged and reported when they change."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from .lines import Refusal
from .outbox import READ, WRITE, ErrorKey

log = logging.getLogger(__name__)


class Troubles:
    """Of one twin. What is noted is said once, until it changes or is over."""

    def __init__(self, twin: str) -> None:
        self._twin = twin
        self._now: dict[ErrorKey, str] = {}
        self._told: dict[ErrorKey, str] = {}
        """As it was reported last; empty for what was said to be well."""

    def __getitem__(self, key: ErrorKey) -> str:
        return self._now.get(key, "")

    # -- reading ---------------------------------------------------------------------------

    def read(self, answers: Mapping[str, Refusal | None]) -> None:
        """By property, why it could not be read just now; None if it could."""
        worse: dict[str, list[str]] = {}
        better = []
        for name, refusal in answers.items():
            key, before = (READ, name), self._now.get((READ, name), "")
            if refusal is None:
                if before:
                    del self._now[key]
                    better.append(name)
            elif str(refusal) != before:
                self._now[key] = str(refusal)
                where = f" ({refusal.where})" if refusal.where else ""
                worse.setdefault(refusal.why, []).append(f"{name}{where}")
        for why, names in worse.items():
            log.warning("%s: cannot read %s: %s", self._twin, ", ".join(names), why)
        if better:
            log.info("%s: reads %s again", self._twin, ", ".join(better))

    def broken(self, whys: Mapping[str, str], names: Iterable[str]) -> None:
        """Why properties cannot be served, and which ones can."""
        for name, why in whys.items():
            if self._now.get((READ, name)) != why:
                self._now[READ, name] = why
                log.warning("%s: refused unknown property %r: %s", self._twin, name, why)
        known = set(names) | whys.keys()
        self._now = {key: why for key, why in self._now.items() if key[1] in known}

    # -- writing ---------------------------------------------------------------------------

    def refused(self, name: str, why: str) -> None:
        """What is desired of a property is not to be done; the caller has logged it."""
        self._now[WRITE, name] = why

    def desired_anew(self, name: str) -> None:
        """Something else is desired of it, or nothing, or it was written."""
        self._now.pop((WRITE, name), None)

    # -- reporting -------------------------------------------------------------------------

    def news(self, names: Iterable[str] = ()) -> dict[ErrorKey, str]:
        """What has changed since the last time; and of these properties, that they are well."""
        found = {
            **{key: "" for name in names for key in ((READ, name), (WRITE, name))},
            **dict.fromkeys(self._told, ""),
            **self._now,
        }
        fresh = {key: why for key, why in found.items() if self._told.get(key) != why}
        self._told |= fresh
        return fresh
