"""A template: Go-template text that becomes a workflow when it is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.hardware import Source
from provisioner.model.ids import TemplateId


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`text` is as written; `first_line` is its first line's number in the file.

    A Kubernetes-era Template holds its text in a block scalar, hence `first_line` and
    `indent` (columns to add), so that errors point into the file.
    """

    id: TemplateId
    name: str
    text: str
    source: Source
    first_line: int = 1
    indent: int = 0
    is_kubernetes: bool = False  # the text is a part of its file, and judged by today's rules
    # The Kubernetes-era object that it was read from, for the way back.
    kubernetes: Mapping[str, object] | None = field(default=None, repr=False)
