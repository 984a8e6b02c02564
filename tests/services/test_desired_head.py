"""Which commit is applied: real git, one reconciler, pushes of every kind."""

from __future__ import annotations

import pytest

from provisioner.model.state import State
from provisioner.services.conditions import Conditions
from provisioner.services.desired_head import MISSING, NOT_ACCEPTED, DesiredHead
from provisioner.store.desired.acceptance import Acceptance
from tests.builders import HELLO, MACS, ONE, TWO
from tests.services.parts import SITE, request_file
from tests.services.reconciled_site import Site
from tests.services.test_reconciler import A, B, C


def numbered(number):
    """A request that means the same as no other one."""
    return request_file(device_1=MACS[ONE], n=number)


MANY = {f"workflows/{number:02}.yaml": numbered(number) for number in range(30)}


@pytest.fixture
def site(site):
    opened = Site(site)
    yield opened
    opened.stop()


@pytest.fixture(params=["running", "restarted"])
def between(request, site):
    """What happens between a push and the server's next look."""
    return site.restart if request.param == "restarted" else lambda: None


def look(site):
    while site.reconciler.reconcile() is not None:
        pass


def names(site):
    return [each.name for each in site.conditions.current]


def tip(site, revision="main"):
    return site.git("rev-parse", revision).strip()


def another_history(site, files):
    """Force another history on the branch; return its head."""
    site.git("checkout", "-q", "--orphan", "fresh")
    site.git("rm", "-rfq", ".")
    for path, content in files.items():
        (site.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (site.folder / path).write_text(content)
    site.git("add", "--all")
    site.git("commit", "-q", "--allow-empty", "-m", "another history")
    site.git("branch", "-q", "-M", "fresh", "main")
    return tip(site)


def push(site, message):
    site.git("commit", "-q", "--allow-empty", "-m", message)
    return tip(site)


def test_another_history_waits_and_one_that_is_put_back_is_as_if_nothing_had_happened(
    site, between
):
    site.commit({**SITE, A: request_file(), B: numbered(2)})
    before, good = site.status.workflows, tip(site)
    another_history(site, {**SITE, C: numbered(3)})
    between()
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert not site.conditions.current[0].stops_writing
    assert set(site.status.workflows) == set(before)
    assert site.states() == {A: State.PENDING, B: State.PENDING}
    assert site.snapshots.current.desired.hardware_by_mac[MACS[TWO]] == TWO
    site.git("reset", "-q", "--hard", good)
    between()
    look(site)
    assert names(site) == [] and site.codes == []
    assert set(site.status.workflows) == set(before)


def test_the_condition_names_the_command_and_the_trailer(site):
    site.commit({**SITE, A: request_file()})
    other = another_history(site, SITE)
    look(site)
    [condition] = site.conditions.current
    assert f"tink --repo {site.folder} accept {other}" in condition.hint
    assert f"Tink-Accept: {other}" in condition.hint


def test_the_command_names_branches_that_are_not_the_usual_ones(site):
    site.commit(SITE)
    site.git("branch", "staging")
    conditions = Conditions()
    head = DesiredHead(
        repo=site.repo,
        branch="staging",
        status_branch="status of staging",
        tip=lambda: tip(site, "staging"),
        memory=site.writer.memory,
        conditions=conditions,
    )
    head.obey(head.target())
    other = another_history(site, SITE)
    site.git("branch", "-f", "staging", other)
    assert head.target().commit != other
    words = f"--branch staging --status-branch 'status of staging' accept {other}"
    assert words in conditions.current[0].hint


def test_an_older_commit_of_the_branch_waits_too(site, between):
    site.commit({**SITE, A: request_file()})
    site.commit({B: numbered(2)})
    site.git("reset", "-q", "--hard", "HEAD~1")
    between()
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING, B: State.PENDING}


def test_what_is_accepted_by_command_is_obeyed_also_by_a_server_that_was_down(site, between):
    site.commit({**SITE, A: request_file()})
    other = another_history(site, {**SITE, C: numbered(3)})
    look(site)
    Acceptance(site.repo, "main").accept(other)
    between()
    look(site)
    assert names(site) == []
    assert site.states() == {A: State.CANCELLED, C: State.PENDING}
    site.commit({B: numbered(2)})
    assert site.states()[B] is State.PENDING


def test_what_is_accepted_by_trailer_is_obeyed_with_what_came_after(site, between):
    site.commit({**SITE, A: request_file()})
    other = another_history(site, {**SITE, C: numbered(3)})
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    site.git("commit", "-q", "--allow-empty", "-m", f"Yes\n\nTink-Accept: {other}")
    site.commit({B: numbered(2)})
    between()
    look(site)
    assert names(site) == []
    assert site.states() == {A: State.CANCELLED, B: State.PENDING, C: State.PENDING}


@pytest.mark.parametrize(
    "message",
    [
        "Yes\n\nTink-Accept: {short}",
        "Tink-Accept: {other} is what I would have to write",
        "Yes\n\nTink-Accept: {good}",
        "Yes\n\nTink-Accept: 0000000000000000000000000000000000000000",
    ],
)
def test_a_trailer_that_names_another_or_half_an_id_accepts_nothing(site, message):
    site.commit({**SITE, A: request_file()})
    good = tip(site)
    other = another_history(site, {**SITE, C: numbered(3)})
    push(site, message.format(other=other, short=other[:12], good=good))
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING}


def test_a_trailer_does_not_accept_a_branch_that_was_merged_in(site):
    """What it names must be where the branch was, not where another one was."""
    site.commit({**SITE, A: request_file()})
    another_history(site, SITE)
    site.git("checkout", "-q", "-b", "side")
    push(site, "side")
    side = tip(site, "side")
    site.git("checkout", "-q", "main")
    push(site, "main goes on")
    site.git("merge", "-q", "--no-ff", "-m", f"Merge\n\nTink-Accept: {side}", "side")
    look(site)
    assert names(site) == [NOT_ACCEPTED]


def test_an_old_trailer_accepts_nothing_when_its_history_is_pushed_again(site, between):
    site.commit({**SITE, A: request_file()})
    other = another_history(site, {**SITE, B: numbered(2)})
    look(site)
    old = push(site, f"Yes\n\nTink-Accept: {other}")
    look(site)
    assert names(site) == []
    newest = another_history(site, {**SITE, C: numbered(3)})
    look(site)
    Acceptance(site.repo, "main").accept(newest)
    look(site)
    assert site.states() == {A: State.CANCELLED, B: State.CANCELLED, C: State.PENDING}
    for wrong in (old, other):
        site.git("reset", "-q", "--hard", wrong)
        between()
        look(site)
        assert names(site) == [NOT_ACCEPTED]
    # Said anew, it counts.
    push(site, f"Back to it\n\nTink-Accept: {other}")
    look(site)
    assert names(site) == []


def test_an_acceptance_that_came_too_late_does_not_wait_for_the_next_mistake(site):
    site.commit({**SITE, A: request_file()})
    good = tip(site)
    wrong = another_history(site, SITE)
    look(site)
    site.git("reset", "-q", "--hard", good)
    Acceptance(site.repo, "main").accept(wrong)
    look(site)
    site.git("reset", "-q", "--hard", wrong)
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING}


def test_a_branch_that_is_gone_leaves_all_as_it_was(site, between):
    site.commit({**SITE, A: request_file()})
    site.git("branch", "-q", "-m", "main", "trunk")
    between()
    look(site)
    assert names(site) == [MISSING]
    assert site.states() == {A: State.PENDING}
    assert site.snapshots.current.desired.hardware
    site.git("branch", "-q", "-m", "trunk", "main")
    between()
    look(site)
    assert names(site) == []
    assert site.states() == {A: State.PENDING}


def test_a_forced_branch_that_is_deleted_afterwards_is_only_missing(site):
    site.commit(SITE)
    another_history(site, SITE)
    look(site)
    site.git("branch", "-q", "-m", "main", "trunk")
    look(site)
    assert names(site) == [MISSING]


def test_a_repository_of_an_older_version_takes_what_its_status_branch_says(site):
    site.commit({**SITE, A: request_file()})
    site.stop()
    (site.folder / ".git/tink/memory.json").unlink()
    site.git("update-ref", "-d", "refs/tink/desired/main")
    site.start()
    another_history(site, {**SITE, C: numbered(3)})
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING}
    assert site.writer.memory.accepted_desired("main")  # from now on it is remembered


@pytest.mark.parametrize("count", [11, 30])
def test_many_deletions_at_once_wait_until_they_are_accepted(site, between, count):
    site.commit({**SITE, **MANY, A: numbered(99)})
    gone = sorted(MANY)[:count]
    site.commit({C: numbered(300)}, gone=gone)
    between()
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert f"deletes {count} of 31 unfinished" in site.conditions.current[0].message
    assert State.CANCELLED not in site.states().values()
    head = tip(site)
    push(site, f"Yes\n\nTink-Accept: {head}")
    between()
    look(site)
    assert names(site) == []
    assert list(site.states().values()).count(State.CANCELLED) == count
    assert site.states()[C] is State.PENDING


def test_deletions_that_are_taken_back_never_happened(site, between):
    site.commit({**SITE, **MANY, A: numbered(99)})
    site.commit(gone=MANY)
    between()
    look(site)
    site.git("revert", "--no-edit", "HEAD")
    between()
    look(site)
    assert names(site) == [] and site.codes == []
    assert set(site.states().values()) == {State.PENDING}


def test_ten_deletions_at_once_are_what_a_person_does(site):
    site.commit({**SITE, **MANY})
    assert site.commit(gone=sorted(MANY)[:10]).deleted == 10


def test_a_commit_that_is_accepted_does_not_accept_the_next_one(site):
    site.commit({**SITE, **MANY, A: numbered(99)})
    site.commit(gone=sorted(MANY)[:12])
    Acceptance(site.repo, "main").accept(tip(site))
    site.commit(gone=sorted(MANY)[12:28])
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert list(site.states().values()).count(State.CANCELLED) == 12


@pytest.mark.parametrize("folder", ["workflows", "."])
def test_an_emptied_folder_deletes_nothing(site, between, folder):
    site.commit({**SITE, A: request_file(), B: numbered(2)})
    site.git("rm", "-rq", folder)
    push(site, "oh")
    between()
    look(site)
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING, B: State.PENDING}
    site.git("revert", "--no-edit", "HEAD")
    look(site)
    assert names(site) == [] and site.codes == []
    assert site.states() == {A: State.PENDING, B: State.PENDING}


def test_a_folder_that_is_gone_with_all_that_was_in_it_deletes_nothing(site):
    site.commit({**SITE, A: request_file(), "workflows/README.md": "what is here"})
    site.commit(gone=[A, "workflows/README.md"])
    assert names(site) == [NOT_ACCEPTED]
    assert site.states() == {A: State.PENDING}


def test_the_last_request_may_be_deleted_but_not_with_all_else(site):
    site.commit({**SITE, A: request_file()})
    site.commit(gone=[*SITE, A])
    assert names(site) == [NOT_ACCEPTED]
    site.git("revert", "--no-edit", "HEAD")
    look(site)
    assert site.commit(gone=[A]).deleted == 1


def test_a_pass_that_breaks_off_is_still_accepted_when_it_is_tried_again(site):
    site.commit({**SITE, **MANY})
    other = another_history(site, {"templates/hello.yaml": HELLO})
    Acceptance(site.repo, "main").accept(other)

    class FullDisk:
        def propose(self, proposal, *, is_bulk=False):
            raise OSError("No space left on device")

    site.stop()
    site.start(lambda writer: FullDisk())
    with pytest.raises(OSError, match="No space"):
        look(site)
    site.restart()
    look(site)
    assert names(site) == []
    assert set(site.states().values()) == {State.CANCELLED}
