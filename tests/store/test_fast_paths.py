"""Whatever is told of a workflow in a short way must be what decoding all of it would say.

Each test goes over the fields of a value, so that a new field can't be left out of one way.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import MISSING, fields, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from provisioner.git.repo import GitRepo
from provisioner.model import boot_history
from provisioner.model.boot_history import MachineHistory
from provisioner.model.event import RequestMoved, WorkflowDeleted
from provisioner.model.ids import BlobId
from provisioner.model.shard_map import ShardMap
from provisioner.model.state import FINAL, State
from provisioner.model.summary import summary_of
from provisioner.model.views import ReconcileReport, StatusView, WorkflowEntry, path_of
from provisioner.model.workflow import Action, WorkflowRecord
from provisioner.store.status import index, record_codec, row_columns, summaries
from provisioner.store.status.index import Row, WorkerRow
from provisioner.store.status.store import StatusStore
from provisioner.store.writer.status_writer import StatusWriter
from tests import builders
from tests.store import sites
from tests.store.sites import create, report, result, workflow_id


@pytest.fixture
def busy(repo: GitRepo) -> GitRepo:
    """Workflows that wait, run, ended, moved, were deleted; half have all optional fields."""
    with closing(StatusWriter(repo)) as writer:
        records = [sites.record(each, builders.ONE, builders.TWO) for each in range(6)]
        records[::2] = [replace(each, **_optional(each)) for each in records[::2]]
        result(writer.propose(create(*records)))
        for number, *told in (
            (1, State.RUNNING),
            (2, State.RUNNING, State.FAILED),
            (3, State.RUNNING, State.SUCCESS),
        ):
            for each in told:
                result(writer.propose(report(number, 0, each)))
        about: dict[str, Any] = {
            "at": "2026-11-24T10:00:00.000000Z",
            "desired_commit": builders.COMMIT,
        }
        for number in (2, 4):
            moved = RequestMoved(
                workflow_id=workflow_id(number), request_path=f"workflows/m{number}.yaml", **about
            )
            result(writer.propose(sites.tell(moved)))
        for number in (2, 5):
            gone = WorkflowDeleted(workflow_id=workflow_id(number), message="", **about)
            result(writer.propose(sites.tell(gone)))
    return repo


def _optional(record: WorkflowRecord) -> dict[str, Any]:
    """A value for each field that a record leaves out while it holds its default."""
    values = {
        "start_timeout_seconds": 60,
        "arrival": 1,  # the writer counts arrivals itself
        "installs_os": (builders.TWO,),
        "allows_netboot": True,
    }
    assert values.keys() == {each.name for each in fields(record) if each.default is not MISSING}
    return values


def expected_row(entry: WorkflowEntry, row: Row) -> Row:
    """The row of a workflow, from its decoded values."""
    record, context = entry.record, entry.context
    moves = [each.at for each in entry.events if isinstance(each, RequestMoved)]
    workers = [WorkerRow(each.id, (*each.macs, *each.ips)) for each in record.workers]
    return Row(
        id=record.id,
        record_blob=entry.record_id,
        status_blob=row.status_blob,
        request_path=path_of(entry),
        request_digest=record.request_digest,
        created_at=record.created_at,
        claimed_at=moves[-1] if moves else record.created_at,
        state=context.state,
        workers=() if context.state in FINAL else tuple(workers),
        is_deleted=context.is_deleted,
        arrival=record.arrival or 0,
        parts=boot_history.parts_of(record, context, entry.events),
    )


def test_a_row_says_of_a_workflow_what_its_values_say(busy):
    store = StatusStore(busy)
    tip = store.tip()
    assert tip
    rows = store.read_rows(tip)
    assert len(rows) == 6
    for row in rows:
        assert row == expected_row(store.read_workflow(row.id), row)


def test_rows_come_back_from_columns_and_from_the_lists_of_the_archive(busy):
    store = StatusStore(busy)
    rows = sorted(store.read_rows(store.tip()), key=lambda row: row.id)
    columns, times = row_columns.columns_of(rows)
    assert sorted(row_columns.rows_of(columns, times), key=lambda row: row.id) == rows
    lines = b"".join(map(index.encode_archived, rows))
    assert index.decode_archived(lines) == [each._replace(workers=()) for each in rows]


def test_a_list_shows_of_a_workflow_what_its_values_say(busy):
    view = StatusStore(busy).load()
    shown = list(summaries.read(busy, view.workflows.values()))
    assert shown == [summary_of(each) for each in view.workflows.values()]


def test_every_way_to_a_view_leads_to_the_same_view(busy):
    store = StatusStore(busy)
    unlike = {each.name for each in fields(StatusView)} - {"set_aside", "damage", "reconcile"}
    same = [each for each in unlike if not getattr(store.load(), each)]
    assert same == [], "a new field: give the branch something that it holds"
    commits = busy.run("rev-list", "--reverse", "status").decode().split()
    followed = store.load(commits[0])
    for commit in commits[1:]:
        followed = store.catch_up(followed, commit)
        sites.same_content(followed, store.load(commit))
    with closing(StatusWriter(busy)) as writer:
        sites.same_content(writer.view, followed)


def test_a_change_of_a_view_keeps_what_it_does_not_change():
    values: dict[str, Any] = {
        each.name: ShardMap({builders.ONE: each.name}) for each in fields(StatusView)
    }
    values["machines"] = ShardMap({builders.TWO: MachineHistory()})
    full = replace(builders.status(builders.record()), arrivals=7)
    values |= {
        "commit": builders.COMMIT,
        "workflows": full.workflows,
        "arrivals": 7,
        "reconcile": ReconcileReport(at=builders.AT),
    }
    view = StatusView(**values)
    after = view.apply(builders.report(0, State.RUNNING))
    through = view.draft().settled()
    for each in fields(StatusView):
        assert getattr(through, each.name) == getattr(view, each.name), each.name
        if each.name not in ("workflows", "machines"):
            assert getattr(after, each.name) == getattr(view, each.name), each.name


def other_value(hint: Any) -> Any:
    """A value that no field of this type has by default."""
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    plain = getattr(hint, "__supertype__", hint)
    known: dict[Any, Any] = {str: "größe", int: 17, bool: True, float: 1.5}
    if plain in known:
        return known[plain]
    origin = get_origin(plain)
    if origin is tuple:
        return (other_value(get_args(plain)[0]),) * (1 if Ellipsis in get_args(plain) else 2)
    return {"a": {"b": "1"}}  # a mapping


@pytest.mark.parametrize("kind", [WorkflowRecord, Action])
def test_every_field_of_a_record_is_written_and_read_back(kind):
    hints = get_type_hints(kind)
    for each in fields(kind):
        if each.name in ("actions", "workers"):
            continue
        value = other_value(hints[each.name])
        if kind is Action:
            record = builders.record(actions=(replace(builders.action(0), **{each.name: value}),))
        else:
            record = builders.record(**{each.name: value})
        content = record_codec.encode_record(record)
        assert record_codec.decode_record(content, "x") == record, each.name
        assert record_codec.is_as_written(content, "x"), each.name


def test_what_a_later_version_added_is_left_out_while_it_says_nothing():
    """So that the record of an older version has the bytes that it was written with."""
    content = record_codec.encode_record(builders.record())
    assert b'"arrival"' not in content
    longer = content.replace(b'"created_at": ', b'"arrival": null,\n"created_at": ')
    for changed in (longer, content.replace(b'"name": ', b'"title": ', 1)):
        with pytest.raises(Exception, match="a field"):
            record_codec.is_as_written(changed, "x")


def test_an_entry_names_its_record_however_it_is_held(busy):
    view = StatusStore(busy).load()
    for each in view.workflows.values():
        content = busy.blob(each.record_id)
        assert record_codec.decode_record(content, "x") == each.record
        assert isinstance(each.record_id, str) and each.record_id != BlobId("")
