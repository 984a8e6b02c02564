"""Where the files are that travel with the program: schemas, repository layout, examples.

A wheel carries them in `provisioner/_data/`; a checkout (also an editable install) has
them at its top.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def schema_folder() -> Path:
    return _data_folder("schema")


def repo_layout_folder() -> Path:
    """Return the folder that `tink init` copies."""
    return _data_folder("repo_layout")


def examples_folder() -> Path:
    """Return a small repository; the demo takes its machines and its template from it."""
    return _data_folder("examples")


@cache
def schema_text(name: str) -> str:
    """Read a schema by its path below `schema/`, such as `v1/hardware.json`."""
    return (schema_folder() / name).read_text(encoding="utf-8")


def _data_folder(name: str) -> Path:
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
