"""How an action is written in a record, and why not by the JSON encoder alone?

Ten actions are most of a record, and a record most of what a new workflow writes.  Spelt out,
they take a quarter of the time, with the same bytes.  Whatever is not of the types that the
model says, as in a record that somebody edited, is left to the encoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

from provisioner.model.workflow import DEFAULT_MAX_ATTEMPTS, Action

_KEPT = 2_048  # actions of templates, 1 KB each; a site uses some dozens of templates

_quote = json.encoder.encode_basestring  # raises TypeError for what is no text
_ALL_TUPLES = frozenset({tuple})
_ALL_INTEGERS = frozenset({int})


def encode(action: Action, fallback: Callable[[Action], str]) -> str:
    """Write an action as a JSON object with sorted keys."""
    try:
        numbers = (action.index, action.timeout_seconds, action.max_attempts)
        if {*map(type, numbers)} != _ALL_INTEGERS:
            return fallback(action)
        if type(action.background) is not bool:
            return fallback(action)
        background = '"background": true, ' if action.background else ""
        same = _what_stays(
            action.image,
            action.index,
            action.max_attempts,
            action.name,
            action.network,
            action.on_failure,
            action.on_timeout,
            action.pid,
            action.task_name,
            action.timeout_seconds,
            action.volumes,
        )
        return (
            f'{{{background}"command": {_texts(action.command)},'
            f' "environment": {_pairs(action.environment)},'
            f" {same},"
            f' "worker": {_quote(action.worker)},'
            f' "worker_id": {_quote(action.worker_id)}}}'
        )
    except (TypeError, ValueError):
        return fallback(action)


@lru_cache(maxsize=_KEPT)
def _what_stays(
    image: str,
    index: int,
    max_attempts: int,
    name: str,
    network: str,
    on_failure: tuple[str, ...],
    on_timeout: tuple[str, ...],
    pid: str,
    task_name: str,
    timeout_seconds: int,
    volumes: tuple[str, ...],
) -> str:
    """The fields that are the same in most workflows of a template, in their order."""
    attempts = f' "max_attempts": {max_attempts},' if max_attempts != DEFAULT_MAX_ATTEMPTS else ""
    if type(network) is not str:
        raise TypeError
    joined = f' "network": {_quote(network)},' if network else ""
    return (
        f'"image": {_quote(image)},'
        f' "index": {index},{attempts}'
        f' "name": {_quote(name)},{joined}'
        f' "on_failure": {_texts(on_failure)},'
        f' "on_timeout": {_texts(on_timeout)},'
        f' "pid": {_quote(pid)},'
        f' "task_name": {_quote(task_name)},'
        f' "timeout_seconds": {timeout_seconds},'
        f' "volumes": {_texts(volumes)}'
    )


def _texts(texts: tuple[str, ...]) -> str:
    if type(texts) is not tuple:
        raise TypeError
    return f"[{', '.join([_quote(each) for each in texts])}]" if texts else "[]"


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    if not pairs or type(pairs) is not tuple:
        return _texts(pairs)  # type: ignore[arg-type]  # empty, or refused there
    if {*map(type, pairs)} != _ALL_TUPLES:
        raise TypeError
    return f"[{', '.join([f'[{_quote(name)}, {_quote(text)}]' for name, text in pairs])}]"
