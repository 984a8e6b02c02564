"""Which files of the desired branch are ours, and what kind of document each may hold.

A Kubernetes-era document names its own kind, so it may stand in any of the folders.
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    HARDWARE = "hardware"
    TEMPLATE = "template"
    WORKFLOW = "workflow"


_FOLDERS = {
    "hardware": (Kind.HARDWARE, (".yaml", ".yml", ".json")),
    "templates": (Kind.TEMPLATE, (".yaml", ".yml", ".tmpl", ".json")),
    "workflows": (Kind.WORKFLOW, (".yaml", ".yml", ".json")),
}
FOLDER_OF = {kind: folder for folder, (kind, _) in _FOLDERS.items()}


def kind_of(path: str) -> Kind | None:
    """Return the kind of the document at a repository path, or None for a file to ignore.

    Other endings (README.md, scripts) and whatever starts with a dot are ignored.
    """
    folder, _, rest = path.partition("/")
    kind, endings = _FOLDERS.get(folder, (None, ()))
    if kind is None or not rest.lower().endswith(endings):
        return None
    if is_hidden(path):
        return None
    return kind


def is_hidden(path: str) -> bool:
    """Whether a part of it starts with a dot, such as an editor's file."""
    return "/." in path
