"""The examples of gotemplate/README.md run, with nothing of the provisioner imported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import gotemplate

README = Path(gotemplate.__file__).with_name("README.md").read_text()


def test_the_examples_run_and_import_nothing_else():
    [code] = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    alone = "assert not {'provisioner', 'worker'} & {name.split('.')[0] for name in sys.modules}"
    words = [sys.executable, "-c", f"{code}\nimport sys\n{alone}"]
    done = subprocess.run(
        words, cwd=Path(gotemplate.__file__).parents[1], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_limits_that_it_names_are_the_limits():
    limits = gotemplate.Limits()
    assert f"{limits.output_bytes // 1024} KiB of output" in README
    assert f"{limits.steps:,} steps" in README
    assert f"{limits.made_characters // 1_048_576} MiB of text" in README
    assert f"{limits.made_items:,} items" in README
    assert f"depth {limits.depth}" in README
