"""What a parsed template consists of.

Every node knows the offset in the text at which it was written; lines and columns are worked out
only when somebody asks, because rendering does not need them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    at: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    at: int


@dataclass(frozen=True, slots=True)
class Nil:
    at: int


@dataclass(frozen=True, slots=True)
class Bool:
    at: int
    value: bool


@dataclass(frozen=True, slots=True)
class Number:
    """A constant is what its place needs: 3.0 may be an int, 3 may be a float."""

    at: int
    text: str
    value: int | float
    as_int: int | None
    as_float: float | None


@dataclass(frozen=True, slots=True)
class String:
    at: int
    source: str
    value: str


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b.c`, looked up from the dot."""

    at: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.a.b`; the name includes the dollar sign."""

    at: int
    name: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`; the offset is that of the first dot behind the parenthesis."""

    at: int
    operand: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identifier:
    """The name of a function."""

    at: int
    name: str


@dataclass(frozen=True, slots=True)
class Command:
    at: int
    words: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    at: int
    commands: tuple[Command, ...]
    variables: tuple[str, ...] = ()
    assigns: bool = False  # `=` and not `:=`


Operand = Dot | Nil | Bool | Number | String | Field | Variable | Chain | Identifier | Pipeline


@dataclass(frozen=True, slots=True)
class Action:
    """`field` is set when it prints one field of the dot and does nothing else."""

    at: int
    pipeline: Pipeline
    field: str = ""


@dataclass(frozen=True, slots=True)
class If:
    at: int
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class With:
    at: int
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class Range:
    at: int
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


@dataclass(frozen=True, slots=True)
class Break:
    at: int


@dataclass(frozen=True, slots=True)
class Continue:
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """`{{template "name" pipeline}}`"""

    at: int
    name: str
    pipeline: Pipeline | None


Node = Text | Action | If | With | Range | Break | Continue | Call
Nodes = tuple[Node, ...]


def only_field(pipeline: Pipeline) -> str:
    """The name of the field of the dot that a pipeline is, or nothing."""
    if len(pipeline.commands) != 1 or pipeline.variables:
        return ""
    words = pipeline.commands[0].words
    first = words[0]
    is_field = len(words) == 1 and isinstance(first, Field) and len(first.names) == 1
    return first.names[0] if is_field and isinstance(first, Field) else ""


def describe(node: Operand) -> str:
    """The word as a person wrote it, near enough for a message."""
    match node:
        case Dot():
            return "."
        case Nil():
            return "nil"
        case Bool():
            return "true" if node.value else "false"
        case Number():
            return node.text
        case String():
            return node.source
        case Field():
            return "." + ".".join(node.names)
        case Variable():
            return ".".join((node.name, *node.names))
        case Chain():
            return ".".join((describe(node.operand), *node.names))
        case Identifier():
            return node.name
        case Pipeline():
            commands = (" ".join(describe(w) for w in c.words) for c in node.commands)
            return f"({' | '.join(commands)})"
