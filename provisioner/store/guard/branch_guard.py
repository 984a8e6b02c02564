"""Keeps a branch that only we write where we left it, whoever moves it.

What went missing is put back at once.  What somebody wrote on top of ours is taken up when it
keeps the rules; else it is set aside under a ref of its own, and the branch put back, since
nothing of ours is missing below it.  A history that diverged is set aside as well, and stops
the writing side until a person decides (`tink status-branch recover`).  Each of it is logged,
and reported.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from provisioner.errors import Unavailable
from provisioner.git import disk
from provisioner.git.command import GitFailed
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.guard import begin, foreign, recovery
from provisioner.store.guard.foreign import Kind, Verdict
from provisioner.store.guard.memory import Memory
from provisioner.store.status import layout

_ORIGIN = "refs/remotes/origin/"
# One push moves a branch and its archive, one after the other: what the branch says is in the
# archive may be there a moment later.
_SECOND_LOOK_SECONDS = 0.5

_LOG = logging.getLogger(__name__)


class Diverged(Unavailable):
    """Nothing may be written before a person has decided."""

    def __init__(
        self, branch: str, ours: CommitId, found: CommitId | None, verdict: Verdict
    ) -> None:
        self.branch, self.ours, self.found, self.kind = branch, ours, found, verdict.kind
        was, now = ours[:12], found[:12] if found else "nothing"
        what = {
            Kind.LOST: f"commit {was}, where this server left branch {branch}, is not in the"
            f" repository any more; the branch is at {now}",
        }.get(
            verdict.kind,
            f"branch {branch} was moved to {now}, which does not go on from {was}, where this"
            " server left it",
        )
        first = f": {verdict.problems[0]}" if verdict.problems else ""
        super().__init__(f"{what}{first}", hint="tink status-branch recover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What was done about a branch that was not where it was left.

    `kind` is adopted, put-back, set-aside, taken-up, stopped, recovered or accepted; with
    stopped comes the error.  `found` is where somebody else had put the branch, if anywhere.
    """

    kind: str
    branch: str
    found: CommitId | None = None
    error: Diverged | None = None


OnMove = Callable[[Move], None]


class BranchGuard:
    """Of one branch; only for the holder of the writer's lock.  Thread-safe."""

    def __init__(self, repo: GitRepo, branch: str, memory: Memory, on_move: OnMove) -> None:
        self.branch = branch
        self.ref = f"refs/heads/{branch}"
        self.trouble: Diverged | None = None  # what stops the writing side
        self._was_gone = False  # when we started; the journal may have put it back
        self._repo = repo
        self._memory = memory
        self._on_move = on_move
        self._lock = threading.RLock()  # held while the branch is looked at, and moved

    def look_before_recovery(self) -> None:
        """Note that the branch is gone: a kill leaves it behind at most; remove an empty one."""
        self._was_gone = self.find() is None and self._memory.tip(self.ref) is not None

    def adopt(self) -> None:
        """Believe what is there, where nothing is remembered or only what it goes on from.

        So at the first start of a version that remembers, with a restored mirror, and in a
        clone that has the branch as its origin's.
        """
        ours, found = self._memory.tip(self.ref), self.find()
        if ours is None:
            found = self._take_origins(found)
        if found is None or not (ours is None or self._memory.is_new) or found == ours:
            return
        verdict = ours and foreign.judge(self._repo, self.branch, ours=ours, found=found)
        if verdict and verdict.kind not in (Kind.AHEAD, Kind.LOST):
            return
        _LOG.info("branch %s is adopted as it is, at %s", self.branch, found)
        self._memory.note(self.ref, found)
        self._report(Move(kind="adopted", branch=self.branch))

    def settle(self) -> CommitId | None:
        """Return where the branch is to go on from; raise `Diverged` when a person must decide.

        None when there neither is nor was such a branch.  Costs one look at the ref when it
        is where we left it.
        """
        with self._lock:
            return self._settle()

    def move(self, *, expected: CommitId | None, new: CommitId) -> None:
        """Move the branch, durably, and remember that."""
        with self._lock:
            self._repo.move_ref(self.ref, expected=expected, new=new)
            disk.sync((self._repo.common_dir / self.ref).parent)
            self._memory.note(self.ref, new)

    def give_up(self, *, expected: CommitId, new: CommitId) -> None:
        """Go on from another history, as a person asked; the one given up is saved under a ref."""
        with self._lock:
            recovery.set_aside(self._repo, self.branch, expected)
            self._memory.give_up(self.ref, new)
            self._repo.move_ref(self.ref, expected=expected, new=new)
            disk.sync((self._repo.common_dir / self.ref).parent)
            self._report(Move(kind="accepted", branch=self.branch))

    def _settle(self) -> CommitId | None:
        has_waited = False
        while True:
            if self._memory.tip(self.ref) is None:
                self.adopt()
            ours, found = self._memory.tip(self.ref), self.find()
            if ours is None:
                return None
            if found == ours:
                if self._was_gone:
                    self._report_put_back(ours, None)
                self._recovered()
                return ours
            verdict = foreign.judge(self._repo, self.branch, ours=ours, found=found)
            if verdict.is_for_the_archive and not has_waited:
                time.sleep(_SECOND_LOOK_SECONDS)
                has_waited = True
            elif verdict.kind is Kind.BEHIND:
                if self._put_back(ours, found):
                    return ours
            elif verdict.kind is Kind.AHEAD and found is not None:
                _LOG.warning(
                    "somebody else wrote on branch %s, from %s to %s; it keeps the rules, and"
                    " is taken up",
                    *(self.branch, ours, found),
                )
                self._memory.note(self.ref, found)
                self._report(Move(kind="taken-up", branch=self.branch, found=found))
                self._recovered()
                return found
            elif found is not None and self._is_accepted(ours, found):
                return found
            elif verdict.kind is Kind.BROKEN:
                if self._set_aside(ours, found, verdict):
                    return ours
            else:
                self._stop(Diverged(self.branch, ours, found, verdict))

    def may_have_changed(self) -> bool:
        """Whether it is worth to `settle` again what a person must decide."""
        trouble = self.trouble
        if trouble is None:
            return False
        found = self.find()
        if found != trouble.found or trouble.kind is Kind.LOST:
            return True
        asked = (self._repo, self.branch)
        return found is not None and recovery.is_requested(*asked, ours=trouble.ours, found=found)

    def find(self) -> CommitId | None:
        """Return where the ref is; one that is no ref any more is taken for missing."""
        try:
            return self._repo.resolve(self.ref)
        except Unavailable as error:
            _LOG.warning("%s; treating it as missing", error)
            (self._repo.common_dir / self.ref).unlink(missing_ok=True)
            return self._repo.resolve(self.ref)

    def _take_origins(self, found: CommitId | None) -> CommitId | None:
        """In a clone: begin with what was fetched, if nothing is here that it has not."""
        origins = self._repo.resolve(f"{_ORIGIN}{self.branch}")
        if origins is None or not foreign.is_commit(self._repo, origins):
            return found
        if found is not None and not (
            foreign.is_ancestor(self._repo, found, origins)
            or begin.is_only_begun(self._repo, found)
        ):
            return found
        if found != origins:
            self._repo.move_ref(self.ref, expected=found, new=origins)
            disk.sync((self._repo.common_dir / self.ref).parent)
        return origins

    def _put_back(self, ours: CommitId, found: CommitId | None) -> bool:
        if not self._move_back(ours, found):
            return False
        self._report_put_back(ours, found)
        self._recovered()
        return True

    def _set_aside(self, ours: CommitId, found: CommitId | None, verdict: Verdict) -> bool:
        saved_as = recovery.set_aside(self._repo, self.branch, found)
        if not self._move_back(ours, found):
            return False
        _LOG.error(
            "what somebody else wrote on branch %s breaks its rules: %s; the branch is put back"
            " to %s, where this server left it, and %s is saved as %s",
            *(self.branch, verdict.problems[0], ours, found, saved_as),
        )
        self._report(Move(kind="set-aside", branch=self.branch, found=found))
        self._recovered()
        return True

    def _move_back(self, ours: CommitId, found: CommitId | None) -> bool:
        """Move the branch to where it was left, durably; False when it moved again meanwhile."""
        try:
            self._repo.move_ref(self.ref, expected=found, new=ours)
        except RefMoved:
            return False
        except GitFailed:
            for name in self._repo.refs(f"{self.ref}/"):  # a file and a folder of one name
                raise Unavailable(
                    f"branch {self.branch} can't be put back where {name} stands",
                    hint=f"git -C {self._repo.git_dir} update-ref -d {name}",
                ) from None
            raise
        disk.sync((self._repo.common_dir / self.ref).parent)
        return True

    def _report_put_back(self, ours: CommitId, found: CommitId | None) -> None:
        self._was_gone = False
        _LOG.warning(
            "branch %s was %s, and is put back to %s, where this server left it",
            *(self.branch, f"moved back to {found}" if found else "deleted", ours),
        )
        self._report(Move(kind="put-back", branch=self.branch, found=found))

    def _is_accepted(self, ours: CommitId, found: CommitId) -> bool:
        if not recovery.is_requested(self._repo, self.branch, ours=ours, found=found):
            return False
        saved_as = recovery.set_aside(self._repo, self.branch, ours)
        self._memory.give_up(self.ref, found)
        recovery.forget_request(self._repo, self.branch)
        _LOG.warning(
            "branch %s goes on from %s, as a person asked; %s is saved as %s",
            *(self.branch, found, ours, saved_as or "nothing"),
        )
        self._report(Move(kind="accepted", branch=self.branch))
        self._recovered()
        return True

    def _stop(self, error: Diverged) -> None:
        """Keep both histories, and raise the error."""
        if self.trouble is None or (self.trouble.ours, self.trouble.found) != (
            error.ours,
            error.found,
        ):
            self.trouble = error
            recovery.set_aside(self._repo, self.branch, error.found)
            self._memory.save()  # with the pin of ours
            self._report(Move(kind="stopped", branch=self.branch, found=error.found, error=error))
        raise error

    def _recovered(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._report(Move(kind="recovered", branch=self.branch))

    def _report(self, move: Move) -> None:
        self._on_move(move)


class SiteGuards:
    """The guards of a status branch and of its archive."""

    def __init__(self, status: BranchGuard, archive: BranchGuard) -> None:
        self.status = status
        self.archive = archive

    @property
    def trouble(self) -> Diverged | None:
        """What stops the writing side."""
        return self.status.trouble or self.archive.trouble

    def start(self) -> CommitId | None:
        """Return the commit to begin with: ours, also where a person must decide."""
        for guard in (self.archive, self.status):
            guard.adopt()
        with suppress(Diverged):
            self.archive.settle()
        try:
            return self.status.settle()
        except Diverged as error:
            return None if error.kind is Kind.LOST else error.ours

    def settle(self) -> CommitId | None:
        """Of the status branch, whose rules ask for an archive that is whole."""
        self.archive.settle()
        return self.status.settle()

    def look(self) -> bool:
        """Put the archive in order; whether a decision came that the writer has to follow."""
        before = self.trouble
        if self.archive.trouble is None or self.archive.may_have_changed():
            with suppress(Diverged):
                self.archive.settle()
        if self.status.may_have_changed():
            with suppress(Diverged):
                self.status.settle()
        return before is not None and self.trouble is None


def of_site(repo: GitRepo, branch: str, memory: Memory, on_move: OnMove) -> SiteGuards:
    status, archive = (
        BranchGuard(repo, each, memory, on_move) for each in (branch, layout.archive_branch(branch))
    )
    return SiteGuards(status, archive)
