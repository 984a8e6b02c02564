"""`tink`: one door in, one way out.  Only this module prints errors and exits.

Exit codes: 0 done, 1 you can fix it, 2 usage, 3 a bug of ours, 130 interrupted.  With
`--detailed-exitcode`, 2 says that there are changes, and wrong usage is 1.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

import provisioner
from provisioner.cli import hidden_words, options
from provisioner.cli.lazy_group import LazyGroup
from provisioner.errors import TinkError

DONE, FIXABLE, USAGE, BUG, INTERRUPTED = 0, 1, 2, 3, 130


@click.group(
    cls=LazyGroup,
    package="provisioner.cli",
    verbs={
        "init": ("init.init", "Make a repository: folders, CI snippet, editor settings."),
        "serve": ("serve.serve", "Watch the repository and answer the workers."),
        "validate": (
            "validate.validate",
            "Check the desired branch, or files, as the server does.",
        ),
        "plan": ("plan.plan", "Show what a merge would do, machine by machine."),
        "apply": ("apply.apply", "Merge exactly what a plan was made for."),
        "accept": ("accept.accept", "Let the server obey a commit that waits for a person."),
        "hardware": ("hardware.hardware", "Machines: push, get, list, id, mac, ip, delete."),
        "template": ("template.template", "Templates: create, get, list, update, delete."),
        "workflow": (
            "workflow.workflow",
            "Workflows: create, get, list, state, events, data, logs, delete.",
        ),
        "machine": ("machine.machine", "Machines at work: list, show."),
        "trace": ("trace.trace", "Show which commits led to what runs on a machine."),
        "boot": ("boot.boot", "Booting from the network: show, config."),
        "os": ("os.os_", "The operating system that machines boot into memory: build."),
        "explain": ("explain.explain", "Print what a field means, in the schema's own words."),
        "import": ("import_files.import_files", "Turn dumps of Tinkerbell objects into files."),
        "export": ("export.export", "Write Kubernetes documents, for today's Tinkerbell."),
        "fsck": ("fsck.fsck", "Prove the status branch from its own history."),
        "status-branch": ("status_branch.status_branch", "Look at the status branch: stats."),
        "demo": ("demo.demo", "Show the whole product at work, on this machine."),
        "completion": ("completion.completion", "Print the completion script of your shell."),
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(provisioner.__version__, prog_name="tink")
@options.site(everywhere=True)
def tink() -> None:
    """Provision bare metal from a git repository.

    Reads the status branch and writes the desired branch of the repository that you stand in.
    """


def main(words: Sequence[str] | None = None) -> None:
    if words is None:
        hidden_words.hide_password()
    sys.exit(run(words))


def run(words: Sequence[str] | None = None) -> int:
    """Do what the words say and return the exit code; every error is reported here."""
    color = False if os.environ.get("NO_COLOR") else None
    try:
        result = tink.main(args=words, prog_name="tink", standalone_mode=False, color=color)
        sys.stdout.flush()
        return result if isinstance(result, int) else DONE
    except click.ClickException as error:
        error.show()
        # Of tink plan 2 says that there are changes: a typo must not look like some.
        is_detailed = options.DETAILED_EXIT_CODE in (words or sys.argv)
        return USAGE if isinstance(error, click.UsageError) and not is_detailed else FIXABLE
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted")
        return INTERRUPTED
    except TinkError as error:
        _tell(error.message, error.hint)
        return FIXABLE
    except BrokenPipeError:
        # Whoever read us has seen enough (`tink … | head`); say nothing more, also at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FIXABLE
    except OSError as error:
        _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return FIXABLE
    except Exception:
        traceback.print_exc()
        _tell("this is a bug in tink", "report the lines above, and the command that you gave")
        return BUG


def _tell(message: str, hint: str = "") -> None:
    click.secho("Error: ", nl=False, err=True, fg="red", bold=True)
    click.echo(message, err=True)
    if hint:
        click.echo(f"Hint: {hint}", err=True)


if __name__ == "__main__":
    main()
