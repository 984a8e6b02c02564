"""A machine, as its hardware document tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.ids import HardwareId, IpAddress, MacAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Netboot:
    """How an interface boots from the network, where its document says more than yes or no.

    `ipxe_url` and `ipxe_contents` are a script of the operator's; the `osie_` fields point to
    another in-memory OS.  `idle` is what a machine does that has nothing to do: "memory" to
    wait in the in-memory OS, "ignore" to be left alone, "" as the server is set.
    """

    ipxe_url: str = ""
    ipxe_contents: str = ""
    osie_base_url: str = ""
    osie_kernel: str = ""
    osie_initrd: str = ""
    idle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """One network interface: what identifies the machine, and how it may boot.

    `routes` holds pairs of a network (10.0.0.0/8) and its gateway.
    """

    mac: MacAddress | None = None
    ip: IpAddress | None = None
    netmask: str = ""
    gateway: str = ""
    hostname: str = ""
    lease_time_seconds: int = 0
    name_servers: tuple[str, ...] = ()
    time_servers: tuple[str, ...] = ()
    arch: str = ""
    uefi: bool = False
    vlan_id: str = ""
    domain_name: str = ""
    routes: tuple[tuple[str, str], ...] = ()
    allow_pxe: bool | None = None  # None: it does not say
    allow_workflow: bool | None = None
    netboot: Netboot = Netboot()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a document stands: path in the repository and the blob it was read from."""

    path: str
    blob_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """`document` is the classic JSON shape, as `tink hardware id` prints it.

    `kubernetes` is the Kubernetes-era object it was read from (empty for classic files);
    templates see it as `.Hardware` and `.hardware`.  Neither is ever changed.
    `places` tells line and column of the id and of each address, by its one spelling.
    """

    id: HardwareId
    name: str = ""
    agent_id: str = ""  # Kubernetes era: another name of its worker
    interfaces: tuple[Interface, ...] = ()
    document: Mapping[str, object]
    kubernetes: Mapping[str, object] | None = None
    source: Source
    places: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    @property
    def host_name(self) -> str:
        """The name that people know it by: of its first interface that has one, else its own."""
        return next((each.hostname for each in self.interfaces if each.hostname), self.name)

    @property
    def macs(self) -> tuple[MacAddress, ...]:
        return tuple(each.mac for each in self.interfaces if each.mac)

    @property
    def allows_workflow(self) -> bool:
        """Whether it may run workflows: unless all interfaces that say something say no."""
        said = [each.allow_workflow for each in self.interfaces if each.allow_workflow is not None]
        return True in said or not said

    def interface_of(self, mac: MacAddress) -> Interface | None:
        """The interface with this MAC address."""
        return next((each for each in self.interfaces if each.mac == mac), None)

    @property
    def ips(self) -> tuple[IpAddress, ...]:
        return tuple(each.ip for each in self.interfaces if each.ip)
