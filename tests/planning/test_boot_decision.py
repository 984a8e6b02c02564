"""One test for each row of the table in docs/boot.md, in its order."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.event import WorkflowDeleted
from provisioner.model.hardware import Interface, Netboot
from provisioner.model.ids import IpAddress, MacAddress, WorkflowId
from provisioner.model.state import State
from provisioner.model.views import DesiredState, Snapshot
from provisioner.planning import desired as desired_planning
from provisioner.planning.boot_decision import Boot, Client, decide
from tests import builders
from tests.builders import COMMIT, MACS, ONE, TWO
from tests.planning.test_desired import file

MAC = MacAddress(MACS[ONE])
FIRST, SECOND, THIRD = (
    WorkflowId(f"0190a5c0-0000-7000-8000-0000000000{number:02x}") for number in (1, 2, 3)
)
RUN, OK, BAD = State.RUNNING, State.SUCCESS, State.FAILED


def machine(**changes):
    interface = Interface(mac=MAC, ip=IpAddress("192.168.1.5"), **changes)
    return builders.hardware(ONE, interfaces=(interface,))


def workflow(identity=FIRST, *owners, installs=True, **changes):
    owners = owners or (ONE,)
    number = (FIRST, SECOND, THIRD).index(identity) + 1
    return builders.record(
        *owners,
        workflow=identity,
        arrival=number,
        installs_os=tuple(dict.fromkeys(owners)) if installs else (),
        **changes,
    )


def snapshot(*records, hardware=None, events=(), is_gone=False):
    documents = () if is_gone else (hardware or machine(),)
    files = {each.source.path: file(each) for each in documents}
    desired = desired_planning.update(DesiredState(), files, commit=COMMIT).state
    status = builders.after(builders.status(*records), events)
    return Snapshot(desired=desired, status=status)


def said(index, *states, of=FIRST, worker=ONE):
    return [builders.report(index, each, workflow=of, worker=worker) for each in states]


def deleted(identity):
    return WorkflowDeleted(workflow_id=identity, at=builders.AT, desired_commit=COMMIT, message="")


def boot(*records, mac=MAC, client=None, idle="ignore", **changes):
    return decide(snapshot(*records, **changes), mac, client=client, idle=idle)


def test_an_unknown_mac_is_ignored():
    answer = boot(workflow(), mac=MacAddress("02:00:00:00:00:99"))
    assert (answer.boot, answer.is_known) == (Boot.IGNORE, False)
    assert "no hardware document" in answer.reason


def test_allow_pxe_false_is_ignored_even_with_work():
    answer = boot(workflow(), hardware=machine(allow_pxe=False))
    assert (answer.boot, answer.reason) == (Boot.IGNORE, "allow_pxe is false")
    assert answer.is_known


def test_a_live_workflow_that_toggles_netboot_overrules_it():
    answer = boot(workflow(allows_netboot=True), hardware=machine(allow_pxe=False))
    assert (answer.boot, answer.workflow) == (Boot.MEMORY, FIRST)


def test_the_toggle_of_a_workflow_that_ended_counts_no_more():
    events = said(0, RUN, OK)
    answer = boot(workflow(allows_netboot=True), hardware=machine(allow_pxe=False), events=events)
    assert answer.boot is Boot.IGNORE


@pytest.mark.parametrize("allow_pxe", [True, None])
@pytest.mark.parametrize("events", [[], said(0, RUN)])
def test_a_live_workflow_boots_the_memory_os(allow_pxe, events):
    answer = boot(workflow(), hardware=machine(allow_pxe=allow_pxe), events=events)
    assert (answer.boot, answer.workflow) == (Boot.MEMORY, FIRST)
    assert str(FIRST) in answer.reason


def test_allow_workflow_false_is_as_if_it_had_none():
    answer = boot(workflow(), hardware=machine(allow_workflow=False))
    assert (answer.boot, answer.reason) == (Boot.IGNORE, "no workflow was ever for it")


def test_its_own_part_done_while_others_go_on_is_judged_by_the_rows_below():
    both = workflow(FIRST, ONE, TWO)
    assert boot(both, events=said(0, RUN, OK)).boot is Boot.DISK
    harmless = workflow(FIRST, ONE, TWO, installs=False)
    assert boot(harmless, events=said(0, RUN, OK)).boot is Boot.MEMORY


def test_work_that_waits_behind_it_counts():
    events = said(0, RUN, OK)
    answer = boot(workflow(FIRST, ONE, TWO), workflow(SECOND), events=events)
    assert (answer.boot, answer.workflow) == (Boot.MEMORY, SECOND)


def test_a_machine_that_never_had_a_workflow_is_ignored():
    assert boot().boot is Boot.IGNORE


def test_one_that_waits_in_memory_is_not():
    assert boot(hardware=machine(netboot=Netboot(idle="memory"))).boot is Boot.MEMORY
    assert boot(idle="memory").boot is Boot.MEMORY
    assert boot(hardware=machine(netboot=Netboot(idle="ignore")), idle="memory").boot is Boot.IGNORE


def test_a_workflow_that_was_cancelled_before_it_began_is_none():
    assert boot(workflow(), events=[deleted(FIRST)]).boot is Boot.IGNORE


def test_an_install_that_succeeded_boots_the_disk():
    answer = boot(workflow(), events=said(0, RUN, OK))
    assert (answer.boot, answer.workflow) == (Boot.DISK, FIRST)


def test_whatever_harmless_workflow_ran_since():
    events = [*said(0, RUN, OK), *said(0, RUN, BAD, of=SECOND)]
    answer = boot(workflow(), workflow(SECOND, installs=False), events=events)
    assert (answer.boot, answer.workflow) == (Boot.DISK, FIRST)


def test_also_when_its_request_was_deleted_since():
    assert boot(workflow(), events=[*said(0, RUN, OK), deleted(FIRST)]).boot is Boot.DISK


def test_a_later_install_that_never_began_does_not_count():
    events = [*said(0, RUN, OK), deleted(SECOND)]
    assert boot(workflow(), workflow(SECOND), events=events).boot is Boot.DISK


@pytest.mark.parametrize(
    ("events", "state"),
    [
        (said(0, RUN, BAD), "STATE_FAILED"),
        (said(0, RUN, State.TIMEOUT), "STATE_TIMEOUT"),
        ([*said(0, RUN), deleted(FIRST)], "STATE_CANCELLED"),
    ],
)
def test_an_install_that_ended_badly_waits_in_memory(events, state):
    answer = boot(workflow(), events=events)
    assert answer.boot is Boot.MEMORY and state in answer.reason


def test_the_last_install_decides():
    events = [*said(0, RUN, OK), *said(0, RUN, BAD, of=SECOND)]
    assert boot(workflow(), workflow(SECOND), events=events).boot is Boot.MEMORY


def test_workflows_that_installed_nothing_lead_back_to_memory():
    answer = boot(workflow(installs=False), events=said(0, RUN, OK))
    assert answer.boot is Boot.MEMORY and "no operating system" in answer.reason


def test_deleted_ones_lead_nowhere():
    events = [*said(0, RUN, OK), deleted(FIRST)]
    assert boot(workflow(installs=False), events=events).boot is Boot.IGNORE


@pytest.mark.parametrize(
    "netboot", [Netboot(ipxe_url="http://boot.example/x"), Netboot(ipxe_contents="shell")]
)
def test_a_script_of_the_document_stands_for_the_memory_os(netboot):
    own = machine(netboot=netboot)
    assert boot(hardware=own).boot is Boot.SCRIPT
    assert boot(workflow(), hardware=own).boot is Boot.SCRIPT
    assert boot(workflow(), hardware=own, events=said(0, RUN, OK)).boot is Boot.DISK
    assert boot(hardware=replace_pxe(own)).boot is Boot.IGNORE


def replace_pxe(own):
    return replace(own, interfaces=(replace(own.interfaces[0], allow_pxe=False),))


@pytest.mark.parametrize("arch", ["arm64", "aarch64"])
def test_there_is_no_memory_os_for_arm_but_the_document_may_name_one(arch):
    answer = boot(workflow(), client=Client(arch=arch))
    assert answer.boot is Boot.IGNORE and arch in answer.reason
    own = machine(netboot=Netboot(osie_base_url="http://hook.example"))
    assert boot(workflow(), hardware=own, client=Client(arch=arch)).boot is Boot.MEMORY
    assert boot(workflow(), client=Client(arch="i386", firmware="bios")).boot is Boot.MEMORY


def test_a_machine_whose_file_is_gone_ends_its_workflow():
    answer = boot(workflow(), is_gone=True)
    assert (answer.boot, answer.machine, answer.hardware) == (Boot.MEMORY, ONE, None)
    assert not boot(workflow(), is_gone=True, events=said(0, RUN, OK)).is_known
