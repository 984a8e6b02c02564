"""What does a printf format ask for?  Go's rules, with their `%!d(string=hi)` for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from provisioner.render.limits import Budget
from provisioner.render.printing import Flags, Printer, plain
from provisioner.render.values import type_name

_FLAGS = re.compile(r"[#0+\- ]*")
_DIGITS = re.compile(r"[0-9]*")
_TOO_LARGE = 1_000_000  # Go's own bound of widths and precisions


def sprint(budget: Budget, arguments: Sequence[object]) -> str:
    """As Go's Sprint: a space between two operands when neither is a text."""
    out: list[str] = []
    after_text = True
    for argument in arguments:
        is_text = isinstance(argument, str)
        if out and not is_text and not after_text:
            out.append(" ")
        out.append(plain(argument, budget))
        after_text = is_text
    return "".join(out)


def sprintln(budget: Budget, arguments: Sequence[object]) -> str:
    return " ".join(plain(one, budget) for one in arguments) + "\n"


def sprintf(budget: Budget, form: str, arguments: Sequence[object]) -> str:
    return _Formatting(budget, form, arguments).run()


class _Formatting:
    """One walk through one format."""

    def __init__(self, budget: Budget, form: str, arguments: Sequence[object]) -> None:
        self._budget = budget
        self._form = form
        self._arguments = arguments
        self._at = 0
        self._argument = 0
        self._reordered = False
        self._good_index = True
        self._after_index = False

    def run(self) -> str:
        out: list[str] = []
        form = self._form
        while (percent := form.find("%", self._at)) >= 0:
            out.append(form[self._at : percent])
            self._at = percent + 1
            self._budget.spend(1)
            self._verb(out)
        out.append(form[self._at :])
        if not self._reordered and self._argument < len(self._arguments):
            out.append(self._extra())
        return "".join(out)

    def _extra(self) -> str:
        left = self._arguments[self._argument :]
        shown = (
            "<nil>" if one is None else f"{type_name(one)}={plain(one, self._budget)}"
            for one in left
        )
        return f"%!(EXTRA {', '.join(shown)})"

    def _verb(self, out: list[str]) -> None:
        flags = self._flags()
        self._good_index = True
        self._after_index = False
        self._index()
        if self._form.startswith("*", self._at):
            self._star_width(flags, out)
        else:
            flags.width = self._number()
            if self._after_index and flags.width is not None:
                self._good_index = False
        if self._form.startswith(".", self._at) and self._at + 1 < len(self._form):
            self._precision(flags, out)
        if not self._after_index:
            self._index()
        if self._at >= len(self._form):
            out.append("%!(NOVERB)")
            return
        verb = self._form[self._at]
        self._at += 1
        if verb == "%":
            out.append("%")
        elif not self._good_index:
            out.append(f"%!{verb}(BADINDEX)")
        elif self._argument >= len(self._arguments):
            out.append(f"%!{verb}(MISSING)")
        else:
            out.append(self._print(flags, verb))
            self._argument += 1

    def _print(self, flags: Flags, verb: str) -> str:
        if verb == "w":
            return Printer(flags, self._budget).text(self._arguments[self._argument], "w")
        if verb == "v":
            flags.go_syntax, flags.sharp = flags.sharp, False
            flags.plus = False
        return Printer(flags, self._budget).text(self._arguments[self._argument], verb)

    def _flags(self) -> Flags:
        match = _FLAGS.match(self._form, self._at)
        assert match is not None
        self._at = match.end()
        words = match[0]
        return Flags(
            minus="-" in words,
            plus="+" in words,
            sharp="#" in words,
            space=" " in words,
            zero="0" in words,
        )

    def _number(self) -> int | None:
        match = _DIGITS.match(self._form, self._at)
        assert match is not None
        if not match[0]:
            return None
        if len(match[0].lstrip("0")) > 7 or int(match[0]) > 10 * _TOO_LARGE + 9:
            self._at = len(self._form)
            return None
        self._at = match.end()
        return int(match[0])

    def _index(self) -> None:
        """`[2]`: which argument comes next, counted from 1."""
        if not self._form.startswith("[", self._at):
            self._after_index = False
            return
        self._reordered = True
        end = self._form.find("]", self._at + 1)
        if end < 0:
            self._at += 1
            self._good_index = self._after_index = False
            return
        digits = self._form[self._at + 1 : end]
        self._at = end + 1
        valid = digits.isascii() and digits.isdigit() and len(digits.lstrip("0")) <= 7
        if valid and 0 < int(digits) <= len(self._arguments):
            self._argument = int(digits) - 1
            self._after_index = True
            return
        self._good_index = False
        self._after_index = valid

    def _star(self) -> int | None:
        if self._argument >= len(self._arguments):
            return None
        value = self._arguments[self._argument]
        self._argument += 1
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _TOO_LARGE:
            return None
        return int(value)

    def _star_width(self, flags: Flags, out: list[str]) -> None:
        self._at += 1
        flags.width = self._star()
        if flags.width is None:
            out.append("%!(BADWIDTH)")
        elif flags.width < 0:
            flags.width = -flags.width
            flags.minus = True
            flags.zero = False
        self._after_index = False

    def _precision(self, flags: Flags, out: list[str]) -> None:
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if not self._form.startswith("*", self._at):
            flags.precision = self._number() or 0
            return
        self._at += 1
        flags.precision = self._star()
        if flags.precision is not None and flags.precision < 0:
            flags.precision = None
        if flags.precision is None:
            out.append("%!(BADPREC)")
        self._after_index = False
