"""Which files of a repository are ours."""

from __future__ import annotations

import pytest

from provisioner.documents.layout import Kind, kind_of


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("hardware/n1.yaml", Kind.HARDWARE),
        ("hardware/rack-1/n1.yml", Kind.HARDWARE),
        ("hardware/n1.json", Kind.HARDWARE),
        ("hardware/N1.YAML", Kind.HARDWARE),
        ("templates/ubuntu.yaml", Kind.TEMPLATE),
        ("templates/deep/down/ubuntu.tmpl", Kind.TEMPLATE),
        ("templates/ubuntu.json", Kind.TEMPLATE),
        ("workflows/2026/w.yml", Kind.WORKFLOW),
    ],
)
def test_the_folder_tells_the_kind(path, kind):
    assert kind_of(path) is kind


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "hardware/README.md",
        "hardware/n1.tmpl",
        "hardware/n1.yaml.bak",
        "hardware",
        "hardware.yaml",
        "other/n1.yaml",
        "hardware/.n1.yaml",
        "hardware/.drafts/n1.yaml",
        ".github/workflows/ci.yaml",
        "",
    ],
)
def test_other_files_are_ignored(path):
    assert kind_of(path) is None
