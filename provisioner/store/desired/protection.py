"""Sets a repository up so that no push can remove what a server relies on.

For those that `tink init --bare` and `--clone-into` make, and where a person asks for it.
Cheap to repeat: two git processes where nothing is to be done.
"""

from __future__ import annotations

import logging
from pathlib import Path

from provisioner.errors import Conflict, TinkError
from provisioner.git import disk
from provisioner.git.repo import GitRepo

_SETTINGS = {
    # Each rewrites all objects while the server joins packs by itself.
    "gc.auto": "0",
    "maintenance.auto": "false",
    "receive.autogc": "false",
    # What is pushed arrives as a pack, which git keeps from gc until the ref has moved; loose
    # objects it doesn't.
    "receive.unpacklimit": "1",
}
# What the server remembers lies there.  Clones see it, and `status`, as before.
_HIDDEN = ("receive.hiderefs", "refs/tink")
_DESIRED, _STATUS = "tink.desiredbranch", "tink.statusbranch"
_HOOK = Path(__file__).with_name("update_hook.sh")
_MARK = b"# Written by tink:"

_LOG = logging.getLogger(__name__)


def protect(repo: GitRepo, *, desired: str, status: str) -> None:
    """Set everything, or what is missing of it; raise `Conflict` for a hook of somebody else."""
    hook = repo.common_dir / "hooks/update"
    content = _HOOK.read_bytes()
    found = hook.read_bytes() if hook.exists() else b""
    if found and _MARK not in found:
        raise Conflict(
            f"{hook} is not tink's",
            hint=f"move it away, or run {_HOOK} from it with the same arguments",
        )
    for name, value in _missing(repo, desired=desired, status=status):
        add = ["--add"] if name not in _SETTINGS else []
        repo.run("config", "--local", *add, name, value)
    if found != content or not hook.stat().st_mode & 0o100:
        hook.parent.mkdir(exist_ok=True)
        new = hook.with_name("update.tink-new")
        disk.write_file(new, content)
        new.chmod(0o755)
        new.replace(hook)


def look(repo: GitRepo, *, desired: str, status: str, is_ours: bool = False) -> None:
    """At the start of a server: cover its branches where the repository is ours, else advise."""
    if is_protected(repo, desired=desired, status=status):
        return
    if is_ours or _has_our_hook(repo):
        try:
            protect(repo, desired=desired, status=status)
        except TinkError as error:
            _LOG.warning("pushes to %s can't be restricted: %s", repo.git_dir, error)
    else:
        _LOG.info(
            "whoever may push to %s can rewrite and delete its branches; to have that refused:"
            " tink --repo %s status-branch protect",
            repo.git_dir,
            repo.git_dir,
        )


def is_protected(repo: GitRepo, *, desired: str, status: str) -> bool:
    """Whether pushes are restricted there as `protect` has it."""
    return _has_our_hook(repo) and not _missing(repo, desired=desired, status=status)


def _has_our_hook(repo: GitRepo) -> bool:
    hook = repo.common_dir / "hooks/update"
    return hook.is_file() and _MARK in hook.read_bytes()


def _missing(repo: GitRepo, *, desired: str, status: str) -> list[tuple[str, str]]:
    listing = repo.run("config", "--local", "--null", "--list").decode("utf-8", "replace")
    there = {tuple(entry.partition("\n")[::2]) for entry in listing.split("\0")}
    wanted = [*_SETTINGS.items(), _HIDDEN, (_DESIRED, desired), (_STATUS, status)]
    return [each for each in wanted if each not in there]
