"""Runs git so that no repository and no environment can steer it.

Hooks, fsmonitor, replace refs, automatic gc, prompts and the `ext::` transport are off;
`GIT_*` of our own environment is not passed on.  Where a person gives a command, git reads
their configuration (signatures, line ends, filters, credentials, safe folders) as it always
does, and runs hooks for the commits that are theirs.  GitPython's `execute` is not used for
this: it can add environment variables but never take one away.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.errors import Unavailable
from provisioner.git import process_group, remote_url

TIMEOUT_SECONDS = 60  # local commands; the network has its own bounds
# What walks a history or writes it anew: among thousands of packs a thousand commits a second.
HISTORY_SECONDS = 3_600
NETWORK_TIMEOUT_SECONDS = 3_600  # the first fetch of a large repository on a slow line
# git reports its progress every second; a forge that hangs is not waited for longer than this.
NETWORK_IDLE_SECONDS = 60

_CONFIG = Path(__file__).with_name("git.config")
_FETCH_CONFIG = Path(__file__).with_name("fetch.config")
_NO_HOOKS = "core.hooksPath=/dev/null"
# What a repository's own configuration must not override.
_PINNED = (
    "core.fsmonitor=false",
    "core.fsync=all",
    "core.pager=cat",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "protocol.ext.allow=never",
)
# How a person reaches a remote is theirs to say; nothing else of GIT_* is passed on.
_PASSED_ON = frozenset({"GIT_SSH_COMMAND", "GIT_SSH", "GIT_ASKPASS", "GIT_SSL_CAINFO"})
# Where a person's configuration is, and who they are.
_OF_PERSON = _PASSED_ON | {
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    *(f"GIT_{role}_{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")),
}
_LINE_ENDS = re.compile(r"[\r\n]+")
# Of "Receiving objects:  50% (1/2)", "Total 3 (delta 0), …", "From /srv/site.git".
_PROGRESS = re.compile(r"(remote: )?(([A-Z][a-z]+ )+(objects|deltas|connectivity):?|Total |From )")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+@")  # up to the last @: passwords hold some


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """How a command that needs the network is run.

    Without `stop` a person waits for it, whom ssh may ask for a password.  `inherited` are
    handles that git and its helpers keep open while they live.
    """

    stop: threading.Event | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    inherited: Sequence[int] = ()


class GitFailed(Unavailable):
    """git said no; `status` is its exit code, `stderr` its words without credentials, and
    `stdout` what it printed before (some verbs answer with both)."""

    def __init__(self, command: str, status: int, stderr: str, stdout: bytes = b"") -> None:
        self.status = status
        self.stdout = stdout
        self.stderr = without_credentials(_without_progress(stderr)).strip()
        super().__init__(f"git {command} failed: {self.stderr or f'exit code {status}'}")


def without_credentials(text: str) -> str:
    """Return a text with the user names, passwords and queries of its URLs left out."""
    return remote_url.without_query(_CREDENTIALS.sub("", text))


def _without_progress(text: str) -> str:
    lines = _LINE_ENDS.split(text)
    return "\n".join(line for line in lines if line.strip() and not _PROGRESS.match(line))


def environment(
    outside: Mapping[str, str] | None = None, *, is_persons: bool = False
) -> dict[str, str]:
    """What git is started with; `is_persons`: with the configuration of whoever runs us."""
    allowed = _OF_PERSON if is_persons else _PASSED_ON
    passed_on = {
        name: value
        for name, value in (os.environ if outside is None else outside).items()
        if not name.startswith("GIT_") or name in allowed
    }
    configuration = (
        {}
        if is_persons
        else {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(_CONFIG),
        }
    )
    return (
        passed_on
        | configuration
        | {
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "LC_ALL": "C",
        }
    )


def command_line(
    git_dir: Path, words: Sequence[str], *, is_persons: bool = False, with_hooks: bool = False
) -> list[str]:
    pinned = [*_PINNED, *[_NO_HOOKS] * (not with_hooks)]
    if is_persons:
        pinned.append(f"include.path={_FETCH_CONFIG}")
    pins = [word for pin in pinned for word in ("-c", pin)]
    return ["git", f"--git-dir={git_dir}", *pins, *words]


def run(
    git_dir: Path,
    *words: str,
    stdin: bytes = b"",
    timeout_seconds: float = TIMEOUT_SECONDS,
    extra_environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    stop: threading.Event | None = None,
    is_background: bool = False,
    has_terminal: bool = False,
    inherited: Sequence[int] = (),
    idle_seconds: float = float("inf"),
    is_persons: bool = False,
    with_hooks: bool = False,
) -> bytes:
    """Run git to its end and return what it printed.

    `is_persons` has it read the person's configuration; `with_hooks` run the repository's hooks.
    `stop` ends it early, within `process_group.MERCY_SECONDS`; `is_background` gives it the
    lowest priority; the rest is as `process_group.run` says.
    """
    try:
        ended = process_group.run(
            command_line(git_dir, words, is_persons=is_persons, with_hooks=with_hooks),
            stdin=stdin,
            environment=environment(is_persons=is_persons) | dict(extra_environment or {}),
            timeout_seconds=timeout_seconds,
            directory=directory,
            stop=stop,
            is_background=is_background,
            has_terminal=has_terminal,
            inherited=inherited,
            idle_seconds=idle_seconds,
        )
    except FileNotFoundError:
        raise Unavailable("git is not installed", hint="apt-get install git") from None
    if ended.status or ended.cut_off:
        reason = ended.cut_off or ended.stderr.decode(errors="replace")
        command = next(word for word in words if not word.startswith("-"))
        raise GitFailed(command, ended.status, reason, ended.stdout)
    return ended.stdout


def discover(folder: Path) -> None:
    """Have git find the repository of a folder, as a person's git does: it looks at the owner.

    Raises `GitFailed`.  A git that is given the repository does not look.
    """
    words = ("git", "-C", str(folder), "rev-parse", "--git-dir")
    done = subprocess.run(words, check=False, capture_output=True, env=environment(is_persons=True))
    if done.returncode:
        raise GitFailed("rev-parse", done.returncode, done.stderr.decode(errors="replace"))


def run_on_network(git_dir: Path, *words: str, network: Network, is_persons: bool = False) -> bytes:
    """Run a git command that talks to a remote and shows its progress."""
    return run(
        git_dir,
        *words,
        timeout_seconds=NETWORK_TIMEOUT_SECONDS,
        idle_seconds=NETWORK_IDLE_SECONDS,
        extra_environment=network.environment,
        stop=network.stop,
        has_terminal=network.stop is None,
        inherited=network.inherited,
        is_persons=is_persons,
    )


def start(
    git_dir: Path, *words: str, stderr: int = subprocess.DEVNULL, buffer_bytes: int = -1
) -> subprocess.Popen[bytes]:
    """Start git with pipes on both ends; the caller ends it."""
    return subprocess.Popen(
        command_line(git_dir, words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment(),
        bufsize=buffer_bytes,
        start_new_session=True,  # Ctrl-C is for us; we end it when we no longer need it
    )
