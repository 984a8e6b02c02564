"""How far one workflow has come, and what may happen next.

Pure: no clock, no files, no git.  Times arrive inside events, so replaying a branch
tomorrow gives the state it gave today.  This is the only place that knows the rules;
`decide` judges what is proposed, `evolve` applies what was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from typing import TypeAlias, assert_never

from provisioner.errors import Refused
from provisioner.model.ephemeral import DataVersion
from provisioner.model.event import (
    ActionReported,
    ActionTimedOut,
    DataPushed,
    MachinePhonedHome,
    RequestMoved,
    WorkflowDeleted,
    WorkflowEvent,
    WorkflowTimedOut,
)
from provisioner.model.ids import HardwareId, ReportId, WorkflowId
from provisioner.model.state import ENDED_BADLY, REPORTABLE, State
from provisioner.model.workflow import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowContext:
    """Named and shaped as classic tink's message of that name, with what we add to it.

    `attempt` counts the runs of the current action from 1 (0: none has started).
    `ended` is set by what ends a workflow from outside its actions.
    `told` maps a report's id to the number of the event it became.
    """

    workflow_id: WorkflowId
    total_number_of_actions: int
    current_worker: HardwareId | None = None
    current_task: str = ""
    current_action: str = ""
    current_action_index: int = 0
    current_action_state: State = State.PENDING
    attempt: int = 0
    ended: State | None = None
    is_deleted: bool = False
    moved_to: str = ""
    started_at: str = ""
    updated_at: str = ""
    event_count: int = 0
    data_version: DataVersion | None = None
    told: tuple[tuple[ReportId, int], ...] = ()
    phoned_home: tuple[HardwareId, ...] = ()

    @property
    def state(self) -> State:
        """The workflow's state follows from its current action's."""
        if self.ended is not None:
            return self.ended
        if self.current_action_state is State.SUCCESS and not self.is_at_last_action:
            return State.RUNNING
        return self.current_action_state

    @property
    def is_at_last_action(self) -> bool:
        return self.current_action_index + 1 >= self.total_number_of_actions

    @property
    def is_final(self) -> bool:
        if self.ended is not None:
            return True
        now = self.current_action_state
        if now is State.SUCCESS:
            return self.is_at_last_action
        return now in ENDED_BADLY

    @property
    def due_index(self) -> int | None:
        """The action that runs or comes next; None when the workflow has ended."""
        if self.is_final:
            return None
        return self.current_action_index + (self.current_action_state is State.SUCCESS)

    @property
    def progress_percent(self) -> int:
        """As classic tink counts: finished actions, rounded down."""
        done = self.current_action_index + (self.current_action_state is State.SUCCESS)
        return done * 100 // self.total_number_of_actions if self.total_number_of_actions else 0

    def event_of(self, report_id: ReportId) -> int | None:
        """The number of the event that this report became, if it was told before."""
        for told, number in self.told:
            if told == report_id:
                return number
        return None


def begin(workflow_id: WorkflowId, total_number_of_actions: int) -> WorkflowContext:
    return WorkflowContext(workflow_id=workflow_id, total_number_of_actions=total_number_of_actions)


def decide(
    now: WorkflowContext, actions: tuple[Action, ...], event: WorkflowEvent
) -> tuple[WorkflowEvent, ...]:
    """Accept an event, recognise one told before (no events), or refuse it."""
    match event:
        case ActionReported():
            return _decide_report(now, actions, event)
        case DataPushed():
            return _decide_data(now, actions, event)
        case ActionTimedOut():
            still_due = now.due_index == event.action_index and _attempt_of(now) == event.attempt
            return (event,) if still_due else ()
        case WorkflowTimedOut():
            return () if now.is_final else (event,)
        case WorkflowDeleted():
            return () if now.is_deleted else (event,)
        case RequestMoved():
            return () if now.is_deleted or now.moved_to == event.request_path else (event,)
        case MachinePhonedHome():
            return _decide_phone_home(now, actions, event)
        case _:
            assert_never(event)


def evolve(now: WorkflowContext, event: WorkflowEvent) -> WorkflowContext:
    """Apply one accepted event.  Never raises: history is true."""
    number = now.event_count + 1
    match event:
        case ActionReported():
            return WorkflowContext(  # spelt out: `replace` takes twice as long, per report
                workflow_id=now.workflow_id,
                total_number_of_actions=now.total_number_of_actions,
                current_worker=event.worker_id,
                current_task=event.task_name,
                current_action=event.action_name,
                current_action_index=event.action_index,
                current_action_state=event.action_status,
                attempt=event.attempt,
                ended=now.ended,
                is_deleted=now.is_deleted,
                moved_to=now.moved_to,
                started_at=now.started_at or event.at,
                updated_at=event.at,
                event_count=number,
                data_version=now.data_version,
                told=(*now.told, (event.report_id, number)),
                phoned_home=now.phoned_home,
            )
        case ActionTimedOut():
            changes: dict[str, object] = {
                "current_worker": event.worker_id,
                "current_task": event.task_name,
                "current_action": event.action_name,
                "current_action_index": event.action_index,
                "current_action_state": State.TIMEOUT,
                "attempt": event.attempt,
            }
        case WorkflowTimedOut():
            changes = {"ended": State.TIMEOUT}
        case WorkflowDeleted():
            ended = now.ended if now.is_final else State.CANCELLED
            changes = {"is_deleted": True, "ended": ended}
        case RequestMoved():
            changes = {"moved_to": event.request_path}
        case MachinePhonedHome():
            changes = {"phoned_home": (*now.phoned_home, event.worker_id)}
        case DataPushed():
            told = (*now.told, (event.report_id, number))
            changes = {"data_version": event.version, "told": told}
        case _:
            assert_never(event)
    return replace(now, event_count=number, updated_at=event.at, **changes)  # type: ignore[arg-type]  # fields by name


def end_of_attempts(
    now: WorkflowContext, actions: tuple[Action, ...], report: ActionReported
) -> ActionReported | None:
    """What is recorded in place of the start of a run that is one too many.

    An action that reboots its machine would else be served for ever.  The runs that the
    history holds count, whoever wrote it; a repeated report and a container that a worker
    finds again are no new run.  Not a rule of `decide`: older histories hold more runs.
    """
    limit = actions[report.action_index].max_attempts
    if report.action_status is not State.RUNNING or report.attempt <= limit:
        return None
    times = "once" if now.attempt == 1 else f"{now.attempt} times"
    message = f"Action Failed: it was begun {times} and did not end; max_attempts is {limit}"
    return replace(report, action_status=State.FAILED, attempt=now.attempt, message=message)


def replay(begun: WorkflowContext, events: Iterable[WorkflowEvent]) -> WorkflowContext:
    return reduce(evolve, events, begun)


def _attempt_of(now: WorkflowContext) -> int:
    """The run that is under way, or 0 when the due action has not started."""
    return now.attempt if now.current_action_state is State.RUNNING else 0


def _decide_report(
    now: WorkflowContext, actions: tuple[Action, ...], report: ActionReported
) -> tuple[WorkflowEvent, ...]:
    if now.event_of(report.report_id) is not None:
        return ()  # its acknowledgement was lost; nothing new happened
    if report.action_status not in REPORTABLE:
        raise Refused(f"a worker can't report {report.action_status}")
    action = _due_action(now, actions, report)
    if report.task_name != action.task_name:
        raise Refused("reported task name does not match the current action details")
    if report.action_name != action.name:
        raise Refused("reported action name does not match the current action details")
    _check_attempt(now, report)
    return (report,)


def _check_attempt(now: WorkflowContext, report: ActionReported) -> None:
    running = _attempt_of(now)
    if report.action_status is State.RUNNING:
        if report.attempt != running + 1:
            raise Refused(
                f"the next run of action {report.action_index} is attempt {running + 1},"
                f" the report is of attempt {report.attempt}"
            )
    elif not running:
        raise Refused(f"action {report.action_index} has not started; report STATE_RUNNING first")
    elif report.attempt != running:
        raise Refused(
            f"attempt {running} of action {report.action_index} is running,"
            f" the report is of attempt {report.attempt}"
        )


def _decide_data(
    now: WorkflowContext, actions: tuple[Action, ...], push: DataPushed
) -> tuple[WorkflowEvent, ...]:
    if now.event_of(push.report_id) is not None:
        return ()
    _due_action(now, actions, push)
    if push.attempt != _attempt_of(now):
        raise Refused(f"attempt {push.attempt} of action {push.action_index} is not running")
    return (push,)


def _decide_phone_home(
    now: WorkflowContext, actions: tuple[Action, ...], event: MachinePhonedHome
) -> tuple[WorkflowEvent, ...]:
    """Once for each machine of the workflow; also when it has ended."""
    if all(action.worker_id != event.worker_id for action in actions):
        raise Refused(f"machine {event.worker_id} has no part in this workflow")
    return () if event.worker_id in now.phoned_home else (event,)


_Told: TypeAlias = ActionReported | DataPushed


def _due_action(now: WorkflowContext, actions: tuple[Action, ...], told: _Told) -> Action:
    """The action that is due, if it is the one told of and the teller owns it."""
    due = now.due_index
    if due is None:
        raise Refused(f"workflow {now.workflow_id} has ended in {now.state}")
    if told.action_index != due:
        raise Refused(f"action {due} is due, the report is of action {told.action_index}")
    action = actions[due]
    teller = told.worker_id if isinstance(told, ActionReported) else told.version.worker_id
    if teller != action.worker_id:
        raise Refused(f"action {due} belongs to another worker")
    return action
