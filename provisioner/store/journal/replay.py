"""Restores what the journal says was acknowledged, after a kill or a power cut.

Each chain of records names its ref: a start with another status branch recovers the one
that was written before.  A ref only ever moves forward here; where somebody else put it, it
stays, and `Keep` hears what it was, so that whoever remembers tips can judge.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from provisioner.errors import NotFound, Unavailable
from provisioner.git import disk, pack
from provisioner.git.command import GitFailed
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.journal import journal, record_format, version_1
from provisioner.store.journal.file import JournalFile
from provisioner.store.journal.journal import Keep, keep_nothing
from provisioner.store.journal.record_format import Record
from provisioner.store.journal.version_1 import OldRecord

_LOOKS = 5  # of a reader beside a writer that switches from one file to the other

_LOG = logging.getLogger(__name__)

Chain = list[Record]


def newest_tip(own_dir: Path, ref: str) -> CommitId | None:
    """Return the commit that the journal remembers a ref at; None when it remembers none.

    Changes nothing and needs no lock.  Beside a writer at work it may be a moment behind.
    """
    chains: list[Chain] = []
    with ExitStack() as exits:
        handles = []
        for path in journal.paths(own_dir):
            if path.exists():
                handles.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
                exits.callback(os.close, handles[-1])
        for _ in range(_LOOKS):
            _, chains = _in_order([list(record_format.read(handle)) for handle in handles])
            if len({chain[0].epoch for chain in chains}) == len(chains):
                break
    tips = [chain[-1].new for chain in chains if chain[-1].ref == ref]
    return tips[-1] if tips else None


def recover(repo: GitRepo, ref: str, keep: Keep = keep_nothing) -> None:
    """Restore what was acknowledged, then clear the journal; for the holder of the writer's lock.

    `ref` is the one that records of the first version are about, which don't say.  Safe to be
    killed at any moment: the next start does it again.  Raises OSError, or `Unavailable` where
    the repository can't be read, and then the journal is as it was.
    """
    with ExitStack() as exits:
        files = []
        for path in journal.paths(repo.own_dir):
            if path.exists():
                files.append(exits.enter_context(closing(JournalFile(path))))
        order, chains = _in_order([list(file.records()) for file in files])
        old = version_1.read_all(file.handle for file in files)
        if not chains and not old:
            return
        packs = exits.enter_context(closing(PackFiles(repo.objects_dir)))
        packs.remove_torn()
        if old:
            chains.append(_chain_of_old(repo, packs, ref, old))
        for chain in chains:
            _recover(repo, packs, chain)
        disk.sync_file_system(packs.directory)
        for chain in chains:
            keep(chain[-1].ref, chain[-1].new)
        for number in order:
            files[number].clear()


def write_again(repo: GitRepo, packs: PackFiles) -> None:
    """Write the packs of all records anew, and sync them; raises OSError.

    Where a sync failed, the kernel holds for written what it could not write, and does not
    try again: only what is written anew is sure to be on the disk.
    """
    with ExitStack() as exits:
        for path in journal.paths(repo.own_dir):
            if not path.exists():
                continue
            file = exits.enter_context(closing(JournalFile(path)))
            for content in (record.pack for record in file.records() if record.pack):
                built = pack.reindex(content)
                packs.add(built)
                exits.callback(packs.let_go, built)
        disk.sync_file_system(packs.directory)


def _in_order(runs: Sequence[Chain]) -> tuple[list[int], list[Chain]]:
    """Return the numbers of the files, the older first, and what they hold as chains."""
    order = list(range(len(runs)))
    chains = [run for run in runs if run]
    if len(chains) == 2:
        if chains[0][0].follows(chains[1][-1]):
            order.reverse()
            chains.reverse()
        if chains[1][0].follows(chains[0][-1]):
            chains = [chains[0] + chains[1]]
    return order, chains


def _recover(repo: GitRepo, packs: PackFiles, chain: Chain) -> None:
    """Restore the packs, and move the ref to where the newest record says, if it is behind."""
    ref, new = chain[-1].ref, chain[-1].new
    lock = RefLock(repo.common_dir, ref)
    lock.clear_stale()
    try:
        found = repo.resolve(ref)
    except Unavailable:  # its file is empty: its name reached the disk before its content
        (repo.common_dir / ref).unlink()
        found = repo.resolve(ref)
    # A repack has what it joined whole, so there the commit is enough: after a `git gc` of a
    # busy server it would be thousands of packs to write again.
    known = (
        set(repo.sizes(record.new for record in chain if record.pack)) if found == new else set()
    )
    for record in chain:
        # Where the ref does not reach it, a gc under way may be about to delete what is there.
        if record.pack and not (record.new in known and packs.is_whole(record.pack)):
            wanted = pack.reindex(record.pack)
            if not packs.is_whole(record.pack):
                packs.remove(wanted)  # torn by a power cut
            packs.add(wanted)
    if found == new:
        return
    ours = {commit for record in chain for commit in (record.old, record.new)}
    if found is None or found in ours or _is_behind(repo, found, new):
        lock.take(expected=found, new=new)
        lock.move()
        _LOG.info("recovered %s from the journal: %s", ref, new)
    else:
        _LOG.warning("%s is at %s and not behind %s, which was acknowledged", ref, found, new)


def _is_behind(repo: GitRepo, found: CommitId, new: CommitId) -> bool:
    """Whether a ref is behind; perhaps far, at what the spare file held earlier that it is now."""
    return not _is_commit(repo, found) or _is_ancestor(repo, found, new)


def _is_commit(repo: GitRepo, commit: CommitId) -> bool:
    try:
        repo.commit(commit)
    except (NotFound, Unavailable):
        return False
    return True


def _is_ancestor(repo: GitRepo, older: CommitId, newer: CommitId) -> bool:
    try:
        return repo.is_ancestor(older, newer)
    except GitFailed:
        return False  # its history is not in this repository


def _chain_of_old(repo: GitRepo, packs: PackFiles, ref: str, old: list[OldRecord]) -> Chain:
    """Take records of the first version up to where an older round's begin.

    Those go back: their commits are in the history of what came before them.
    """
    for record in old:
        packs.add(pack.reindex(record.pack))
    taken = old[:1]
    for record in old[1:]:
        tip = taken[-1].new
        if record.old != tip and _is_ancestor(repo, record.new, tip):
            break
        taken.append(record)
    ref = _ref_of_old(repo, ref, {commit for it in taken for commit in (it.old, it.new)})
    return [Record(epoch=b"", before=b"", ref=ref, old=it.old, new=it.new) for it in taken]


def _ref_of_old(repo: GitRepo, ref: str, ours: set[CommitId | None]) -> str:
    """Return the branch that is, or was, where these records left it; in doubt `ref`."""
    try:
        branches = repo.refs("refs/heads/")
    except Unavailable:
        return ref
    there = [name for name, tip in branches.items() if tip in ours]
    return ref if ref in there or len(there) != 1 else there[0]
