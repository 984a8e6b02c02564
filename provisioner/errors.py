"""What can go wrong, sorted by what the caller does about it.

TinkError
├── UserError              a person can fix the input or the request
│   ├── InvalidInput       the text is wrong; carries problems with places (model.problem)
│   ├── Ambiguous          several have the name, or an id that begins so
│   ├── NotFound           no such hardware, template, workflow
│   ├── Conflict           it exists already, or the thing changed meanwhile
│   ├── Refused            the state machine says no
│   └── LimitExceeded      larger, longer or deeper than we accept
└── Unavailable            not now: try again later
"""

from __future__ import annotations

from collections.abc import Sequence

_CANDIDATES = 8  # in a hint


class TinkError(Exception):
    """Everything we raise on purpose.  `hint` is the next step for a person, or empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(TinkError):
    """A person can fix this."""


class Ambiguous(UserError):
    """A name may mean several things; the hint lists the first of them."""

    def __init__(self, message: str, candidates: Sequence[str]) -> None:
        more = " …" if len(candidates) > _CANDIDATES else ""
        super().__init__(message, hint=f"choose one: {', '.join(candidates[:_CANDIDATES])}{more}")


class NotFound(UserError):
    def __init__(
        self, kind: str, name: str, *, where: str = "on this branch", hint: str = ""
    ) -> None:
        super().__init__(f"no {kind} {name!r} {where}", hint=hint)


class Conflict(UserError):
    """Somebody else was first, or the name is taken."""


class Refused(UserError):
    """The request is understood and not allowed in this state."""


class LimitExceeded(UserError):
    """A bound of ours was passed; the message names size and limit."""


class Unavailable(TinkError):
    """Nothing is wrong with the request; try again later."""
