"""Rendered workflows, read and checked by the rules of their era.

Classic tink's rules are checked in its order and reported in its words, so that the first
problem is the one that it would have reported; we report all of them, with their places.
Today's Tinkerbell is more lenient with the text of a Template: it leaves out what it does not
know (here with a warning, but for `x-…`), asks for no version, and appends the volumes of an
action to those of its task, where classic tink merged them by host path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from provisioner.documents import yaml_reader
from provisioner.documents.field_reader import FieldReader, FieldsOf
from provisioner.documents.image_reference import is_image_reference
from provisioner.documents.yaml_composer import Stopped
from provisioner.documents.yaml_reader import Document, Path
from provisioner.model import known_images
from provisioner.model.ids import HardwareId
from provisioner.model.problem import InvalidInput, Problem, Severity
from provisioner.model.workflow import (
    DEFAULT_ACTION_TIMEOUT_SECONDS,
    DEFAULT_MAX_ATTEMPTS,
    MAX_ATTEMPTS_LIMIT,
    Action,
)

VERSION = "0.1"
# Stand for expressions in a template that is checked before it is rendered: the private
# characters of Unicode, which nobody writes.
OPEN_FIRST, OPEN_LAST = "\ue000", "\uf8ff"
NAME_LIMIT_BYTES = 200  # a name of 200 bytes is refused already
# 68 years: classic tink took any 64-bit number; ours are added to dates.
LONGEST_SECONDS = 2**31 - 1

_WORKFLOW = ("version", "name", "id", "global_timeout", "start_timeout", "installs_os", "tasks")
_TASK = ("name", "worker", "actions", "volumes", "environment", "installs_os")
_NAMESPACES = ("network", "pid")
_ACTION = (
    "name",
    "image",
    "timeout",
    "command",
    "on-timeout",
    "on-failure",
    "volumes",
    "environment",
    "pid",
    "namespaces",
    "max_attempts",
    "background",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAction:
    """An action; environment and volumes are its task's and its own, merged."""

    name: str
    image: str
    timeout_seconds: int = DEFAULT_ACTION_TIMEOUT_SECONDS
    command: tuple[str, ...] = ()
    on_timeout: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    pid: str = ""
    network: str = ""
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    background: bool | None = None  # None: as its image and its place say

    def runs_in_background(self, *, is_last: bool) -> bool:
        """Whether it is started after its end was reported; `is_last` of its machine's."""
        if self.background is None:
            return is_last and known_images.ends_machine(self.image)
        return self.background


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTask:
    """A task; `line` and `column` say where its worker stands.

    `installs_os` is its own or else the workflow's; None where neither says.
    """

    name: str
    worker: str
    actions: tuple[ParsedAction, ...]
    line: int
    column: int
    installs_os: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedWorkflow:
    version: str
    name: str
    global_timeout_seconds: int
    start_timeout_seconds: int
    tasks: tuple[ParsedTask, ...]
    warnings: tuple[Problem, ...] = ()

    def actions_for(self, worker_ids: Sequence[HardwareId]) -> tuple[Action, ...]:
        """Flatten the tasks; `worker_ids` holds the machine of each task, in order."""
        last = last_actions(self.tasks, worker_ids)
        pairs = [
            (task, action, worker)
            for task, worker in zip(self.tasks, worker_ids, strict=True)
            for action in task.actions
        ]
        return tuple(
            Action(
                index=index,
                task_name=task.name,
                name=action.name,
                worker_id=worker,
                worker=task.worker,
                image=action.image,
                timeout_seconds=action.timeout_seconds,
                command=action.command,
                on_timeout=action.on_timeout,
                on_failure=action.on_failure,
                volumes=action.volumes,
                environment=action.environment,
                pid=action.pid,
                network=action.network,
                max_attempts=action.max_attempts,
                background=action.runs_in_background(is_last=index in last),
            )
            for index, (task, action, worker) in enumerate(pairs)
        )


def last_actions(tasks: Iterable[ParsedTask], worker_ids: Iterable[HardwareId]) -> frozenset[int]:
    """The index of each machine's last action."""
    last: dict[HardwareId, int] = {}
    count = 0
    for task, worker in zip(tasks, worker_ids, strict=True):
        count += len(task.actions)
        if task.actions:
            last[worker] = count - 1
    return frozenset(last.values())


def parse_workflow(
    text: str,
    *,
    path: str,
    line_of: Callable[[int], int] | None = None,
    is_classic: bool = True,
) -> ParsedWorkflow:
    """Read a rendered workflow or raise `InvalidInput` with every problem found.

    `line_of` turns a line of the rendered text into the template's line; `is_classic` says by
    which rules it is judged.
    """
    reading = yaml_reader.read(text, path=path)
    if any(problem.severity is Severity.ERROR for problem in reading.problems):
        raise InvalidInput(_at_source(reading.problems, line_of))
    document = reading.documents[0] if reading.documents else Document(data=None, entry=None)
    reader = FieldReader(document, path=path, is_strict=is_classic)
    try:
        parsed, places = _read_workflow(reader, document)
        if not _errors(reader):
            _check_rules(parsed, places, rendered=True)
    except Stopped:
        raise InvalidInput(_at_source(reader.problems, line_of)) from None
    errors = _errors(reader)
    if errors:
        raise InvalidInput(_at_source(errors, line_of))
    tasks = tuple(
        replace(task, line=line_of(task.line) if line_of and task.line else task.line)
        for task in parsed.tasks
    )
    return replace(parsed, tasks=tasks, warnings=_at_source(reader.problems, line_of))


def check_unrendered(document: Document, *, path: str, is_classic: bool) -> tuple[Problem, ...]:
    """Check a template that is YAML already; what holds an expression isn't judged."""
    reader = FieldReader(document, path=path, is_open=_is_open, is_strict=is_classic)
    with suppress(Stopped):
        parsed, places = _read_workflow(reader, document)
        if not _errors(reader) and not reader.met_open:
            _check_rules(parsed, places, rendered=False)
        if not _errors(reader):
            _warn_of_unclear_disks(parsed, places)
    return tuple(reader.problems)


def _errors(reader: FieldReader) -> list[Problem]:
    return [problem for problem in reader.problems if problem.severity is Severity.ERROR]


def _read_workflow(reader: FieldReader, document: Document) -> tuple[ParsedWorkflow, _Places]:
    top = reader.fields((), document.data, _WORKFLOW, "workflow.Workflow")
    places = _Places(top)
    installs_os = top.flag("installs_os")
    parsed = ParsedWorkflow(
        version=top.text("version"),
        name=top.text("name"),
        global_timeout_seconds=min(max(top.integer("global_timeout"), 0), LONGEST_SECONDS),
        start_timeout_seconds=min(top.integer("start_timeout"), LONGEST_SECONDS),
        tasks=tuple(
            _read_task(reader, document, places, installs_os, where=where, value=value)
            for where, value in top.items("tasks", "[]workflow.Task")
        ),
    )
    top.text("id")
    return parsed, places


def _read_task(
    reader: FieldReader,
    document: Document,
    places: _Places,
    installs_os: bool | None,
    *,
    where: Path,
    value: object,
) -> ParsedTask:
    fields = reader.fields(where, value, _TASK, "workflow.Task")
    own = fields.flag("installs_os")
    volumes, environment = fields.texts("volumes"), fields.text_map("environment")
    actions: list[FieldsOf] = []
    places.tasks.append((fields, actions))
    line, column = document.place((*where, "worker"))
    return ParsedTask(
        name=fields.text("name"),
        worker=fields.text("worker").strip(),
        actions=tuple(
            _read_action(reader, actions, volumes, environment, where=at, value=item)
            for at, item in fields.items("actions", "[]workflow.Action")
        ),
        line=line,
        column=column,
        installs_os=installs_os if own is None else own,
    )


def _read_action(
    reader: FieldReader,
    actions: list[FieldsOf],
    volumes: tuple[str, ...],
    environment: Mapping[str, str],
    *,
    where: Path,
    value: object,
) -> ParsedAction:
    fields = reader.fields(where, value, _ACTION, "workflow.Action")
    actions.append(fields)
    reader.spend(where, len(volumes) + len(environment) + 1)
    seconds = min(fields.integer("timeout"), LONGEST_SECONDS)
    namespaces = fields.map("namespaces", _NAMESPACES, "workflow.Namespaces")
    merged = merged_volumes if reader.is_strict else appended_volumes
    pid = fields.text("pid")
    return ParsedAction(
        name=fields.text("name"),
        image=fields.text("image"),
        timeout_seconds=seconds if seconds > 0 else DEFAULT_ACTION_TIMEOUT_SECONDS,
        command=fields.texts("command"),
        on_timeout=fields.texts("on-timeout"),
        on_failure=fields.texts("on-failure"),
        volumes=merged(volumes, fields.texts("volumes")),
        environment=tuple(sorted({**environment, **fields.text_map("environment")}.items())),
        pid=namespaces.text("pid") or pid,
        network=namespaces.text("network"),
        max_attempts=fields.integer("max_attempts") or DEFAULT_MAX_ATTEMPTS,
        background=fields.flag("background"),
    )


def merged_volumes(task: Iterable[str], action: Iterable[str]) -> tuple[str, ...]:
    """Merge by host path, the last one winning, in the order of first mention."""
    by_host = {mount.partition(":")[0]: mount for mount in (*task, *action)}
    return tuple(by_host.values())


def appended_volumes(task: Iterable[str], action: Iterable[str]) -> tuple[str, ...]:
    """All mounts, each once: one host path may be mounted in several places."""
    return tuple(dict.fromkeys((*task, *action)))


class _Places:
    """Where the parts of a workflow stand, for rules that are checked after reading."""

    def __init__(self, top: FieldsOf) -> None:
        self.top = top
        self.tasks: list[tuple[FieldsOf, list[FieldsOf]]] = []


def _check_rules(workflow: ParsedWorkflow, places: _Places, *, rendered: bool) -> None:
    """Apply classic tink's rules in its order; what breaks one is reported to the reader."""
    top = places.top
    _check_name(top, workflow.name)
    is_asked = top.is_strict and (rendered or not _is_open(workflow.version))
    if workflow.version != VERSION and is_asked:
        text = f"invalid template version: {workflow.version}"
        top.problem("version", "template.version", text, hint=f'write version: "{VERSION}"')
    if workflow.start_timeout_seconds < 0:
        text = f"start_timeout cannot be negative: {workflow.start_timeout_seconds}"
        top.problem("start_timeout", "template.start-timeout", text, hint="leave it out to wait")
    if not workflow.tasks:
        top.problem("tasks", "template.tasks", "template must have at least one task defined")
    elif not any(task.actions for task in workflow.tasks):
        text = "template must have at least one action defined"
        top.problem("tasks", "template.actions", text, hint="a workflow with nothing to do")
    task_names: set[str] = set()
    for task, (fields, action_fields) in zip(workflow.tasks, places.tasks, strict=True):
        _check_name(fields, task.name)
        if task.name in task_names and not _is_open(task.name):
            text = f"two tasks in a template cannot have same name: {task.name}"
            fields.problem("name", "template.duplicate", text)
        task_names.add(task.name)
        if rendered and not task.worker:
            text = f"task {task.name!r} has no worker"
            fields.problem("worker", "template.worker", text, hint='worker: "{{.device_1}}"')
        _check_actions(task, action_fields, rendered=rendered)


def _check_actions(task: ParsedTask, action_fields: list[FieldsOf], *, rendered: bool) -> None:
    names: set[str] = set()
    for action, fields in zip(task.actions, action_fields, strict=True):
        _check_name(fields, action.name)
        if not is_image_reference(action.image) and (rendered or not _is_open(action.image)):
            text = f"invalid action image: {action.image[:300]}"
            fields.problem("image", "template.image", text, hint=_image_hint(action.image))
        if action.name in names and not _is_open(action.name):
            text = f"two actions in a task cannot have same name: {action.name}"
            fields.problem("name", "template.duplicate", text)
        names.add(action.name)
        if not 1 <= action.max_attempts <= MAX_ATTEMPTS_LIMIT:
            text = f"max_attempts is a number from 1 to {MAX_ATTEMPTS_LIMIT}"
            fields.problem("max_attempts", "template.max-attempts", text)
        for volume in action.volumes:
            if ":" not in volume and (rendered or not _is_open(volume)):
                text = f"volume {volume[:300]!r} has no colon"
                fields.problem("volumes", "template.volume", text, hint="HOST:CONTAINER[:ro]")


def _warn_of_unclear_disks(workflow: ParsedWorkflow, places: _Places) -> None:
    """Ask what a machine boots from next, where neither the template nor its images say."""
    for task, (fields, _) in zip(workflow.tasks, places.tasks, strict=True):
        images = [action.image for action in task.actions]
        is_clear = task.installs_os is not None or any(map(known_images.is_disk_writer, images))
        if is_clear or any(map(_is_open, images)):
            continue
        if any(_mounts_devices(volume) for action in task.actions for volume in action.volumes):
            fields.warn(
                "name",
                "template.installs-os",
                f"task {task.name!r} can write disks, and does not say whether it installs",
                hint="installs_os: true, and its machine boots from disk afterwards; or false",
            )


def _mounts_devices(volume: str) -> bool:
    return volume.partition(":")[0].rstrip("/") == "/dev"


def _check_name(fields: FieldsOf, name: str) -> None:
    if not name:
        fields.problem("name", "template.name", "name cannot be empty")
    elif not _is_open(name) and len(name.encode()) >= NAME_LIMIT_BYTES:
        text = f"name cannot have more than 200 characters: {name[:300]}"
        fields.problem("name", "template.name", text)


def _image_hint(image: str) -> str:
    if not image:
        return "image: hello-world"
    if "://" in image:
        return "leave out the scheme: " + image.partition("://")[2][:300]
    if image != image.lower():
        return "the name of an image is in lower case"
    return ""


def _is_open(text: str) -> bool:
    """Say whether rendering may still change this text."""
    return not text.isascii() and any(OPEN_FIRST <= character <= OPEN_LAST for character in text)


def _at_source(
    problems: Iterable[Problem], line_of: Callable[[int], int] | None
) -> tuple[Problem, ...]:
    if line_of is None:
        return tuple(problems)
    return tuple(
        replace(problem, line=line_of(problem.line)) if problem.line else problem
        for problem in problems
    )
