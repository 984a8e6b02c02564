"""The repository and the branches that a command line means.

A path, the repository around the working folder, or a remote URL, which is fetched into a
temporary folder and only read.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.cli import options, printing
from provisioner.cli.options import Where
from provisioner.errors import Ambiguous, NotFound, UserError
from provisioner.git import clones
from provisioner.git.command import HISTORY_SECONDS
from provisioner.git.repo import GitRepo
from provisioner.model import ids, times
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.views import DesiredState, LiveWorkflow, Snapshot
from provisioner.services import location
from provisioner.store.desired.editing import DesiredEditor
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.guard import begin
from provisioner.store.status.store import StatusStore

_ID_LENGTH = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """`branch` is read and written: the one that is checked out.  `followed` is the desired
    branch as a server takes it, which does not go by what somebody checked out.  `remote` is
    where a clone's other branches come from, "" where there is none."""

    repo: GitRepo
    branch: str
    followed: str
    status_branch: str
    remote: str = ""
    is_remote: bool = False
    is_followed_guessed: bool = False

    @staticmethod
    @contextlib.contextmanager
    def opened(where: Where) -> Iterator[Site]:
        with contextlib.ExitStack() as exits:
            is_remote = location.is_url(where.repo)
            asked = (where.branch, where.status_branch)
            if is_remote:
                folder = exits.enter_context(tempfile.TemporaryDirectory(prefix="tink-"))
                repo, branches = location.fetched(where.repo, Path(folder), *asked)
                exits.callback(repo.close)
                remote = ""
            else:
                repo = location.open_here(where.repo)
                exits.callback(repo.close)
                branches = location.branches(repo, *asked)
                remote = clones.remote_of(repo)
            yield Site(
                repo=repo,
                branch=branches.own,
                followed=branches.followed,
                is_followed_guessed=branches.is_guess,
                status_branch=where.status_branch,
                remote=remote,
                is_remote=is_remote,
            )

    @property
    def desired_commit(self) -> CommitId:
        return self._tip_of(self.branch)

    @property
    def followed_commit(self) -> CommitId:
        return self._tip_of(self.followed)

    def check_followed_is_known(self) -> None:
        """Raise where a comparison with what a server follows would be one with a guess."""
        if self.is_followed_guessed:
            fetch = f"git fetch {self.remote} main:refs/remotes/{self.remote}/main"
            raise UserError(
                location.UNKNOWN,
                hint=f"{fetch}; or name it: --branch, or --base of a plan",
            )

    @property
    def status_commit(self) -> CommitId | None:
        """The newest that we know; in a clone, what was fetched last.

        None where there is none; raises `NotFound` where that has a name that somebody gave it.
        """
        commit = self._newest(self.status_branch)
        if commit is None and self.status_branch != options.DEFAULT_STATUS_BRANCH:
            raise self._no_status()
        return commit

    @property
    def status_tip(self) -> CommitId:
        """As `status_commit`; raises `NotFound` where there is none: no table can be shown."""
        commit = self.status_commit
        if commit is None:
            raise self._no_status()
        return commit

    def _no_status(self) -> NotFound:
        hint = self.how_to_get_status
        return NotFound("branch", self.status_branch, where="here", hint=hint)

    @property
    def how_to_get_status(self) -> str:
        """What brings a status branch that is not there."""
        branch = self.status_branch
        if self.is_remote:
            return "the remote has none: --status-branch, or tink status-branch begin at its URL"
        if self.remote:
            tracking = f"{branch}:refs/remotes/{self.remote}/{branch}"
            return f"git fetch {self.remote} {tracking} brings it; --status-branch names another"
        return "--status-branch names another; tink status-branch begin makes one"

    def tracked(self, branch: str) -> CommitId | None:
        """Where the remote had a branch when it was fetched last."""
        return clones.tracked(self.repo, branch)

    @property
    def status(self) -> StatusStore:
        return StatusStore(self.repo, self.status_branch)

    def desired(self) -> DesiredState:
        """Read the desired branch; of a bad file, the version that the server holds to."""
        if self.branch != self.followed:
            printing.note(f"on branch {self.branch}; a server follows {self.followed}")
        from provisioner.services import desired_loader  # with all that reads documents: 0.2 s

        in_force = self.status.read_reconcile(self.status_commit).in_force
        store = DesiredStore(self.repo, self.branch)
        return desired_loader.load(store, self.desired_commit, in_force).state

    def find_commit(self, revision: str) -> CommitId:
        """As git finds it; in a clone a branch may be the remote's, as for `git switch`."""
        try:
            return self.repo.find_commit(revision)
        except NotFound:
            there = self.tracked(revision)
            if there is None:
                raise
            return there

    def commit(self, changes: Mapping[str, bytes | None], message: str) -> CommitId | None:
        """Commit on the desired branch; None when it says the same already."""
        before = self.repo.branch(self.branch)
        done = DesiredEditor(self.repo, self.branch).commit_files(changes, message)
        return None if done == before else done

    def find_workflow(self, workflow: str) -> LiveWorkflow | None:
        with contextlib.suppress(NotFound):
            return self.workflow(workflow)
        return None

    def workflow(self, text: str) -> LiveWorkflow:
        workflow = self.workflow_id(text)
        return self.status.read_workflow(workflow, self.status_tip)

    def rendered(self, workflow: WorkflowId) -> str:
        return self.status.read_rendered(workflow, self.status_tip)

    def workflow_id(self, text: str, *, requested: Iterable[WorkflowId] = ()) -> WorkflowId:
        """The id that a text says or begins; raises `UserError` where several begin like that.

        `requested` are ids that may not be on the status branch yet.
        """
        if not ids.is_beginning(text) or len(text) == _ID_LENGTH:
            return WorkflowId(ids.parse_uuid(text, "workflow id"))
        known: set[WorkflowId] = {*self.status.load(self.status_tip).workflows, *requested}
        found = sorted(each for each in known if each.startswith(text.lower()))
        if len(found) > 1:
            raise Ambiguous(f"{len(found)} workflows have an id that begins with {text}", found)
        if not found:
            raise NotFound("workflow", text, hint="tink workflow list shows the ids")
        return found[0]

    def first_and_last_commits(self, folder: str) -> tuple[dict[str, str], dict[str, str]]:
        """When each file of a folder was first and last committed (RFC 3339 UTC)."""
        if self.repo.is_shallow:
            printing.note("this clone is shallow: dates before its oldest commit are not known")
        words = ("-z", "--format=%x01%cI", "--name-only", "--no-renames", "--end-of-options")
        which = (self.desired_commit, "--", folder)
        said = self.repo.run("log", *words, *which, timeout_seconds=HISTORY_SECONDS)
        first: dict[str, str] = {}
        last: dict[str, str] = {}
        at = ""
        for token in said.decode("utf-8", "surrogateescape").split("\0"):
            if token.startswith("\x01"):
                at = times.in_utc(token[1:])
            elif path := token.removeprefix("\n"):  # before the first one of a commit
                first[path] = at
                last.setdefault(path, at)
        return first, last

    def check_writable(self) -> None:
        if self.is_remote:
            raise UserError(
                "a remote URL is only read",
                hint="git clone it, write in the clone, and git push",
            )
        owner = self.repo.common_dir.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            name = _name_of(owner)
            raise UserError(
                f"the repository belongs to {name}, who could not change what root writes there",
                hint=f"sudo -u {name} tink …",
            )

    def _tip_of(self, branch: str) -> CommitId:
        commit = self._newest(branch)
        if commit is None:
            raise NotFound("commit", branch, hint="commit something first, or give --branch")
        return commit

    def _newest(self, branch: str) -> CommitId | None:
        """A branch of ours, or the remote's where that one is ahead.

        A status branch that was begun here and never served is behind whatever origin has:
        `tink init` created it, and `main` alone was pushed to a forge.
        """
        here = self.repo.branch(branch)
        there = self.tracked(branch)
        if here is None or there is None:
            return here or there
        if branch == self.status_branch and begin.is_only_begun(self.repo, here):
            return there
        return there if self.repo.is_ancestor(here, there) else here


@contextlib.contextmanager
def snapshot(where: Where) -> Iterator[Snapshot]:
    """The desired branch and the status branch of a place; raises where one is not there.

    It reads what is asked of it while the place is open.
    """
    with Site.opened(where) as site:
        status = site.status.load(site.status_tip)
        yield Snapshot(desired=site.desired(), status=status)


def _name_of(user: int) -> str:
    """The login name of a user, or the number as sudo takes it."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"#{user}"
