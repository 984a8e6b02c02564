"""What a server remembers outside the branches: where it left them, and what was in force.

A branch can be moved by whoever may push.  So the last tips of the status branch and of its
archive, and the last desired commit that was accepted, stand in `tink/memory.json` as well; and
refs below `refs/tink/`, which pushes don't reach, keep those commits from being pruned.

Nothing of it is written for a report: the newest record of the journal is the memory of the
newest tip, and `keep` brings the file up before the journal is cleared.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from provisioner.errors import NotFound, Unavailable
from provisioner.git import disk
from provisioner.git.command import GitFailed
from provisioner.git.repo import OWN_DIR, GitRepo
from provisioner.model.ids import CommitId

FILE = "memory.json"
PINS = "refs/tink/"
SAVE_SECONDS = 5.0  # between two savings that nothing but time asks for: a sync or two each
_VERSION = 1
_HEADS = "refs/heads/"
_TIPS = f"{PINS}tips/"
_DESIRED = f"{PINS}desired/"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    """What the file says; `tips` and `given_up` are by full ref name, the rest by branch."""

    tips: Mapping[str, CommitId] = field(default_factory=dict)
    given_up: Mapping[str, CommitId] = field(default_factory=dict)
    desired: Mapping[str, CommitId] = field(default_factory=dict)


class Memory:
    """Thread-safe.  Only the holder of the writer's lock may change it; anybody may read it."""

    def __init__(self, repo: GitRepo) -> None:
        self._repo = repo
        self._lock = threading.RLock()  # guards all below, and the file
        self._saved_at = self._pinned_at = -SAVE_SECONDS
        self.reload()

    def reload(self, *, is_writer: bool = False) -> None:
        """Read what is there, whoever wrote it meanwhile.

        Pins are written by the holder of the writer's lock alone: what a power cut or a kill
        left of them half done is removed by the next one.
        """
        with self._lock:
            if is_writer:
                self._remove_torn_pins()
            found = _read(_path(self._repo))
            self.is_new = found is None  # whether there was none when it was read
            self._now = found or _of_pins(self._repo)
            self._saved = found

    def tip(self, ref: str) -> CommitId | None:
        """Return the last commit that we left a branch at; None when there is none known."""
        return self._now.tips.get(ref)

    def note(self, ref: str, tip: CommitId) -> None:
        """Remember where a branch is, durably as soon as `keep` or `save` is called; 1 µs."""
        with self._lock:
            if self._now.tips.get(ref) != tip:
                self._now = replace(self._now, tips={**self._now.tips, ref: tip})

    def keep(self, ref: str, tip: CommitId) -> None:
        """Remember durably what the journal says of a ref, or something newer (journal.Keep)."""
        with self._lock:
            if self._is_news(ref, tip):
                self.note(ref, tip)
            self.save(with_pins=time.monotonic() - self._pinned_at >= SAVE_SECONDS)

    def give_up(self, ref: str, new: CommitId) -> None:
        """Remember, durably, that a person took another history for the one remembered.

        The one given up is remembered as such: the journal may still know it.
        """
        with self._lock:
            old = self._now.tips.get(ref)
            given_up = {**self._now.given_up, **({ref: old} if old else {})}
            self._now = replace(self._now, tips={**self._now.tips, ref: new}, given_up=given_up)
            self.save()

    def accepted_desired(self, branch: str) -> CommitId | None:
        """Return the desired commit that was accepted last."""
        return self._now.desired.get(branch)

    @property
    def desired_branches(self) -> tuple[str, ...]:
        """The branches that a server has followed."""
        return tuple(self._now.desired)

    def accept_desired(self, branch: str, commit: CommitId) -> None:
        """Remember, durably, a desired commit that is applied from now on."""
        with self._lock:
            self._now = replace(self._now, desired={**self._now.desired, branch: commit})
            self.save()

    def save_if_due(self) -> None:
        """Save what changed, unless that was done a moment ago."""
        if time.monotonic() - self._saved_at >= SAVE_SECONDS:
            self.save()

    def save(self, *, with_pins: bool = True) -> None:
        """Bring file and pins up, durably; costs a look at the pins when they are."""
        with self._lock:
            if self._now != self._saved:
                _write(_path(self._repo), self._now)
                self._saved = self._now
                self._saved_at = time.monotonic()
            if with_pins:
                self._pin()

    def _pin(self) -> None:
        wanted = {tip_pin(ref): tip for ref, tip in self._now.tips.items()}
        wanted |= {f"{_DESIRED}{branch}": tip for branch, tip in self._now.desired.items()}
        # Looked at each time: where pushes do reach them, somebody may have taken them away.
        there = self._repo.refs(PINS)
        changed = {ref: tip for ref, tip in wanted.items() if there.get(ref) != tip}
        # What is not in this repository can't be pinned.
        lines = [
            f"update {ref} {tip}\n"
            for ref, tip in changed.items()
            if self._repo.find_object(tip) is not None
        ]
        if lines:
            # Not by compare-and-swap: whoever moved a pin had no business there.
            self._repo.run("update-ref", "--no-deref", "--stdin", stdin="".join(lines).encode())
            self._pinned_at = time.monotonic()

    def _remove_torn_pins(self) -> None:
        for folder in (_TIPS, _DESIRED):
            for path in (self._repo.common_dir / folder).rglob("*"):
                if path.is_file() and (
                    path.suffix == ".lock" or not path.read_bytes().strip(b"\0\n")
                ):
                    path.unlink(missing_ok=True)

    def _is_news(self, ref: str, tip: CommitId) -> bool:
        """Whether a tip is not older than what is remembered, nor than what was given up."""
        now, given_up = self._now.tips.get(ref), self._now.given_up.get(ref)
        if tip == now or now is None:
            return tip != now
        if self._is_parent(now, tip):
            return True  # mostly, where there is no journal, and cheaper to see than the rest
        return not any(each and self._is_ancestor(tip, each) for each in (now, given_up))

    def _is_parent(self, older: CommitId, newer: CommitId) -> bool:
        try:
            return self._repo.commit(newer).parents == (older,)
        except (NotFound, Unavailable):
            return False

    def _is_ancestor(self, older: CommitId, newer: CommitId) -> bool:
        try:
            return older == newer or self._repo.is_ancestor(older, newer)
        except GitFailed:
            return False  # one of them is not in this repository


def tip_pin(ref: str) -> str:
    """The ref that keeps the remembered tip of a branch from being pruned."""
    return f"{_TIPS}{ref.removeprefix(_HEADS)}"


def _path(repo: GitRepo) -> Path:
    return repo.common_dir / OWN_DIR / FILE


def _of_pins(repo: GitRepo) -> _Remembered:
    """What the pins say: a restored mirror has them and no file.  They may be a moment behind."""
    tips = {f"{_HEADS}{ref.removeprefix(_TIPS)}": tip for ref, tip in repo.refs(_TIPS).items()}
    desired = {ref.removeprefix(_DESIRED): tip for ref, tip in repo.refs(_DESIRED).items()}
    return _Remembered(tips=tips, desired=desired)


def _read(path: Path) -> _Remembered | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        head, _, body = content.partition(b"\n")
        head_values: dict[str, Any] = json.loads(head)
        if head_values["version"] > _VERSION:
            raise Unavailable(f"{path} was written by a newer version", hint="use that version")
        if head_values["sha256"] != hashlib.sha256(body).hexdigest():
            raise ValueError("the checksum is wrong")
        saved = json.loads(body)
        return _Remembered(**{each.name: saved.get(each.name, {}) for each in fields(_Remembered)})
    except (ValueError, TypeError, KeyError) as error:
        _LOG.warning("%s is damaged and not used: %s", path, error)
        return None


def _write(path: Path, remembered: _Remembered) -> None:
    body = json.dumps(asdict(remembered), indent=1, sort_keys=True).encode() + b"\n"
    head = {"version": _VERSION, "sha256": hashlib.sha256(body).hexdigest()}
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_suffix(".new")
    disk.write_file(temporary, json.dumps(head).encode() + b"\n" + body)
    disk.sync(temporary)
    temporary.replace(path)
    disk.sync(path.parent)
