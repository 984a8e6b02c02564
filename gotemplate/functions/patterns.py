"""sprig's functions with regular expressions."""

from __future__ import annotations

import re
from collections.abc import Callable

from gotemplate.functions.signature import CallFault, Function, function, table
from gotemplate.limits import Budget
from gotemplate.regex import matcher
from gotemplate.regex.program import Program, compile_pattern
from gotemplate.regex.syntax import BadPattern
from gotemplate.values import NilStringList, StringList

_STEPS_OF_A_FAULT = 2000  # it may have been found late, and is found again each time
_DOLLAR = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def _compiled(budget: Budget, pattern: str) -> Program:
    """Paid for as if it were never kept, so that a rendering costs the same each time."""
    budget.spend(2 * len(pattern))
    try:
        program = compile_pattern(pattern)
    except BadPattern as error:
        budget.spend(_STEPS_OF_A_FAULT)
        raise CallFault(str(error)) from error
    budget.spend(len(program.instructions))
    return program


def _matches(budget: Budget, pattern: str, text: str) -> bool:
    try:
        return _must_match(budget, pattern, text)
    except CallFault:
        return False


def _must_match(budget: Budget, pattern: str, text: str) -> bool:
    return matcher.Search(_compiled(budget, pattern), text, budget).find(0) is not None


def _find(budget: Budget, pattern: str, text: str) -> str:
    slots = matcher.Search(_compiled(budget, pattern), text, budget).find(0)
    if slots is None:
        return ""
    budget.make_text(slots[1] - slots[0])
    return text[slots[0] : slots[1]]


def _find_all(budget: Budget, pattern: str, text: str, most: int) -> StringList:
    found = StringList()
    for slots in matcher.find_all(_compiled(budget, pattern), text, budget, most):
        budget.make_items(1)
        found.append(text[slots[0] : slots[1]])
    return found or NilStringList()


def _split(budget: Budget, pattern: str, text: str, most: int) -> StringList:
    program = _compiled(budget, pattern)
    parts = StringList()
    if most == 0:
        return NilStringList()
    if pattern and not text:
        return StringList([""])
    begin = end = 0
    for slots in matcher.find_all(program, text, budget, most):
        if most > 0 and len(parts) == most - 1:
            break
        end = slots[0]
        if slots[1] != 0:
            budget.make_items(1)
            parts.append(text[begin:end])
        begin = slots[1]
    if end != len(text):
        parts.append(text[begin:])
    return parts


def _replace(budget: Budget, pattern: str, text: str, replacement: str) -> str:
    program = _compiled(budget, pattern)

    def expanded(slots: matcher.Slots) -> str:
        def group(match: re.Match[str]) -> str:
            if match[1]:
                return "$"
            return _group(program, slots, text, match[2] or match[3])

        return _DOLLAR.sub(group, replacement)

    return _replaced(budget, program, text, expanded, 1 + replacement.count("$"))


def _group(program: Program, slots: matcher.Slots, text: str, name: str) -> str:
    if name.isascii() and name.isdigit() and (name == "0" or not name.startswith("0")):
        number = int(name) if len(name) < 9 else len(program.names)
    else:
        number = program.names.index(name) if name in program.names else len(program.names)
    if number >= len(program.names) or slots[2 * number] < 0:
        return ""
    return text[slots[2 * number] : slots[2 * number + 1]]


def _replace_literally(budget: Budget, pattern: str, text: str, replacement: str) -> str:
    return _replaced(budget, _compiled(budget, pattern), text, lambda _: replacement, 1)


def _replaced(
    budget: Budget,
    program: Program,
    text: str,
    expanded: Callable[[matcher.Slots], str],
    cost: int,
) -> str:
    out: list[str] = []
    at = 0
    for slots in matcher.find_for_replacing(program, text, budget):
        budget.spend(cost)
        new = expanded(slots)
        budget.make_text(slots[0] - at + len(new))
        out += [text[at : slots[0]], new]
        at = slots[1]
    out.append(text[at:])
    replaced = "".join(out)
    budget.make_text(len(replaced))
    return replaced


def _bounded(name: str, signature: str, call: Callable[..., object]) -> tuple[Function, Function]:
    one = function(name, signature, call, bounded=True)
    return one, one.renamed(f"must{name[0].upper()}{name[1:]}")


PATTERNS: dict[str, Function] = table(
    function("regexMatch", "string string", _matches, bounded=True),
    function("mustRegexMatch", "string string", _must_match, bounded=True),
    *_bounded("regexFind", "string string", _find),
    *_bounded("regexFindAll", "string string int", _find_all),
    *_bounded("regexReplaceAll", "string string string", _replace),
    *_bounded("regexReplaceAllLiteral", "string string string", _replace_literally),
    *_bounded("regexSplit", "string string int", _split),
    function("regexQuoteMeta", "string", lambda text: _SPECIAL.sub(r"\\\g<0>", text)),
)
