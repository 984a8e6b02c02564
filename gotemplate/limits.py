"""How much one rendering may cost.

No clock is read: a clock would make the same template pass on one machine and fail on another.
Work is counted instead.  One unit is about a microsecond of a 2020s server core, and whatever a
function does in bulk (copying text, walking lists, matching) is charged by size, before it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from gotemplate.errors import LimitExceeded

# A template is written by a person; the largest real one we have seen is 21 KB.
TEMPLATE_CHARACTERS = 256 * 1024
# A word or a sign inside of braces; a real template of 60 lines has some 500.
TEMPLATE_TOKENS = 20_000
# Deeper nesting of blocks or parentheses is not written by people.
PARSE_DEPTH = 100
# Sixteen characters copied, quoted or hashed cost about what one evaluated word costs.
CHARACTERS_PER_STEP = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The defaults let every real template through by a factor of a hundred."""

    output_bytes: int = 256 * 1024  # Tinkerbell's own limit
    steps: int = 250_000  # a 60-line template takes some 500
    made_characters: int = 4 * 1024 * 1024  # all text that functions make, together
    made_items: int = 100_000  # all list and map entries that functions make, together
    depth: int = 60  # templates, blocks and parentheses that are open at once
    value_depth: int = 64  # lists in lists


DEFAULT_LIMITS = Limits()


class Budget:
    """What one rendering has left.  Lives as long as one call of render."""

    __slots__ = ("_characters", "_items", "_steps", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._steps = limits.steps
        self._characters = limits.made_characters
        self._items = limits.made_items

    def spend(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise LimitExceeded(
                f"the template does more work than {self.limits.steps} steps",
                hint="look for a range or a template call that never comes to an end",
            )

    def make_text(self, characters: int) -> None:
        """Ask before text of this size is made."""
        self._characters -= characters
        if characters > self.limits.output_bytes:
            raise LimitExceeded(
                f"a function would make {characters} characters;"
                f" the limit is {self.limits.output_bytes}"
            )
        if self._characters < 0:
            raise LimitExceeded(
                f"the template's functions make more than {self.limits.made_characters} characters"
            )
        self.spend(characters // CHARACTERS_PER_STEP)

    def make_items(self, count: int) -> None:
        """Ask before a list or map with so many entries is made."""
        self._items -= count
        if self._items < 0:
            raise LimitExceeded(
                f"the template's functions make more than {self.limits.made_items} list entries"
            )
        self.spend(count // 4)
