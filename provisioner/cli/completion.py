"""`tink completion`: what your shell needs to complete our words."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the completion script: `eval "$(tink completion bash)"`."""
    root = click.get_current_context().find_root().command
    script = get_completion_class(shell)
    assert script is not None, shell
    click.echo(script(root, {}, "tink", "_TINK_COMPLETE").source())
