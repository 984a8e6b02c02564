"""A git repository: refs, objects, and git commands run in it.

Bare or not, in a linked work tree or not; owned by whomever.  GitPython opens it (one
`Repo` per thread: it is not thread-safe) and never leaves this folder.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import git

from provisioner.errors import Conflict, NotFound, Unavailable, UserError
from provisioner.git import command, ref_lock, remote_url
from provisioner.git.command import GitFailed, Network
from provisioner.git.object_reader import GitObject, ObjectReader, TreeEntry, parse_tree
from provisioner.model.ids import CommitId, TreeId

COMMAND_LINE = Network()  # a person waits
OWN_DIR = "tink"  # below the git directory: locks, journal, checkpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    id: CommitId
    tree: TreeId
    parents: tuple[CommitId, ...]
    message: str
    committed_at: int  # seconds since 1970


Person = tuple[str, str]  # name, email address
NOBODY: Person = ("tink", "tink")  # who makes commits that are thrown away
_COMMIT_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit")


class GitRepo:
    """Thread-safe; `close` ends the git process that reads objects."""

    def __init__(
        self, path: Path, *, search_parents: bool = False, is_persons: bool = False
    ) -> None:
        """Open the repository at `path` (a work tree or a git directory).

        `is_persons`: for a command of a person, whose git configuration counts then.
        """
        self._is_persons = is_persons
        self._asked_for = path
        self._search_parents = search_parents
        self._threads = threading.local()
        repo = self._git()
        self.git_dir = Path(repo.git_dir).resolve()
        self.common_dir = Path(repo.common_dir).resolve()
        self.work_tree = Path(repo.working_tree_dir) if repo.working_tree_dir else None
        self.is_bare = self.work_tree is None
        self._check_format()
        self._reader = ObjectReader(self.common_dir)

    @classmethod
    def create(
        cls, path: Path, *, bare: bool = False, branch: str = "main", is_persons: bool = False
    ) -> GitRepo:
        path.mkdir(parents=True, exist_ok=True)
        git_dir = path if bare else path / ".git"
        words = ["--bare"] if bare else []
        command.run(
            git_dir,
            *(f"--work-tree={path}",) * (not bare),
            *("init", "--quiet", "--template=", f"--initial-branch={branch}", *words),
        )
        return cls(path, is_persons=is_persons)

    @classmethod
    def create_borrowing(cls, path: Path, lender: GitRepo) -> GitRepo:
        """Make a bare repository that reads the objects of another one, and writes none there."""
        repo = cls.create(path, bare=True)
        alternates = repo.objects_dir / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_bytes(bytes(lender.objects_dir.resolve()) + b"\n")
        if lender.is_shallow:
            shutil.copyfile(lender.common_dir / "shallow", repo.common_dir / "shallow")
        return repo

    def close(self) -> None:
        self._reader.close()

    def release_packs(self) -> None:
        """Let the disk have back what was deleted while it was open for reading."""
        self._reader.close()

    @property
    def own_dir(self) -> Path:
        """The folder of our own files beside git's; created when asked for."""
        path = self.common_dir / OWN_DIR
        path.mkdir(exist_ok=True)
        return path

    @property
    def objects_dir(self) -> Path:
        return self.common_dir / "objects"

    def resolve(self, ref: str) -> CommitId | None:
        """Return the commit of a full ref name (`refs/heads/main`, `HEAD`), or None."""
        directory = self.git_dir if ref == "HEAD" else self.common_dir
        return ref_lock.read_ref(directory, ref)

    def branch(self, name: str) -> CommitId | None:
        return self.resolve(f"refs/heads/{name}")

    def refs(self, prefix: str) -> dict[str, CommitId]:
        return ref_lock.list_refs(self.common_dir, prefix)

    def checked_out_branch(self) -> str | None:
        """The branch of HEAD (also when it has no commit yet); None when detached."""
        target = ref_lock.symbolic_target(self.git_dir, "HEAD")
        return target.removeprefix("refs/heads/") or None

    def find_commit(self, revision: str) -> CommitId:
        """Return the commit that a person's words (`HEAD~2`, `v1`, `a8984b0`) mean."""
        try:
            words = ("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return CommitId(self.run("rev-parse", *words).decode().split()[-1])
        except (GitFailed, IndexError):
            raise NotFound("commit", revision) from None

    def object(self, object_id: str) -> GitObject:
        return self._reader.read(object_id)

    def find_object(self, object_id: str) -> GitObject | None:
        return self._reader.find(object_id)

    def objects(self, object_ids: Iterable[str]) -> Iterator[GitObject]:
        return self._reader.read_all(object_ids)

    def sizes(self, object_ids: Iterable[str]) -> dict[str, int]:
        """Return the sizes of objects, without reading them."""
        asked = "".join(f"{each}\n" for each in object_ids)
        words = ("cat-file", "--batch-check=%(objectname) %(objectsize)")
        lines = self.run(*words, stdin=asked.encode()).decode().splitlines()
        pairs = (line.split(" ") for line in lines if not line.endswith(" missing"))
        return {name: int(size) for name, size in pairs}

    def blob(self, blob_id: str) -> bytes:
        return self._of_kind("blob", blob_id)

    def tree(self, tree_id: str) -> list[TreeEntry]:
        return parse_tree(self._of_kind("tree", tree_id))

    def commit(self, commit_id: str) -> Commit:
        head, _, message = self._of_kind("commit", commit_id).partition(b"\n\n")
        fields = [line.split(" ", 1) for line in head.decode(errors="replace").splitlines()]
        committer = next(value for name, value in fields if name == "committer")
        return Commit(
            id=CommitId(commit_id),
            tree=TreeId(next(value for name, value in fields if name == "tree")),
            parents=tuple(CommitId(value) for name, value in fields if name == "parent"),
            message=message.decode(errors="replace"),
            committed_at=int(committer.rsplit(" ", 2)[1]),
        )

    def entry_at(self, commit_id: str, path: str) -> TreeEntry | None:
        """Find a path in a commit; reads one tree for each folder."""
        entry = TreeEntry(0o40000, b"", self.commit(commit_id).tree)
        for part in path.split("/"):
            if not entry.is_tree:
                return None
            name = part.encode("utf-8", "surrogateescape")
            found = next((each for each in self.tree(entry.id) if each.name == name), None)
            if found is None:
                return None
            entry = found
        return entry

    def blob_at(self, commit_id: str, path: str) -> bytes | None:
        entry = self.entry_at(commit_id, path)
        return None if entry is None or entry.is_tree else self.blob(entry.id)

    def is_ancestor(self, older: str, newer: str) -> bool:
        try:
            self.run("merge-base", "--is-ancestor", "--end-of-options", older, newer)
        except GitFailed as failed:
            if failed.status == 1:
                return False
            raise
        return True

    def merge_base(self, one: str, other: str) -> CommitId | None:
        """The last commit that two have in common, if there is one."""
        try:
            out = self.run("merge-base", "--end-of-options", one, other).decode()
        except GitFailed as failed:
            if failed.status == 1:
                return None
            raise
        return CommitId(out.split()[0])

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        timeout_seconds: float = command.TIMEOUT_SECONDS,
        extra_environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        stop: threading.Event | None = None,
        is_background: bool = False,
        with_hooks: bool = False,
    ) -> bytes:
        """Run git in this repository; put `--end-of-options` before what came from outside."""
        return command.run(
            self.git_dir,
            *words,
            stdin=stdin,
            timeout_seconds=timeout_seconds,
            extra_environment=extra_environment,
            directory=directory,
            stop=stop,
            is_background=is_background,
            is_persons=self._is_persons,
            with_hooks=with_hooks,
        )

    def check_owner(self) -> None:
        """Raise `UserError` where git would not work here for this person (safe.directory)."""
        try:
            command.discover(self.work_tree or self.git_dir)
        except GitFailed as failed:
            reason, _, hint = failed.stderr.partition("To add an exception")
            raise UserError(
                reason.strip(), hint=f"to trust it: {hint.rpartition(chr(10))[2].strip()}"
            ) from None

    def has_commit_hooks(self) -> bool:
        """Whether git would run a hook for a person's commit here."""
        if not self._is_persons:
            return False
        found = self.run(
            "rev-parse", "--git-path", "hooks", with_hooks=True, directory=self.own_dir
        )
        folder = self.own_dir / os.fsdecode(found).rstrip("\n")
        return any(os.access(folder / name, os.X_OK) for name in _COMMIT_HOOKS)

    def move_ref(self, ref: str, *, expected: CommitId | None, new: CommitId) -> None:
        """Move a ref durably if it is at `expected`; else raise `RefMoved`."""
        zeros = "0" * 40
        try:
            self.run("update-ref", "--no-deref", "--end-of-options", ref, new, expected or zeros)
        except GitFailed:
            found = self.resolve(ref)
            if found != expected:
                raise ref_lock.RefMoved(ref, found) from None
            raise

    def remotes(self) -> list[str]:
        """The names of the remotes that are configured."""
        return [remote.name for remote in self._git().remotes]

    def remotes_of_branches(self) -> dict[str, str]:
        """By branch, the remote that it follows by its configuration."""
        reader = self._git().config_reader("repository")
        sections = (each for each in reader.sections() if each.startswith('branch "'))
        return {
            each.removeprefix('branch "')[:-1]: str(reader.get_value(each, "remote"))
            for each in sections
            if reader.has_option(each, "remote")
        }

    @property
    def is_shallow(self) -> bool:
        """Whether its history was cut off when it was cloned or fetched."""
        return (self.common_dir / "shallow").is_file()

    def shallow_commits(self) -> frozenset[str]:
        """The oldest commits that are here, of a history that was cut off."""
        path = self.common_dir / "shallow"
        return frozenset(path.read_text().split()) if self.is_shallow else frozenset()

    def fetch(
        self, remote: str, *refspecs: str, prune: bool = False, network: Network = COMMAND_LINE
    ) -> None:
        """Fetch; `remote` is the name of a configured remote or a URL."""
        words = ("--progress", "--no-tags", "--no-write-fetch-head")
        pruning = ("--prune",) if prune else ()
        self.run_with_remote(
            "fetch", *words, *pruning, remote=remote, words=refspecs, network=network
        )

    def push(
        self,
        remote: str,
        *,
        commit: str,
        ref: str,
        expected: CommitId | None,
        network: Network = COMMAND_LINE,
    ) -> None:
        """Push `commit` to `ref` if the remote has it at `expected`; else raise `Conflict`."""
        lease = f"--force-with-lease={ref}:{expected or ''}"
        refspec = (f"{commit}:{ref}",)
        try:
            self.run_with_remote(
                "push", "--progress", lease, remote=remote, words=refspec, network=network
            )
        except GitFailed as failed:
            if "stale info" in failed.stderr or "[rejected]" in failed.stderr:
                raise Conflict(f"{ref} of {remote_url.shown(remote)} moved meanwhile") from None
            raise

    def run_with_remote(
        self, verb: str, *flags: str, remote: str, words: tuple[str, ...], network: Network
    ) -> bytes:
        """Run git with a remote whose credentials, if its URL has some, `ps` does not show."""
        url = remote_url.parse(remote)
        try:
            return command.run_on_network(
                self.git_dir,
                *(verb, *flags, "--end-of-options", url.plain, *words),
                network=replace(network, environment={**network.environment, **url.environment}),
                is_persons=self._is_persons,
            )
        except GitFailed as failed:
            failed.hint = failed.hint or remote_url.hint(remote, failed.stderr)
            raise

    def signs_commits(self) -> bool:
        """Whether the person's configuration has git sign commits."""
        return self._setting("commit.gpgSign")

    def commit_tree(
        self, tree: str, *parents: CommitId, message: str, who: Person, is_signed: bool = False
    ) -> CommitId:
        """Write a commit object by git, durably; raises `GitFailed` where it can't sign."""
        environment: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            environment |= {f"GIT_{role}_NAME": who[0], f"GIT_{role}_EMAIL": who[1]}
        flags = [word for parent in parents for word in ("-p", parent)] + ["-S"] * is_signed
        words = ("commit-tree", *flags, "-F", "-", tree)
        out = self.run(*words, stdin=message.encode(), extra_environment=environment)
        return CommitId(out.decode().strip())

    def _setting(self, name: str) -> bool:
        try:
            return self.run("config", "--type=bool", "--get", name) == b"true\n"
        except GitFailed:  # it is not set
            return False

    def author(self) -> Person:
        """Who commits, as git would say it: environment, configuration, login name.

        Raises `UserError` where there is no configuration and git may not guess.
        """
        reader = self._git().config_reader()
        is_said = os.environ.get("GIT_AUTHOR_EMAIL") or reader.get_value("user", "email", "")
        if not is_said and self._setting("user.useConfigOnly"):
            raise UserError(
                "no email address is configured, and user.useConfigOnly lets git guess none",
                hint="git config user.name NAME; git config user.email ADDRESS",
            )
        actor = git.Actor.author(reader)
        return actor.name or "unknown", actor.email or "unknown@localhost"

    def _of_kind(self, kind: str, object_id: str) -> bytes:
        found = self._reader.read(object_id)
        if found.kind != kind:
            raise NotFound(kind, object_id)
        return found.content

    def _git(self) -> git.Repo:
        repo: git.Repo | None = getattr(self._threads, "repo", None)
        if repo is None:
            try:
                repo = git.Repo(
                    self._asked_for,
                    search_parent_directories=self._search_parents,
                    expand_vars=False,
                )
            except (git.InvalidGitRepositoryError, git.NoSuchPathError):
                raise UserError(
                    f"{self._asked_for} is not a git repository", hint="make one: tink init DIR"
                ) from None
            self._threads.repo = repo
        return repo

    def _check_format(self) -> None:
        reader = self._git().config_reader("repository")
        for option, known in (("objectformat", "sha1"), ("refstorage", "files")):
            if reader.has_section("extensions") and reader.has_option("extensions", option):
                found = reader.get("extensions", option)
                if found != known:
                    raise Unavailable(f"repository uses {option} {found}; only {known} is known")
