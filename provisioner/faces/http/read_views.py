"""Classic tink's read API: the same paths, in the same shapes."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from provisioner.errors import UserError
from provisioner.faces.http.answers import (
    YAML,
    Answer,
    Call,
    Kind,
    Outcome,
    Route,
    Work,
    json_answer,
    json_lines,
)
from provisioner.model.summary import WorkflowSummary
from provisioner.model.template import Template
from provisioner.services import event_view
from provisioner.services.provisioner import Provisioner

LOOK_UP_LIMIT_BYTES = 4_096


def list_hardware(server: Provisioner, call: Call) -> Outcome:
    return _list(lambda: (each.document for each in server.queries().all_hardware()))


def get_hardware(server: Provisioner, call: Call) -> Outcome:
    return json_answer(server.queries().hardware(call.path["hardware"]).document)


def hardware_by_mac(server: Provisioner, call: Call) -> Outcome:
    return json_answer(server.queries().hardware_by_mac(_told(call, "mac")).document)


def hardware_by_ip(server: Provisioner, call: Call) -> Outcome:
    return json_answer(server.queries().hardware_by_ip(_told(call, "ip")).document)


def list_templates(server: Provisioner, call: Call) -> Outcome:
    """`?name=ubuntu*` filters as classic tink does: `*` is anything, case does not count."""
    pattern = call.query.get("name", "*").lower().replace("[", "[[]").replace("?", "[?]")
    return _list(
        lambda: (
            {"id": each.id, "name": each.name, "path": each.source.path}
            for each in server.queries().all_templates()
            if fnmatch.fnmatchcase(each.name.lower(), pattern)
        )
    )


def get_template(server: Provisioner, call: Call) -> Outcome:
    return _text(server.queries().template(call.path["template"]))


def list_workflows(server: Provisioner, call: Call) -> Outcome:
    """Those that are not deleted."""

    def values() -> Iterator[object]:
        summaries = server.stored.read_summaries(server.queries().all_workflows())
        return (_summary(each) for each in summaries if not each.is_deleted)

    return _list(values)


def get_workflow(server: Provisioner, call: Call) -> Outcome:
    """The rendered text, as `tink workflow get` prints it."""
    entry = server.queries().workflow(call.path["workflow"])
    text = server.stored.read_rendered(entry.id)
    return Answer(body=text.encode("utf-8", "surrogateescape"), content_type=YAML)


def get_state(server: Provisioner, call: Call) -> Outcome:
    queries = server.queries()
    entry = queries.workflow(call.path["workflow"])
    context = entry.context
    return json_answer(
        {
            "workflow_id": entry.id,
            "current_worker": context.current_worker or "",
            "current_task": context.current_task,
            "current_action": context.current_action,
            "current_action_index": context.current_action_index,
            "current_action_state": context.current_action_state,
            "total_number_of_actions": context.total_number_of_actions,
            "state": context.state,
            "progress_percent": context.progress_percent,
            "attempt": context.attempt,
            "updated_at": context.updated_at,
            "is_deleted": context.is_deleted,
            "waiting_reason": queries.waiting_reason(entry.id),
        }
    )


def get_events(server: Provisioner, call: Call) -> Outcome:
    entry = server.queries().workflow(call.path["workflow"])
    return _list(lambda: event_view.events_of(entry))


def get_log(server: Provisioner, call: Call) -> Outcome:
    """The kept end of an action's output."""
    entry = server.queries().workflow(call.path["workflow"])
    kept = server.stored.read_log(
        entry.id,
        action_index=_number(call.path["action_index"]),
        attempt=_number(call.path["attempt"]),
    )
    return Answer(body=kept or b"", content_type="text/plain; charset=utf-8")


ROUTES = (
    Route(method="GET", rule="/v1/hardware", view=list_hardware),
    Route(method="GET", rule="/v1/hardware/<hardware>", view=get_hardware),
    Route(
        method="POST",
        rule="/v1/hardware/mac",
        view=hardware_by_mac,
        body_limit=LOOK_UP_LIMIT_BYTES,
    ),
    Route(
        method="POST",
        rule="/v1/hardware/ip",
        view=hardware_by_ip,
        body_limit=LOOK_UP_LIMIT_BYTES,
    ),
    Route(method="GET", rule="/v1/templates", view=list_templates),
    Route(method="GET", rule="/v1/templates/<template>", view=get_template),
    Route(method="GET", rule="/v1/templates/name/<template>", view=get_template),
    Route(method="GET", rule="/v1/workflows", view=list_workflows),
    Route(method="GET", rule="/v1/workflows/<workflow>", view=get_workflow),
    Route(method="GET", rule="/v1/workflows/<workflow>/state", view=get_state),
    Route(method="GET", rule="/v1/workflows/<workflow>/events", view=get_events),
    Route(
        method="GET",
        rule="/v1/workflows/<workflow>/logs/<action_index>/<attempt>",
        view=get_log,
    ),
)


def _list(values: Callable[[], Iterable[object]]) -> Work:
    """Lists are made in a lane of their own: of thousands of workflows they take a second."""
    return Work(kind=Kind.LIST, run=lambda is_wanted: json_lines(values(), is_wanted))


def _text(template: Template) -> Answer:
    return Answer(body=template.text.encode("utf-8", "replace"), content_type=YAML)


def _summary(summary: WorkflowSummary) -> Mapping[str, object]:
    return {
        "id": summary.id,
        "template": summary.template_id,
        "hardware": json.dumps(dict(summary.device_map), ensure_ascii=False, default=str),
        "state": summary.state,
        "created_at": summary.created_at,
        "updated_at": summary.updated_at,
        "name": summary.name,
    }


def _told(call: Call, name: str) -> str:
    try:
        told = json.loads(call.body)
    except (ValueError, RecursionError):
        told = None
    value = told.get(name) if isinstance(told, dict) else None
    if not isinstance(value, str):
        raise UserError(f"the body is not {{{json.dumps(name)}: …}}")
    return value


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise UserError(f"{text[:20]!r} is not a number")
    return int(text)
