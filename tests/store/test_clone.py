"""The server's clone is made, found again and freed of what killed gits left."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha1
from pathlib import Path

import pytest

from provisioner.errors import UserError
from provisioner.git import remote_url
from provisioner.git.command import GitFailed, Network
from provisioner.git.repo import GitRepo
from provisioner.store.desired import clone
from provisioner.store.desired.clone import Leftovers
from tests.store import sites

pytestmark = pytest.mark.waits
TRACKING = "refs/remotes/origin"
REFSPEC = f"+refs/heads/*:{TRACKING}/*"


def open_clone(folder: Path, url: object) -> GitRepo:
    parsed = remote_url.parse(str(url))
    return clone.open_clone(folder, parsed, branch="main", status_branch="status", remote="origin")


@pytest.fixture
def mine(site, tmp_path) -> Iterator[GitRepo]:
    with closing(open_clone(tmp_path / "clone.git", site.path)) as repo:
        yield repo


def config(repo: GitRepo, name: str) -> str:
    return repo.run("config", "--get", name).decode().strip()


def test_a_clone_is_made_without_asking_the_remote(tmp_path):
    with closing(open_clone(tmp_path / "new" / "c.git", "https://forge.invalid/x.git")) as repo:
        assert repo.is_bare and clone.is_our_clone(repo)
        assert repo.checked_out_branch() == "main"


def test_a_new_url_or_token_is_taken_up_and_no_token_stored(tmp_path):
    folder = tmp_path / "c.git"
    for credentials in ("", "ops:S3CRET@", "ops:other-S3CRET@"):
        open_clone(folder, f"https://{credentials}forge.example/x.git").close()
    with closing(open_clone(folder, "https://eve:S3CRET@new.example/y.git")) as repo:
        assert config(repo, "remote.origin.url") == "https://new.example/y.git"
    assert "S3CRET" not in (folder / "config").read_text()


def test_what_an_earlier_version_cloned_is_taken_up(tmp_path):
    folder = tmp_path / "c.git"
    sites.git(tmp_path, "init", "-q", "--bare", "--template=", str(folder))
    sites.git(folder, "remote", "add", "origin", "https://ops:S3CRET@forge.example/x.git")
    sites.git(folder, "config", "user.name", "a person's own setting")
    with closing(open_clone(folder, "https://ops:S3CRET@forge.example/x.git")) as repo:
        assert config(repo, "remote.origin.url") == "https://forge.example/x.git"
        assert config(repo, "user.name") == "a person's own setting"


def git_init_steps(folder: Path) -> list[Path]:
    """The files of a new clone, in the order in which they may have been written."""
    with closing(open_clone(folder, "https://forge.example/x.git")):
        return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_clone_that_was_killed_while_it_was_made_is_made_whole(tmp_path):
    """Whatever file is missing, empty or still locked."""
    for number, path in enumerate(git_init_steps(tmp_path / "whole")):
        for how in ("missing", "empty", "locked"):
            folder = tmp_path / f"{number}-{how}"
            open_clone(folder, "https://forge.example/x.git").close()
            broken = folder / path.relative_to(tmp_path / "whole")
            if how == "locked":
                broken.rename(f"{broken}.lock")
            elif how == "empty":
                broken.write_text("")
            else:
                broken.unlink()
            with closing(open_clone(folder, "https://forge.example/x.git")) as repo:
                assert config(repo, "remote.origin.url") == "https://forge.example/x.git"
                assert config(repo, "core.bare") == "true"
                assert repo.checked_out_branch() == "main"


def test_a_folder_with_other_things_in_it_is_refused(tmp_path, site):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    with pytest.raises(UserError, match="not empty"):
        open_clone(tmp_path / "full", "https://forge.example/x.git")
    with pytest.raises(UserError, match="work tree"):
        open_clone(site.path, "https://forge.example/x.git")
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "own.git"], check=True)
    site("push", "-q", str(tmp_path / "own.git"), "main")
    with pytest.raises(UserError, match="repository of its own"):
        open_clone(tmp_path / "own.git", "https://forge.example/x.git")


LOCKS = [
    f"{TRACKING}/main.lock",
    f"{TRACKING}/deep/er.lock",
    "packed-refs.lock",
    "shallow.lock",
    "config.lock",
    "HEAD.lock",
    "index.lock",
    "objects/info/commit-graphs/commit-graph-chain.lock",
    "objects/pack/multi-pack-index.lock",
    "objects/pack/tmp_pack_abcdef",
]


@pytest.fixture
def no_patience(monkeypatch):
    """Nothing waits: what the tests leave lies there since long ago."""
    return lambda _: False


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_that_a_killed_git_left_is_removed(mine, no_patience, name):
    lock = mine.git_dir / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    with closing(Leftovers(mine)) as leftovers:
        assert leftovers.remove(no_patience) == (lock,)
    mine.fetch("origin", REFSPEC, prune=True)
    assert mine.resolve(f"{TRACKING}/main")


def test_a_tracking_ref_that_a_power_cut_emptied_is_fetched_again(mine, no_patience):
    mine.fetch("origin", REFSPEC)
    (mine.git_dir / TRACKING / "main").write_text("")
    with closing(Leftovers(mine)) as leftovers:
        assert leftovers.remove(no_patience)
    mine.fetch("origin", REFSPEC)
    assert mine.resolve(f"{TRACKING}/main")


def test_a_lock_that_somebody_takes_meanwhile_is_left_alone(mine):
    lock = mine.git_dir / "packed-refs.lock"
    lock.touch()

    def meanwhile(_: float) -> bool:
        lock.unlink()
        lock.with_suffix(".other").touch()  # takes the number of the file that went
        lock.write_text("at work")
        return False

    with closing(Leftovers(mine)) as leftovers:
        assert leftovers.remove(meanwhile) == ()
    assert lock.exists()


def test_the_lock_of_our_own_writer_is_left_alone(mine, no_patience):
    lock = mine.git_dir / "refs/heads/status.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    lock.chmod(0o1644)
    with closing(Leftovers(mine)) as leftovers:
        assert leftovers.remove(no_patience) == ()


def test_nothing_is_removed_while_a_git_of_an_earlier_life_is_at_work(mine, no_patience):
    lock = mine.git_dir / "packed-refs.lock"
    lock.touch()
    earlier = Leftovers(mine)
    orphan = subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=(earlier.handle,)
    )
    earlier.close()  # its server was killed
    with closing(Leftovers(mine)) as leftovers:
        assert leftovers.remove(no_patience) == ()
        orphan.communicate()
        assert leftovers.remove(no_patience) == (lock,)


def test_a_branch_below_the_name_of_one_that_is_gone_is_fetched(mine, site):
    site("branch", "a")
    mine.fetch("origin", REFSPEC, prune=True)
    site("branch", "-D", "a")
    site("branch", "a/b")
    mine.fetch("origin", REFSPEC, prune=True)
    refs = {ref.removeprefix(f"{TRACKING}/") for ref in mine.refs(f"{TRACKING}/")}
    assert "a/b" in refs and "a" not in refs


# Histories that old tools wrote, and `git clone` takes.

BLOB = sha1(b"blob 3\0hi\n").digest()
GOOD = "A <a@example.com> 1300000000 +0000"


def store(git, kind: str, content: bytes) -> str:
    """Write an object as it is, whatever git thinks of it."""
    whole = f"{kind} {len(content)}\0".encode() + content
    name = sha1(whole).hexdigest()
    path = git.path / ".git" / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    if not path.exists():
        path.write_bytes(zlib.compress(whole))
    return name


def old_commit(git, tree: bytes = b"", author: str = GOOD, committer: str = GOOD, text: str = "x"):
    """Put a commit below the tip of main."""
    store(git, "blob", b"hi\n")
    root = store(git, "tree", tree or b"100644 f\0" + BLOB)
    old = f"tree {root}\nauthor {author}\ncommitter {committer}\n\n{text}\n"
    parent = store(git, "commit", old.encode())
    tip = git("commit-tree", "HEAD^{tree}", "-p", parent, "-m", "new").strip()
    git("update-ref", "refs/heads/main", tip)


def folder_of(git, name: bytes = b"f") -> bytes:
    return bytes.fromhex(store(git, "tree", b"100644 " + name + b"\0" + BLOB))


OLD = {
    "a mode with a leading zero": lambda git: old_commit(git, b"040000 old\0" + folder_of(git)),
    "a mode that git no longer writes": lambda git: old_commit(git, b"100664 f\0" + BLOB),
    "no space before the date": lambda git: old_commit(
        git, author="A <a@example.com>1300000000 +0000"
    ),
    "a zone that is none": lambda git: old_commit(
        git, author="A <a@example.com> 1300000000 +51800"
    ),
    "a date with a leading zero": lambda git: old_commit(
        git, author="A <a@example.com> 01300000000 +0000"
    ),
    "no address": lambda git: old_commit(git, author="A 1300000000 +0000"),
    "a name with brackets": lambda git: old_commit(
        git, author="A <B> <a@example.com> 1300000000 +0000"
    ),
    "the same name twice": lambda git: old_commit(git, b"100644 f\0" + BLOB + b"100644 f\0" + BLOB),
    "names out of order": lambda git: old_commit(git, b"100644 g\0" + BLOB + b"100644 f\0" + BLOB),
    "a NUL in the message": lambda git: old_commit(git, text="a\0b"),
}
HOSTILE = {
    "a folder .git": lambda git: old_commit(git, b"40000 .git\0" + folder_of(git)),
    "a folder ..": lambda git: old_commit(git, b"40000 ..\0" + folder_of(git)),
    "a path as a name": lambda git: old_commit(git, b"100644 ../f\0" + BLOB),
}


@pytest.mark.parametrize("oddity", OLD)
def test_an_old_history_that_git_clone_takes_is_fetched(mine, site, tmp_path, oddity):
    OLD[oddity](site)
    url = f"file://{site.path}"
    sites.git(tmp_path, "clone", "-q", "--bare", url, "by-git")
    mine.fetch(url, f"+refs/heads/main:{TRACKING}/main", network=Network())
    assert mine.resolve(f"{TRACKING}/main") == site("rev-parse", "main").strip()


@pytest.mark.parametrize("oddity", HOSTILE)
def test_what_would_lead_out_of_a_folder_is_refused(mine, site, oddity):
    HOSTILE[oddity](site)
    with pytest.raises(GitFailed, match="fsck error"):
        mine.fetch(f"file://{site.path}", f"+refs/heads/main:{TRACKING}/main")
