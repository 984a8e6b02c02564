"""Documents that stand where nothing is read: they would be missing, and nobody would know.

A server reads `hardware/`, `templates/` and `workflows/`, and in them the files with the endings of
documents.  What else a repository holds is its owner's; so a file is only mentioned when it reads
like a document of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provisioner.documents import decode, layout
from provisioner.git.object_reader import TreeEntry
from provisioner.git.tree import EXECUTABLE_MODE, FILE_MODE
from provisioner.model.ids import CommitId
from provisioner.model.problem import Problem, Severity
from provisioner.store.desired.reading import LIMIT_BYTES, DesiredFile, DesiredStore

_FOLDERS = {
    "hardware": "hardware",
    "hardwares": "hardware",
    "template": "templates",
    "templates": "templates",
    "workflow": "workflows",
    "workflows": "workflows",
}
_ENDINGS = (".yaml", ".yml", ".json", ".tmpl")
# What becomes of the right ending by a slip, an editor or a template engine's habit.
_NEARLY = re.compile(r"\.(ya?ml?|jso?n|te?mpl|tpl)\w*([.~-].*)?$", re.IGNORECASE)
_LOOKS = {
    "templates": re.compile(r"^tasks:", re.MULTILINE),
    "workflows": re.compile(r"\A(?=(?s:.*)^template:)(?=(?s:.*)^hardware:)", re.MULTILINE),
    "hardware": re.compile(r"\A(?=(?s:.*)^id:)(?=(?s:.*)^network:)", re.MULTILINE),
}


def problems(
    store: DesiredStore, commit: CommitId, files: Mapping[str, DesiredFile]
) -> tuple[Problem, ...]:
    """A warning for each; reads the files at the root, and those of `files`, which are all that
    the commit has in our folders, whose ending is nearly right."""
    roots = store.roots(commit)
    return tuple(sorted((*_folders(roots), *_at_root(store, roots), *_endings(store, files))))


def _folders(roots: Mapping[str, TreeEntry]) -> Iterator[Problem]:
    for name, entry in roots.items():
        meant = _FOLDERS.get(name.casefold())
        if entry.is_tree and meant is not None and meant != name:
            yield _warning(f"{name}/", "file.folder", "nothing in this folder is read", meant)


def _at_root(store: DesiredStore, roots: Mapping[str, TreeEntry]) -> Iterator[Problem]:
    for name, entry in roots.items():
        is_document = entry.mode in (FILE_MODE, EXECUTABLE_MODE) and name.lower().endswith(_ENDINGS)
        if is_document and not name.startswith("."):
            meant = _kind_of(store, entry.id)
            if meant:
                yield _warning(name, "file.place", "a document at the root is not read", meant)


def _endings(store: DesiredStore, files: Mapping[str, DesiredFile]) -> Iterator[Problem]:
    for path, file in files.items():
        is_other = layout.kind_of(path) is None and not layout.is_hidden(path)
        is_nearly = is_other and file.problem is None and _NEARLY.search(path) is not None
        if is_nearly and _kind_of(store, file.blob_id):
            yield Problem(
                path=path,
                code="file.ending",
                message="a document with this ending is not read",
                hint=f"give it one of {', '.join(_ENDINGS)}",
                severity=Severity.WARNING,
            )


def _kind_of(store: DesiredStore, blob: str) -> str:
    """The folder where a text like this belongs, or nothing."""
    if store.repo.sizes([blob]).get(blob, LIMIT_BYTES + 1) > LIMIT_BYTES:
        return ""
    text = store.repo.blob(blob).decode(errors="replace")
    if decode.holds_kubernetes(text) and "tinkerbell.org/" in text:
        return "hardware"  # objects of all three kinds may stand in any of the folders
    return next((folder for folder, looks in _LOOKS.items() if looks.search(text)), "")


def _warning(path: str, code: str, message: str, meant: str) -> Problem:
    hint = f"git mv {path} {meant}/"
    return Problem(path=path, code=code, message=message, hint=hint, severity=Severity.WARNING)
