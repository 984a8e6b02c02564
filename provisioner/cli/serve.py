"""`tink serve`: the reconciler and the worker endpoint, in one process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from provisioner import config
from provisioner.cli import boot_options, hook_secret, log_setup, options
from provisioner.config import ReadSettings, ServerSettings
from provisioner.git import remote_url
from provisioner.services import location

if TYPE_CHECKING:
    from provisioner.faces.http.server import HttpServer
    from provisioner.services.provisioner import Provisioner

_LOG = logging.getLogger(__name__)


def _address(
    default_port: int,
) -> Callable[[click.Context, click.Parameter, str | None], tuple[str, int] | None]:
    """Read `HOST:PORT`, `HOST`, `:PORT` or `[::1]:PORT`."""

    def read(
        ctx: click.Context, param: click.Parameter, value: str | None
    ) -> tuple[str, int] | None:
        if value is None:
            return None
        text = value if ":" in value and not value.endswith("]") else f"{value}:{default_port}"
        host, _, port = text.rpartition(":")
        if not port.isdecimal() or int(port) > 65_535:
            raise click.BadParameter(f"{value!r} is not HOST:PORT", ctx, param)
        return host.strip("[]") or config.DEFAULT_HOST, int(port)

    return read


@click.command
@click.option(
    "--listen",
    callback=_address(config.DEFAULT_PORT),
    metavar="HOST:PORT",
    default=f"{config.DEFAULT_HOST}:{config.DEFAULT_PORT}",
    envvar="TINK_LISTEN",
    show_default=True,
    help="Where workers and people ask.",
)
@click.option(
    "--clone-into",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="TINK_CLONE_INTO",
    help="Where to keep the clone, when --repo is a URL.",
)
@click.option(
    "--remote",
    metavar="NAME",
    envvar="TINK_REMOTE",
    help="The remote to keep up with.  [default: origin of what --clone-into cloned, else none]",
)
@click.option(
    "--fetch",
    "fetch_seconds",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    envvar="TINK_FETCH_SECONDS",
    help="Seconds between two looks at the remote; 0 leaves it alone.",
)
@click.option(
    "--poll",
    "poll_seconds",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks at the repository, should no hint of a change arrive.",
)
@click.option(
    "--grace",
    "grace_seconds",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="Seconds that a silent worker gets beyond an action's timeout.",
)
@click.option(
    "--archive-after",
    "archive_after_days",
    type=click.FloatRange(min=0, min_open=True),
    metavar="DAYS",
    envvar="TINK_ARCHIVE_AFTER",
    help="Move workflows that ended so long ago to the archive branch.  [default: never]",
)
@click.option(
    "--log-format",
    type=click.Choice(["plain", "json"]),
    default="plain",
    show_default=True,
    envvar="TINK_LOG_FORMAT",
    help="How to log, on stderr.",
)
@click.option(
    "--read-processes",
    type=click.IntRange(0, config.READ_PROCESSES_LIMIT),
    default=0,
    show_default=True,
    envvar="TINK_READ_PROCESSES",
    help="So many more processes that only answer reads, on a port of their own.",
)
@click.option(
    "--read-listen",
    callback=_address(config.DEFAULT_READ_PORT),
    metavar="HOST:PORT",
    default=f"{config.DEFAULT_HOST}:{config.DEFAULT_READ_PORT}",
    envvar="TINK_READ_LISTEN",
    show_default=True,
    help="Where the read processes answer.",
)
@click.option(
    "--hook-listen",
    callback=_address(config.DEFAULT_HOOK_PORT),
    metavar="HOST:PORT",
    envvar="TINK_HOOK_LISTEN",
    help="Where a forge tells of pushes: POST /hooks/push, and nothing else.  [default: nowhere]",
)
@click.option(
    "--hook-secret-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    envvar="TINK_HOOK_SECRET_FILE",
    help="The secret that the forge signs with, in a file.",
)
@boot_options.add
@options.site()
def serve(
    *,
    listen: tuple[str, int],
    clone_into: Path | None,
    remote: str | None,
    fetch_seconds: float,
    poll_seconds: float,
    grace_seconds: float,
    archive_after_days: float | None,
    log_format: str,
    read_processes: int,
    read_listen: tuple[str, int],
    hook_listen: tuple[str, int] | None,
    hook_secret_file: Path | None,
    **boot: Any,
) -> None:
    """Watch the desired branch, make workflows of its requests, and answer the workers.

    Runs until it gets SIGTERM or SIGINT. One server writes a status branch.
    """
    # Imported here: all that a server needs takes half a second.
    from provisioner import wiring
    from provisioner.cli.read_process import Readers
    from provisioner.faces.http.server import HttpServer

    where = options.where()
    settings = ServerSettings(
        repo=where.repo if location.is_url(where.repo) else location.served_path(where.repo),
        clone_into=clone_into,
        desired_branch=location.branch_to_serve(
            where.repo, where.branch, where.status_branch, clone_into=clone_into
        ),
        status_branch=where.status_branch,
        remote=remote,
        host=listen[0],
        port=listen[1],
        poll_seconds=poll_seconds,
        fetch_seconds=fetch_seconds,
        grace_seconds=grace_seconds,
        archive_after_days=archive_after_days,
        boot=boot_options.settings(**boot),
        hooks=hook_secret.settings(hook_listen, hook_secret_file),
    )
    log_setup.log_to_stderr(log_format)

    def open_face(provisioner: Provisioner, settings: ServerSettings) -> wiring.Face:
        return HttpServer(provisioner, host=settings.host, port=settings.port)

    def open_readers(git_dir: Path, face: wiring.Face) -> wiring.Readers:
        assert isinstance(face, HttpServer)
        return Readers(
            ReadSettings(
                repo=str(git_dir),
                desired_branch=settings.desired_branch,
                status_branch=settings.status_branch,
                host=read_listen[0],
                port=read_listen[1],
                reads_for=_shown_address(face),
                log_format=log_format,
            ),
            count=read_processes,
        )

    def open_dhcp(provisioner: Provisioner, folder: Path, face: wiring.Face) -> wiring.Face:
        from provisioner.faces.dhcp.supervisor import Dhcp

        assert isinstance(face, HttpServer) and provisioner.booting is not None
        return Dhcp(
            provisioner.booting,
            lambda: provisioner.snapshots.current,
            folder,
            server_port=face.port,
            count=lambda answer: provisioner.metrics.dhcp.labels(answer).inc(),
        )

    def open_hooks(provisioner: Provisioner, look: Callable[[], None]) -> wiring.Face:
        from provisioner.faces.hooks.listener import HookListener
        from provisioner.faces.hooks.receiver import Receiver

        hooks = settings.hooks
        assert hooks is not None
        receiver = Receiver(
            hooks.secret,
            settings.desired_branch,
            moved=look,
            count=lambda outcome: provisioner.metrics.hooks.labels(outcome).inc(),
            clock=time.time,
            steady=time.monotonic,
        )
        listener = HookListener(receiver, host=hooks.host, port=hooks.port)
        _LOG.info("a forge may tell of pushes at %s/hooks/push", listener.address)
        return listener

    def ready(server: wiring.Server) -> None:
        assert isinstance(server.face, HttpServer)
        _LOG.info(
            "serving %s, branches %s and %s, on %s",
            remote_url.shown(settings.repo),
            settings.desired_branch,
            settings.status_branch,
            server.face.address,
        )
        if server.readers is not None:
            _LOG.info("%d processes answer reads on %s", read_processes, server.readers.address)

    wiring.serve(
        settings,
        open_face,
        ready=ready,
        open_readers=open_readers if read_processes else None,
        open_hooks=open_hooks if settings.hooks else None,
        open_dhcp=open_dhcp if settings.boot.dhcp_interface else None,
    )


def _shown_address(face: HttpServer) -> str:
    """Where the server is, for those who reach it by whatever address."""
    is_anywhere = face.host in ("0.0.0.0", "::")
    return f"port {face.port} of this machine" if is_anywhere else face.address
