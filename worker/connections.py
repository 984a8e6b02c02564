"""Aborts a call of the docker library from another thread.

Neither it nor requests can do that while they wait for the first word of an answer.  But both
get their connections from a pool, where those that they open can be noted and shut down.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any


class Connections:
    """The connections that one adapter of requests opens from now on, or has idle."""

    def __init__(self, adapter: Any) -> None:
        self._noted: list[Any] = []
        self._pools: list[Any] = []
        # The second is what older versions of requests call.
        for name in ("get_connection_with_tls_context", "get_connection"):
            if hasattr(adapter, name):
                setattr(adapter, name, self._watched(getattr(adapter, name)))

    def shut_down(self) -> None:
        """Whoever waits on one of them gets an error."""
        for connection in self._noted:
            sock = getattr(connection, "sock", None)
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def _watched(self, get_pool: Any) -> Any:
        def get(*arguments: Any, **options: Any) -> Any:
            pool = get_pool(*arguments, **options)
            if not any(pool is known for known in self._pools):
                self._pools.append(pool)
                self._noted += [idle for idle in list(pool.pool.queue) if idle is not None]
                self._note_new(pool)
            return pool

        return get

    def _note_new(self, pool: Any) -> None:
        make = pool._new_conn

        def noted() -> Any:
            connection = make()
            self._noted.append(connection)
            return connection

        pool._new_conn = noted
