"""Scripts of requests, and `load.c`, which plays them to a server."""

from __future__ import annotations

import array
import functools
import itertools
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.figures import Figures, summarise

MOST_PER_SECOND = 20_000  # requests for which scripts are written; unused ones cost nothing


@functools.cache
def _program() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tinkgit-load-"))
    source = Path(__file__).with_suffix(".c")
    subprocess.run(["cc", "-O2", "-o", folder / "load", source], check=True)
    return folder / "load"


class Scripts:
    """Of each number a script, made when it is needed; what was played is never played again."""

    def __init__(
        self,
        make: Callable[[int], Iterable[bytes]],
        numbers: Iterable[int],
        *,
        per_second: int = MOST_PER_SECOND,
    ) -> None:
        """`per_second` is more requests than the server answers."""
        self._per_second = per_second
        self._make = make
        self._numbers = iter(numbers)
        self._ready: list[bytes] = []

    def drive(self, host: str, port: int, *, clients: int, seconds: float) -> Figures:
        """Have so many clients play scripts for a time."""
        with tempfile.TemporaryDirectory(prefix="tinkgit-load-") as name:
            folder = Path(name)
            self._write(folder / "scripts", clients, seconds)
            words = [_program(), host, port, clients, seconds, folder / "scripts", folder / "ms"]
            started = time.perf_counter()
            done = subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)
            took = min(seconds, time.perf_counter() - started)
            latencies = array.array("d", (folder / "ms").read_bytes())
        counts, _, first_error = done.stdout.partition("\n")
        begun, errors = map(int, counts.split())
        del self._ready[:begun]
        if errors:
            raise SystemExit(f"{errors} answers were errors, the first:\n{first_error}")
        return summarise(latencies, took)

    def _write(self, path: Path, clients: int, seconds: float) -> None:
        with path.open("wb") as file:
            count = requests = 0
            while count < clients or requests < self._per_second * seconds:
                if count == len(self._ready):
                    more = [_encoded(self._make(n)) for n in itertools.islice(self._numbers, 100)]
                    if not more:
                        return
                    self._ready += more
                file.write(self._ready[count])
                requests += struct.unpack_from("=L", self._ready[count])[0]
                count += 1


def _encoded(requests: Iterable[bytes]) -> bytes:
    listed = list(requests)
    parts = [struct.pack("=L", len(listed))]
    for each in listed:
        parts += (struct.pack("=L", len(each)), each)
    return b"".join(parts)
