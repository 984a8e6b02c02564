"""`tink demo`: the whole product at work on this machine, and nothing left behind."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

import click

from provisioner.errors import Unavailable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from provisioner.demo.stage import Stage
    from provisioner.model.views import WorkflowEntry

LONGEST_SECONDS = 120  # the workflow takes two or three
LOOK_AGAIN_SECONDS = 0.2


@click.command
@click.option("--keep", is_flag=True, help="Leave the repository and the logs behind.")
def demo(*, keep: bool) -> None:
    """Show the whole product at work: a repository, a server, two workers, a Docker engine.

    Machine 1 writes ephemeral data, machine 2 reads and extends it, machine 1 reads it again.
    Where no Docker engine answers, Debian's is installed (as root) and a private one started.
    """
    from rich.console import Console

    from provisioner.demo import stage, story

    signal.signal(signal.SIGTERM, _as_interrupt)
    console = Console(highlight=False)
    begun = time.monotonic()

    def chapter(title: str) -> None:
        console.print(f"\n[bold cyan]{title}[/]")

    def command(line: str) -> None:
        console.print("$ ", end="", style="green")
        console.print(line, style="bold", markup=False, soft_wrap=True)

    def printed(text: str) -> None:
        console.print(text.rstrip("\n"), markup=False, soft_wrap=True)

    def remark(text: str) -> None:
        console.print(text, style="dim", markup=False, soft_wrap=True)

    telling = story.Telling(chapter=chapter, command=command, printed=printed, remark=remark)
    with stage.opened(remark, keep=keep) as opened:
        story.play(opened, telling, lambda on, workflow: _watch(console, on, workflow))
    console.print(f"\n[bold green]done[/] in {time.monotonic() - begun:.0f} s")


def _as_interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _watch(console: Console, on: Stage, workflow: str) -> None:
    """Follow the workflow on the status branch until it ends."""
    from rich.live import Live

    from provisioner.cli.options import Where
    from provisioner.cli.site import Site

    give_up = time.monotonic() + LONGEST_SECONDS
    printed: set[str] = set()
    with (
        Site.opened(Where(repo=str(on.site))) as site,
        Live(console=console, auto_refresh=False, transient=False) as live,
    ):
        while time.monotonic() < give_up:
            on.check_alive()
            entry = site.find_workflow(workflow)
            if entry is not None:
                if console.is_terminal:
                    live.update(_progress(entry), refresh=True)
                else:
                    _tell_news(console, entry, printed)
                if entry.context.is_final:
                    return
            time.sleep(LOOK_AGAIN_SECONDS)
    logs = "\n".join(f"-- {name}\n{on.log(name)}" for name in on.processes)
    raise Unavailable(f"the workflow has not ended within {LONGEST_SECONDS} s\n{logs}")


def _progress(entry: WorkflowEntry) -> Table:
    from rich.table import Table

    from provisioner.cli.workflow_views import action_progress

    drawn = Table(title=f"{entry.record.name}: {entry.context.progress_percent}%", box=None)
    for title in ("action", "worker", "state", "seconds"):
        drawn.add_column(title)
    colours = {"STATE_SUCCESS": "green", "STATE_RUNNING": "yellow", "STATE_PENDING": "dim"}
    for action, state, seconds in action_progress(entry):
        cells = (action.name, action.worker, state, str(seconds or ""))
        drawn.add_row(*cells, style=colours.get(state, "red"))
    return drawn


def _tell_news(console: Console, entry: WorkflowEntry, printed: set[str]) -> None:
    from provisioner.cli.workflow_views import action_progress

    for action, state, _ in action_progress(entry):
        line = f"{entry.context.progress_percent:3}%  {state:14} {action.worker}  {action.name}"
        key = f"{action.index} {state}"
        if state != "STATE_PENDING" and key not in printed:
            printed.add(key)
            console.print(line, markup=False)
