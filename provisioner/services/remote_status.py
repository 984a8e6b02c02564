"""What happens to the status branch here and at the remote, so that one server writes it.

Nothing is acknowledged before a start commit of this server has reached the remote by
compare-and-swap (store.start_commit); a clone whose last one is the newest that it saw
there may go on while the remote is away.  Whoever finds the start commit of another server
stops.  A branch that is missing or behind at the remote is pushed again; somebody's commits
on top of ours are taken up, and the writer checks them; of two histories that diverged a
person says which one is true, and what was acknowledged here is saved under a ref.
"""

from __future__ import annotations

import logging
import threading

from provisioner.errors import Conflict, TinkError, Unavailable
from provisioner.git.ref_lock import RefMoved
from provisioner.git.remote import Remote
from provisioner.model.ids import CommitId
from provisioner.services import remote_conditions
from provisioner.services.conditions import Condition
from provisioner.services.writing_side import WritingSide
from provisioner.store.guard import foreign, recovery, start_commit
from provisioner.store.guard.foreign import Kind
from provisioner.store.guard.start_commit import Claim, Start
from provisioner.store.status import layout
from provisioner.store.writer.status_writer import StatusWriter

_RACES = 5  # lost races in a row, before a pause

_LOG = logging.getLogger(__name__)


class RemoteStatus:
    """Thread-safe: the thread that fetches calls `fetched`, the one that pushes `push`.

    Stops the writing side until it may write.
    """

    def __init__(
        self,
        remote: Remote,
        branch: str,
        *,
        side: WritingSide,
        writer: StatusWriter,
        name: str,
    ) -> None:
        """`name` is what the start commit calls this server."""
        self._remote = remote
        self._repo = remote.repo
        self._branch = branch
        # The archive first: the remote always has what left the tip of its status branch.
        self._branches = (layout.archive_branch(branch), branch)
        self._guards = dict(
            zip(self._branches, (writer.guards.archive, writer.guards.status), strict=True)
        )
        self._side = side
        self._writer = writer
        self._name = name
        self._lock = threading.RLock()  # guards the three below, and each decision as a whole
        self._claim: Claim | None = start_commit.read_claim(self._repo, remote.url)
        self._is_writing = False  # whether the branch is ours
        self._is_stopped = False  # whether it was, and another one's is at the remote
        self.failed(None)

    @property
    def is_writing(self) -> bool:
        return self._is_writing

    # What the two threads call.

    def failed(self, error: TinkError | None) -> None:
        """The remote can't be reached, or was not yet; say so unless we may write without."""
        with self._lock:
            if not self._is_writing and not self._is_stopped:
                level = logging.WARNING if error else logging.INFO  # so begins every start
                self._side.stop(remote_conditions.not_reached(self._remote, error), level=level)

    def fetched(self) -> None:
        """Look at what was fetched: take up what somebody wrote, stop, or go on again."""
        with self._lock:
            if self._is_stopped:
                self._look_again()
            if self._is_writing:
                for branch in self._branches:
                    self._take_up(branch)

    def go_on_by_memory(self) -> bool:
        """Write without having asked the remote, if the branch was ours when we saw it last."""
        with self._lock:
            if self._is_writing or self._is_stopped or self._claim is None:
                return self._is_writing
            ours, theirs = self._tips(self._branch)
            theirs = theirs or self._claim.seen
            if ours is None or not self._repo.is_ancestor(theirs, ours) or self._others(theirs):
                return False
            _LOG.info(
                "going on without %s: this server was the last to write there", self._remote.url
            )
            self._go_on(self._claim.number, theirs)
            return True

    def push(self) -> int:
        """Make the remote hold what is here; returns how many branches were pushed.

        Raises `Conflict` where a person has to decide.
        """
        if self._is_stopped and not self._was_decided():
            return 0
        is_writing = self._is_writing
        count = 0 if is_writing else self._join()
        return count + sum(self._push(branch) for branch in self._branches)

    # To begin.

    def _join(self) -> int:
        """Have the remote take a start commit of ours, on top of all that is there and here."""
        for _ in range(_RACES):
            with self._lock:
                ours, theirs = self._guards[self._branch].settle(), self._theirs(self._branch)
                base = self._base(ours, theirs)
                self._adopt_archive()
            with start_commit.written(self._repo, base, writer=self._name) as start:
                try:
                    self._remote.push(commit=start.commit, branch=self._branch, expected=theirs)
                except Conflict:
                    self._remote.fetch()
                    continue
                with self._lock:
                    self._guards[self._branch].move(expected=ours, new=start.commit)
            with self._lock:
                self._go_on(start.number, start.commit)
            return 1
        raise Conflict(f"{self._branch} of {self._remote.url} moves all the time")

    def _base(self, ours: CommitId | None, theirs: CommitId | None) -> CommitId:
        """What the start commit stands on."""
        if theirs is None:
            if ours is None:
                missing = remote_conditions.no_status_branch(self._remote, self._branch)
                self._side.stop(missing)
                raise Unavailable(missing.message, hint=missing.hint)
            return ours
        match self._kind(self._branch, ours, theirs):
            case Kind.AHEAD:
                return theirs
            case Kind.BEHIND if ours is not None:
                return ours  # it holds what was not pushed any more
            case _:
                assert ours is not None
                raise self._diverged(self._branch, ours, theirs)

    def _adopt_archive(self) -> None:
        branch = self._branches[0]
        ours, theirs = self._tips(branch)
        if theirs is None or ours == theirs:
            return
        kind = self._kind(branch, ours, theirs)
        if kind is Kind.AHEAD:
            self._guards[branch].move(expected=ours, new=theirs)
        elif kind is not Kind.BEHIND and ours is not None:
            raise self._diverged(branch, ours, theirs)

    def _kind(self, branch: str, ours: CommitId | None, theirs: CommitId) -> Kind:
        """How the remote's stands to ours; whether it keeps the rules where it is ahead."""
        if ours is None:
            return Kind.AHEAD
        return foreign.judge(self._repo, branch, ours=ours, found=theirs).kind

    def _go_on(self, number: str, seen: CommitId) -> None:
        self._note(number, seen)
        self._side.go_on(*remote_conditions.STOPPING)
        self._is_writing, self._is_stopped = True, False

    def _note(self, number: str, seen: CommitId) -> None:
        self._claim = start_commit.note_claim(
            self._repo, url=self._remote.url, number=number, seen=seen
        )

    # While it is ours.

    def _push(self, branch: str) -> int:
        for _ in range(_RACES):
            with self._lock:
                self._take_up(branch)
                ours, theirs = self._tips(branch)
            if ours is None or ours == theirs:
                return 0
            try:
                self._remote.push(commit=ours, branch=branch, expected=theirs)
            except Conflict:
                self._remote.fetch()
                continue
            with self._lock:
                if branch == self._branch and self._claim is not None and self._is_writing:
                    self._note(self._claim.number, ours)
            return 1
        raise Conflict(f"{branch} of {self._remote.url} moves all the time")

    def _take_up(self, branch: str) -> None:
        """Take up what somebody wrote on top of ours; raise `Conflict` where we have to stop."""
        ours, theirs = self._tips(branch)
        if ours is None or theirs is None or ours == theirs:
            return
        if branch == self._branch and (others := self._others(theirs)):
            raise self._another_server(others[0], ours, theirs)
        kind = self._kind(branch, ours, theirs)
        if kind is Kind.BEHIND:
            return
        if kind is not Kind.AHEAD:
            raise self._diverged(branch, ours, theirs)
        try:
            self._guards[branch].move(expected=ours, new=theirs)
        except RefMoved:
            return  # our writer was faster; the next look finds that they diverged
        _LOG.warning(
            "somebody else wrote on %s of %s, up to %s; it keeps the rules and is accepted",
            *(branch, self._remote.url, theirs),
        )
        if branch == self._branch and self._claim is not None:
            self._note(self._claim.number, theirs)
            self._writer.refresh()

    def _others(self, theirs: CommitId) -> list[Start]:
        """The start commits of other servers since ours."""
        if self._claim is None:
            return []
        found = start_commit.find(self._repo, theirs, known=self._claim.seen)
        return [each for each in found if each.number != self._claim.number]

    # To stop, and to go on again.

    def _another_server(self, other: Start, ours: CommitId, theirs: CommitId) -> Conflict:
        return self._halted(
            remote_conditions.another_server(
                self._remote, self._branch, other, ours=ours, theirs=theirs
            )
        )

    def _diverged(self, branch: str, ours: CommitId, theirs: CommitId) -> Conflict:
        if branch == self._branch and (others := self._others(theirs)):
            return self._another_server(others[0], ours, theirs)
        return self._halted(
            remote_conditions.diverged(self._remote, branch, ours=ours, theirs=theirs)
        )

    def _halted(self, condition: Condition) -> Conflict:
        self._is_writing, self._is_stopped = False, True
        self._side.stop(condition)
        return Conflict(condition.message, hint=condition.hint)

    def _look_again(self) -> None:
        """Begin anew when the remote was put right, and keep what was still under way."""
        ours, theirs = self._tips(self._branch)
        if ours is None or theirs is None:
            return
        others = self._others(theirs)
        if not others and self._kind(self._branch, ours, theirs) in (Kind.AHEAD, Kind.BEHIND):
            self._is_stopped = False
        elif others and not self._repo.is_ancestor(ours, theirs):
            self._another_server(others[0], ours, theirs)

    def _was_decided(self) -> bool:
        """Do what a person decided (`tink status-branch recover`), for whoever pushes."""
        for branch in self._branches:
            ours, theirs = self._tips(branch)
            if ours is None or theirs is None:
                continue
            name = recovery.name_at(self._remote.name, branch)
            if recovery.is_requested(self._repo, name, ours=ours, found=theirs):
                self._guards[branch].give_up(expected=ours, new=theirs)
            elif recovery.is_requested(self._repo, name, ours=theirs, found=ours):
                recovery.set_aside(self._repo, branch, theirs)
                self._remote.push(commit=ours, branch=branch, expected=theirs)
                _LOG.warning("%s of %s is put back to %s", branch, self._remote.url, ours)
            else:
                continue
            recovery.forget_request(self._repo, name)
            self._is_stopped = False
        return not self._is_stopped

    def _tips(self, branch: str) -> tuple[CommitId | None, CommitId | None]:
        """Where a branch is here, and where it is known to be at the remote.

        What was published here, and not what somebody may have put in its place.
        """
        is_status = branch == self._branch
        ours = self._writer.view.commit if is_status else self._guards[branch].settle()
        return ours, self._theirs(branch)

    def _theirs(self, branch: str) -> CommitId | None:
        return self._repo.resolve(self._remote.tracking(branch))
