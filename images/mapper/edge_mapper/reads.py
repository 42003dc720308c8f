"""Reads many items in few requests, such that a refused item does not affect its neighbours.

A device refuses a read as a whole if one register does not exist.  A refused read is split until
the refused items are isolated.  They are remembered, and omitted from the next reads; and if all
parts of a read succeed, it is made in parts from then on.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from .lines import Declined, Refusal, Silent, Unavailable
from .refusals import Item, Refusals
from .values import Value

Answers = Mapping[Item, "Value | Refusal"]

PATIENCE = 4
"""Items refused one after the other, in the way that says nothing of what was asked, until the
device is taken to refuse everything for now: a busy device shall not be asked ever more."""
UNAVAILABLE_SECONDS = 60.0
"""For so long after that, one such refusal is enough."""
SILENCES = 2
"""So many reads in one go may take as long as a device is waited for."""
NO_ANSWER = "no answer"
RETRIES = 8
"""Of what was refused before, so many are asked again in one go."""


@dataclass
class _Split(Generic[Item]):
    """A read that was refused, and so made in parts."""

    group: Sequence[Item]
    second: Sequence[Item]
    part_refused: bool = False


@dataclass
class _Found(Generic[Item]):
    answers: dict[Item, Value | Refusal] = field(default_factory=dict)
    refused: dict[Item, Declined] = field(default_factory=dict)
    splits: list[_Split[Item]] = field(default_factory=list)
    gave_up: bool = False
    silences: int = 0


class Reader(ABC, Generic[Item]):
    """Reads items of one device, with what it has learnt of them."""

    def __init__(self) -> None:
        self._refusals: Refusals[Item] = Refusals()
        self._suspects: set[tuple[Item, Item]] = set()
        """First and last item of reads that were had in parts once."""
        self._unavailable_until = 0.0
        self._quiet: set[Item] = set()
        """What was not answered the last time. It is asked last: if nothing is answered before it,
        it is the device that is silent, and not the item."""
        self._last_first = False
        """Which half of a split is asked first: not for ever the one that is refused."""

    @abstractmethod
    def groups(self, items: Sequence[Item]) -> list[Sequence[Item]]:
        """The items as reads: each group is one request."""

    @abstractmethod
    async def ask(self, group: Sequence[Item]) -> Answers[Item]:
        """Reads one group; Declined if the device refuses it."""

    @abstractmethod
    def part(self, group: Sequence[Item], second: Sequence[Item]) -> None:
        """The group is refused as a whole, and had in two parts."""

    async def read(self, items: Sequence[Item]) -> dict[Item, Value | Refusal]:
        """An answer to each item. Raises Gone if the device does not answer."""
        now = time.monotonic()
        wanted = list(dict.fromkeys(items))
        found: _Found[Item] = _Found()
        await self._read(self._plan(wanted, now), found)
        if self._refusals:
            for item in found.answers:
                self._refusals.lift(item)
        rest = [
            item
            for item in wanted
            if item not in found.answers
            and item not in found.refused
            and item not in self._refusals
        ]
        await self._read(self.groups(rest), found)
        self._learn(found, now)
        for item in wanted:
            if item in found.refused:
                found.answers[item] = Refusal(str(found.refused[item]))
            elif item not in found.answers:
                found.answers[item] = Refusal(self._refusals.why(item))
        return found.answers

    def _plan(self, wanted: Sequence[Item], now: float) -> list[Sequence[Item]]:
        if not self._refusals:
            return self.groups(wanted)
        fresh = [item for item in wanted if item not in self._refusals]
        known = [item for item in wanted if item in self._refusals]
        due = [item for item in known if self._refusals.is_due(item, now)][:RETRIES]
        if not fresh and not due and known:
            due = [self._refusals.soonest(known)]  # else nobody would see whether it is there
        return [*self.groups(fresh), *([item] for item in due)]

    async def _read(self, groups: Sequence[Sequence[Item]], found: _Found[Item]) -> None:
        """Each group once, and then those that were refused in parts."""
        refused = []
        if self._quiet:
            groups = sorted(groups, key=lambda group: not self._quiet.isdisjoint(group))
        for group in groups:
            trouble = await self._ask(group, found)
            if trouble is not None:
                refused.append((group, trouble))
        for group, trouble in refused:
            await self._split(group, trouble, found)

    async def _ask(self, group: Sequence[Item], found: _Found[Item]) -> Declined | None:
        """Why the group is refused, if it is to be split; None if it was answered, or never is."""
        if found.silences >= SILENCES:
            found.refused.update(dict.fromkeys(group, Unavailable(NO_ANSWER)))
            return None
        try:
            found.answers.update(await self.ask(group))
        except Declined as trouble:
            return trouble
        except Silent:
            self._quiet.update(group)
            if not found.answers:
                raise
            found.silences += 1
            found.refused.update(dict.fromkeys(group, Declined(NO_ANSWER)))
        else:
            if self._quiet:
                self._quiet.difference_update(group)
        return None

    async def _split(self, group: Sequence[Item], trouble: Declined, found: _Found[Item]) -> None:
        """Halves what is refused until each item is read, or refused by itself."""
        patience = 0 if time.monotonic() < self._unavailable_until else PATIENCE
        alone = 0
        refused = [(group, trouble)]
        waiting: list[tuple[Sequence[Item], _Split[Item]]] = []
        while refused or waiting:
            if not refused:
                part, whole = waiting.pop()
                why = await self._ask(part, found)
                if why is None:
                    continue
                whole.part_refused = True
                refused.append((part, why))
            group, trouble = refused.pop()
            if len(group) == 1:
                found.refused[group[0]] = trouble
                alone += 1
            elif isinstance(trouble, Unavailable) and not found.answers and alone >= patience:
                found.gave_up = True
                found.refused.update(dict.fromkeys(group, trouble))
            else:
                middle = len(group) // 2
                split = _Split(group, group[middle:])
                found.splits.append(split)
                parts = [*self.groups(group[:middle]), *self.groups(group[middle:])]
                waiting.extend((part, split) for part in _turned(parts, self._last_first))

    def _learn(self, found: _Found[Item], now: float) -> None:
        if found.gave_up:
            if now >= self._unavailable_until:
                self._unavailable_until = now + UNAVAILABLE_SECONDS
                self._last_first = not self._last_first
        else:
            if found.answers:
                self._unavailable_until = 0.0
            for item, trouble in found.refused.items():
                self._refusals.note(
                    item, str(trouble), now, for_now=isinstance(trouble, Unavailable)
                )
        # Only what is so twice: a refusal may have been by chance.
        for split in found.splits:
            if split.part_refused:
                continue
            name = (split.group[0], split.group[-1])
            if name in self._suspects:
                self._suspects.discard(name)
                self.part(split.group, split.second)
            else:
                self._suspects.add(name)


def _turned(parts: Sequence[Sequence[Item]], last_first: bool) -> Sequence[Sequence[Item]]:
    """As a stack, of which the last is the next."""
    return parts if last_first else parts[::-1]
