"""How are a thousand workflows made of one template without parsing it a thousand times?

A template is parsed once per text.  Rendered texts that differ only in the MAC and IPv4
addresses of their devices are parsed once: the text is read with stand-ins in their place,
and the stand-ins are replaced in what was read.  That is sound because such an address is
always a plain text in YAML, wherever it stands alone; any other text is read in full.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from provisioner.documents import workflow_text
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS
from provisioner.documents.workflow_text import ParsedAction, ParsedTask, ParsedWorkflow
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.template import Template
from provisioner.render import template as go_template

TEMPLATES_LIMIT = 256  # parsed templates kept
SHAPES_LIMIT = 1_024  # read texts kept; one template with `if` makes several

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")
_IPV4 = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}\Z")
# An address stands alone when nothing joins it to its neighbours.
_JOINS = re.compile(r"[\w:.%\\+-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A rendered workflow: its text, and what the text says."""

    text: str
    parsed: ParsedWorkflow


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """A text read with stand-ins; `varying` are the actions that hold some, by their names."""

    parsed: ParsedWorkflow
    varying: frozenset[tuple[str, str]]


class TemplateCache:
    """Used by the reconciler's thread only."""

    def __init__(self) -> None:
        self._templates: OrderedDict[tuple[str, str], go_template.Template] = OrderedDict()
        self._shapes: OrderedDict[tuple[str, str, str], _Shape | None] = OrderedDict()

    def make(self, template: Template, data: Mapping[str, object]) -> Made:
        """Render and read, or raise `InvalidInput` with places in the template's file."""
        try:
            text = self._parsed(template).render(data)
        except InvalidInput as invalid:
            raise _placed(invalid, template) from None
        stand_ins = _stand_ins(text, _addresses(text, data))
        outline = text
        for address, stand_in in stand_ins.items():
            outline = outline.replace(address, stand_in)
        key = (template.source.path, template.source.blob_id, outline)
        if stand_ins and key not in self._shapes:
            shape = self._shape(template, outline, data, tuple(stand_ins.values()))
            _keep(self._shapes, key, shape, SHAPES_LIMIT)
        shape = self._shapes.get(key) if stand_ins else None
        if shape is None:
            return Made(text=text, parsed=self._read(template, text, data))
        names = [(stand_in, address) for address, stand_in in stand_ins.items()]
        return Made(text=text, parsed=_filled(shape, names))

    def check(self, template: Template) -> None:
        """Raise `InvalidInput` when the text is no Go template."""
        try:
            self._parsed(template)
        except InvalidInput as invalid:
            raise _placed(invalid, template) from None

    def _parsed(self, template: Template) -> go_template.Template:
        key = (template.source.path, template.text)
        known = self._templates.get(key)
        if known is None:
            known = go_template.parse(
                template.text, name=template.source.path, functions=TEMPLATE_FUNCTIONS
            )
            _keep(self._templates, key, known, TEMPLATES_LIMIT)
        return known

    def _shape(
        self,
        template: Template,
        outline: str,
        data: Mapping[str, object],
        stand_ins: tuple[str, ...],
    ) -> _Shape | None:
        try:
            parsed = self._read(template, outline, data)
        except InvalidInput:
            return None
        if not _is_simple(parsed, stand_ins):
            return None
        varying = frozenset(
            (task.name, action.name)
            for task in parsed.tasks
            for action in task.actions
            if any(each in text for each in stand_ins for text in _texts(action))
        )
        return _Shape(parsed=parsed, varying=varying)

    def _read(self, template: Template, text: str, data: Mapping[str, object]) -> ParsedWorkflow:
        """Read a text; only now is it asked where each of its lines comes from."""
        lines = self._parsed(template).render_traced(data).source_lines

        def line_of(line: int) -> int:
            source = lines[min(line, len(lines)) - 1] if lines and line else 1
            return source + template.first_line - 1

        return workflow_text.parse_workflow(
            text, path=template.source.path, line_of=line_of, strict=template.strict
        )


def unparsable(
    templates: Iterable[Template], cache: TemplateCache
) -> dict[str, tuple[Problem, ...]]:
    """The problems, by path, of texts that are no Go templates; no request needs to use them."""
    found: dict[str, tuple[Problem, ...]] = {}
    for template in templates:
        try:
            cache.check(template)
        except InvalidInput as invalid:
            path = template.source.path
            found[path] = (*found.get(path, ()), *invalid.problems)
    return found


def _keep(cache: OrderedDict, key: object, value: object, limit: int) -> None:  # type: ignore[type-arg]  # any of the two
    cache[key] = value
    if len(cache) > limit:
        cache.popitem(last=False)


def _placed(invalid: InvalidInput, template: Template) -> InvalidInput:
    """Point into the file: the text of a Kubernetes-era template starts further down."""
    return InvalidInput(
        replace(
            each,
            line=each.line + template.first_line - 1 if each.line else template.first_line,
            column=each.column + template.indent if each.column else 0,
        )
        for each in invalid.problems
    )


def _addresses(text: str, data: Mapping[str, object]) -> list[str]:
    """The distinct addresses among the devices that stand alone wherever they stand."""
    found = []
    for value in dict.fromkeys(value for value in data.values() if isinstance(value, str)):
        if value in text and (_MAC.match(value) or _IPV4.match(value)):
            if not _stands_alone(value, text):
                return []
            found.append(value)
    return found


def _stands_alone(value: str, text: str) -> bool:
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if (at and _JOINS.match(text[at - 1])) or (end < len(text) and _JOINS.match(text[end])):
            return False
        at = text.find(value, end)
    return True


def _stand_ins(text: str, addresses: list[str]) -> dict[str, str]:
    stand_ins = {}
    for number, address in enumerate(addresses):
        kind = "02:ff:ff:ff:fe:{:02x}" if ":" in address else "240.255.254.{}"
        stand_ins[address] = kind.format(number % 256)
    is_used = any(each in text for each in stand_ins.values())
    return {} if is_used or len(set(stand_ins.values())) < len(stand_ins) else stand_ins


def _is_simple(parsed: ParsedWorkflow, stand_ins: tuple[str, ...]) -> bool:
    """Say whether stand-ins stand only where any text may stand, unsorted and unmerged."""

    def is_free(text: str) -> bool:
        return not any(each in text for each in stand_ins)

    names = [parsed.name, parsed.version]
    for task in parsed.tasks:
        names.append(task.name)
        for action in task.actions:
            names += [action.name, action.image, action.pid, *action.volumes]
            names += [name for name, _ in action.environment]
    return not parsed.warnings and all(map(is_free, names))


def _texts(action: ParsedAction) -> Iterator[str]:
    """Where stand-ins may stand."""
    yield from action.command
    yield from action.on_timeout
    yield from action.on_failure
    yield from (value for _, value in action.environment)


def _filled(shape: _Shape, names: Sequence[tuple[str, str]]) -> ParsedWorkflow:
    """Replace the stand-ins in what was read."""

    def fill(text: str) -> str:
        for stand_in, address in names:
            text = text.replace(stand_in, address)
        return text

    def filled(action: ParsedAction) -> ParsedAction:
        return ParsedAction(  # spelt out: `replace` takes three times as long
            name=action.name,
            image=action.image,
            timeout_seconds=action.timeout_seconds,
            command=tuple([fill(each) for each in action.command]),
            on_timeout=tuple([fill(each) for each in action.on_timeout]),
            on_failure=tuple([fill(each) for each in action.on_failure]),
            volumes=action.volumes,
            environment=tuple([(name, fill(value)) for name, value in action.environment]),
            pid=action.pid,
        )

    tasks = [
        ParsedTask(
            name=task.name,
            worker=fill(task.worker),
            actions=tuple(
                [
                    filled(action) if (task.name, action.name) in shape.varying else action
                    for action in task.actions
                ]
            ),
            line=task.line,
            column=task.column,
        )
        for task in shape.parsed.tasks
    ]
    return replace(shape.parsed, tasks=tuple(tasks))
