"""`tink trace`: which commits led to what runs on a machine, and how far it is.

It reads the desired branch and the status branch once.  For the request, the template and each
machine, of which it shows at most `_MACHINES`, it walks the history of one path and that between
the commit and the tip: the cost grows with files once and with commits for each of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import click

from provisioner.cli import options, printing, provenance, trace_views
from provisioner.cli.site import Site
from provisioner.cli.trace_views import Trace, Version
from provisioner.documents.layout import FOLDER_OF, Kind
from provisioner.errors import Ambiguous, NotFound, UserError
from provisioner.model import ids
from provisioner.model.hardware import Hardware
from provisioner.model.ids import CommitId, WorkflowId
from provisioner.model.views import DesiredState, Snapshot
from provisioner.planning import machine_standing
from provisioner.planning.desired import file_of
from provisioner.services import machines

_MACHINES = 20  # of one workflow; each costs a walk of the history


@click.command
@click.argument("name", metavar="MAC|IP|HOST|WORKFLOW|FILE")
@options.site()
@options.output("text", default="text")
def trace(*, name: str, form: str) -> None:
    """Show which commits led to what runs on a machine: by whom, signed and merged by whom.

    Of a workflow its request, template and hardware, each in the version that it was made of,
    and how far it is; of a machine the workflow that runs there or ran there last; of a file of
    the desired branch its newest version. A file is what has a slash in its name.
    """
    with Site.opened(options.where()) as site:
        if site.repo.is_shallow:
            printing.note("this clone is shallow: what brought older versions is not known")
        found = _Tracing.begun(site).trace(name)
    if form == "text":
        for line in trace_views.lines(found):
            click.echo(line)
    else:
        printing.print_data(trace_views.data(found), form)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tracing:
    site: Site
    snapshot: Snapshot

    @staticmethod
    def begun(site: Site) -> _Tracing:
        status = site.status.load(site.status_tip)
        try:
            desired = site.desired()
        except NotFound:  # only the status branch was fetched
            desired = DesiredState()
        return _Tracing(site=site, snapshot=Snapshot(desired=desired, status=status))

    def trace(self, name: str) -> Trace:
        if "/" in name:
            return self._file(name)
        workflow, machine = self._workflow_called(name), self._machine_called(name)
        if workflow is not None and machine is not None:
            raise Ambiguous(f"{name!r} is a workflow and a machine", [workflow, machine.id])
        if machine is not None:
            return self._machine(machine)
        if workflow is not None:
            return self._workflow(workflow)
        hint = "tink machine list and tink workflow list show them; a file needs its folder"
        raise NotFound("machine or workflow", name, hint=hint)

    def _workflow_called(self, name: str) -> WorkflowId | None:
        try:
            workflow = self.site.workflow_id(name)
        except ids.InvalidId:
            return None
        except NotFound:
            return None
        return workflow if workflow in self.snapshot.status.workflows else None

    def _machine_called(self, name: str) -> Hardware | None:
        try:
            return machines.find(self.snapshot.desired, name)
        except NotFound:
            return None

    def _file(self, path: str) -> Trace:
        tip = self.site.desired_commit
        origin = provenance.origin(self.site.repo, tip, path)
        if origin is None:
            raise UserError(
                f"no commit of {self.site.branch} that is here has {path!r}",
                hint="the path as from the top of the repository: hardware/n1.yaml",
            )
        version = Version(kind="file", name="", path=path, origin=origin)
        request = self.snapshot.status.requests.get(path)
        if request is not None:
            return replace(self._workflow(request), versions=(version, *self._versions(request)))
        owned = [
            machine
            for machine in self.snapshot.desired.hardware.values()
            if file_of(machine.source.path) == path
        ]
        if len(owned) == 1:
            found = self._machine(owned[0])
            return replace(found, versions=(version, *found.versions))
        return Trace(versions=(version,))

    def _machine(self, machine: Hardware) -> Trace:
        standing = machine_standing.standing_of(self.snapshot, machine.id)
        found = Trace()
        if standing.workflow is not None:
            found = self._workflow(standing.workflow)
        else:
            found = replace(found, versions=(self._hardware(machine, self.site.desired_commit),))
        return replace(found, machine=machine, machine_state=standing.state.value)

    def _workflow(self, workflow: WorkflowId) -> Trace:
        entry = self.site.status.read_workflow(workflow, self.site.status_tip)
        return Trace(workflow=entry, versions=tuple(self._versions(workflow)))

    def _versions(self, workflow: WorkflowId) -> Iterator[Version]:
        record = self.site.status.read_workflow(workflow, self.site.status_tip).record
        repo, tip = self.site.repo, record.desired_commit
        path = file_of(record.request_path)
        origin = provenance.origin(repo, tip, path, blob=record.request_blob)
        yield Version(kind="request", name="", path=path, origin=origin)
        folder = FOLDER_OF[Kind.TEMPLATE]
        origin = provenance.origin(repo, tip, folder, blob=record.template_blob)
        path = origin.path if origin else ""
        yield Version(kind="template", name=record.template_name, path=path, origin=origin)
        for worker in record.workers[:_MACHINES]:
            machine = self.snapshot.desired.hardware.get(worker.id)
            if machine is None:
                name = next(iter(worker.macs), worker.id)
                yield Version(kind="hardware", name=name, path="", origin=None)
            else:
                yield self._hardware(machine, tip)

    def _hardware(self, machine: Hardware, tip: CommitId) -> Version:
        path = file_of(machine.source.path)
        name = machine.host_name or machine.id
        origin = provenance.origin(self.site.repo, tip, path)
        return Version(kind="hardware", name=name, path=path, origin=origin)
