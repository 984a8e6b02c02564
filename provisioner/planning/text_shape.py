"""What do rendered texts say that differ only in the MAC and IPv4 addresses of their devices?

Such a text is read once, with stand-ins in the place of its addresses, and the stand-ins are
replaced in what was read.  That is sound because such an address is always a plain text in
YAML, wherever it stands alone; any other text is read in full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from provisioner.documents.workflow_text import ParsedWorkflow, last_actions
from provisioner.model import known_images
from provisioner.model.ids import HardwareId
from provisioner.model.problem import Problem
from provisioner.model.workflow import Action

_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}\Z")
_IPV4 = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}\Z")
# An address stands alone when nothing joins it to its neighbours.
_JOINS = re.compile(r"[\w:.%\\+-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTask:
    """A task of a rendered workflow; `line` says where its worker stands.

    `installs_os` is what the template says of it, and `writes_disk` what its images do.
    """

    worker: str
    line: int
    is_empty: bool
    installs_os: bool | None
    writes_disk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A rendered workflow: its text, what the text says, and what has no effect in it.

    `actions_for` takes the machine of each task, in order.
    """

    text: str
    name: str
    global_timeout_seconds: int
    start_timeout_seconds: int
    tasks: tuple[MadeTask, ...]
    actions_for: Callable[[Sequence[HardwareId]], tuple[Action, ...]]
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A text with stand-ins, and the addresses that they stand for."""

    text: str
    addresses: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What an outline says; `varying` are the texts in it that hold stand-ins."""

    parsed: ParsedWorkflow
    varying: tuple[str, ...]

    def made(self, text: str, addresses: Mapping[str, str]) -> Made:
        """Fill in the addresses of one text."""

        def fill(text: str) -> str:
            for stand_in, address in addresses.items():
                text = text.replace(stand_in, address)
            return text

        filled = {each: fill(each) for each in self.varying}
        return _made(text, self.parsed, partial(self._actions, filled), filled)

    def _actions(
        self, filled: Mapping[str, str], worker_ids: Sequence[HardwareId]
    ) -> tuple[Action, ...]:
        """As `ParsedWorkflow.actions_for`, filled in; what holds no stand-in is shared."""
        get = filled.get

        def texts(kept: tuple[str, ...]) -> tuple[str, ...]:
            return tuple([get(each, each) for each in kept]) if kept else kept

        actions: list[Action] = []
        last = last_actions(self.parsed.tasks, worker_ids)
        for task, worker_id in zip(self.parsed.tasks, worker_ids, strict=True):
            worker = get(task.worker, task.worker)
            for action in task.actions:
                made = Action(
                    index=len(actions),
                    task_name=task.name,
                    name=action.name,
                    worker_id=worker_id,
                    worker=worker,
                    image=action.image,
                    timeout_seconds=action.timeout_seconds,
                    command=texts(action.command),
                    on_timeout=texts(action.on_timeout),
                    on_failure=texts(action.on_failure),
                    volumes=action.volumes,
                    environment=tuple(
                        [
                            (pair[0], filled[pair[1]]) if pair[1] in filled else pair
                            for pair in action.environment
                        ]
                    ),
                    pid=action.pid,
                    network=action.network,
                    max_attempts=action.max_attempts,
                    background=action.runs_in_background(is_last=len(actions) in last),
                )
                actions.append(made)
        return tuple(actions)


def outline_of(text: str, data: Mapping[str, object]) -> Outline | None:
    """Put stand-ins in the place of the addresses among the devices; None without any."""
    addresses = _addresses(text, data)
    stand_ins = {_stand_in(number, each): each for number, each in enumerate(addresses)}
    if not addresses or len(stand_ins) < len(addresses) or any(map(text.__contains__, stand_ins)):
        return None
    for stand_in, address in stand_ins.items():
        text = text.replace(address, stand_in)
    return Outline(text=text, addresses=stand_ins)


def shape_of(parsed: ParsedWorkflow, stand_ins: Sequence[str]) -> Shape | None:
    """Find where stand-ins stand; None if it is where not any text may stand."""

    def is_free(text: str) -> bool:
        return not any(each in text for each in stand_ins)

    if parsed.warnings or not all(map(is_free, _texts_of_a_kind(parsed))):
        return None
    texts = dict.fromkeys(_texts(parsed))
    return Shape(parsed=parsed, varying=tuple(each for each in texts if not is_free(each)))


def made_of(text: str, parsed: ParsedWorkflow) -> Made:
    """Take what a text says as it is."""
    return _made(text, parsed, parsed.actions_for, {})


def _addresses(text: str, data: Mapping[str, object]) -> list[str]:
    """The distinct addresses among the devices that stand alone wherever they stand."""
    found = []
    for value in dict.fromkeys(value for value in data.values() if isinstance(value, str)):
        if value in text and (_MAC.match(value) or _IPV4.match(value)):
            if not _stands_alone(value, text):
                return []
            found.append(value)
    return found


def _stands_alone(value: str, text: str) -> bool:
    first, *between, last = text.split(value)
    if not all(between):  # it follows itself
        return False
    neighbours = {each[0] for each in (*between, last) if each}
    neighbours.update(each[-1] for each in (first, *between) if each)
    return not any(map(_JOINS.match, neighbours))


def _stand_in(number: int, address: str) -> str:
    kind = "02:ff:ff:ff:fe:{:02x}" if ":" in address else "240.255.254.{}"
    return kind.format(number % 256)


def _texts_of_a_kind(parsed: ParsedWorkflow) -> Iterator[str]:
    """The texts that are looked at, sorted or merged when a workflow is read."""
    yield from (parsed.name, parsed.version)
    for task in parsed.tasks:
        yield task.name
        for action in task.actions:
            yield from (action.name, action.image, action.pid, action.network)
            yield from action.volumes
            yield from (name for name, _ in action.environment)


def _texts(parsed: ParsedWorkflow) -> Iterator[str]:
    """Where stand-ins may stand."""
    for task in parsed.tasks:
        yield task.worker
        for action in task.actions:
            yield from (*action.command, *action.on_timeout, *action.on_failure)
            yield from (value for _, value in action.environment)


def _made(
    text: str,
    parsed: ParsedWorkflow,
    actions_for: Callable[[Sequence[HardwareId]], tuple[Action, ...]],
    filled: Mapping[str, str],
) -> Made:
    return Made(
        text=text,
        name=parsed.name,
        global_timeout_seconds=parsed.global_timeout_seconds,
        start_timeout_seconds=parsed.start_timeout_seconds,
        tasks=tuple(
            [
                MadeTask(
                    worker=filled.get(task.worker, task.worker),
                    line=task.line,
                    is_empty=not task.actions,
                    installs_os=task.installs_os,
                    writes_disk=any(
                        known_images.is_disk_writer(each.image) for each in task.actions
                    ),
                )
                for task in parsed.tasks
            ]
        ),
        actions_for=actions_for,
        warnings=parsed.warnings,
    )
