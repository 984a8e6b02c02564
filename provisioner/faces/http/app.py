"""The Flask application: every route, as blueprints.

Without the gate in front of it (tests, any WSGI server) a request that has to wait blocks
its thread; behind the gate it hands over what it waits for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from provisioner.faces.http import (
    boot_views,
    errors,
    machine_views,
    metadata_views,
    ops_views,
    read_views,
    worker_views,
)
from provisioner.faces.http.answers import (
    NOTHING,
    Answer,
    Call,
    Later,
    Outcome,
    Route,
    Unanswered,
    Wait,
    Work,
)
from provisioner.services.provisioner import Provisioner

# In the WSGI environment: the gate's list, to which one outcome may be added.
HANDED_OVER = "tinkgit.handed_over"

BLUEPRINTS = (
    ("worker", worker_views.ROUTES),
    ("read", (*read_views.ROUTES, *machine_views.ROUTES)),
    ("ops", ops_views.ROUTES),
    ("boot", (*boot_views.ROUTES, *metadata_views.ROUTES)),
)


def create_app(server: Provisioner, *, worker_routes: Iterable[Route] | None = None) -> Flask:
    """`worker_routes` stand in for the workers' own, where those are not served."""
    app = Flask("provisioner")
    for name, routes in BLUEPRINTS:
        if name == "boot" and server.booting is None:
            continue
        served = routes if name != "worker" or worker_routes is None else worker_routes
        app.register_blueprint(_blueprint(server, name, served))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _error)
    return app


def run_view(server: Provisioner, route: Route, call: Call) -> Outcome:
    """Run a view; what it raises is an answer too."""
    try:
        return route.view(server, call)
    except Exception as error:
        return errors.answer_to(error)


def finished(future: Future[Any], finish: Callable[[Any], Answer]) -> Answer:
    """The answer of a future that has ended (see `Later`)."""
    try:
        return finish(future.result())
    except Exception as error:
        return errors.answer_to(error)


def done(work: Work, is_wanted: Callable[[], bool]) -> Answer:
    """The answer that a work gives; what it raises is an answer too."""
    try:
        return work.run(is_wanted)
    except Exception as error:
        return errors.answer_to(error)


def asked(wait: Wait) -> Answer | None:
    try:
        return wait.ask()
    except Exception as error:
        return errors.answer_to(error)


def _blueprint(server: Provisioner, name: str, routes: Iterable[Route]) -> Blueprint:
    blueprint = Blueprint(name, __name__)
    for number, route in enumerate(routes):
        blueprint.add_url_rule(
            route.rule,
            endpoint=f"{route.name}_{number}",
            view_func=_flask_view(server, route),
            methods=[route.method],
        )
    return blueprint


def _flask_view(server: Provisioner, route: Route) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        if route.body_limit:
            request.max_content_length = route.body_limit
        try:
            body = request.get_data(cache=False) if route.body_limit else b""
        except RequestEntityTooLarge:
            return _response(server, route, errors.body_too_large(route.body_limit))
        environ = request.environ
        call = Call(
            path=path,
            query=request.args.to_dict(),
            body=body,
            headers={name.lower(): value for name, value in request.headers.items()},
            client=environ.get("REMOTE_ADDR", ""),
            server=(environ["SERVER_NAME"], int(environ["SERVER_PORT"])),
            method=request.method,
        )
        outcome = run_view(server, route, call)
        if not isinstance(outcome, Answer) or outcome.part is not None:
            handed_over = environ.get(HANDED_OVER)
            if handed_over is not None:
                handed_over.append((route, outcome))
                return Response(status=204)
            if not isinstance(outcome, Answer):
                outcome = _blocked(outcome)
        return _response(server, route, outcome)

    return view


def _response(server: Provisioner, route: Route, answer: Answer) -> Response:
    server.metrics.requests.labels(route.name, answer.status).inc()
    return to_response(answer)


def to_response(answer: Answer) -> Response:
    body = answer.body
    if answer.part is not None:
        with answer.part.file as file:
            file.seek(answer.part.offset)
            body = file.read(answer.part.length)
    response = Response(body, status=answer.status)
    if answer.content_type:
        response.headers["Content-Type"] = answer.content_type
    else:
        del response.headers["Content-Type"]
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def _blocked(outcome: Unanswered) -> Answer:
    if isinstance(outcome, Work):
        return done(outcome, lambda: True)
    if isinstance(outcome, Later):
        return finished(outcome.future, outcome.finish)
    woken = threading.Event()
    stop = outcome.subscribe(woken.set)
    try:
        return _waited(outcome, woken)
    finally:
        stop()


def _waited(wait: Wait, woken: threading.Event) -> Answer:
    end = time.monotonic() + wait.seconds
    while True:
        answer = asked(wait)
        rest = end - time.monotonic()
        if answer is not None:
            return answer
        if rest <= 0 or wait.is_closing():
            return NOTHING
        woken.wait(rest)
        woken.clear()


def _http_error(error: HTTPException) -> Response:
    response = to_response(
        errors.answer_to_status(error.code or 500, error.description or error.name)
    )
    for name, value in error.get_headers():
        if name.lower() in {"allow", "location"}:
            response.headers[name] = value
    return response


def _error(error: Exception) -> Response:
    return to_response(errors.answer_to(error))
