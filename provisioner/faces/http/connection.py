"""What happens on one connection: requests are read, and answered in their order.

Written here because a server that knows all of ASGI spends three times as long on a report as
parsing and answering it takes (docs/adr/0004).  While a request waits for its answer, what
comes behind it is kept as it came, and soon not read any more: it is parsed when its turn
comes.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import deque
from typing import cast

from provisioner.errors import Unavailable
from provisioner.faces.http import errors, heads
from provisioner.faces.http.answers import Answer, FilePart
from provisioner.faces.http.budget import NO_ROOM
from provisioner.faces.http.flask_call import Request
from provisioner.faces.http.gate import Found, Gate, Stop
from provisioner.faces.http.intake import (
    BYTES_PER_SECOND,
    HEAD_SECONDS,
    PRESSED_SECONDS,
    STEP_BYTES,
    Intake,
)

KEEP_ALIVE_SECONDS = 75.0
LINGER_SECONDS = 5.0  # a client that was refused may have to finish sending before it listens
LINGER_BYTES = 33_554_432  # … as far as that: more than the largest body that may be sent
# Kept unparsed behind a request that waits; what was read at once comes on top, up to 256 KB.
BACKLOG_BYTES = 65_536
UNSENT_BYTES = 16_384  # an answer that leaves more unsent is counted, and the next one waits
REQUEST_COST_BYTES = 1_024  # what Python needs for a request beside its text
_ONE_WRITE_BYTES = 65_536
_LOOK_SECONDS = 0.01
NO_SENDER = Unavailable("too many load files at once; try again")


class Connection(asyncio.Protocol):
    """`deadline` is when the client's patience, or ours, is over, in the loop's time."""

    __slots__ = (
        "_all_open", "_asked", "_at", "_backlog", "_gate", "_intake", "_is_deaf", "_is_feeding",
        "_is_feeding_due", "_is_in_turn", "_is_last", "_is_unread", "_is_write_paused",
        "_kept_bytes", "_loop", "_pipeline", "_since", "_stop", "_transport", "_unsent_bytes",
        "deadline", "is_asking",
    )  # fmt: skip

    def __init__(
        self,
        gate: Gate,
        loop: asyncio.AbstractEventLoop,
        all_open: set[Connection],
    ) -> None:
        """`all_open` holds it while it is open."""
        self._gate = gate
        self._loop = loop
        self._all_open = all_open
        self.deadline = math.inf
        self._intake = Intake(gate, loop, self)
        self._pipeline: deque[tuple[Request, Found | None]] = deque()
        self._stop: Stop | None = None
        self._backlog = b""  # what came and is not parsed …
        self._at = 0  # … from here on
        self._asked = 0  # requests so far
        self._kept_bytes = 0  # taken from the budget for backlog, pipeline and unfinished heads
        self._unsent_bytes = 0  # taken from it for an answer
        self._since = 0.0  # when that was given to the transport
        self.is_asking = False  # a request is with the gate
        self._is_in_turn = False  # in `_ask_next`, which answers may come back to
        self._is_feeding = False
        self._is_feeding_due = False
        self._is_last = False  # no request is taken after the one under way
        self._is_deaf = False  # what still comes is thrown away
        self._is_unread = False
        self._is_write_paused = False

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._all_open.add(self)
        self.deadline = self._loop.time() + KEEP_ALIVE_SECONDS

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            self._at += len(data)
            if self._at > LINGER_BYTES:
                self.abort()
            return
        self._backlog = self._backlog[self._at :] + data if self._backlog else data
        self._at = 0
        if not self._is_feeding_due:
            self._feed()

    def eof_received(self) -> bool:
        return False  # whoever stops sending does not wait for an answer

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_deaf = True
        if self._stop is not None:
            self._stop()
            self._stop = None
        self._intake.close()
        while self._pipeline:
            self._pipeline.popleft()[0].give_back()
        self._backlog, self._at = b"", 0
        self._count_kept()
        self._count_sent()
        self._all_open.discard(self)

    def pause_writing(self) -> None:
        self._is_write_paused = True
        unsent = self._transport.get_write_buffer_size()
        self._unsent_bytes += unsent
        self._gate.budget.answers.take_anyway(unsent)
        self._since = self._loop.time()
        self.deadline = self._since + HEAD_SECONDS + unsent / BYTES_PER_SECOND

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._count_sent()
        self.deadline = math.inf if self.is_asking else self._loop.time() + KEEP_ALIVE_SECONDS
        self.go_on()

    # What the request on its way in says.

    def take(self, request: Request, found: Found | None, *, is_last: bool) -> None:
        """A request is whole."""
        if self._is_last or is_last:
            self._is_last = self._is_deaf = True
        self._pipeline.append((request, found))
        self._ask_next()

    def refuse(self, answer: Answer) -> None:
        """Answer what can't be read to its end, and listen no more."""
        if self._is_deaf:
            return
        self._is_deaf = self._is_last = True
        self._intake.drop()
        if self.is_asking or self._pipeline:
            return  # those before it are answered; then the connection ends
        self._write(answer)
        self._end()

    def end_after_this(self) -> None:
        self._is_deaf = True
        self.close_when_done()

    def go_on(self) -> None:
        """Ask, parse and read on, as far as nothing is in the way."""
        self._ask_next()
        if self._intake.is_held:
            self.deadline = math.inf
        if self._backlog and not (self._is_feeding or self._is_feeding_due):
            self._feed()
        elif self._kept_bytes or self._is_unread:
            self._settle()
        self._send_word()

    # What the server says and asks.

    @property
    def is_busy(self) -> bool:
        """Whether a request has to be answered, or taken in, before the next is read."""
        return bool(self.is_asking or self._pipeline or self._is_write_paused)

    @property
    def is_idle(self) -> bool:
        return not (self.is_busy or self._intake.is_under_way or self._backlog)

    @property
    def unheard_socket(self) -> int | None:
        """The descriptor of one that is not read, whose client may go without our notice."""
        if not self._is_unread or self._transport.is_closing():
            return None
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    @property
    def kept_bytes(self) -> int:
        """What is counted for this connection beside the body of its request."""
        return self._kept_bytes + self._unsent_bytes

    def is_slow(self, now: float) -> bool:
        """Whether it keeps from others, who find no room, what it could let go of."""
        if self._is_write_paused:
            taken = self._unsent_bytes - self._transport.get_write_buffer_size()
            return now > self._since + PRESSED_SECONDS + taken / BYTES_PER_SECOND
        if len(self._backlog) > STEP_BYTES and self.is_asking:
            return True
        return self._intake.is_slow(now) and not self.is_asking

    def close_when_done(self) -> None:
        """Take no request any more; what is under way is answered."""
        self._is_last = True
        if not (self.is_busy or self._intake.is_under_way):
            self._transport.close()

    def abort(self) -> None:
        self._is_deaf = True
        self._transport.abort()

    # Reading.

    def _feed(self) -> None:
        """Parse what came, until a request has to wait or others have waited for long enough."""
        self._is_feeding = True
        data, intake = self._backlog, self._intake
        while self._at < len(data) and not (
            self.is_asking or self._pipeline or self._is_write_paused
            or intake.is_held or self._is_deaf
        ):  # fmt: skip
            if intake.wants_bytes:
                intake.reserve()
                continue
            asked = self._asked
            if self._at == 0 and (len(data) <= STEP_BYTES or len(data) <= intake.step_bytes):
                self._at = len(data)
                intake.feed(data)
                break
            step = memoryview(data)[self._at : self._at + intake.step_bytes]
            self._at += len(step)
            intake.feed(step)
            if asked != self._asked and self._at < len(data):
                self._is_feeding_due = True
                self._loop.call_soon(self._feed_on)
                break
        self._is_feeding = False
        if self._at >= len(data) or self._is_deaf:
            self._backlog, self._at = b"", 0
        if (
            self._backlog or self._pipeline or intake.is_under_way
            or self._kept_bytes or self._is_unread
        ):  # fmt: skip
            self._settle()
            self._send_word()

    def _feed_on(self) -> None:
        self._is_feeding_due = False
        if self._backlog:
            self._feed()

    def _settle(self) -> None:
        """Count what is kept, and read only while that is little."""
        if self._is_feeding:
            return
        if not self._count_kept():
            if self.is_asking or self._pipeline:
                self.abort()
            else:
                self.refuse(errors.answer_to(NO_ROOM))
            self._backlog, self._at = b"", 0
            self._count_kept()
        should_pause = (
            self._intake.is_held or len(self._backlog) - self._at > BACKLOG_BYTES
        ) and not self._is_deaf
        if should_pause != self._is_unread and not self._transport.is_closing():
            self._is_unread = should_pause
            if should_pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _count_kept(self) -> bool:
        kept = len(self._backlog) + self._intake.kept_bytes
        if self._pipeline:
            kept += REQUEST_COST_BYTES * len(self._pipeline)
        more = kept - self._kept_bytes
        if more > 0:
            if not self._gate.budget.requests.take(more):
                return False
        elif more < 0:
            self._gate.budget.requests.give(-more)
        self._kept_bytes = kept
        return True

    def _count_sent(self) -> None:
        if self._unsent_bytes:
            unsent, self._unsent_bytes = self._unsent_bytes, 0
            self._gate.budget.answers.give(unsent)

    def _send_word(self) -> None:
        """Tell the client that waits for it to send its body."""
        intake = self._intake
        if not intake.owes_word or self.is_busy:
            return
        if intake.wants_bytes:
            intake.reserve()
        if not intake.is_held:
            intake.owes_word = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # Questions and answers.

    def _ask_next(self) -> None:
        """Ask what waits, one request after the other; `_tell` goes on where one has to wait."""
        if self._is_in_turn:
            return
        self._is_in_turn = True
        pipeline = self._pipeline
        while pipeline and not (self.is_asking or self._is_write_paused):
            request, found = pipeline.popleft()
            if found is None:
                request.client = (self._transport.get_extra_info("peername") or ("",))[0]
                request.server = self._transport.get_extra_info("sockname")[:2]
            self._asked += 1
            self.is_asking = True
            self.deadline = math.inf
            stop = self._gate.answer(
                request, found, self._tell_head if request.method == "HEAD" else self._tell
            )
            if self.is_asking:
                self._stop = stop
        self._is_in_turn = False
        if self._is_last and not (self.is_busy or self._intake.is_under_way):
            self._end()

    def _end(self) -> None:
        """End after the last answer.

        What a client still sends would make the system reset a closed connection, and the reset
        may overtake the answer: it is taken in and thrown away for a while (RFC 9112, 9.6).
        """
        if not self._is_deaf:
            self._transport.close()  # the server ends; nothing is asked any more
        elif not self._transport.is_closing():
            self._transport.write_eof()
            self.deadline = self._loop.time() + LINGER_SECONDS

    def _tell_head(self, answer: Answer) -> None:
        self._tell(answer, is_head=True)

    def _tell(self, answer: Answer, *, is_head: bool = False) -> None:
        self.is_asking = False
        self._stop = None
        if self._transport.is_closing():
            if answer.part is not None:
                answer.part.file.close()
            return
        self.deadline = self._loop.time() + KEEP_ALIVE_SECONDS
        if answer.part is None:
            self._write(answer, is_head=is_head)
        elif is_head:
            answer.part.file.close()
            self._write(answer, is_head=True)
        elif self._gate.files.has_room:
            self._hand_over(answer, answer.part)
        else:
            answer.part.file.close()
            self._write(errors.answer_to(NO_SENDER))
        if self._is_in_turn:
            return
        self._ask_next()
        if self._backlog or self._kept_bytes or self._intake.is_under_way:
            self.go_on()

    def _write(self, answer: Answer, *, is_head: bool = False) -> None:
        start = heads.answer_head(
            answer, is_last=self._is_last and not self._pipeline, seconds=int(time.time())
        )
        if is_head:
            self._transport.write(start)
        elif len(answer.body) <= _ONE_WRITE_BYTES:
            self._transport.write(start + answer.body)
        else:
            self._transport.writelines((start, answer.body))

    def _hand_over(self, answer: Answer, part: FilePart) -> None:
        """Have a part of a file sent by a thread, to which the socket goes; then we are done."""
        self._is_deaf = self._is_last = True
        if self._transport.is_closing():
            part.file.close()
            return
        if self._transport.get_write_buffer_size():
            self.is_asking = True  # an answer before this one is still on its way
            self._loop.call_later(_LOOK_SECONDS, self._hand_over, answer, part)
            return
        self.is_asking = False
        head = heads.answer_head(answer, is_last=True, seconds=int(time.time()))
        number: int = self._transport.get_extra_info("socket").fileno()
        self._gate.files.send(os.dup(number), head, part)
        self._transport.abort()  # of our descriptor; the thread's stays open
