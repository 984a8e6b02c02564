"""The Go types of Tinkerbell's Hardware (v1alpha1), as templates meet them in `.Hardware`.

Of each field its Go name, its JSON name and its type.  Every field of these types that the
document does not set has its zero value; a type behind `*` is a pointer, which is nil then.
Facts of tinkerbell/tinkerbell, api/v1alpha1/tinkerbell/hardware.go; all JSON names there have
omitempty but the two of a route and the serial number of a Raspberry Pi.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gotemplate.values import Int64, NilList, NilStringList, Pointer, StringList, Struct

_FIELDS = """
Interface
  Netboot netboot *Netboot
  Isoboot isoboot *Isoboot
  DHCP dhcp *DHCP
  DisableDHCP disableDhcp bool
Netboot
  AllowPXE allowPXE *bool
  AllowWorkflow allowWorkflow *bool
  IPXE ipxe *IPXE
  OSIE osie *OSIE
  PXELINUX pxelinux *PXELINUX
  RPI rpi *RPI
Isoboot
  SourceISO sourceISO string
IPXE
  URL url string
  Contents contents string
  Binary binary string
OSIE
  BaseURL baseURL string
  Kernel kernel string
  Initrd initrd string
  KernelParams kernelParams []string
PXELINUX
  Config config string
RPI
  ConfigTxt configTxt string
  FirmwarePath firmwarePath string
  SerialNum serialNum! string
DHCP
  MAC mac string
  Hostname hostname string
  DomainName domain_name string
  LeaseTime lease_time int64
  NameServers name_servers []string
  TimeServers time_servers []string
  Arch arch string
  UEFI uefi bool
  IfaceName iface_name string
  IP ip *IP
  VLANID vlan_id string
  ClasslessStaticRoutes classless_static_routes []Route
  TFTPServerName tftp_server_name string
  BootFileName boot_file_name string
IP
  Address address string
  Netmask netmask string
  Gateway gateway string
  Family family int64
Route
  DestinationDescriptor destination_descriptor! string
  Router router! string
Metadata
  State state string
  BondingMode bonding_mode int64
  Manufacturer manufacturer *Manufacturer
  Instance instance *Instance
  Custom custom *Custom
  Facility facility *Facility
Manufacturer
  ID id string
  Slug slug string
Instance
  ID id string
  State state string
  Hostname hostname string
  AllowPxe allow_pxe bool
  Rescue rescue bool
  OperatingSystem operating_system *OperatingSystem
  AlwaysPxe always_pxe bool
  IpxeScriptURL ipxe_script_url string
  Ips ips []InstanceIP
  Userdata userdata string
  CryptedRootPassword crypted_root_password string
  Tags tags []string
  Storage storage *Storage
  SSHKeys ssh_keys []string
  NetworkReady network_ready bool
OperatingSystem
  Slug slug string
  Distro distro string
  Version version string
  ImageTag image_tag string
  OsSlug os_slug string
InstanceIP
  Address address string
  Netmask netmask string
  Gateway gateway string
  Family family int64
  Public public bool
  Management management bool
Storage
  Disks disks []StorageDisk
  Raid raid []RAID
  Filesystems filesystems []Filesystem
StorageDisk
  Device device string
  WipeTable wipe_table bool
  Partitions partitions []Partition
Partition
  Label label string
  Number number int64
  Size size int64
  Start start int64
  TypeGUID type_guid string
RAID
  Name name string
  Level level string
  Devices devices []string
  Spare spare int64
Filesystem
  Mount mount *Mount
Mount
  Device device string
  Format format string
  Files files []File
  Create create *Create
  Point point string
File
  Path path string
  Contents contents string
  Mode mode int64
  UID uid int64
  GID gid int64
Create
  Force force bool
  Options options []string
Custom
  PreinstalledOperatingSystemVersion preinstalled_operating_system_version *OperatingSystem
  PrivateSubnets private_subnets []string
Facility
  PlanSlug plan_slug string
  PlanVersionSlug plan_version_slug string
  FacilityCode facility_code string
"""


def _parsed() -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {}
    current: list[tuple[str, str, str]] = []
    for line in _FIELDS.strip().splitlines():
        if line.startswith(" "):
            name, tag, kind = line.split()
            current.append((name, tag, kind))
        else:
            current = found.setdefault(line, [])
    return found


# By type: Go name, JSON name (with ! where it is never left out), type.
TYPES = _parsed()


def struct(kind: str, document: object) -> Struct:
    """A value of that type, with what a document says, by JSON names in any case as in Go."""
    given = document if isinstance(document, Mapping) else {}
    folded = {key.lower(): value for key, value in given.items() if isinstance(key, str)}
    fields: dict[str, object] = {}
    tags: dict[str, tuple[str, bool]] = {}
    for name, tag, type_ in TYPES[kind]:
        json_name = tag.rstrip("!")
        written = given.get(json_name, folded.get(json_name.lower()))
        fields[name] = _value(type_, written)
        tags[name] = (json_name, not tag.endswith("!"))
    return Struct(fields, tags=tags)


def fitting(kind: str, document: object, path: str, left_out: list[str]) -> dict[str, object]:
    """The fields of a document that the type has, as a cluster takes them.

    A number where a text belongs is written as one, and the other way round.  The paths of what
    does not fit are added to `left_out`; `path` is the document's own.
    """
    given = document if isinstance(document, Mapping) else {}
    types = {tag.rstrip("!"): type_ for _, tag, type_ in TYPES[kind]}
    by_case = {name.lower(): name for name in types}
    kept: dict[str, object] = {}
    for key, value in given.items():
        name = by_case.get(str(key).lower(), "")
        fits, found = _fitting(types.get(name, ""), value, f"{path}.{key}", left_out)
        if fits and name:
            kept[name] = found
    return kept


def _fitting(type_: str, value: Any, path: str, left_out: list[str]) -> tuple[bool, object]:
    """Whether a value fits, and the value that does."""
    inner = type_.removeprefix("[]")
    if value is None and type_:
        return False, None  # nothing was said, and nothing is left out
    if type_.startswith("[]") and isinstance(value, list):
        items = (_fitting(inner, item, f"{path}[{at}]", left_out) for at, item in enumerate(value))
        return True, [item for fits, item in items if fits]
    struct_name = type_.removeprefix("*").removeprefix("[]")
    if struct_name in TYPES and isinstance(value, Mapping):
        return True, fitting(struct_name, value, path, left_out)
    match type_.removeprefix("*"), value:
        case "string", str():
            return True, value
        case "bool", bool():
            return True, value
        case "string", int() | float():
            return True, str(value).lower() if isinstance(value, bool) else str(value)
        case "int64", int() if not isinstance(value, bool):
            return True, value
        case "int64", str() if value.strip().lstrip("-").isdecimal():
            return True, int(value)
    left_out.append(path)
    return False, None


def structs(kind: str, documents: object) -> list[object]:
    """A slice of them; nil where the document has none."""
    if not isinstance(documents, list):
        return NilList()
    return [struct(kind, each) for each in documents]


def texts(written: object) -> StringList:
    """A []string; nil where the document has none."""
    if not isinstance(written, list):
        return NilStringList()
    return StringList(map(_text, written))


def _value(type_: str, written: Any) -> object:
    match type_:
        case "string":
            return _text(written)
        case "int64":
            is_number = isinstance(written, int | float) and not isinstance(written, bool)
            return Int64(int(written)) if is_number else Int64(0)
        case "bool":
            return written is True
        case "*bool":
            return Pointer(written) if isinstance(written, bool) else None
        case "[]string":
            return texts(written)
    if type_.startswith("[]"):
        return structs(type_[2:], written)
    return struct(type_[1:], written) if isinstance(written, Mapping) else None


def _text(written: Any) -> str:
    """A classic document may hold a number where Go has a text."""
    if isinstance(written, str):
        return written
    is_number = isinstance(written, int | float) and not isinstance(written, bool)
    return str(written) if is_number else ""
