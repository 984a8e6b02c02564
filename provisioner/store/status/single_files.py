"""Reads `format.json` and `reconcile.json`, also when one of them is damaged.

Both are written again by the next commit, so what the history holds will do until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from provisioner.errors import TinkError
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.views import ReconcileReport
from provisioner.store.status import branch_files, codec, layout

_VERSIONS_TRIED = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatFile:
    version: int
    damage: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileFile:
    report: ReconcileReport
    damage: Problem | None = None


def read_format(repo: GitRepo, commit: CommitId) -> FormatFile:
    """Read the version; refuse one that is not known here, and a branch that never had one."""
    content = _content(repo, commit, layout.FORMAT)
    if codec.is_format(content):
        return FormatFile(version=codec.read_format(content))
    found = _older(repo, commit, layout.FORMAT, _format_of)
    if found is None:
        raise codec.no_format()
    said = "is damaged" if content is not None else "is gone"
    message = f"{said}, and the next commit writes it again"
    return FormatFile(version=found, damage=branch_files.damage(layout.FORMAT, message))


def read_reconcile(repo: GitRepo, commit: CommitId) -> ReconcileFile:
    """Read the last report; of a damaged one, what an older one says.

    With another problem than that one had, so that it is written again.
    """
    content = _content(repo, commit, layout.RECONCILE)
    if content is None:
        return ReconcileFile(report=ReconcileReport())
    try:
        return ReconcileFile(report=codec.decode_reconcile(content))
    except InvalidInput as invalid:
        found = _older(repo, commit, layout.RECONCILE, codec.decode_reconcile)
        damage = replace(invalid.problems[0], code=branch_files.CODE)
        report = replace(found or ReconcileReport(), problems=(damage,))
        return ReconcileFile(report=report, damage=damage)


def _content(repo: GitRepo, commit: CommitId, path: str) -> bytes | None:
    """None where it is gone or its object is."""
    entry = repo.entry_at(commit, path)
    if entry is None or entry.is_tree:
        return None
    try:
        return repo.blob(entry.id)
    except TinkError:
        return b""


def _older(repo: GitRepo, commit: CommitId, path: str, read: Callable[[bytes], T]) -> T | None:
    for blob in islice(branch_files.versions(repo, commit, path), _VERSIONS_TRIED):
        try:
            return read(repo.blob(blob))
        except TinkError:
            continue
    return None


def _format_of(content: bytes) -> int:
    if not codec.is_format(content):
        raise codec.no_format()
    return codec.read_format(content)
