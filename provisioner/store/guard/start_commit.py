"""Decides which server writes the status branch of a remote: that of the newest start commit.

A start commit changes no file and carries a number that is drawn for it.  It reaches the
remote by compare-and-swap before its server acknowledges anything; whoever finds another's
on top of its own stops.  Two copies of one clone draw different numbers.
"""

from __future__ import annotations

import json
import logging
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from provisioner.git import disk, pack_files
from provisioner.git.commit import commit_text
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import Owner, PackFiles
from provisioner.git.repo import GitRepo
from provisioner.model import times
from provisioner.model.ids import CommitId

_SUBJECT = "Serve: "
_NUMBER = "Start"  # the trailer
_NOTE = "remote.json"
_MACHINE = Path("/etc/machine-id")
# One line for each: commit, time, subject, number.
_FORMAT = f"--format=%H%x09%ct%x09%s%x09%(trailers:key={_NUMBER},valueonly,separator=%x2C)"

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who started (`tinkgit on build7`), when, and a number that no other start has."""

    commit: CommitId
    who: str
    at: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What this clone knows of its last start commit that the remote took.

    `seen` is the newest commit of the remote's branch up to which no other server started;
    `place` distinguishes this folder from a copy of it.
    """

    url: str
    number: str
    seen: CommitId
    place: str


@contextmanager
def written(repo: GitRepo, parent: CommitId, *, writer: str) -> Iterator[Start]:
    """Write a start commit on top of `parent`, durably; a ref has to lead to it by the end."""
    who, number, now = f"{writer} on {socket.gethostname()}", secrets.token_hex(8), int(time.time())
    message = (
        f"{_SUBJECT}{who}\n\nFrom here on this server alone writes the branch.\n\n"
        f"{_NUMBER}: {number}\nWriter: {writer}\n"
    )
    builder = PackBuilder()
    text = commit_text(repo.commit(parent).tree, parent, message, at_seconds=now)
    commit = CommitId(builder.add("commit", text).hex())
    with closing(PackFiles(repo.objects_dir, Owner.COMMAND)) as files:
        files.add_durably(builder.build(pack_files.new_name()))
        yield Start(commit=commit, who=who, at=times.to_the_second(now), number=number)


def find(repo: GitRepo, tip: CommitId, *, known: CommitId | None) -> list[Start]:
    """Return the start commits up to `tip` that `known` does not have, the newest first.

    Costs a walk through the commits between the two: 1 s for 100,000.
    """
    rest = () if known is None else (f"^{known}",)
    words = ("--first-parent", "-z", _FORMAT, f"--grep=^{_SUBJECT}")
    listing = repo.run("log", *words, "--end-of-options", tip, *rest).decode("utf-8", "replace")
    found = []
    for line in listing.split("\0"):
        commit, at, subject, number = (line.rstrip("\n").split("\t") + [""] * 4)[:4]
        if subject.startswith(_SUBJECT) and number:
            who = subject.removeprefix(_SUBJECT)
            at = times.to_the_second(int(at))
            found.append(Start(commit=CommitId(commit), who=who, at=at, number=number))
    return found


def read_claim(repo: GitRepo, url: str) -> Claim | None:
    """Return this clone's claim on a remote; None when it has none, or was copied since."""
    try:
        claim = Claim(**json.loads((repo.own_dir / _NOTE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    if claim.url != url or repo.find_object(claim.seen) is None:
        return None
    if claim.place != _place(repo):
        _LOG.info("%s was copied or moved to another machine: it is another server's", repo.git_dir)
        return None
    return claim


def note_claim(repo: GitRepo, *, url: str, number: str, seen: CommitId) -> Claim:
    """Remember that the remote's branch is ours up to `seen`.

    Not synced: a note that is older than it could be costs a longer walk, no more.
    """
    claim = Claim(url=url, number=number, seen=seen, place=_place(repo))
    path = repo.own_dir / _NOTE
    temporary = path.with_suffix(".new")
    fields = {name: getattr(claim, name) for name in claim.__slots__}
    disk.write_file(temporary, json.dumps(fields, indent=1, sort_keys=True).encode() + b"\n")
    temporary.replace(path)
    return claim


def _place(repo: GitRepo) -> str:
    """Tells a folder from its copy on the same machine or another one."""
    try:
        machine = _MACHINE.read_text().strip()
    except (OSError, UnicodeDecodeError):
        machine = socket.gethostname()
    return f"{machine}:{repo.own_dir.stat().st_ino}"
