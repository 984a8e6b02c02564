"""What the tests of the command line know of repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

from provisioner import resources

EXAMPLES = resources.examples_folder()
N1 = "ce2e62ed-826f-4485-a39f-a82bb74338e2"
N2 = "7e5b4b6c-0f49-4c39-9d0c-8c4f4e0f9d11"
HELLO = "6dfcf671-cd09-5efa-ab8e-fad1c05d11e3"  # the id of the template hello_world_workflow


def git(site: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(site), *words], check=True, capture_output=True, text=True
    )
    return done.stdout
