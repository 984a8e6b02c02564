"""What does a process that only reads answer to a worker?

The address of the one that writes, to every route that needs it: asking for work too, since
an offer must rest on the newest state.  Bodies are not taken in.
"""

from __future__ import annotations

from provisioner.faces.http import worker_views
from provisioner.faces.http.answers import Answer, Call, Outcome, Route
from provisioner.faces.http.errors import error_answer
from provisioner.services.provisioner import Provisioner

MISDIRECTED = 421
_READS = (worker_views.get_data,)


def worker_routes(writer: str) -> tuple[Route, ...]:
    """The workers' routes, of which only the reading ones are served here."""
    answer = _misdirected(writer)

    def misdirected(server: Provisioner, call: Call) -> Outcome:
        return answer

    return tuple(
        route
        if route.view in _READS
        else Route(method=route.method, rule=route.rule, view=misdirected)
        for route in worker_views.ROUTES
    )


def _misdirected(writer: str) -> Answer:
    return error_answer(
        MISDIRECTED,
        "misdirected",
        "this process only reads",
        hint=f"workers ask and report at {writer}",
    )
