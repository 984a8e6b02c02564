"""Turns a commit on the desired branch into workflows on the status branch.

One pass reads what changed, plans, and has the writer write it: in bounded chunks, so that
10,000 new workflows don't keep a report waiting.  Whatever breaks off in the middle is
done again, from the states as they are then; nothing is created twice.  Which commit that
is, is for `desired_head` to say.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Protocol

from provisioner.errors import Refused, TinkError
from provisioner.model import state_machine, times
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.problem import Problem
from provisioner.model.set_aside import Damaged
from provisioner.model.views import (
    Change,
    Proposal,
    Receipt,
    Reconciled,
    ReconcileReport,
    StatusView,
    WorkflowCreated,
    path_of,
)
from provisioner.planning import deletion_guard, planner, template_cache
from provisioner.planning.desired import Update
from provisioner.planning.planner import Pending, Plan, Planning
from provisioner.planning.template_cache import TemplateCache
from provisioner.services import desired_loader
from provisioner.services.clock import Clock
from provisioner.services.desired_head import Target
from provisioner.services.snapshots import Snapshots
from provisioner.store.desired.reading import DesiredStore
from provisioner.store.status import gc_pause

CHUNK = 200  # records in one commit: some 30 ms, between which reports get their turn
IN_FLIGHT = 2  # chunks: one is built while the one before it is synced
PROBLEMS_LIMIT = 1_000  # in reconcile.json; more help nobody at once
_MACHINES = ("hardware", "mac", "ip", "agent")  # the claims of hardware documents
RETRY_SECONDS = 5.0  # after a pass that failed

_LOG = logging.getLogger(__name__)


class Proposer(Protocol):
    def propose(self, proposal: Proposal, *, is_bulk: bool = False) -> Future[Receipt]: ...


class Hints(Protocol):
    """Says when to look (services.watcher)."""

    def wait(self, seconds: float) -> None: ...
    def wake(self) -> None: ...


class Head(Protocol):
    """Says which commit to follow (services.desired_head)."""

    def target(self) -> Target | None: ...
    def object(self, target: Target, why: str) -> Target | None: ...
    def obey(self, target: Target) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one pass did."""

    report: ReconcileReport
    created: int
    moved: int
    deleted: int


class Reconciler:
    """`reconcile` is one pass; `run` makes passes until closed, in one thread."""

    def __init__(
        self,
        *,
        source: DesiredStore,
        writer: Proposer,
        snapshots: Snapshots,
        head: Head,
        clock: Clock,
        new_id: Callable[[], WorkflowId],
        on_outcome: Callable[[Outcome], None] = lambda _: None,
        follow_status: Callable[[], None] = lambda: None,
        is_writable: Callable[[], bool] = lambda: True,
    ) -> None:
        """`follow_status` is called before each look at the desired branch; while nothing
        `is_writable`, there is none."""
        self._source = source
        self._head = head
        self._writer = writer
        self._snapshots = snapshots
        self._clock = clock
        self._new_id = new_id
        self._on_outcome = on_outcome
        self._follow_status = follow_status
        self._is_writable = is_writable
        self._cache = TemplateCache()
        self._pending: Mapping[str, Pending] = {}
        self._postponed: frozenset[str] = frozenset()  # by a pass that took long
        self._logged: frozenset[Problem] = frozenset()
        self._unparsable: dict[str, tuple[Problem, ...]] = {}  # templates, by path
        self._is_settled = False  # whether the status branch follows `desired` entirely
        self._damage: tuple[object, object] = (None, None)  # when it was looked at last
        self._closed = threading.Event()
        self.is_ready = threading.Event()  # one pass is done

    def reconcile(self) -> Outcome | None:
        """Follow the desired branch as far as it is applied; None when there is nothing to do."""
        self._look_at_damage()
        target = self._head.target()
        if target is None or (self._is_followed(target) and not self._postponed):
            return None
        # A sixth of the time of 10,000 new workflows went into looking for garbage among them.
        with gc_pause.without_collections():
            return self._follow(target)

    def _look_at_damage(self) -> None:
        """Plan afresh when something was damaged or mended: what was skipped is due then."""
        status = self._snapshots.current.status
        damage = (status.set_aside, status.damage)
        if any(now is not then for now, then in zip(damage, self._damage, strict=True)):
            self._damage = damage
            self._is_settled = False

    def _is_followed(self, target: Target) -> bool:
        return self._is_settled and target.commit == self._snapshots.current.desired.commit

    def _follow(self, target: Target) -> Outcome | None:
        update, planning = self._planned(target.commit)
        if not target.is_accepted:
            why = self._objection(update, planning)
            if why:
                instead = self._head.object(target, why)
                if instead is None or self._is_followed(instead):
                    return None
                return self._follow(instead)
            self._head.obey(target)
        self._is_settled = False
        machines = (name for kind, name in update.touched if kind in _MACHINES)
        self._snapshots.swap_desired(update.state, machines)
        self._check_templates(update)
        outcome = self._carry_out(planning)
        self._is_settled = True
        if target.is_accepted:
            self._head.obey(target)
        self._on_outcome(outcome)
        return outcome

    def _objection(self, update: Update, planning: Planning) -> str:
        """Say why a person must be asked before this is carried out, or nothing."""
        now, commit = self._snapshots.current, update.state.commit
        assert commit is not None
        old = now.status.reconcile.desired_commit
        is_folder_gone = (
            bool(planning.deletions)
            and not update.state.requests
            and old is not None
            and self._source.has_lost_folder("workflows", old=old, new=commit)
        )
        return deletion_guard.objection(
            planning.deletions, update.state, now.status, is_folder_gone=is_folder_gone
        )

    def _planned(self, commit: CommitId) -> tuple[Update, Planning]:
        """What a commit says and what has to happen for it; nothing is rendered yet."""
        now = self._snapshots.current
        if now.desired.commit is None:
            update = desired_loader.load(self._source, commit, now.status.reconcile.in_force)
        else:
            update = desired_loader.follow(self._source, now.desired, commit)
        is_full = now.desired.commit is None or not self._is_settled
        planning = planner.begin(
            update.state,
            now.status,
            changed_paths=None if is_full else update.changed | self._postponed,
            now=times.of_event(self._clock.now()),
            new_id=self._new_id,
            pending=self._pending,
            touched=update.touched,
            cache=self._cache,
            seconds=time.thread_time,
        )
        return update, planning

    def run(self, hints: Hints, poll_seconds: float) -> None:
        """Make passes until closed; a fault ends a pass, never the thread."""
        while not self._closed.is_set():
            wait = poll_seconds
            try:
                self._follow_status()
                if self._is_writable():
                    outcome = self.reconcile()
                    self.is_ready.set()
                    if outcome is not None:
                        self._log(outcome)
                        wait = 0.0  # a commit that was confirmed may have more behind it
            except TinkError as error:
                _LOG.warning("the desired branch can't be followed now: %s", error)
                wait = RETRY_SECONDS
            except Exception:
                _LOG.exception("a pass over the desired branch failed")
                wait = RETRY_SECONDS
            if not self._closed.is_set():
                hints.wait(wait)

    def close(self) -> None:
        self._closed.set()

    def _log(self, outcome: Outcome) -> None:
        """Log a pass, and each problem when it appears."""
        report = outcome.report
        _LOG.info(
            "desired commit %.12s: %d workflows created, %d moved, %d deleted, %d problems",
            report.desired_commit,
            outcome.created,
            outcome.moved,
            outcome.deleted,
            len(report.problems),
        )
        for problem in report.problems:
            if problem not in self._logged:
                _LOG.warning("%s", problem)
        self._logged = frozenset(report.problems)

    def _check_templates(self, update: Update) -> None:
        """Tell of a text that is no template also before a request uses it."""
        files = [update.state.files.get(path) for path in update.changed]
        texts = [each for file in files if file is not None for each in file.templates]
        unchanged = {
            path: problems
            for path, problems in self._unparsable.items()
            if path not in update.changed
        }
        self._unparsable = unchanged | template_cache.unparsable(texts, self._cache)

    def _carry_out(self, planning: Planning) -> Outcome:
        """Have the first workflows written while the next are rendered."""
        in_flight: deque[Future[Receipt]] = deque()

        def propose(chunk: list[Change], report: ReconcileReport | None) -> None:
            if len(in_flight) == IN_FLIGHT:
                in_flight.popleft().result()
            in_flight.append(self._writer.propose(_proposal(chunk, report), is_bulk=True))

        changes: Iterator[Change] = itertools.chain(
            planning.moves_and_deletions, planning.creations()
        )
        chunk = list(itertools.islice(changes, CHUNK))
        while following := list(itertools.islice(changes, CHUNK)):
            propose(chunk, None)
            chunk = following
        plan = planning.finish()
        report = self._report(plan)
        propose(chunk, report)  # the report rides with the last ones
        for future in in_flight:
            future.result()
        self._pending, self._postponed = plan.pending, plan.postponed
        return Outcome(
            report=report,
            created=len(plan.creations),
            moved=len(plan.moves),
            deleted=len(plan.deletions),
        )

    def _report(self, plan: Plan) -> ReconcileReport:
        desired = self._snapshots.current.desired
        problems = [*plan.problems]
        for each in (*desired.problems.values(), *self._unparsable.values()):
            problems += each
        return ReconcileReport(
            desired_commit=desired.commit,
            at=times.of_event(self._clock.now()),
            problems=_bounded(problems),
            in_force=tuple(
                sorted((path, blob) for path, blob in desired.in_force.items() if _is_text(path))
            ),
        )


def _proposal(chunk: list[Change], report: ReconcileReport | None) -> Proposal:
    def propose(view: StatusView) -> tuple[Change, ...]:
        accepted: list[Change] = []
        paths = _Paths(view)
        for change in chunk:
            if _is_wanted(view, change, paths):
                paths.follow(change)
                accepted.append(change)
        if report is not None and replace(view.reconcile, at=report.at) != report:
            accepted.append(Reconciled(report=report))
        return tuple(accepted)

    return propose


class _Paths:
    """Which paths of requests are free, while changes are accepted: one may free another's."""

    def __init__(self, view: StatusView) -> None:
        self._view = view
        self._changed: dict[str, bool] = {}

    def is_free(self, path: str) -> bool:
        return self._changed.get(path, path not in self._view.requests)

    def follow(self, change: Change) -> None:
        if isinstance(change, RequestMoved | WorkflowDeleted):
            self._changed[path_of(self._view.workflows[change.workflow_id])] = True
        if isinstance(change, RequestMoved):
            self._changed[change.request_path] = False
        elif isinstance(change, WorkflowCreated):
            self._changed[change.record.request_path] = False


def _is_wanted(view: StatusView, change: Change, paths: _Paths) -> bool:
    """Whether a planned change still makes sense on the newest view."""
    match change:
        case WorkflowCreated():
            record = change.record
            return record.id not in view.workflows and paths.is_free(record.request_path)
        case RequestMoved() | WorkflowDeleted():
            entry = view.workflows.get(change.workflow_id)
            if entry is None:
                return False
            if isinstance(change, RequestMoved) and not paths.is_free(change.request_path):
                return False
            try:
                return bool(state_machine.decide(entry.context, entry.record.actions, change))
            except (Refused, Damaged):  # one that is set aside is neither moved nor deleted
                return False
        case _:
            return True


def _bounded(problems: list[Problem]) -> tuple[Problem, ...]:
    found = sorted(set(problems))
    if len(found) <= PROBLEMS_LIMIT:
        return tuple(found)
    rest = Problem(
        path=found[PROBLEMS_LIMIT].path,
        code="reconcile.more",
        message=f"and {len(found) - PROBLEMS_LIMIT} more problems",
        hint="tink validate shows all of them",
    )
    return (*found[:PROBLEMS_LIMIT], rest)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
