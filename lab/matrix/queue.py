"""The shards of a plan that hosts take from, each as soon as it is free."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_lab.matrix.model import Host
from edge_lab.matrix.plan import Shard


@dataclass(frozen=True)
class _Waiting:
    shard: Shard
    broke_on: Host | None = None
    """Where its lab broke: it is retried on another host, as long as there is one."""


class ShardQueue:
    """Safe for threads, one for each lab that a host may run at a time.

    Shards are taken in the order of the plan. Two shards of one topology never run on one host at
    a time: their labs have the same name.
    """

    def __init__(self, shards: Iterable[Shard], hosts: Sequence[Host]) -> None:
        self._waiting = [_Waiting(shard) for shard in shards]
        self._running: list[tuple[Host, Shard]] = []
        self._hosts = list(hosts)
        self._stopped = False
        self._changed = threading.Condition()

    def take(self, host: Host) -> Shard | None:
        """The next shard for this host, for which it may have to wait; None if there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over(host) or self._next(host) is not None)
            found = None if self._is_over(host) else self._next(host)
            if found is None:
                return None
            self._waiting.remove(found)
            self._running.append((host, found.shard))
            return found.shard

    def finish(self, host: Host, shard: Shard) -> None:
        """The shard has a result, and is not run again."""
        with self._changed:
            self._running.remove((host, shard))
            self._changed.notify_all()

    def retry(self, host: Host, shard: Shard) -> None:
        """Its lab broke on this host: it is run again."""
        self._give_back(host, _Waiting(shard, host))

    def lose(self, host: Host, shard: Shard) -> bool:
        """The host broke: others run the shard, and it gets no more. Whether that is new."""
        with self._changed:
            is_new = host in self._hosts and not self._stopped
            if host in self._hosts:
                self._hosts.remove(host)
            self._give_back(host, _Waiting(shard))
            return is_new

    def stop(self) -> None:
        """No host gets another shard."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    @property
    def left(self) -> tuple[Shard, ...]:
        """The shards that wait."""
        with self._changed:
            return tuple(each.shard for each in self._waiting)

    def _give_back(self, host: Host, waiting: _Waiting) -> None:
        with self._changed:  # reentrant
            self._running.remove((host, waiting.shard))
            self._waiting.append(waiting)
            self._waiting.sort(key=lambda each: each.shard.index)
            self._changed.notify_all()

    def _is_over(self, host: Host) -> bool:
        return self._stopped or host not in self._hosts or not (self._waiting or self._running)

    def _next(self, host: Host) -> _Waiting | None:
        busy = {shard.lab for other, shard in self._running if other == host}
        is_alone = self._hosts == [host]
        return next(
            (
                each
                for each in self._waiting
                if each.shard.lab not in busy and (is_alone or each.broke_on != host)
            ),
            None,
        )
