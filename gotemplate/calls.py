"""May a function be called with these arguments, what does it cost, and what goes wrong?"""

from __future__ import annotations

from gotemplate import nodes
from gotemplate.functions import signature
from gotemplate.functions.signature import CallFault, Function, Parameter
from gotemplate.limits import CHARACTERS_PER_STEP, Budget
from gotemplate.outcome import Failure
from gotemplate.values import NO_VALUE, plain_name, weigh


def check_count(node: nodes.Identifier, called: Function, given: int) -> None:
    wanted = len(called.parameters)
    if given == wanted or (called.rest is not None and given > wanted):
        return
    least = "at least " if called.rest is not None else ""
    plural = "" if wanted == 1 else "s"
    raise Failure(node.at, f"{called.name} takes {least}{wanted} argument{plural}, not {given}")


def constant(called: Function, parameter: Parameter, word: nodes.Number) -> object:
    """A number constant becomes what the function wants: 3.0 may be an int."""
    if parameter is Parameter.INT and word.as_int is not None:
        return word.as_int
    return checked(called, parameter, word.value, word)


def checked(called: Function, parameter: Parameter, value: object, word: nodes.Operand) -> object:
    """The argument, if its type is right."""
    if value is NO_VALUE:
        value = None
    if parameter is Parameter.ANY or signature.accepts(parameter, value):
        return value
    piped = isinstance(word, nodes.Identifier)
    given = "the value from the pipe" if piped else nodes.describe(word)
    raise Failure(
        word.at,
        f"{called.name} needs {signature.NEEDS[parameter]}, and {given} is {plain_name(value)}",
        hint=signature.hint(parameter, value),
    )


def run(
    node: nodes.Identifier, called: Function, arguments: list[object], budget: Budget
) -> object:
    """Call it, and spend for what it reads and for what it makes."""
    for argument in arguments:
        if isinstance(argument, str):
            budget.spend(len(argument) // CHARACTERS_PER_STEP)
        elif isinstance(argument, list | dict):
            if called.deep:
                weigh(argument, budget)
            else:
                budget.spend(len(argument) // 4)
    try:
        result = called.call(budget, *arguments) if called.bounded else called.call(*arguments)
    except CallFault as error:
        message = error.message if called.name == "fail" else f"{called.name}: {error.message}"
        raise Failure(node.at, message, hint=error.hint) from error
    if isinstance(result, str):
        if not called.bounded:
            budget.make_text(len(result))
    elif isinstance(result, list | dict):
        budget.make_items(len(result))
    return result
