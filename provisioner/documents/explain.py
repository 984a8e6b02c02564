"""What may stand in a document, in the schema's own words.  `tink explain workflow.hardware`."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from provisioner.documents import encode, schema_check
from provisioner.errors import NotFound

_WIDTH = 100
_SCHEMAS = {
    "hardware": "hardware",
    "template": "template",
    "workflow": "workflow",
    "kubernetes.hardware": "kubernetes/hardware",
    "kubernetes.template": "kubernetes/template",
    "kubernetes.workflow": "kubernetes/workflow",
}


def explain(topic: str = "") -> str:
    """Explain a document or one field of it: `hardware.network.interfaces.dhcp.mac`."""
    if not topic:
        return "".join(f"{name:24}{_title(name)}\n" for name in _SCHEMAS)
    start = next((name for name in _SCHEMAS if topic == name or topic.startswith(f"{name}.")), None)
    if start is None:
        raise NotFound("document", topic, hint=f"one of: {', '.join(_SCHEMAS)}")
    schema = schema_check.schema(_SCHEMAS[start])
    required = False
    for step in filter(None, topic[len(start) + 1 :].split(".")):
        fields = _fields(schema)
        if step not in fields:
            near = difflib.get_close_matches(step, fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(fields)}"
            raise NotFound("field", topic, hint=hint)
        required = step in _item(schema).get("required", ())
        schema = fields[step]
    return "".join(f"{line}\n" for line in _lines(topic, schema, required=required))


def _lines(topic: str, schema: Mapping[str, Any], *, required: bool) -> Iterator[str]:
    yield " ".join([topic, *_facts(schema, required=required)])
    yield ""
    yield from textwrap.wrap(schema.get("description", ""), _WIDTH)
    fields = _fields(schema)
    if fields:
        needed = _item(schema).get("required", ())
        yield ""
        yield "Fields:"
        for name, field in fields.items():
            facts = _facts(field, required=name in needed)
            head = f"  {' '.join([name, *facts])}"
            yield head
            yield from textwrap.wrap(
                field.get("description", ""),
                _WIDTH,
                initial_indent=" " * 6,
                subsequent_indent=" " * 6,
            )
    for example in schema.get("examples", ())[:1]:
        name = topic.rpartition(".")[2]
        yield ""
        yield "Example:"
        data = example if topic in _SCHEMAS else {name: example}
        yield textwrap.indent(encode.encode_yaml(data).rstrip("\n"), "  ")


def _facts(schema: Mapping[str, Any], *, required: bool) -> Iterator[str]:
    kinds = schema.get("type", "")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    shown = " or ".join(filter(None, kinds))
    if shown == "array":
        of = _item(schema).get("type", "")
        shown = f"list of {of}s" if isinstance(of, str) and of else "list"
    if shown:
        yield f"<{shown}>"
    if required:
        yield "required"


def _fields(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = _item(schema).get("properties", {})
    return fields


def _item(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Look through a list at what it is a list of."""
    item: Mapping[str, Any] = schema.get("items", schema)
    return item


def _title(name: str) -> str:
    return str(schema_check.schema(_SCHEMAS[name])["title"])
