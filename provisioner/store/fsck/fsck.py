"""How the status branch proves itself from its own history.

Commit by commit: no record ever changed or vanished, arrivals only went up, every status
file is exactly the replay of its events, events are only ever added and were allowed when
they were, and each version of ephemeral data is there.  It costs what was written, and with
`since` only what was written after that commit.

A long history is cut into stretches, a long one for each processor and shorter ones for
whichever is done first: commits differ in what they hold.  Each stretch starts from what the
branch held at its beginning, which is what the stretch before it proves.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from multiprocessing.connection import Connection, wait
from pathlib import Path

from provisioner.errors import TinkError, Unavailable
from provisioner.git import history
from provisioner.git.history import History
from provisioner.git.repo import GitRepo
from provisioner.git.tree import TreeEditor
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.store.fsck import arrival_order, segment
from provisioner.store.fsck.arrival_order import Span
from provisioner.store.fsck.segment import PROBLEM_LIMIT, Found, Segment
from provisioner.store.status import gc_pause, layout
from provisioner.store.status.store import StatusStore

SEGMENT_COMMITS = 250  # of up to some hundred events each; fewer are not worth a process

_WEIGHTS = (6, 1, 1)  # of the stretches of each processor

Progress = Callable[[int, int], None]  # commits done, commits in all


@dataclass(frozen=True, slots=True, kw_only=True)
class FsckReport:
    """Problems name the file in their path and the commit in their message."""

    commit: CommitId | None
    commits: int = 0
    workflows: int = 0
    events: int = 0
    problems: tuple[Problem, ...] = ()


def check(
    repo: GitRepo,
    branch: str = "status",
    *,
    since: CommitId | None = None,
    tip: CommitId | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
) -> FsckReport:
    """Check the history of a branch up to its tip, or of what came after the commit `since`."""
    tip = tip or repo.branch(branch)
    if tip is None:
        return FsckReport(commit=None)
    if since is not None and not repo.is_ancestor(since, tip):
        problem = Problem(
            path=branch,
            code="fsck.rewritten",
            message=f"commit {since} is not in the history of branch {branch} any more",
        )
        return FsckReport(commit=tip, problems=(problem,))
    past = history.read(repo, since, tip, segment.PATHS)
    total = len(past.lines)
    processes = processes or min(os.cpu_count() or 1, total // SEGMENT_COMMITS)
    tell = progress or (lambda done, total: None)
    if processes > 1:
        stretches = past.cut(_ends(total, processes))
        parts = _run_all(repo, branch, stretches, processes, lambda done: tell(done, total))
    else:
        parts = [_run(repo, branch, past, lambda done: tell(done, total))]
    return _joined(repo, branch, past, tip, parts)


def _ends(total: int, processes: int) -> list[int]:
    """Where stretches end.  Each cut has its price, as what goes on beyond it is read again."""
    weights = [weight for weight in _WEIGHTS for _ in range(processes)]
    if total < SEGMENT_COMMITS * sum(weights):
        weights = [1] * processes
    return [total * done // sum(weights) for done in accumulate(weights)]


def _run(repo: GitRepo, branch: str, past: History, progress: Callable[[int], None]) -> Found:
    with gc_pause.without_collections():
        return Segment(repo, branch, past.since).run(past, progress)


def _run_all(
    repo: GitRepo,
    branch: str,
    stretches: list[History],
    processes: int,
    progress: Callable[[int], None],
) -> list[Found]:
    """Check each stretch in a process of its own, so many at a time."""
    context = multiprocessing.get_context("fork")
    waiting = deque(enumerate(stretches))
    done = [0] * len(stretches)
    found: dict[int, Found] = {}
    pipes: dict[Connection, int] = {}
    children = []
    try:
        while waiting or pipes:
            while waiting and len(pipes) < processes:
                number, past = waiting.popleft()
                ours, theirs = context.Pipe(duplex=False)
                words = (repo.common_dir, branch, past, theirs)
                child = context.Process(target=_work, args=words, daemon=True)
                child.start()
                theirs.close()
                children.append(child)
                pipes[ours] = number
            for pipe in wait(list(pipes)):
                assert isinstance(pipe, Connection)
                number = pipes[pipe]
                try:
                    told = pipe.recv()
                except EOFError:
                    raise Unavailable("a process of fsck was ended before it was done") from None
                if isinstance(told, Unavailable):
                    raise told
                if isinstance(told, Found):
                    found[number] = told
                    del pipes[pipe]
                    pipe.close()
                else:
                    done[number] = told
                    progress(sum(done))
    finally:
        for child in children:
            child.terminate()
            child.join()
        for pipe in pipes:
            pipe.close()
    return [found[number] for number in range(len(stretches))]


def _work(path: Path, branch: str, past: History, pipe: Connection) -> None:
    try:
        with closing(GitRepo(path)) as repo:
            pipe.send(_run(repo, branch, past.of(repo), pipe.send))
    except TinkError as error:
        pipe.send(Unavailable(str(error), hint=error.hint))
    except Exception as error:
        pipe.send(Unavailable(f"a process of fsck failed: {error!r}"))


def _joined(
    repo: GitRepo, branch: str, past: History, tip: CommitId, parts: Iterable[Found]
) -> FsckReport:
    workflows: set[WorkflowId] = set()
    archived: dict[WorkflowId, str] = {}
    problems: list[Problem] = []
    spans: list[Span] = []
    events = 0
    for part in parts:
        workflows |= part.workflows
        archived |= part.archived
        problems += part.problems
        events += part.events
        spans.append(part.arrivals)
    problems += _missing_in_archive(repo, branch, tip, archived)
    is_counted = any(span.first or span.uncounted for span in spans)
    before = _arrivals_at(StatusStore(repo, branch), past.since) if is_counted else 0
    for path, message in arrival_order.between(spans, before=before):
        problems.append(Problem(path=path, code="fsck.arrival", message=message))
    return FsckReport(
        commit=tip,
        commits=len(past.lines),
        workflows=len(workflows),
        events=events,
        problems=tuple(problems[:PROBLEM_LIMIT]),
    )


def _arrivals_at(store: StatusStore, commit: CommitId | None) -> int:
    """The highest counter that was given up to a commit; costs what a start does."""
    return max((row.arrival for row in store.read_rows(commit)), default=0) if commit else 0


def _missing_in_archive(
    repo: GitRepo, branch: str, tip: CommitId, archived: dict[WorkflowId, str]
) -> list[Problem]:
    """What left the tip must be in the archive branch, as it was or with more events."""
    editors = [
        TreeEditor(repo.commit(each).tree, lambda tree: repo.object(tree).content)
        for each in StatusStore(repo, branch).archives()
    ]
    problems = []
    for workflow, blob in archived.items():
        path = layout.status(workflow)
        found = (each.get(path) for each in editors)
        if not any(entry is not None and entry.id == blob for entry in found):
            message = f"in commit {tip[:12]}: is not in the archive"
            problems.append(Problem(path=path, code="fsck.archive", message=message))
    return problems
