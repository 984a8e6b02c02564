"""Which functions do templates have here?  The renderer's, with our reader behind `fromYaml`."""

from __future__ import annotations

from provisioner.documents import yaml_reader
from provisioner.model.problem import InvalidInput, Severity
from provisioner.render.functions.default import DEFAULT_FUNCTIONS
from provisioner.render.functions.yaml_text import with_yaml_reader


def read_yaml(text: str) -> object:
    """Read the first document of a text, or raise `InvalidInput`."""
    reading = yaml_reader.read(text, path="fromYaml")
    errors = [each for each in reading.problems if each.severity is Severity.ERROR]
    if errors:
        raise InvalidInput(errors[:1])
    return reading.documents[0].data if reading.documents else None


TEMPLATE_FUNCTIONS = with_yaml_reader(DEFAULT_FUNCTIONS, read_yaml)
