"""What the demo shows, in order: a commit becomes a provisioned machine.

Everything is done by the commands that a person would type, on a real repository, with a
real server, two real workers and a real Docker engine.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass

from provisioner import resources
from provisioner.demo import stage
from provisioner.demo.stage import Stage

MACHINES = {"machine 1": "08:00:27:00:00:01", "machine 2": "08:00:27:00:00:02"}
TEMPLATE = "ephemeral-data.yaml"
TEMPLATE_NAME = "ephemeral_data"
DEVICE_MAP = json.dumps(
    {
        "device_1": MACHINES["machine 1"],
        "device_2": MACHINES["machine 2"],
        "image": stage.IMAGE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How the story is told: a chapter, a command, what it printed, a remark."""

    chapter: Callable[[str], None]
    command: Callable[[str], None]
    printed: Callable[[str], None]
    remark: Callable[[str], None]


def play(on: Stage, telling: Telling, watch: Callable[[Stage, str], None]) -> None:
    """`watch` follows a workflow by its id until it ends."""
    telling.chapter("A repository, and in it two machines and a template")
    on.site.mkdir()
    _tink(on, telling, "init", ".")
    _copy_examples(on)
    _git(on, telling, "add", ".")
    _git(on, telling, "commit", "-q", "-m", "Add two machines and a template")

    telling.chapter("A server that watches it, and two workers")
    port = stage.free_port()
    server = f"http://127.0.0.1:{port}"
    on.start(
        "server",
        ["provisioner.cli.main", "serve", "--repo", str(on.site), "--listen", server[7:]],
    )
    stage.await_port(on, port)
    telling.remark(f"tink serve --repo {on.site} --listen {server[7:]}")
    for name, mac in MACHINES.items():
        folder = on.folder / name.replace(" ", "-")
        folder.mkdir()
        flags = ("--server", server, "--id", mac, "--workflow-dir", str(folder))
        on.start(name, ["worker.main", *flags], environment={"DOCKER_HOST": on.docker_url})
        telling.remark(f"tink-worker --server {server} --id {mac}      # {name}")

    telling.chapter("A workflow, requested on a branch that is reviewed and merged")
    _git(on, telling, "switch", "-q", "-c", "share-data")
    created = _tink(
        on, telling, *("--branch", "share-data"),
        *("workflow", "create", "-t", TEMPLATE_NAME, "-r", DEVICE_MAP),
    )  # fmt: skip
    workflow = created.split()[-1]
    _tink(on, telling, "validate")
    _git(on, telling, "switch", "-q", "main")
    _git(on, telling, "merge", "-q", "--no-ff", "-m", "Merge: share data", "share-data")

    telling.chapter("The merge is all it took: the machines are at work")
    watch(on, workflow)

    telling.chapter("What came of it, by the tink CLI and by plain git")
    for words in (
        ("workflow", "get", workflow),
        ("workflow", "state", workflow),
        ("workflow", "events", workflow),
        ("workflow", "data", workflow),
        ("workflow", "logs", workflow),
    ):
        _tink(on, telling, *words)
    _git(on, telling, "log", "--oneline", "status")


def _copy_examples(on: Stage) -> None:
    examples = resources.examples_folder()
    for machine in ("n1.yaml", "n2.yaml"):
        shutil.copy(examples / "hardware" / machine, on.site / "hardware" / machine)
    shutil.copy(examples / "templates" / TEMPLATE, on.site / "templates" / TEMPLATE)


def _tink(on: Stage, telling: Telling, *words: str) -> str:
    return _run(on, telling, ("tink", *words), (sys.executable, "-m", "provisioner.cli", *words))


def _git(on: Stage, telling: Telling, *words: str) -> str:
    return _run(on, telling, ("git", *words), ("git", *words))


def _run(on: Stage, telling: Telling, shown: tuple[str, ...], words: tuple[str, ...]) -> str:
    telling.command(shlex.join(shown))
    said = on.run(*words)
    if said.strip():
        telling.printed(said)
    return said
