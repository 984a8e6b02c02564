"""Who may read which metadata, and in what shape."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from provisioner.faces.http.app import create_app
from provisioner.faces.http.server import HttpServer
from provisioner.model.event import MachinePhonedHome, WorkflowDeleted
from provisioner.model.hardware import Interface
from provisioner.model.ids import WorkflowId, parse_ip, parse_mac
from provisioner.model.state import State
from tests import builders
from tests.builders import MACS, ONE, TWO, hardware, record, report, status
from tests.faces import raw_http

OWN, OTHER, STRANGER = "10.0.0.5", "10.0.0.6", "10.0.0.99"
DOCUMENT = {
    "id": ONE,
    "metadata": {
        "userdata": "#cloud-config\nsecret: 1\n",
        "vendordata": "#cloud-config\n{}",
        "facility": {"facility_code": "ams1", "plan_slug": "c1"},
        "instance": {
            "id": "i-1",
            "hostname": "web",
            "userdata": "other",
            "ssh_keys": ["ssh-ed25519 A", "ssh-ed25519 B"],
            "tags": ["a", "b"],
            "operating_system": {"slug": "debian_12", "distro": "debian"},
            "storage": {"disks": [{"device": "/dev/sda"}]},
            "network": {
                "addresses": [
                    {"address": "1.2.3.4", "address_family": 4, "public": True},
                    {"address": "10.1.1.1", "address_family": 4, "public": False},
                ]
            },
        },
    },
}
RUN, OK = State.RUNNING, State.SUCCESS
READS = (
    "/2009-04-04/user-data",
    "/2009-04-04/meta-data/instance-id",
    "/metadata",
    f"/nocloud/{MACS[ONE]}/meta-data",
)


def machine(worker, ip, **changes):
    interface = Interface(
        mac=parse_mac(MACS[worker]),
        ip=parse_ip(ip),
        netmask="255.255.255.0",
        gateway="10.0.0.1",
        hostname="n1",
        name_servers=("1.1.1.1",),
    )
    return hardware(worker, interfaces=(interface,), **changes)


@pytest.fixture
def site(inside):
    inside.set_hardware(machine(ONE, OWN, document=DOCUMENT), machine(TWO, OTHER))
    made = record(ONE, installs_os=(ONE,), arrival=1)
    inside.snapshots.swap_status(status(made), (made.id,))
    return inside


def reader(site, **settings):
    site.set_booting(**settings)
    client = create_app(site.provisioner).test_client()

    def read(path, source=OWN, method="GET", **options):
        return client.open(path, method=method, environ_base={"REMOTE_ADDR": source}, **options)

    return read


def install(site):
    site.apply(report(0, RUN))
    site.apply(report(0, OK, at=builders.AT))


def test_a_machine_at_work_reads_the_ec2_tree(site):
    read = reader(site)
    base = "/2009-04-04/meta-data"
    assert read("/2009-04-04/").text == "meta-data/\nuser-data"
    for slash in ("", "/"):
        names = read(base + slash).text.splitlines()
        assert "instance-id" in names and "operating-system/" in names
        assert read(f"{base}/operating-system{slash}").text.splitlines() == [
            "distro",
            "image_tag",
            "license_activation/",
            "slug",
            "version",
        ]
    for name, text in (
        ("instance-id", "i-1"),
        ("hostname", "web"),
        ("local-hostname", "web"),
        ("facility", "ams1"),
        ("plan", "c1"),
        ("public-keys", "ssh-ed25519 A\nssh-ed25519 B"),
        ("tags", "a\nb"),
        ("public-ipv4", "1.2.3.4"),
        ("local-ipv4", "10.1.1.1"),
        ("iqn", ""),
        ("operating-system/slug", "debian_12"),
        ("operating-system/license_activation/state", ""),
    ):
        answer = read(f"{base}/{name}")
        assert (answer.status_code, answer.text) == (200, text), name
    assert read(f"{base}/nothing").status_code == 404
    assert read("/2009-04-04/user-data").text == DOCUMENT["metadata"]["userdata"]


def test_hegel_gives_the_whole_document(site):
    told = reader(site)("/metadata").json
    assert told["id"] == ONE and told["metadata"]["instance"]["storage"]["disks"]


def test_nocloud_files_are_for_the_machine_of_that_mac(site):
    read = reader(site)
    base = f"/nocloud/{MACS[ONE].upper().replace(':', '-')}"
    assert json.loads(read(f"{base}/meta-data").text)["instance-id"] == "i-1"
    assert read(f"{base}/user-data").text.startswith("#cloud-config")
    assert read(f"{base}/vendor-data").text == "#cloud-config\n{}"
    config = json.loads(read(f"{base}/network-config").text)
    assert config["version"] == 2
    assert config["ethernets"]["nic0"] == {
        "match": {"macaddress": MACS[ONE]},
        "addresses": [f"{OWN}/24"],
        "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}],
        "nameservers": {"addresses": ["1.1.1.1"]},
    }
    assert read(f"{base}/else").status_code == 404
    assert read(f"/nocloud/{MACS[TWO]}/meta-data").status_code == 404
    assert read("/nocloud/nonsense/meta-data").status_code == 404


def test_all_others_get_the_same_404(site):
    read = reader(site)
    answers = {
        read(path, source=source).data for path in READS for source in (OTHER, STRANGER, "", "::1")
    }
    assert len(answers) == 1
    assert {read(path, source=OTHER).status_code for path in READS} == {404}


def test_a_machine_without_a_workflow_any_more_reads_nothing(site):
    gone = WorkflowDeleted(
        workflow_id=builders.WORKFLOW, at="", desired_commit=builders.COMMIT, message=""
    )
    site.apply(gone)
    assert {reader(site)(path).status_code for path in READS} == {404}


def test_an_installed_system_reads_its_user_data_until_it_phoned_home(site, monkeypatch):
    install(site)
    read = reader(site, metadata_seconds=1e12)
    assert read("/2009-04-04/user-data").text.startswith("#cloud-config")
    for method in ("POST", "PUT", "POST"):
        answer = read("/phone-home", method=method, data=b"instance_id=i-1")
        assert (answer.status_code, answer.text) == (200, "")
    context = site.snapshots.current.status.workflows[builders.WORKFLOW].context
    assert context.phoned_home == (ONE,) and context.event_count == 3
    for path in ("/2009-04-04/user-data", f"/nocloud/{MACS[ONE]}/user-data"):
        answer = read(path)
        assert (answer.status_code, answer.text) == (200, "")
    assert read(f"/nocloud/{MACS[ONE]}/vendor-data").text == ""
    told = read("/metadata").json["metadata"]
    assert "userdata" not in told and "vendordata" not in told
    assert "userdata" not in told["instance"]
    assert read("/2009-04-04/meta-data/instance-id").text == "i-1"


def test_or_until_its_time_is_over(site):
    install(site)
    assert reader(site, metadata_seconds=0)("/2009-04-04/user-data").text == ""


def test_a_machine_that_works_again_reads_its_user_data_again(site):
    install(site)
    site.apply(MachinePhonedHome(workflow_id=builders.WORKFLOW, at="", worker_id=ONE))
    again = builders.record(
        ONE, workflow=WorkflowId(builders.WORKFLOW[:-2] + "bb"), installs_os=(ONE,), arrival=2
    )
    from provisioner.model.views import WorkflowCreated

    site.apply(WorkflowCreated(record=again, rendered=""))
    assert reader(site)("/2009-04-04/user-data").text.startswith("#cloud-config")


def test_phoning_home_without_an_install_is_only_heard(site):
    read = reader(site)
    assert read("/phone-home", method="POST").status_code == 200
    assert read("/phone-home", method="POST", source=STRANGER).status_code == 404
    assert not site.snapshots.current.status.workflows[builders.WORKFLOW].events


def test_a_forwarded_address_counts_only_from_a_named_proxy(site):
    headers = {"X-Forwarded-For": f"{OTHER}, {OWN}"}
    path = "/2009-04-04/meta-data/instance-id"
    assert reader(site)(path, source=STRANGER, headers=headers).status_code == 404
    proxied = reader(site, proxies=(STRANGER,))
    assert proxied(path, source=STRANGER, headers=headers).text == "i-1"
    assert proxied(path, source=STRANGER, headers={"X-Forwarded-For": OTHER}).status_code == 404
    assert proxied(path, source=f"::ffff:{OWN}").text == "i-1"


def test_a_named_proxy_that_forwards_for_nobody_is_judged_by_its_own_address(site):
    path = "/2009-04-04/meta-data/instance-id"
    proxied = reader(site, proxies=(OWN,))
    assert proxied(path).text == "i-1"
    assert proxied(path, headers={"X-Forwarded-For": ""}).text == "i-1"


@pytest.mark.network
@pytest.mark.waits
def test_no_other_header_stands_for_the_forwarded_address(site):
    """A proxy passes on what it does not know: an underscore is a dash in a WSGI environment."""
    site.set_booting(proxies=("127.0.0.1",))
    path = "/2009-04-04/meta-data/instance-id"
    with closing(HttpServer(site.provisioner, host="127.0.0.1", port=0)) as server:

        def status(*headers):
            request = raw_http.get(path, "Connection: close", *headers)
            (found,) = raw_http.statuses(raw_http.ask(server, request))
            return found

        assert status(f"X-Forwarded-For: {OWN}") == 200
        assert status(f"X-Forwarded-For: {STRANGER}", f"X_Forwarded_For: {OWN}") == 404
        assert status(f"X_Forwarded-For: {OWN}", f"X-Forwarded-For: {STRANGER}") == 404
        assert status(f"X-Forwarded-For: {OWN}", f"X-Forwarded-For: {STRANGER}") == 404
        assert status(f"X-Forwarded-For: {OWN}, nonsense") == 404
