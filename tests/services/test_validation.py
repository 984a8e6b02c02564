"""The server's checks with no server."""

from __future__ import annotations

import hashlib

import pytest

from provisioner import resources
from provisioner.documents import layout
from provisioner.documents.decode import decode_file
from provisioner.git.repo import GitRepo
from provisioner.model.ids import BlobId, CommitId
from provisioner.model.problem import Severity
from provisioner.model.views import DesiredState, StatusView
from provisioner.planning import desired as planning
from provisioner.planning.desired import ChangedFile
from provisioner.services import validation
from provisioner.store.desired.reading import DesiredStore
from tests.builders import HELLO, MACS, ONE, TWO
from tests.services.parts import SITE, hardware_file, request_file
from tests.services.reconciled_site import Site as ReconciledSite

A = "workflows/a.yaml"


def checked(contents, status=None):
    """Everything that is wrong with files, which need not be committed, by their paths."""
    changed = {
        path: ChangedFile(
            blob_id=(blob := BlobId(hashlib.sha1(content, usedforsecurity=False).hexdigest())),
            decoded=decode_file(path=path, blob_id=blob, content=content),
        )
        for path, content in contents.items()
        if layout.kind_of(path) is not None
    }
    state = planning.update(DesiredState(), changed, commit=CommitId("0" * 40)).state
    return validation.problems_of(state, status or StatusView())


def codes(files):
    contents = {path: text.encode() for path, text in files.items()}
    return [(each.path, each.code) for each in checked(contents)]


def test_a_good_repository_has_no_problems():
    assert codes({**SITE, A: request_file(), "README.md": "# not ours"}) == []


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        (
            "hardware/three.yaml",
            hardware_file(TWO, mac=MACS[ONE], ip="10.0.0.1"),
            "hardware.mac-taken",
        ),
        ("hardware/two.yaml", hardware_file(TWO), "hardware.ip-taken"),
        (A, request_file("nothing"), "workflow.template-unknown"),
        (A, request_file(device_1="52:54:00:ff:ff:ff"), "workflow.worker-unknown"),
        (A, request_file(device_1="the left one"), "workflow.worker-invalid"),
        ("templates/second.yaml", HELLO, "template.name-taken"),
    ],
)
def test_every_rule_across_files_is_checked(path, text, code):
    found = codes({**SITE, path: text})
    assert (path, code) in found


def test_a_missing_key_is_told_in_the_template():
    found = checked(
        {path: text.encode() for path, text in {**SITE, A: request_file(other="x")}.items()}
    )
    assert [(each.path, each.line) for each in found] == [("templates/hello.yaml", 6)]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_machine_that_may_run_no_workflow_is_shown_with_each_request(site, is_made):
    document = hardware_file().replace("allow_workflow: true", "allow_workflow: false")
    files = {**SITE, "hardware/one.yaml": document, A: request_file()}
    status = None
    if is_made:
        reconciled = ReconciledSite(site)
        reconciled.commit(files)
        status = reconciled.status
        reconciled.stop()
    found = checked({p: t.encode() for p, t in files.items()}, status)
    assert [(each.path, each.code) for each in found] == [(A, "workflow.not-allowed")]
    assert found[0].severity is Severity.WARNING
    assert "hardware/one.yaml" in found[0].message


def test_a_request_that_will_not_run_again_is_shown_before_the_merge(site):
    reconciled = ReconciledSite(site)
    try:
        reconciled.commit({**SITE, A: request_file()})
        reconciled.commit(gone=[A])
        status = reconciled.status
    finally:
        reconciled.stop()
    files = {path: text.encode() for path, text in {**SITE, A: request_file()}.items()}
    [problem] = checked(files, status)
    assert (problem.path, problem.code) == (A, "workflow.come-back")
    assert problem.severity is Severity.WARNING


def test_a_commit_is_checked_as_it_is_not_as_the_work_tree_is(site):
    for path, text in {**SITE, A: request_file("nothing")}.items():
        target = site.path / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    site("add", "--all")
    site("commit", "-q", "-m", "bad")
    (site.path / A).write_text(request_file())
    repo = GitRepo(site.path)
    try:
        store = DesiredStore(repo)
        found = validation.judge(store, store.tip()).problems
    finally:
        repo.close()
    assert [(each.path, each.code) for each in found] == [(A, "workflow.template-unknown")]


def test_what_has_no_effect_in_a_rendered_template_is_a_warning_at_its_line():
    """A text with control structures is no YAML before it is rendered."""
    text = """\
apiVersion: tinkerbell.org/v1alpha1
kind: Template
metadata: {name: t}
spec:
  data: |
    version: "0.1"
    name: t
    tasks:
    {{- range $n := until 1 }}
    - name: a
      worker: "{{ $.device_1 }}"
      actions:
      - name: x
        image: busybox
        imagePullPolicy: Always
    {{- end }}
"""
    machine = (resources.examples_folder() / "hardware" / "n1.yaml").read_bytes()
    request = b'template: t\nhardware: {"device_1": "08:00:27:00:00:01"}\n'
    files = {
        "hardware/n1.yaml": machine,
        "templates/t.yaml": text.encode(),
        "workflows/w.yaml": request,
    }
    [problem] = checked(files)
    assert (problem.path, problem.line, problem.severity) == ("templates/t.yaml", 15, "warning")
    assert "imagePullPolicy" in problem.message


def test_a_template_that_defines_the_name_of_the_whole_is_a_problem():
    """As Tinkerbell calls each one when it parses it."""
    text = '{{define "workflow-template"}}x{{end}}' + HELLO
    [problem] = checked({"templates/t.yaml": text.encode()})
    assert (problem.path, problem.line) == ("templates/t.yaml", 1)
    assert "the name of the whole template" in problem.message
