"""Every example validates and renders; so does what the repository layout shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from provisioner import resources
from provisioner.documents import decode
from provisioner.documents.layout import kind_of
from provisioner.model.ids import BlobId, CommitId, WorkflowId
from provisioner.model.views import DesiredState, WorkflowCreated
from provisioner.planning import desired, render_workflow
from provisioner.planning.render_workflow import NewWorkflow
from provisioner.planning.template_cache import TemplateCache

EXAMPLES = resources.examples_folder()
LAYOUT = resources.repo_layout_folder()
FILES = [
    path.relative_to(EXAMPLES).as_posix()
    for path in sorted(EXAMPLES.rglob("*"))
    if path.is_file() and path.name != "README.md"
]


def state_of(files: dict[str, bytes]) -> DesiredState:
    changed = {
        path: desired.ChangedFile(
            blob_id=BlobId(f"{number:040x}"),
            decoded=decode.decode_file(path=path, blob_id=f"{number:040x}", content=content),
        )
        for number, (path, content) in enumerate(files.items())
    }
    return desired.update(DesiredState(), changed, commit=CommitId("0" * 40)).state


def example_state() -> DesiredState:
    return state_of({path: (EXAMPLES / path).read_bytes() for path in FILES})


def render(state: DesiredState, request: str) -> WorkflowCreated:
    new = NewWorkflow(
        id=WorkflowId("019ab000-0000-7000-8000-000000000001"),
        created_at="2026-01-01T00:00:00Z",
        desired_commit=CommitId("0" * 40),
        request_path=request,
    )
    return render_workflow.render_workflow(
        state.requests[request], state, new=new, cache=TemplateCache()
    )


@pytest.mark.parametrize("path", FILES)
def test_an_example_has_no_problem(path: str):
    assert kind_of(path) is not None
    content = (EXAMPLES / path).read_bytes()
    assert decode.decode_file(path=path, blob_id="", content=content).problems == ()


def test_the_examples_go_together():
    assert not dict(example_state().problems)


@pytest.mark.parametrize("request_path", [each for each in FILES if each.startswith("workflows/")])
def test_an_example_request_renders(request_path: str):
    made = render(example_state(), request_path)
    assert made.record.actions
    assert "{{" not in made.rendered


def test_every_example_template_has_a_request():
    state = example_state()
    asked_for = {request.template for request in state.requests.values()}
    assert asked_for == set(state.templates)


def test_the_data_example_hands_over_to_the_second_machine_and_back():
    made = render(example_state(), "workflows/share-data.yaml")
    first, second = (each.id for each in made.record.workers)
    assert [action.worker_id for action in made.record.actions] == [first, second, first]


def test_every_example_is_told_in_the_readme():
    told = (EXAMPLES / "README.md").read_text()
    assert not [
        path for path in FILES if not path.startswith("workflows/") and f"]({path})" not in told
    ]


@pytest.mark.parametrize("folder", ["hardware", "templates", "workflows"])
def test_what_the_repository_layout_shows_can_be_copied(folder: str):
    shown = re.findall(r"```yaml\n(.*?)```", (LAYOUT / folder / "README.md").read_text(), re.DOTALL)
    assert shown
    for text in shown:
        found = decode.decode_file(path=f"{folder}/x.yaml", blob_id="", content=text.encode())
        assert found.problems == ()


def test_the_shown_parts_of_the_layout_make_a_workflow():
    files = {}
    for folder in ("hardware", "templates", "workflows"):
        text = Path(LAYOUT / folder / "README.md").read_text()
        shown = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
        assert shown is not None
        files[f"{folder}/x.yaml"] = shown[1].encode()
    made = render(state_of(files), "workflows/x.yaml")
    assert made.record.actions[0].image == "hello-world"
