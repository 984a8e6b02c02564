"""The same commits by way of git's own `fast-import`: the reference that the pack sink is
held against.

Plain, and a third as fast: one process that stays, a checkpoint for each batch, and the
directory syncs that git leaves out.
"""

from __future__ import annotations

import subprocess

from provisioner.git import command, disk, object_reader
from provisioner.git.commit import MACHINE, FileChange, Staged
from provisioner.git.pack_files import PackFiles
from provisioner.git.ref_lock import RefLock
from provisioner.git.repo import GitRepo
from provisioner.git.tree import EMPTY_TREE
from provisioner.model.ids import CommitId

# fast-import moves a ref of its own; the status ref moves by compare-and-swap.
_SCRATCH = "refs/tink/fast-import"


class FastImportSink:
    def __init__(self, repo: GitRepo, ref: str) -> None:
        self._repo = repo
        self._files = PackFiles(repo.objects_dir)
        self._files.remove_unfinished()
        self._files.let_go_all()
        self._ref = RefLock(repo.common_dir, ref)
        self._ref.clear_stale()
        self._process: subprocess.Popen[bytes] | None = None
        self.reset(repo.resolve(ref))

    def reset(self, tip: CommitId | None) -> None:
        self._stop()
        self._tip = tip

    def stage(self, changes: tuple[FileChange, ...], message: str, *, at_seconds: int) -> Staged:
        text = message.encode("utf-8", "replace")
        parts = [
            b"commit %s\nmark :1\n" % _SCRATCH.encode(),
            b"committer %s %d +0000\n" % (MACHINE.encode(), at_seconds),
            b"data %d\n%s\n" % (len(text), text),
            b"from %s\n" % self._tip.encode() if self._tip else b"",
            *map(_command, changes),
            b"\nget-mark :1\ncheckpoint\nprogress done\n",
        ]
        answer = self._exchange(b"".join(parts))
        staged = Staged(parent=self._tip, commit=CommitId(answer))
        self._tip = staged.commit
        return staged

    def begin(self, staged: Staged) -> None:
        pass

    def sync(self, staged: Staged) -> None:
        self._ref.take(expected=staged.parent, new=staged.commit)
        try:
            disk.sync(self._files.directory)
            disk.sync(self._ref.path)
            self._ref.move()
            disk.sync(self._ref.directory)
        except BaseException:
            self._ref.release()
            raise

    def end(self, staged: Staged) -> None:
        pass

    def rehearse(self, size_bytes: int) -> None:
        disk.rehearse(self._files.directory, size_bytes)

    def close(self) -> None:
        self._stop()
        self._files.close()

    def _exchange(self, commands: bytes) -> str:
        if self._process is None:
            self._process = command.start(
                self._repo.git_dir,
                *("-c", "fastimport.unpackLimit=0", "fast-import", "--quiet", "--force"),
                "--date-format=raw",
            )
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(commands)
            process.stdin.flush()
            commit = process.stdout.readline().decode().strip()
            done = process.stdout.readline().decode().strip()
        except OSError:
            commit, done = "", ""
        if done != "progress done":
            self._stop()
            raise OSError("git fast-import ended")
        return commit

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            try:
                process.stdin.close()
                process.wait()  # it ends by itself when there is nothing more to read
            finally:
                object_reader.end(process)
            self._repo.run("update-ref", "--no-deref", "-d", _SCRATCH)


def _command(change: FileChange) -> bytes:
    path = b'"%s"' % change.path.encode("utf-8", "surrogateescape").replace(b'"', b'\\"')
    if change.files:
        files = (FileChange(path=f"{change.path}/{name}", content=it) for name, it in change.files)
        return b"D %s\n" % path + b"".join(map(_command, files))
    if change.content is not None:
        return b"M 100644 inline %s\ndata %d\n%s\n" % (path, len(change.content), change.content)
    if change.tree is not None and change.tree != EMPTY_TREE:
        return b"M 040000 %s %s\n" % (change.tree.encode(), path)
    return b"D %s\n" % path
