"""`tink workflow create` and `delete`: requests, which are files of the desired branch."""

from __future__ import annotations

import os
import time

import click

from provisioner.cli import commit, options, printing, proposal
from provisioner.cli.site import Site
from provisioner.cli.template import find as find_template
from provisioner.documents import device_map, encode
from provisioner.documents.layout import FOLDER_OF, Kind
from provisioner.errors import Unavailable
from provisioner.model import ids as model_ids
from provisioner.model.ids import HardwareId, WorkflowId
from provisioner.model.problem import InvalidInput
from provisioner.model.views import DesiredState
from provisioner.planning import allowance, deletion_guard
from provisioner.planning import desired as desired_planning

_LOOK_SECONDS = 0.1  # between two looks at the status branch


@click.command
@click.option("-t", "--template", required=True, metavar="ID|NAME", help="The template.")
@click.option(
    "-r",
    "--hardware",
    "devices",
    required=True,
    metavar="JSON",
    help='What fills its placeholders: \'{"device_1": "08:00:27:00:00:01"}\'.',
)
@click.option(
    "--start-timeout",
    type=click.IntRange(min=0),
    metavar="SECONDS",
    help="In which the first action has to start; without it, as the template says.",
)
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Wait until a server has created it, for so long at most.",
)
@options.site()
def create(
    *, template: str, devices: str, start_timeout: int | None, wait_seconds: int | None
) -> None:
    """Ask for a workflow; prints its id. Checked before it is committed."""
    hardware = device_map.parse_device_map(devices)
    workflow = model_ids.new_workflow_id(time.time_ns() // 1_000_000, os.urandom(10))
    with Site.opened(options.where()) as site:
        site.check_writable()
        desired = site.desired()
        known = find_template(desired, template)
        # As it was asked for, but for the beginning of an id, which may be several's tomorrow.
        if known is not None and template.lower() not in (known.name.lower(), known.id):
            template = known.id
        path = _path(desired, template, workflow)
        text = encode.encode_request(
            workflow, template, hardware, start_timeout=start_timeout, path=path
        )
        content = text.encode()
        record = proposal.check_request(desired, path, content).record
        machines = ", ".join(_called(desired, worker.id) for worker in record.workers)
        commit.write(site, {path: content}, f"Ask for {record.template_name} on {machines}")
        for worker in record.workers:
            if refusal := allowance.refusal(desired.hardware[worker.id]):
                printing.note(f"Warning: {refusal}; the workflow waits until that changes")
        click.echo(f"Created Workflow:  {workflow}")
        if wait_seconds:
            _wait_for_server(site, workflow, path, wait_seconds)


@click.command
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@options.site()
def delete(*, ids: tuple[str, ...]) -> None:
    """Delete workflows with their requests; what runs is cancelled. The history stays."""
    with Site.opened(options.where()) as site:
        site.check_writable()
        desired = site.desired()
        paths = {
            id_text: path for id_text in ids if (path := _request_path(site, desired, id_text))
        }
        commit.delete(site, desired, ids, paths=paths, what=f"workflow {', '.join(paths)}")
    if len(paths) > deletion_guard.AT_ONCE:
        printing.note("Hint: a server asks before it deletes so many; tink validate, tink accept")


def _wait_for_server(site: Site, workflow: WorkflowId, path: str, seconds: int) -> None:
    """Return when the workflow is on the status branch."""
    end = time.monotonic() + seconds
    while site.find_workflow(workflow) is None:
        reconciled = site.status.read_reconcile(site.status_commit)
        problems = [problem for problem in reconciled.problems if problem.path == path]
        if problems:
            raise InvalidInput(problems)
        if time.monotonic() > end:
            raise Unavailable(
                f"no server has created workflow {workflow} within {seconds} s",
                hint="the request is committed; does tink serve run on this repository?",
            )
        time.sleep(_LOOK_SECONDS)


def _path(desired: DesiredState, template: str, workflow: WorkflowId) -> str:
    name = desired.template_names.get(model_ids.TemplateId(template.lower())) or template
    return f"{FOLDER_OF[Kind.WORKFLOW]}/{commit.file_name(name, 'workflow')}-{workflow[-12:]}.yaml"


def _called(desired: DesiredState, machine: HardwareId) -> str:
    found = desired.hardware[machine]
    names = (
        found.name,
        *(interface.hostname for interface in found.interfaces),
        *found.macs,
        machine,
    )
    return next(name for name in names if name)


def _request_path(site: Site, desired: DesiredState, text: str) -> str | None:
    """The request's file: where the status branch saw it last, or where its id stands."""
    requested = [each.id for each in desired.requests.values() if each.id]
    workflow = site.workflow_id(text, requested=requested)
    entry = site.find_workflow(workflow)
    if entry is not None and not entry.context.is_deleted:
        key = entry.context.moved_to or entry.record.request_path
        if key in desired.requests:
            return desired_planning.file_of(key)
    for key, request in desired.requests.items():
        if request.id == workflow:
            return desired_planning.file_of(key)
    return None
