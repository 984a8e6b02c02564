"""What has to happen so that the status branch follows the desired branch?

A plan comes from two states, never from a commit's diff, so that no push is special.
Whatever became a workflow is frozen: an edit is told as a problem and changes nothing, a
new path is noted, a deleted file deletes the workflow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.ids import CommitId, TemplateId, WorkflowId
from provisioner.model.problem import InvalidInput, Problem
from provisioner.model.set_aside import Damaged
from provisioner.model.state import FINAL
from provisioner.model.template import Template
from provisioner.model.views import Claim, DesiredState, StatusView, WorkflowCreated
from provisioner.model.workflow import WorkflowRequest
from provisioner.planning import come_back, render_workflow
from provisioner.planning import desired as desired_planning
from provisioner.planning.render_costs import RenderCosts
from provisioner.planning.render_workflow import NewWorkflow, UnknownWorkers
from provisioner.planning.request_moves import RequestMoves
from provisioner.planning.template_cache import TemplateCache

NewId = Callable[[], WorkflowId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A request that can't become a workflow yet; `needs` is what may change that."""

    problems: tuple[Problem, ...]
    needs: frozenset[Claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`problems` holds those of all requests by their key, old and new."""

    creations: tuple[WorkflowCreated, ...] = ()
    deletions: tuple[WorkflowDeleted, ...] = ()
    moves: tuple[RequestMoved, ...] = ()
    pending: Mapping[str, Pending] = field(default_factory=dict)
    postponed: frozenset[str] = frozenset()  # keys that the next plan has to look at again

    @property
    def problems(self) -> tuple[Problem, ...]:
        found = {problem for pending in self.pending.values() for problem in pending.problems}
        found.update(warning for created in self.creations for warning in created.warnings)
        return tuple(sorted(found))


def plan(
    desired: DesiredState,
    status: StatusView,
    *,
    changed_paths: Iterable[str] | None,
    now: str,
    new_id: NewId,
    pending: Mapping[str, Pending] | None = None,
    touched: frozenset[Claim] = frozenset(),
    cache: TemplateCache | None = None,
) -> Plan:
    """Plan for the requests that changed, or for all (`changed_paths` None: at the start)."""
    planning = begin(
        desired,
        status,
        changed_paths=changed_paths,
        now=now,
        new_id=new_id,
        pending=pending,
        touched=touched,
        cache=cache,
    )
    return planning.finish()


def begin(
    desired: DesiredState,
    status: StatusView,
    *,
    changed_paths: Iterable[str] | None,
    now: str,
    new_id: NewId,
    pending: Mapping[str, Pending] | None = None,
    touched: frozenset[Claim] = frozenset(),
    cache: TemplateCache | None = None,
    seconds: Callable[[], float] = lambda: 0.0,
) -> Planning:
    """As `plan`, but render nothing yet: the first workflows can be written before the last.

    `changed_paths` holds the files that changed and the requests that came or left.
    `pending` is the last plan's; of these, the ones that need a touched claim are tried too.
    With `seconds`, a plan that takes long is cut short (see render_costs).
    """
    planning = Planning(
        desired,
        status,
        now=now,
        new_id=new_id,
        cache=cache or TemplateCache(),
        costs=RenderCosts(seconds),
    )
    old = dict(pending or {})
    changed = frozenset(changed_paths or ())
    if changed_paths is None:
        keys, old = [*desired.requests, *status.requests], {}
    else:
        keys = [*changed, *(key for key in old if desired_planning.file_of(key) in changed)]
        reasons = _with_any(touched)
        keys += [key for key, each in old.items() if not reasons.isdisjoint(each.needs)]
    planning.decide(sorted(dict.fromkeys(keys)), old, changed)
    return planning


class Planning:
    """One plan under way: `decide`, then take the creations, then `finish`."""

    def __init__(
        self,
        desired: DesiredState,
        status: StatusView,
        *,
        now: str,
        new_id: NewId,
        cache: TemplateCache,
        costs: RenderCosts,
    ) -> None:
        self._desired, self._status = desired, status
        self._now, self._new_id, self._cache = now, new_id, cache
        self._costs = costs
        self._pending: dict[str, Pending] = {}
        self._changed: frozenset[str] = frozenset()
        self._to_create: deque[tuple[str, WorkflowRequest]] = deque()
        self._last: deque[tuple[str, WorkflowRequest]] = deque()  # whose template costs much
        self._creations: list[WorkflowCreated] = []
        self._deletions: list[WorkflowDeleted] = []
        self._moves: list[RequestMoved] = []
        self._requests = RequestMoves(desired, status, ())

    def decide(self, keys: list[str], pending: dict[str, Pending], changed: frozenset[str]) -> None:
        """Say what happens to each request; which ones can be rendered is not known yet."""
        self._pending, self._changed = pending, changed
        self._requests = RequestMoves(self._desired, self._status, keys, edited=sorted(pending))
        self._moves = [
            RequestMoved(
                workflow_id=workflow, at=self._now, desired_commit=self._commit, request_path=key
            )
            for key, workflow in self._requests.moves.items()
        ]
        keys = sorted({*keys, *self._requests.touched})
        for key in keys:
            pending.pop(key, None)
            request = self._desired.requests.get(key)
            if request is None:
                continue
            try:
                self._follow(key, request)
            except InvalidInput as invalid:
                self._refuse(key, request, invalid)
        for key in keys:
            self._delete_if_gone(key)

    @property
    def moves_and_deletions(self) -> tuple[RequestMoved | WorkflowDeleted, ...]:
        return (*self._moves, *self._deletions)

    @property
    def deletions(self) -> tuple[WorkflowDeleted, ...]:
        return tuple(self._deletions)

    def creations(self) -> Iterator[WorkflowCreated]:
        """Render what is still to be made, one by one."""
        while (self._to_create or self._last) and not self._costs.is_spent:
            is_last = not self._to_create
            key, request = (self._last if is_last else self._to_create).popleft()
            try:
                template = render_workflow.find_template(request, self._desired)
                if not is_last and self._costs.goes_last(template):
                    self._last.append((key, request))
                    continue
                made = self._create(key, request, template)
            except InvalidInput as invalid:
                self._refuse(key, request, invalid)
            else:
                self._creations.append(made)
                yield made

    def finish(self) -> Plan:
        """Render the rest and return the whole plan."""
        deque(self.creations(), maxlen=0)
        return Plan(
            creations=tuple(self._creations),
            deletions=tuple(self._deletions),
            moves=tuple(self._moves),
            pending=self._pending,
            postponed=frozenset(key for key, _ in (*self._to_create, *self._last)),
        )

    def _refuse(self, key: str, request: WorkflowRequest, invalid: InvalidInput) -> None:
        needs = _needs(request, self._desired, invalid)
        self._pending[key] = Pending(problems=invalid.problems, needs=needs)

    def _follow(self, key: str, request: WorkflowRequest) -> None:
        workflow = self._requests.workflow_at(key)
        if workflow is None:
            if request.disabled:
                return
            problem = come_back.problem_of(key, request, self._status)
            if problem is not None:
                raise InvalidInput([problem])
            self._to_create.append((key, request))
        # By the index: to ask each record would be to decode all of them, at each start.
        elif workflow not in (
            self._status.by_digest.get(request.digest) or ()
        ) or self._is_toggled_anew(key, request, workflow):
            raise _invalid(
                request,
                code="workflow.immutable",
                message=f"this request became workflow {workflow}; editing it changes nothing",
                hint="undo the edit; to run it again, copy the file under a new name",
            )

    def _is_toggled_anew(self, key: str, request: WorkflowRequest, workflow: WorkflowId) -> bool:
        """Whether `toggleAllowNetboot` was edited: it is not in the digest.

        A request that did not change is asked only where it toggles: to ask each record would
        be to decode all of them, at each start.
        """
        is_changed = desired_planning.file_of(key) in self._changed
        entry = self._status.workflows[workflow]
        if not is_changed and (entry.state in FINAL or not request.toggles_netboot):
            return False
        try:
            record = entry.record
        except Damaged:
            return False
        if record.installs_os is None:
            return False  # written before the field was
        return record.allows_netboot is not request.toggles_netboot

    def _create(self, key: str, request: WorkflowRequest, template: Template) -> WorkflowCreated:
        self._costs.check(template, request)
        new = NewWorkflow(
            id=request.id or self._new_id(),
            created_at=self._now,
            desired_commit=self._commit,
            request_path=key,
        )
        begun, failure = self._costs.begin(), None
        try:
            return render_workflow.render_workflow(
                request, self._desired, new=new, cache=self._cache
            )
        except InvalidInput as invalid:
            failure = invalid
            raise
        finally:
            self._costs.end(template, begun, failure)

    def _delete_if_gone(self, key: str) -> None:
        workflow = self._status.requests.get(key)
        if workflow is None or not self._requests.is_gone(key):
            return
        if self._requests.workflow_at(key) is None:
            return  # it moved
        self._deletions.append(
            WorkflowDeleted(
                workflow_id=workflow,
                at=self._now,
                desired_commit=self._commit,
                message=f"{key} was deleted",
            )
        )

    @property
    def _commit(self) -> CommitId:
        if self._desired.commit is None:
            raise ValueError("a plan needs a commit")
        return self._desired.commit


_ANY = ""  # the name of a claim that stands for all of its kind


def _needs(
    request: WorkflowRequest, desired: DesiredState, invalid: InvalidInput
) -> frozenset[Claim]:
    """What may make this request work when it comes, goes or changes."""
    names = [value for value in request.hardware.values() if isinstance(value, str)]
    if isinstance(invalid, UnknownWorkers):
        names += invalid.workers
    addresses = map(render_workflow.worker_address, names)
    template = desired.template_names.get(TemplateId(request.template.lower()))
    is_id = template is None and request.template not in desired.templates
    needs = {(kind or "agent", name) for kind, name in addresses}
    needs |= {("template", template or request.template)}
    needs |= {("template", _ANY)} if is_id else set()
    needs |= {("hardware", _ANY)} if request.hardware_ref else set()
    return frozenset(needs)


def _with_any(touched: frozenset[Claim]) -> frozenset[Claim]:
    kinds = {kind for kind, _ in touched}
    return touched | {(kind, _ANY) for kind in kinds}


def _invalid(request: WorkflowRequest, *, code: str, message: str, hint: str) -> InvalidInput:
    path = desired_planning.file_of(request.source.path)
    return InvalidInput([Problem(path=path, code=code, message=message, hint=hint)])
