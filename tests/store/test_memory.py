"""What a server remembers outside of the branches survives it, and is never older than it was."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from provisioner.errors import Unavailable
from provisioner.git.repo import GitRepo
from provisioner.model.ids import CommitId
from provisioner.store.guard import memory as memory_file
from provisioner.store.guard.memory import Memory
from provisioner.store.writer.status_writer import StatusWriter
from tests.store import sites
from tests.store.sites import create, result

REF = "refs/heads/status"


def commits(repo: GitRepo, count: int) -> list[CommitId]:
    """A line of commits on top of the status branch, which stays where it is."""
    made = [repo.branch("status")]
    tree = sites.git(repo.git_dir, "rev-parse", "status^{tree}").strip()
    for number in range(count):
        words = ("commit-tree", "-m", str(number), "-p", made[-1], tree)
        made.append(CommitId(sites.git(repo.git_dir, *words).strip()))
    return made[1:]


def test_what_is_saved_is_there_when_it_is_opened_again(repo):
    one, two = commits(repo, 2)
    memory = Memory(repo)
    assert memory.is_new and memory.tip(REF) is None
    memory.note(REF, one)
    memory.accept_desired("main", two)
    again = Memory(repo)
    assert not again.is_new
    assert again.tip(REF) == one
    assert again.accepted_desired("main") == two
    assert again.accepted_desired("other") is None


def test_a_note_alone_writes_nothing(repo):
    memory = Memory(repo)
    memory.note(REF, commits(repo, 1)[0])
    assert not (repo.own_dir / memory_file.FILE).exists()
    memory.save_if_due()
    assert (repo.own_dir / memory_file.FILE).exists()


def test_what_is_remembered_is_not_pruned(repo):
    one, two = commits(repo, 2)
    memory = Memory(repo)
    memory.note(REF, one)
    memory.accept_desired("main", two)
    sites.git(repo.git_dir, "gc", "-q", "--prune=now")
    assert repo.commit(one).id == one and repo.commit(two).id == two


def test_without_its_file_the_pins_are_remembered(repo):
    one, two = commits(repo, 2)
    memory = Memory(repo)
    memory.note(REF, one)
    memory.accept_desired("main", two)
    (repo.own_dir / memory_file.FILE).unlink()
    again = Memory(repo)
    assert again.is_new
    assert (again.tip(REF), again.accepted_desired("main")) == (one, two)


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-20], lambda content: b"", lambda content: content + b"\n"],
)
def test_a_damaged_file_is_reported_and_the_pins_are_remembered(repo, caplog, damage):
    [one] = commits(repo, 1)
    memory = Memory(repo)
    memory.note(REF, one)
    memory.save()
    path = repo.own_dir / memory_file.FILE
    path.write_bytes(damage(path.read_bytes()))
    assert Memory(repo).tip(REF) == one
    assert "is damaged and not used" in caplog.text


def test_the_file_of_a_newer_version_is_refused(repo):
    memory = Memory(repo)
    memory.note(REF, commits(repo, 1)[0])
    memory.save()
    path = repo.own_dir / memory_file.FILE
    head, _, body = path.read_bytes().partition(b"\n")
    path.write_bytes(json.dumps(json.loads(head) | {"version": 2}).encode() + b"\n" + body)
    with pytest.raises(Unavailable, match="newer version"):
        Memory(repo)


def test_the_journal_moves_it_forward_and_never_back(repo):
    one, two, three = commits(repo, 3)
    memory = Memory(repo)
    for told, remembered in ((one, one), (three, three), (two, three), (one, three)):
        memory.keep(REF, told)
        assert Memory(repo).tip(REF) == remembered


def test_what_a_person_gave_up_does_not_come_back_by_the_journal(repo):
    before, given_up = commits(repo, 2)
    tree = sites.git(repo.git_dir, "rev-parse", "status^{tree}").strip()
    other = CommitId(sites.git(repo.git_dir, "commit-tree", "-m", "other", tree).strip())
    memory = Memory(repo)
    memory.note(REF, given_up)
    memory.give_up(REF, other)
    for late in (given_up, before):
        again = Memory(repo)
        again.keep(REF, late)
        assert Memory(repo).tip(REF) == other


def test_a_tip_that_is_not_in_the_repository_is_remembered_all_the_same(repo):
    memory = Memory(repo)
    memory.note(REF, CommitId("1" * 40))
    memory.save()
    assert Memory(repo).tip(REF) == "1" * 40


def test_a_writer_remembers_its_last_tip_when_it_ends(repo, make_sink):
    with closing(StatusWriter(repo, make_sink=make_sink)) as writer:
        result(writer.propose(create(sites.record(1))))
        last = writer.view.commit
    assert Memory(repo).tip(REF) == last
    pin = memory_file.tip_pin(REF)
    assert sites.git(repo.git_dir, "rev-parse", pin).strip() == last


def test_a_pin_that_somebody_moved_is_put_where_it_belongs(repo):
    one, two = commits(repo, 2)
    memory = Memory(repo)
    memory.note(REF, one)
    memory.save()
    pin = memory_file.tip_pin(REF)
    for words in (("-d", pin), (pin, two)):
        sites.git(repo.git_dir, "update-ref", *words)
        memory.save()
        assert sites.git(repo.git_dir, "rev-parse", pin).strip() == one
