"""How are a thousand workflows made of one template without parsing it a thousand times?

A template is parsed once per text.  Rendered texts that differ only in the addresses of their
devices are read once (see text_shape.py).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

import gotemplate
from gotemplate import InvalidTemplate
from provisioner.documents import workflow_text
from provisioner.documents.template_functions import TEMPLATE_FUNCTIONS
from provisioner.documents.workflow_text import ParsedWorkflow
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.template import Template
from provisioner.planning import text_shape
from provisioner.planning.text_shape import Made, Outline, Shape

ROOT_NAME = "workflow-template"  # as Tinkerbell calls each template when it parses it
TEMPLATES_LIMIT = 256  # parsed templates kept
SHAPES_LIMIT = 1_024  # read texts kept; one template with `if` makes several


class TemplateCache:
    """Used by the reconciler's thread only."""

    def __init__(self) -> None:
        self._templates: OrderedDict[tuple[str, str], gotemplate.Template] = OrderedDict()
        self._shapes: OrderedDict[tuple[str, str, str], Shape | None] = OrderedDict()

    def make(self, template: Template, data: Mapping[str, object]) -> Made:
        """Render and read, or raise `InvalidInput` with places in the template's file."""
        try:
            text = self._parsed(template).render(data)
        except InvalidTemplate as invalid:
            raise _placed(invalid, template) from None
        outline = text_shape.outline_of(text, data)
        shape = self._shape(template, outline, data) if outline is not None else None
        if outline is None or shape is None:
            return text_shape.made_of(text, self._read(template, text, data))
        return shape.made(text, outline.addresses)

    def check(self, template: Template) -> None:
        """Raise `InvalidInput` when the text is no Go template."""
        try:
            self._parsed(template)
        except InvalidTemplate as invalid:
            raise _placed(invalid, template) from None

    def _parsed(self, template: Template) -> gotemplate.Template:
        key = (template.source.path, template.text)
        known = self._templates.get(key)
        if known is None:
            known = gotemplate.parse(
                template.text,
                name=template.source.path,
                functions=TEMPLATE_FUNCTIONS,
                root=ROOT_NAME,
            )
            _keep(self._templates, key, known, TEMPLATES_LIMIT)
        return known

    def _shape(
        self, template: Template, outline: Outline, data: Mapping[str, object]
    ) -> Shape | None:
        key = (template.source.path, template.source.blob_id, outline.text)
        if key not in self._shapes:
            try:
                parsed = self._read(template, outline.text, data)
            except InvalidInput:
                shape = None
            else:
                shape = text_shape.shape_of(parsed, tuple(outline.addresses))
            _keep(self._shapes, key, shape, SHAPES_LIMIT)
        return self._shapes[key]

    def _read(self, template: Template, text: str, data: Mapping[str, object]) -> ParsedWorkflow:
        """Read a text; only now is it asked where each of its lines comes from."""
        lines = self._parsed(template).render_traced(data).source_lines

        def line_of(line: int) -> int:
            source = lines[min(line, len(lines)) - 1] if lines and line else 1
            return source + template.first_line - 1

        return workflow_text.parse_workflow(
            text, path=template.source.path, line_of=line_of, is_classic=not template.is_kubernetes
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


def _placed(invalid: InvalidTemplate, template: Template) -> InvalidInput:
    """Point into the file: the text of a Kubernetes-era template starts further down."""
    return InvalidInput(
        Problem(
            path=each.path,
            line=each.line + template.first_line - 1 if each.line else template.first_line,
            column=each.column + template.indent if each.column else 0,
            code=each.code,
            message=each.message,
            hint=each.hint,
        )
        for each in invalid.problems
    )
