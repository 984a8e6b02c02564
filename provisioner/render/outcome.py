"""What comes out of a rendering: pieces of output, or a failure at a place."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """Some output and the offset in the template that made it.

    A tuple, because making one costs half of what a frozen dataclass costs.
    """

    at: int
    text: str
    is_literal: bool


class Failure(Exception):
    """The rendering can't go on; `at` is the offset of the place in the template."""

    def __init__(self, at: int, message: str, *, code: str = "execution", hint: str = "") -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.code = f"template.{code}"
        self.hint = hint
