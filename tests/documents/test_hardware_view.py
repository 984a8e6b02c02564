"""Templates see a machine in the shapes of Tinkerbell on Kubernetes."""

from __future__ import annotations

from gotemplate import template
from provisioner.documents.hardware_view import hardware_view
from tests.documents.document_reading import decode
from tests.documents.test_hardware_documents import MACHINE
from tests.documents.test_kubernetes_documents import HARDWARE


def rendered(text, source):
    (hardware,) = decode("hardware/x.yaml", source).hardware
    return template.parse(text).render(hardware_view(hardware))


def test_disks_are_a_list_of_devices():
    text = "{{ index .Hardware.Disks 0 }} {{ formatPartition ( index .Hardware.Disks 0 ) 1 }}"
    assert rendered(text, HARDWARE) == "/dev/nvme0n1 /dev/nvme0n1p1"


def test_parts_have_the_names_of_the_go_fields():
    text = (
        "{{ (index .Hardware.Interfaces 0).DHCP.MAC }} {{ .Hardware.UserData }}"
        " {{ (index .Hardware.Interfaces 0).DHCP.IP.Address }}"
        " {{ (index .Hardware.Interfaces 0).Netboot.AllowPXE }}"
        " {{ .Hardware.Metadata.Facility.FacilityCode }}"
    )
    assert rendered(text, HARDWARE) == ("52:54:00:12:34:56 #cloud-config 192.168.2.17 true sandbox")


def test_the_object_itself_is_in_lower_case():
    text = "{{ .hardware.metadata.name }} {{ .hardware.spec.metadata.facility.facility_code }}"
    assert rendered(text, HARDWARE) == "machine1 sandbox"


def test_a_classic_machine_is_shown_the_same_way():
    source = MACHINE.replace(
        "  facility:", "  instance: {storage: {disks: [{device: /dev/sda}]}}\n  facility:"
    )
    text = (
        "{{ index .Hardware.Disks 0 }} {{ (index .Hardware.Interfaces 0).DHCP.MAC }}"
        " {{ (index .hardware.spec.interfaces 0).netboot.allowPXE }}"
        " {{ .Hardware.Metadata.Facility.FacilityCode }}"
    )
    assert rendered(text, source) == "/dev/sda 08:00:27:00:00:01 true onprem"


def test_a_machine_that_tells_little_is_shown_empty():
    text = "{{ len .Hardware.Disks }} {{ .Hardware.UserData }}{{ len .Hardware.Interfaces }}"
    assert rendered(text, "id: 0eba0bf8-3772-4b4a-ab9f-6ebe93b90a94\n") == "0 0"
