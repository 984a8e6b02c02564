"""Where a document breaks its JSON Schema, and what would be right.

What plainly keeps to it is accepted in 7 µs (see schema_accept.py).  jsonschema, which takes
175 µs for a hardware document of two interfaces, looks at the rest and says what is wrong.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import cache, partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from provisioner import resources
from provisioner.documents import schema_accept
from provisioner.documents.schema_accept import Accepts
from provisioner.documents.yaml_composer import MAX_PROBLEMS
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model.problem import Problem, Severity

if TYPE_CHECKING:
    from jsonschema import Draft7Validator, ValidationError

_NOUNS = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}
_YES_NO = {"yes": "true", "on": "true", "no": "false", "off": "false"}


@cache
def schema(name: str) -> Mapping[str, Any]:
    """Load a schema by its name, such as `hardware` or `kubernetes/workflow`."""
    loaded: Mapping[str, Any] = json.loads(resources.schema_text(f"v1/{name}.json"))
    return loaded


def check(
    data: object,
    name: str,
    *,
    document: Document,
    path: str,
    prefix: Path = (),
    unknown: Severity = Severity.ERROR,
) -> tuple[Problem, ...]:
    """Compare data with a schema and return all problems in reading order.

    `prefix` leads to the data in its document (an item of a List); `unknown` says how bad
    a field is that the schema does not have.
    """
    if _accepts(name)(data):
        return ()
    problems: list[Problem] = []
    for error in _validator(name).iter_errors(data):
        reported = _explain(error, document, path=path, prefix=prefix, unknown=unknown)
        problems += islice(reported, MAX_PROBLEMS - len(problems))
        if len(problems) >= MAX_PROBLEMS:
            break
    return tuple(
        sorted(_without_echoes(problems), key=lambda problem: (problem.line, problem.column))
    )


def check_as_go(
    data: object, name: str, *, document: Document, path: str, prefix: Path = ()
) -> tuple[Any, tuple[Problem, ...]]:
    """Compare as Go's JSON does: names in any case, null the same as absent.

    A field that is not known is a warning.  Returns the data with the names put right.
    """
    compare = partial(check, name=name, document=document, path=path, prefix=prefix)
    problems = compare(data, unknown=Severity.WARNING)
    if problems:
        data = _like_go(data, schema(name))
        problems = compare(data, unknown=Severity.WARNING)
    return data, problems


def _like_go(data: object, schema: Mapping[str, Any]) -> object:
    if isinstance(data, list) and "items" in schema:
        return [_like_go(item, schema["items"]) for item in data]
    if not isinstance(data, dict) or "additionalProperties" not in schema:
        return data
    known: Mapping[str, Any] = schema.get("properties", {})
    folded = {name.lower(): name for name in known}
    out: dict[str, object] = {}
    for key, value in data.items():
        name = str(key if key in known else folded.get(str(key).lower(), key))
        if value is not None and not (name != key and name in data):
            out[name] = _like_go(value, known.get(name, {}))
    return out


def _without_echoes(problems: list[Problem]) -> Iterable[Problem]:
    """A misspelt field is one mistake, not an unknown one and a missing one."""
    unknown = (problem for problem in problems if problem.code == "schema.unknown")
    meant = {problem.hint for problem in unknown if problem.severity is Severity.ERROR}
    for problem in problems:
        if problem.code != "schema.required" or f"did you mean {_missing(problem)}?" not in meant:
            yield problem


def _missing(problem: Problem) -> str:
    return problem.message.removesuffix(" is missing").rpartition(" ")[2]


@cache
def _accepts(name: str) -> Accepts:
    return schema_accept.compile_schema(_in_python(schema(name)))


@cache
def _validator(name: str) -> Draft7Validator:
    from jsonschema import Draft7Validator  # 0.12 s to import; not every command checks a file

    # Local references only: the schemas are ours and have none that leave the file.
    return Draft7Validator(_in_python(schema(name)))


def _in_python(schema: Any) -> Any:
    """Its patterns for `re`, where `$` would let a line end stand behind the text."""
    if isinstance(schema, list):
        return [_in_python(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _in_python(part) for name, part in schema.items()}
    if str(found.get("pattern", "")).endswith("$"):
        found["pattern"] = f"{found['pattern'][:-1]}\\Z"
    return found


def _explain(
    error: ValidationError,
    document: Document,
    *,
    path: str,
    prefix: Path,
    unknown: Severity,
) -> Iterable[Problem]:
    where: Path = (*prefix, *error.absolute_path)
    line, column = document.place(where)
    problem = Problem(path=path, line=line, column=column, code="schema", message=error.message)
    if error.validator == "additionalProperties":
        yield from _unknown_fields(error, document, replace(problem, severity=unknown), where)
        return
    explain = _EXPLANATIONS.get(str(error.validator))
    if explain is None:
        yield problem
        return
    code, message, hint = explain(error, document.source(where))
    yield replace(problem, code=f"schema.{code}", message=f"{_at(where)}{message}", hint=hint)


def _unknown_fields(
    error: ValidationError, document: Document, problem: Problem, where: Path
) -> Iterable[Problem]:
    below: Any = error.schema
    known = list(below.get("properties", {}))
    fields: Any = error.instance
    for field in fields:
        if field in known:
            continue
        line, column = document.key_place((*where, field))
        near = difflib.get_close_matches(_folded(field), map(_folded, known), n=1, cutoff=0.6)
        close = next((name for name in known if near and _folded(name) == near[0]), "")
        yield replace(
            problem,
            line=line,
            column=column,
            code="schema.unknown",
            message=f"{_at(where)}the field {_shown(field)} is not known",
            hint=f"did you mean {close!r}?" if close else f"known here: {', '.join(known)}",
        )


def _wrong_type(error: ValidationError, source: str) -> tuple[str, str, str]:
    expected: Any = error.validator_value
    names = [expected] if isinstance(expected, str) else list(expected)
    found = describe(error.instance)
    hint = ""
    if names == ["string"] and isinstance(error.instance, (bool, int, float)):
        hint = f'put it in quotes: "{source or error.instance}"'
    elif "boolean" in names and str(error.instance).lower() in _YES_NO:
        hint = f"write {_YES_NO[str(error.instance).lower()]}"
    elif "integer" in names and isinstance(error.instance, str):
        hint = _number_hint(error.instance)
    elif names == ["array"] and isinstance(error.instance, str):
        hint = f"write a list: [{json.dumps(error.instance, ensure_ascii=False)}]"
    elif names == ["object"] and error.instance is None:
        hint = "indent what belongs to it by two spaces, or write {}"
    return "type", f"expected {' or '.join(_NOUNS[name] for name in names)}, found {found}", hint


def _number_hint(text: str) -> str:
    number = text.strip().rstrip("sS").strip()
    return f"write {number}, without quotes or unit" if number.isdecimal() else "write a number"


def _required(error: ValidationError, _: str) -> tuple[str, str, str]:
    # jsonschema makes one error for each missing field, and names it only in its message.
    missing = error.message.removesuffix(" is a required property")
    return "required", f"the field {missing} is missing", ""


def _one_of(error: ValidationError, _: str) -> tuple[str, str, str]:
    values: Any = error.validator_value
    allowed = list(dict.fromkeys(str(value) for value in values))
    found = _shown(str(error.instance))
    near = difflib.get_close_matches(str(error.instance), allowed, n=1)
    hint = f"did you mean {near[0]!r}?" if near and len(allowed) > 1 else ""
    return "value", f"expected {' or '.join(allowed)}, found {found}", hint


def _pattern(error: ValidationError, _: str) -> tuple[str, str, str]:
    text = str(error.instance)
    if any(ord(character) < 32 for character in text):
        return "pattern", f"{_shown(text)} holds a control character", "write it in one line"
    hint = "use letters, digits, dashes and dots"
    return "pattern", f"{_shown(text)} is not allowed here", placeholder_hint(text) or hint


def _too_short(error: ValidationError, _: str) -> tuple[str, str, str]:
    return "length", "must not be empty", ""


def _too_long(error: ValidationError, _: str) -> tuple[str, str, str]:
    return "length", f"is longer than {error.validator_value}", ""


def _too_small(error: ValidationError, _: str) -> tuple[str, str, str]:
    return "value", f"{error.instance} is less than {error.validator_value}", ""


def _too_large(error: ValidationError, _: str) -> tuple[str, str, str]:
    return "value", f"{error.instance} is more than {error.validator_value}", ""


_EXPLANATIONS: dict[str, Callable[[ValidationError, str], tuple[str, str, str]]] = {
    "type": _wrong_type,
    "required": _required,
    "enum": _one_of,
    "pattern": _pattern,
    "minLength": _too_short,
    "minItems": _too_short,
    "maxLength": _too_long,
    "minimum": _too_small,
    "maximum": _too_large,
}


def placeholder_hint(text: str) -> str:
    """Say so when a text still holds what a shell or a template should have replaced."""
    if "$" in text or "{{" in text or "%s" in text:
        return "it still holds a placeholder; fill it in before committing"
    if text.startswith("<") and text.endswith(">"):
        return "it is a placeholder; fill it in before committing"
    return ""


def describe(value: object) -> str:
    """Say what a value is: `the text '60s'`, `the number 5`, `a list`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return f"{str(value).lower()}"
        case int() | float():
            return f"the number {_shown(str(value), quote=False)}"
        case str():
            return f"the text {_shown(value)}"
        case list():
            return "a list"
        case _:
            return "a map"


def _at(where: Path) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return f"{steps.lstrip('.')}: " if steps else ""


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _shown(text: str, *, quote: bool = True) -> str:
    short = text if len(text) <= 60 else text[:57] + "…"
    return repr(short) if quote else short
