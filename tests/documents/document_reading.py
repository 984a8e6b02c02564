"""How the tests of this folder read a text and show what was wrong with it."""

from __future__ import annotations

from typing import Any

from provisioner.documents import yaml_reader
from provisioner.documents.decode import Decoded, decode_file
from provisioner.model.problem import Problem


def data_of(text: str | bytes, path: str = "x.yaml") -> Any:
    """The one document of a text that must be right."""
    reading = yaml_reader.read(text, path=path, as_json=path.endswith(".json"))
    assert not reading.problems, shown(reading.problems)
    (document,) = reading.documents
    return document.data


def problems_of(text: str | bytes, path: str = "x.yaml") -> list[str]:
    return shown(yaml_reader.read(text, path=path, as_json=path.endswith(".json")).problems)


def decode(path: str, text: str | bytes) -> Decoded:
    content = text if isinstance(text, bytes) else text.encode()
    return decode_file(path=path, blob_id="b" * 40, content=content)


def shown(problems: tuple[Problem, ...]) -> list[str]:
    """Each problem as `line:column code`."""
    return [f"{each.line}:{each.column} {each.code}" for each in problems]
