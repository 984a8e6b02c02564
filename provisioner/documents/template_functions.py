"""The functions of templates: those of `gotemplate`, with our YAML reader behind `fromYaml`."""

from __future__ import annotations

from gotemplate.errors import UnreadableText
from gotemplate.functions.default import DEFAULT_FUNCTIONS
from gotemplate.functions.yaml_text import with_yaml_reader
from provisioner.documents import yaml_reader
from provisioner.model.problem import Severity


def read_yaml(text: str) -> object:
    """Read the first document of a text by YAML 1.1, or raise `UnreadableText`."""
    reading = yaml_reader.read(text, path="fromYaml", is_1_1=True)
    errors = [problem for problem in reading.problems if problem.severity is Severity.ERROR]
    if errors:
        raise UnreadableText(str(errors[0]))
    return reading.documents[0].data if reading.documents else None


TEMPLATE_FUNCTIONS = with_yaml_reader(DEFAULT_FUNCTIONS, read_yaml)
