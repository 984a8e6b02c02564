"""How a template looks in lists; its times are those of its file's first and last commit."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.cli import table
from provisioner.cli.printing import Listed
from provisioner.cli.site import Site
from provisioner.cli.workflow_views import local_time, short_time
from provisioner.model.template import Template
from provisioner.model.views import DesiredState

LIST_COLUMNS = table.columns("Template ID", "Template Name", "Created At", "Updated At")
GET_COLUMNS = table.columns("ID", "Name", "Created At", "Updated At")
FILE = table.columns("File")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedTemplate:
    template: Template
    created_at: str  # RFC 3339 UTC
    updated_at: str


def dated(site: Site, desired: DesiredState) -> list[DatedTemplate]:
    """All templates by name.  One walk of the history gives the times of all of them."""
    created, updated = site.first_and_last_commits("templates")
    return [
        DatedTemplate(
            template=template,
            created_at=created.get(template.source.path, ""),
            updated_at=updated.get(template.source.path, ""),
        )
        for template in sorted(desired.templates.values(), key=lambda item: item.name)
    ]


def data(dated: DatedTemplate, *, with_text: bool = True) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": dated.template.id,
        "name": dated.template.name,
        "created_at": dated.created_at,
        "updated_at": dated.updated_at,
        "path": dated.template.source.path,
    }
    return {**shown, "data": dated.template.text} if with_text else shown


def classic_data(dated: DatedTemplate) -> dict[str, object]:
    shown = data(dated)
    del shown["path"]
    return shown


def _row(dated: DatedTemplate) -> list[object]:
    times = (short_time(dated.created_at), short_time(dated.updated_at))
    return [dated.template.id, dated.template.name, *times]


def _list_row(dated: DatedTemplate) -> list[object]:
    times = (local_time(dated.created_at), local_time(dated.updated_at))
    return [dated.template.id, dated.template.name, *times]


GET = Listed(
    columns=GET_COLUMNS,
    rows=lambda dated: [_row(dated)],
    wide_columns=(*GET_COLUMNS, *FILE),
    wide_rows=lambda dated: [[*_row(dated), dated.template.source.path]],
    ids=lambda dated: [dated.template.id],
    data=data,
    classic_data=classic_data,
)
LIST = Listed(
    columns=LIST_COLUMNS,
    rows=lambda dated: [_list_row(dated)],
    wide_columns=(*LIST_COLUMNS, *FILE),
    wide_rows=lambda dated: [[*_list_row(dated), dated.template.source.path]],
    ids=lambda dated: [dated.template.id],
    data=lambda dated: data(dated, with_text=False),
    classic_data=classic_data,
)
