"""Why has a field no value, what could the author have meant, and which others have none either?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from gotemplate import nodes
from gotemplate.values import NO_VALUE, plain_name

# The server puts these into the data; the request does not give them.
PROVIDED_KEYS = ("Hardware", "hardware")
_SHOWN_KEYS = 12


def explain(
    node: nodes.Field | nodes.Variable | nodes.Chain,
    index: int,
    *,
    holder: object,
    root: dict[str, object],
    dot: object,
) -> tuple[str, str]:
    """The fact and a hint, for the name at this index of a chain of fields."""
    name = node.names[index]
    where = _place(node, index)
    if holder is None or holder is NO_VALUE:
        return f'no value for "{name}"; {where} is nothing (null or missing)', ""
    if not isinstance(holder, dict):
        return f'no value for "{name}"; {where} is {plain_name(holder)} and has no fields', ""
    if holder is root:
        keys = [key for key in holder if key not in PROVIDED_KEYS]
        fact = f'no value for "{name}"; the workflow request gives {_listed(keys)}'
        return fact, _nearest(name, holder, "")
    fact = f'no value for "{name}"; {where} has {_listed(holder)}'
    hint = _nearest(name, holder, where if where.startswith((".", "$")) else "")
    if not hint and holder is dot and name in root:
        hint = f"in range and with, the dot is the element; write $.{name}"
    return fact, hint


def _place(node: nodes.Field | nodes.Variable | nodes.Chain, index: int) -> str:
    before = node.names[:index]
    match node:
        case nodes.Variable():
            return ".".join((node.name, *before))
        case nodes.Chain():
            return ".".join((nodes.describe(node.operand), *before))
        case nodes.Field():
            return "." + ".".join(before) if before else "the dot"


def _listed(keys: Iterable[str]) -> str:
    names = sorted(keys)
    if not names:
        return "nothing"
    shown = ", ".join(names[:_SHOWN_KEYS])
    return shown if len(names) <= _SHOWN_KEYS else f"{shown} and {len(names) - _SHOWN_KEYS} more"


def _nearest(name: str, keys: Iterable[str], before: str) -> str:
    folded = {key.replace("-", "_").lower(): key for key in keys}
    close = get_close_matches(name.lower(), folded, n=1, cutoff=0.75)
    if not close:
        return ""
    key = folded[close[0]]
    if not key.isidentifier():
        return f'did you mean {{{{index {before or "."} "{key}"}}}}?'
    return f"did you mean {before}.{key}?"


def others(body: nodes.Nodes, root: dict[str, object]) -> Iterator[nodes.Field | nodes.Variable]:
    """Fields of the data that this template will certainly ask for, and that are not there.

    Only what is asked for whatever the data say: nothing inside of blocks or behind and/or.
    """
    for node in body:
        if isinstance(node, nodes.Text | nodes.Break | nodes.Continue) or node.pipeline is None:
            continue
        yield from (field for field in _asked(node.pipeline) if field.names[0] not in root)


def _asked(pipeline: nodes.Pipeline) -> Iterator[nodes.Field | nodes.Variable]:
    for command in pipeline.commands:
        first = command.words[0]
        decides = isinstance(first, nodes.Identifier) and first.name in ("and", "or")
        for word in command.words[:2] if decides else command.words:
            operand = word.operand if isinstance(word, nodes.Chain) else word
            if isinstance(operand, nodes.Pipeline):
                yield from _asked(operand)
            elif isinstance(operand, nodes.Field) or (
                isinstance(operand, nodes.Variable) and operand.name == "$" and operand.names
            ):
                yield operand
