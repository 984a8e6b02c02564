"""The command line's commits to the desired branch: one for each thing that a person did.

The commit is built from objects, whatever the work tree looks like.  When the branch is
checked out, exactly the files of the commit are then brought in line there, and a person's
own uncommitted changes to them are never overwritten.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path

from provisioner.errors import Conflict, UserError
from provisioner.git import disk, pack_files
from provisioner.git.command import HISTORY_SECONDS, TIMEOUT_SECONDS, GitFailed
from provisioner.git.commit import commit_text
from provisioner.git.pack import PackBuilder
from provisioner.git.pack_files import Owner, PackFiles
from provisioner.git.ref_lock import RefMoved
from provisioner.git.repo import GitRepo, Person
from provisioner.git.tree import EMPTY_TREE, FILE_MODE, TreeEditor
from provisioner.model.ids import CommitId

_RACES = 10  # people that commit at the same moment
_PATHS_AT_ONCE = 500  # on one command line


class DesiredEditor:
    def __init__(
        self, repo: GitRepo, branch: str = "main", *, clock: Callable[[], float] = time.time
    ) -> None:
        self._repo = repo
        self._branch = branch
        self._ref = f"refs/heads/{branch}"
        self._clock = clock

    def commit_files(
        self, changes: Mapping[str, bytes | None], message: str, *, author: Person | None = None
    ) -> CommitId:
        """Write files (None removes one) as one commit; return it.

        When nothing would change, the tip is returned.  Raises `Conflict` when the files
        have uncommitted changes, or somebody else changes them at the same time.
        """
        work_tree = self.work_tree()
        if work_tree is not None:
            self._check_clean(work_tree, changes)
            if self._repo.has_commit_hooks():
                return self._commit_with_hooks(work_tree, changes, message)
        with closing(PackFiles(self._repo.objects_dir, Owner.COMMAND)) as files:
            tip = self._move(files, changes, message, author or self._repo.author())
        if tip is None:
            raise Conflict("there is nothing to commit")
        if work_tree is not None:
            self._bring_in_line(work_tree, changes)
        return tip

    def _commit_with_hooks(
        self, work_tree: Path, changes: Mapping[str, bytes | None], message: str
    ) -> CommitId:
        """Have git commit from the work tree, as its hooks expect; undo it where one refuses."""
        tip = self._repo.resolve(self._ref)
        for path in changes:
            self._check_path(tip, path)
        paths = sorted(changes)
        try:
            for path, content in changes.items():
                _write(work_tree, path, content)
            self._in_tree(work_tree, "add", "--force", "--all", "--", *paths)
            words = ("commit", "--quiet", "--cleanup=whitespace", "-F", "-", "--only", "--", *paths)
            self._in_tree(work_tree, *words, stdin=message.encode(), with_hooks=True)
        except BaseException as error:
            self._take_back(work_tree, tip, paths)
            if isinstance(error, GitFailed) and tip is not None:
                text = self._in_tree(work_tree, "diff", "--name-only", tip, "--", *paths).decode()
                said = error.stderr or error.stdout.decode("utf-8", "replace").strip()
                if not text:
                    raise UserError(
                        f"the commit was refused: {said}",
                        hint="the hooks of this repository run for commits of people",
                    ) from None
            raise
        now = self._repo.resolve(self._ref)
        assert now is not None
        disk.sync((self._repo.common_dir / self._ref).parent)
        return now

    def _take_back(self, work_tree: Path, tip: CommitId | None, paths: Iterable[str]) -> None:
        """The files as they were committed, in the index and on the disk."""
        for path in paths:
            entry = self._repo.entry_at(tip, path) if tip else None
            mode, blob = (entry.mode, entry.id) if entry else (0, "0" * 40)
            line = f"{mode:o} {blob}\t{path}\0".encode("utf-8", "surrogateescape")
            self._in_tree(work_tree, "update-index", "-z", "--index-info", stdin=line)
            if entry is None:
                _remove(work_tree, path)
            else:
                words = ("checkout-index", "--force", "--index", "--quiet", "--", path)
                self._in_tree(work_tree, *words)

    def _move(
        self,
        files: PackFiles,
        changes: Mapping[str, bytes | None],
        message: str,
        author: Person,
    ) -> CommitId | None:
        """Have the branch move to a new commit, if there is something to commit."""
        tip = first = self._repo.resolve(self._ref)
        for _ in range(_RACES):
            commit = self._commit(files, tip, changes, message, author)
            if commit is None:
                return tip
            try:
                self._repo.move_ref(self._ref, expected=tip, new=commit)
            except RefMoved as moved:
                self._check_untouched(changes, first, moved.found)
                tip = moved.found
                continue
            disk.sync((self._repo.common_dir / self._ref).parent)
            return commit
        raise Conflict(f"branch {self._branch} moves all the time", hint="try again")

    def _commit(
        self,
        files: PackFiles,
        tip: CommitId | None,
        changes: Mapping[str, bytes | None],
        message: str,
        author: Person,
    ) -> CommitId | None:
        """Write the objects of a commit; None when its tree would be its parent's."""
        root = self._repo.commit(tip).tree if tip else EMPTY_TREE
        trees = TreeEditor(root, lambda each: self._repo.object(each).content)
        builder = PackBuilder()
        for path, content in sorted(changes.items()):
            self._check_path(tip, path)
            if content is None:
                trees.remove(path)
            else:
                trees.put(path, FILE_MODE, builder.add("blob", content))
        new_root = trees.write(lambda content: builder.add("tree", content)).hex()
        if tip is not None and new_root == root:
            return None
        name, email = (_plain(each) for each in author)
        said = message.strip() + "\n"
        if self._repo.signs_commits():
            files.add_durably(builder.build(pack_files.new_name()))
            parents = (tip,) if tip is not None else ()
            who = (name, email)
            return self._repo.commit_tree(new_root, *parents, message=said, who=who, is_signed=True)
        text = commit_text(
            new_root, tip, said, at_seconds=int(self._clock()), who=f"{name} <{email}>"
        )
        commit = CommitId(builder.add("commit", text).hex())
        files.add_durably(builder.build(pack_files.new_name()))
        return commit

    def _check_path(self, tip: CommitId | None, path: str) -> None:
        parts = path.split("/")
        if not {"", ".", "..", ".git"}.isdisjoint(parts):
            raise Conflict(f"{path!r} can't be the name of a file in a repository")
        for end in range(1, len(parts)):
            folder = "/".join(parts[:end])
            entry = self._repo.entry_at(tip, folder) if tip else None
            if entry is not None and not entry.is_tree:
                raise Conflict(f"{folder} is a file or a link on branch {self._branch}")

    def _check_untouched(
        self, paths: Iterable[str], first: CommitId | None, now: CommitId | None
    ) -> None:
        for path in paths:
            sides = [self._repo.entry_at(each, path) if each else None for each in (first, now)]
            if sides[0] != sides[1]:
                raise Conflict(
                    f"somebody else changed {path} at the same time", hint="look at it, try again"
                )

    def work_tree(self) -> Path | None:
        """The work tree that has the branch checked out, if it is this one.

        Raises `Conflict` where another one has it.
        """
        if self._repo.checked_out_branch() == self._branch:
            return self._repo.work_tree
        common = self._repo.common_dir
        for head in (common / "HEAD", *common.glob("worktrees/*/HEAD")):
            where = common
            if head.parent != common:
                where = Path(head.with_name("gitdir").read_text().strip())
            elif self._repo.run("rev-parse", "--is-bare-repository", directory=common) == b"true\n":
                continue
            if head.read_text().strip() == f"ref: {self._ref}":
                raise Conflict(
                    f"branch {self._branch} is checked out in {where.parent}",
                    hint="run this there",
                )
        return None

    def _check_clean(self, work_tree: Path, changes: Mapping[str, bytes | None]) -> None:
        """Refuse to touch files that differ from the last commit, unless they are as wanted."""
        for paths in _slices(sorted(changes)):
            words = ("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
            listing = self._in_tree(work_tree, *words, "--ignored", "--", *paths).decode()
            for line in filter(None, listing.split("\0")):
                path = line[3:]
                if path in changes and _content(work_tree / path) != changes[path]:
                    raise Conflict(
                        f"{path} has uncommitted changes",
                        hint=f"commit them, or take them back: git checkout -- {path}",
                    )

    def _bring_in_line(self, work_tree: Path, changes: Mapping[str, bytes | None]) -> None:
        tip = self._repo.resolve(self._ref)
        assert tip is not None
        lines = []
        written = []
        for path in sorted(changes):
            entry = self._repo.entry_at(tip, path)
            mode, blob = (entry.mode, entry.id) if entry else (0, "0" * 40)
            lines.append(f"{mode:o} {blob}\t{path}\0")
            if entry is not None:
                written.append(f"{path}\0")
            else:
                _remove(work_tree, path)
        self._in_tree(
            work_tree, "update-index", "-z", "--index-info", stdin="".join(lines).encode()
        )
        words = ("checkout-index", "--force", "--index", "--quiet", "-z", "--stdin")
        self._in_tree(work_tree, *words, stdin="".join(written).encode())

    def _in_tree(
        self, work_tree: Path, *words: str, stdin: bytes = b"", with_hooks: bool = False
    ) -> bytes:
        return self._repo.run(
            f"--work-tree={work_tree}",
            *words,
            stdin=stdin,
            directory=work_tree,
            with_hooks=with_hooks,
            timeout_seconds=HISTORY_SECONDS if with_hooks else TIMEOUT_SECONDS,
            extra_environment={"GIT_LITERAL_PATHSPECS": "1"},
        )


def _slices(paths: list[str]) -> Iterable[list[str]]:
    return (paths[at : at + _PATHS_AT_ONCE] for at in range(0, len(paths), _PATHS_AT_ONCE))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _write(work_tree: Path, path: str, content: bytes | None) -> None:
    """Write a file of the commit, or remove it; nothing is written through a link."""
    if content is None:
        _remove(work_tree, path)
        return
    target = work_tree / path
    folders = target.parents[: len(Path(path).parents) - 1]
    if target.is_symlink() or any(folder.is_symlink() for folder in folders):
        raise Conflict(f"{path} leads through a symbolic link", hint="commit it with an editor")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def _remove(work_tree: Path, path: str) -> None:
    """Remove a file that is not committed any more, and the folders that it leaves empty."""
    target = work_tree / path
    folders = target.parents[: len(Path(path).parents) - 1]
    if any(folder.is_symlink() for folder in folders):
        return
    target.unlink(missing_ok=True)
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return  # not empty, or not there


def _plain(text: str) -> str:
    """git parts a commit's header at these."""
    return "".join(char for char in text if char not in "<>\n\0").strip() or "unknown"
