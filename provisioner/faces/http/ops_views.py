"""Is the server well?  For probes, graphs and people with curl."""

from __future__ import annotations

from provisioner.faces.http.answers import (
    Answer,
    Call,
    Kind,
    Outcome,
    Route,
    Work,
    json_answer,
)
from provisioner.services.metrics import CONTENT_TYPE
from provisioner.services.provisioner import Provisioner


def healthz(server: Provisioner, call: Call) -> Outcome:
    """The process answers."""
    return json_answer({"status": "ok"})


def readyz(server: Provisioner, call: Call) -> Outcome:
    """The branches are read, the desired one was followed once, and nothing is in the way."""
    conditions = server.conditions.current
    has_started = server.is_ready()
    is_ready = has_started and all(each.is_partial for each in conditions)
    snapshot = server.snapshots.current
    return json_answer(
        {
            "status": "ready" if is_ready else "impaired" if has_started else "starting",
            "desired_commit": snapshot.desired.commit or "",
            "status_commit": snapshot.status.commit or "",
            "conditions": [
                {"name": each.name, "message": each.message, "hint": each.hint}
                for each in conditions
            ],
            "branch_moves": [
                {"at": each.at, "branch": each.branch, "kind": each.kind, "found": each.found}
                for each in server.branch_moves()
            ],
        },
        status=200 if is_ready else 503,
    )


def metrics(server: Provisioner, call: Call) -> Outcome:
    """In a thread: what lives is counted, which takes a while where that is thousands."""
    return Work(
        kind=Kind.PROBE,
        run=lambda _: Answer(body=server.metrics.render(), content_type=CONTENT_TYPE),
    )


def version(server: Provisioner, call: Call) -> Outcome:
    return json_answer({"name": "tinkgit", "version": server.version})


ROUTES = (
    Route(method="GET", rule="/healthz", view=healthz),
    Route(method="GET", rule="/readyz", view=readyz),
    Route(method="GET", rule="/metrics", view=metrics),
    Route(method="GET", rule="/version", view=version),
)
