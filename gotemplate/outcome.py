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
    """The rendering can't go on; `at` is the offset of the place in the template.

    `of_root` means that a key of the data themselves is missing: there may be more of them.
    """

    def __init__(
        self,
        at: int,
        message: str,
        *,
        code: str = "execution",
        hint: str = "",
        of_root: bool = False,
    ) -> None:
        super().__init__(message)
        self.of_root = of_root
        self.at = at
        self.message = message
        self.code = f"template.{code}"
        self.hint = hint
