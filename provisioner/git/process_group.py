"""Runs a process, within limits, together with everything that it starts.

It gets a session of its own: a hung `git fetch` waits for an ssh, a killed `git repack`
leaves a pack-objects, and each of them keeps our pipes open.  So the whole group is ended,
and reading stops when the process itself has ended, whoever still holds a pipe.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# git removes its lock and temporary files on SIGTERM, which takes it milliseconds.
MERCY_SECONDS = 1.0
_LOWEST_PRIORITY = 19
_CHUNK_BYTES = 1 << 16  # what a pipe holds
_LOOK_SECONDS = 0.1  # how late a stop event is seen
_SHORT_LOOK_SECONDS = 0.02  # where the kernel can't report that a process ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`status` is as `Popen.returncode`; `cut_off` says why we ended it, if we did."""

    status: int
    stdout: bytes
    stderr: bytes
    cut_off: str


def run(
    words: Sequence[str],
    *,
    stdin: bytes,
    environment: Mapping[str, str],
    timeout_seconds: float,
    directory: Path | None = None,
    stop: threading.Event | None = None,
    is_background: bool = False,
    has_terminal: bool = False,
    inherited: Sequence[int] = (),
    idle_seconds: float = float("inf"),
) -> Ended:
    """Run to the end, to the time limit, or until `stop` is set.

    `idle_seconds` is how long it may print nothing.
    `has_terminal` leaves the process in our session, so that it can ask a person; then only
    the process itself is ended.  `inherited` are handles that it and its children keep open.
    """
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=environment,
        cwd=directory,
        start_new_session=not has_terminal,
        pass_fds=inherited,
    )
    group = 0 if has_terminal else process.pid
    if is_background:
        with suppress(ProcessLookupError, PermissionError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST_PRIORITY)
    talk = _Talk(process, stdin)
    limits = _Limits(
        end=time.monotonic() + timeout_seconds,
        timeout_seconds=timeout_seconds,
        idle_seconds=idle_seconds,
        stop=stop,
    )
    try:
        cut_off = _converse(process, talk, group, limits)
    except BaseException:
        _signal(process, group, signal.SIGKILL)
        raise
    finally:
        talk.close()
        process.wait()
    return Ended(
        status=process.returncode,
        stdout=b"".join(talk.stdout),
        stderr=b"".join(talk.stderr),
        cut_off=cut_off,
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session of its own, and its children."""
    _signal(process, process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    end: float
    timeout_seconds: float
    idle_seconds: float
    stop: threading.Event | None

    def passed(self, now: float, heard_at: float) -> str:
        """Why the process has to end now, or nothing."""
        if self.stop is not None and self.stop.is_set():
            return "ended because the server ends"
        if now >= self.end:
            return f"no answer within {self.timeout_seconds:g} s"
        if now >= heard_at + self.idle_seconds:
            return f"silent for {self.idle_seconds:g} s"
        return ""

    def wait(self, now: float, heard_at: float) -> float:
        """How long nothing can change but by the process itself."""
        wait = min(self.end, heard_at + self.idle_seconds) - now
        return wait if self.stop is None else min(wait, _LOOK_SECONDS)


class _Talk:
    """What goes to the process and what came from it so far."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None and process.stderr is not None
        self.stdout: list[bytes] = []
        self.stderr: list[bytes] = []
        self.heard_at = time.monotonic()
        self._rest = memoryview(stdin)
        self._input: IO[bytes] = process.stdin
        self._outputs = ((process.stdout, self.stdout), (process.stderr, self.stderr))
        self._selector = selectors.DefaultSelector()
        for pipe, chunks in self._outputs:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, chunks)
        if stdin:
            os.set_blocking(self._input.fileno(), False)
            self._selector.register(self._input, selectors.EVENT_WRITE)
        else:
            self._input.close()

    def watch(self, handle: int) -> None:
        self._selector.register(handle, selectors.EVENT_READ)

    def step(self, seconds: float) -> None:
        """Pass on what can be passed on, or wait."""
        for key, _ in self._selector.select(None if seconds == float("inf") else seconds):
            if key.fileobj is self._input:
                self._write()
            elif key.data is not None:
                self._read(key.fd, key.data)

    def drain(self) -> None:
        """Read what the process had written when it ended."""
        for pipe, chunks in self._outputs:
            while not pipe.closed and self._read(pipe.fileno(), chunks):
                pass

    def close(self) -> None:
        self._selector.close()
        for pipe in (self._input, *(pipe for pipe, _ in self._outputs)):
            pipe.close()

    def _write(self) -> None:
        try:
            written = os.write(self._input.fileno(), self._rest[:_CHUNK_BYTES])
        except BlockingIOError:
            return
        except BrokenPipeError:
            written = len(self._rest)  # it needs no more; its exit code says the rest
        self._rest = self._rest[written:]
        if not self._rest:
            self._selector.unregister(self._input)
            self._input.close()

    def _read(self, handle: int, chunks: list[bytes]) -> bool:
        try:
            chunk = os.read(handle, _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if chunk:
            chunks.append(chunk)
            self.heard_at = time.monotonic()
        else:
            with suppress(KeyError):
                self._selector.unregister(handle)
        return bool(chunk)


def _converse(process: subprocess.Popen[bytes], talk: _Talk, group: int, limits: _Limits) -> str:
    """Talk until the process has ended; return why we ended it, or nothing."""
    cut_off, kill_at = "", float("inf")
    with exit_handle(process) as handle:
        if handle is not None:
            talk.watch(handle)
        while not _has_ended(process):
            now = time.monotonic()
            if now >= kill_at:
                _signal(process, group, signal.SIGKILL)
                kill_at = float("inf")
            elif not cut_off and (cut_off := limits.passed(now, talk.heard_at)):
                _signal(process, group, signal.SIGTERM)
                kill_at = now + MERCY_SECONDS
            wait = kill_at - now if cut_off else limits.wait(now, talk.heard_at)
            talk.step(max(0.0, wait if handle is not None else min(wait, _SHORT_LOOK_SECONDS)))
        if cut_off:
            # Its children too, however long they would have taken to notice.
            _signal(process, group, signal.SIGKILL)
    talk.drain()
    return cut_off


def wait_briefly(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Reap a process that is ending, unless that takes longer."""
    with exit_handle(process) as handle:
        if handle is None or select.select([handle], [], [], seconds)[0]:
            process.wait()


@contextmanager
def exit_handle(process: subprocess.Popen[bytes]) -> Iterator[int | None]:
    """A handle that becomes readable when the process has ended; None where there is none."""
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without reaping it: until then nobody else gets its number."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _signal(process: subprocess.Popen[bytes], group: int, number: signal.Signals) -> None:
    if process.returncode is not None:
        return  # reaped: the number may be another's by now
    with suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(group, number)
        else:
            os.kill(process.pid, number)
