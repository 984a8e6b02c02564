"""How many bytes are kept for all who are connected, and who waits when there is no room.

Whatever a stranger can make the server keep is taken from one of three shares: requests
(heads, bodies up to a megabyte, what is pipelined behind a request that waits), large bodies,
and answers that their clients have not taken in.  Reports so never wait for pushes, nor for
clients that read slowly.  All methods are for the loop's thread; to take and to give back
costs a report less than half a microsecond.
"""

from __future__ import annotations

from collections.abc import Callable

from provisioner.errors import Unavailable

_MIB = 1_048_576
LARGE_BODY_BYTES = _MIB  # larger ones have a share of their own
REQUESTS_BYTES = 64 * _MIB  # 140 of the longest reports at once, or 60,000 usual ones
BODIES_BYTES = 96 * _MIB  # nine pushes of ten megabytes, or four of the largest archive
ANSWERS_BYTES = 64 * _MIB  # six times ten megabytes of data, or a list of 200,000 workflows
LITTLE_BYTES = 16_384  # heartbeats and usual reports, for which an eighth of their share is spared
CONNECTIONS = 16_384  # 7.5 KiB each, and at most 16 KiB that the next write takes along

NO_ROOM = Unavailable("the server keeps as much for its clients as it may; try again")


class Share:
    """A number of bytes; those who want more than are left may wait in their order.

    Who wants little passes those who wait, into what is spared for it: many long bodies that
    come slowly keep no heartbeat waiting.
    """

    __slots__ = ("_spare_bytes", "_waiting", "limit_bytes", "on_room", "used_bytes", "was_short")

    def __init__(self, limit_bytes: int, *, spare_bytes: int = 0) -> None:
        self.limit_bytes = limit_bytes
        self._spare_bytes = spare_bytes
        self.used_bytes = 0
        self.was_short = False  # somebody had to wait or was refused since it was last cleared
        self.on_room: Callable[[], None] | None = None
        # Ordered, and left from the middle in no time when many clients go at once.
        self._waiting: dict[Callable[[], None], int] = {}

    @property
    def is_short(self) -> bool:
        """Whether somebody waits, or nothing more may be begun."""
        return bool(self._waiting) or self.was_short or not self.has_room

    @property
    def has_room(self) -> bool:
        return self.used_bytes < self.limit_bytes

    @property
    def waiting_count(self) -> int:
        return len(self._waiting)

    def take(self, size_bytes: int) -> bool:
        if not self._fits(size_bytes):
            self.was_short = True
            return False
        self.used_bytes += size_bytes
        return True

    def take_anyway(self, size_bytes: int) -> None:
        """Count what is there already; nothing new is begun until there is room again."""
        self.used_bytes += size_bytes

    def take_or_wait(self, size_bytes: int, when_taken: Callable[[], None]) -> bool:
        """Take it, or have `when_taken` called once it was taken for the caller."""
        is_first = not self._waiting or (self._spare_bytes and size_bytes <= LITTLE_BYTES)
        if is_first and self.take(size_bytes):
            return True
        self._waiting[when_taken] = size_bytes
        return False

    def leave(self, when_taken: Callable[[], None]) -> None:
        """Wait no longer."""
        self._waiting.pop(when_taken, None)
        self._serve()

    def give(self, size_bytes: int) -> None:
        self.used_bytes -= size_bytes
        if self._waiting:
            self._serve()
        if self.on_room is not None and self.has_room:
            self.on_room()

    def _fits(self, size_bytes: int) -> bool:
        spare = 0 if size_bytes <= LITTLE_BYTES else self._spare_bytes
        return self.used_bytes + size_bytes <= self.limit_bytes - spare

    def _serve(self) -> None:
        while self._waiting:
            first = next(iter(self._waiting))
            if not self._fits(self._waiting[first]):
                return
            self.used_bytes += self._waiting.pop(first)
            first()


class Budget:
    """One server's.  A report that is being written counts, also when its client has gone."""

    __slots__ = ("answers", "bodies", "requests")

    def __init__(
        self,
        *,
        requests_bytes: int = REQUESTS_BYTES,
        bodies_bytes: int = BODIES_BYTES,
        answers_bytes: int = ANSWERS_BYTES,
    ) -> None:
        self.requests = Share(requests_bytes, spare_bytes=requests_bytes // 8)
        self.bodies = Share(bodies_bytes)
        self.answers = Share(answers_bytes)

    @property
    def shares(self) -> tuple[tuple[str, Share], ...]:
        return (
            ("requests", self.requests),
            ("bodies", self.bodies),
            ("answers", self.answers),
        )

    def share_for(self, size_bytes: int) -> Share:
        return self.bodies if size_bytes > LARGE_BODY_BYTES else self.requests

    def take_shortage(self) -> bool:
        """Whether there was a shortage since the last call."""
        is_short = False
        for _, share in self.shares:
            is_short = is_short or share.is_short
            share.was_short = False
        return is_short
