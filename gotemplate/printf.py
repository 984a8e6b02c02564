"""What does a printf format ask for?  Go's rules, with their `%!d(string=hi)` for what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gotemplate.limits import Budget
from gotemplate.printing import Flags, Printer, plain
from gotemplate.values import type_name

_SIGNS = re.compile(r"[#0+\- ]*")
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
        size = 0
        while (percent := form.find("%", self._at)) >= 0:
            out.append(form[self._at : percent])
            self._at = percent + 1
            self._verb(out)
            size += len(out[-1])
            self._budget.spend(2)
            if size > self._budget.limits.output_bytes:
                self._budget.make_text(size)
        out.append(form[self._at :])
        self._budget.make_text(size)
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
        signs = self._signs()
        self._good_index = True
        self._after_index = False
        self._index()
        if self._form.startswith("*", self._at):
            width = self._star_width(out)
        else:
            width = self._number()
            if self._after_index and width is not None:
                self._good_index = False
        precision = None
        if self._form.startswith(".", self._at) and self._at + 1 < len(self._form):
            precision = self._precision(out)
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
            flags = _flags(signs, verb, width, precision)
            out.append(Printer(flags, self._budget).text(self._arguments[self._argument], verb))
            self._argument += 1

    def _signs(self) -> str:
        match = _SIGNS.match(self._form, self._at)
        assert match is not None
        self._at = match.end()
        return match[0]

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

    def _star_width(self, out: list[str]) -> int | None:
        self._at += 1
        width = self._star()
        if width is None:
            out.append("%!(BADWIDTH)")
        self._after_index = False
        return width

    def _precision(self, out: list[str]) -> int | None:
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if not self._form.startswith("*", self._at):
            return self._number() or 0
        self._at += 1
        precision = self._star()
        if precision is None or precision < 0:
            out.append("%!(BADPREC)")
            precision = None
        self._after_index = False
        return precision


def _flags(signs: str, verb: str, width: int | None, precision: int | None) -> Flags:
    """A negative width, which only `*` can give, puts the padding to the right."""
    goes_left = width is not None and width < 0
    is_value = verb == "v"
    return Flags(
        minus="-" in signs or goes_left,
        plus="+" in signs and not is_value,
        sharp="#" in signs and not is_value,
        space=" " in signs,
        zero="0" in signs and not goes_left,
        go_syntax="#" in signs and is_value,
        width=None if width is None else abs(width),
        precision=precision,
    )
