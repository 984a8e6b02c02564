"""How long does a template take?  python benchmarks/render.py

Parsing once, rendering often, a traced rendering, and the data's copy alone, for a classic template
of 60 lines with two tasks and for one of today that goes through the hardware.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable

from gotemplate.limits import DEFAULT_LIMITS
from gotemplate.template import parse
from gotemplate.values import copy_data

ACTION = """      - name: "{name}"
        image: {{{{ .registry }}}}/actions/{name}:{{{{ .version }}}}
        timeout: {{{{ .timeout }}}}
        environment:
          DEST_DISK: {{{{ .disk }}}}
          IMG_URL: "http://{{{{ .server }}}}:8080/{{{{ .os }}}}_{{{{ .arch }}}}.raw.gz"
"""
CLASSIC = 'version: "0.1"\nname: ubuntu\nglobal_timeout: 1800\ntasks:\n' + "".join(
    f'  - name: "task-{task}"\n    worker: "{{{{.device_{task}}}}}"\n    volumes:\n'
    "      - /dev:/dev\n    actions:\n"
    + "".join(ACTION.format(name=f"{task}-action-{index}") for index in range(4))
    for task in (1, 2)
)
TODAY = """version: "0.1"
name: ubuntu
global_timeout: 1800
tasks:
  - name: "os-installation"
    worker: "{{ .device_1 }}"
    volumes: [/dev:/dev, /lib/firmware:/lib/firmware:ro]
    actions:
{{- range $index, $disk := .Hardware.Disks }}
      - name: "wipe-{{ $index }}"
        image: {{ $.registry }}/wipe:{{ $.version }}
        timeout: {{ $.timeout }}
        environment:
          DEST_DISK: {{ $disk }}
{{- end }}
      - name: "stream image"
        image: {{ .registry }}/image2disk:{{ .version | default "latest" }}
        timeout: {{ mul .timeout 10 }}
        environment:
          DEST_DISK: {{ index .Hardware.Disks 0 }}
          IMG_URL: {{ printf "http://%s:8080/%s_%s.raw.gz" .server .os .arch | quote }}
          COMPRESSED: true
      - name: "write netplan"
        image: {{ .registry }}/writefile:{{ .version }}
        timeout: {{ .timeout }}
        environment:
          DEST_DISK: {{ formatPartition ( index .Hardware.Disks 0 ) 1 }}
          FS_TYPE: ext4
          DEST_PATH: /etc/netplan/config.yaml
          CONTENTS: |
{{ dict "network" (dict "version" 2 "ethernets" .ethernets) | toYaml | indent 12 }}
{{- if .Hardware.UserData }}
      - name: "add cloud-init"
        image: {{ .registry }}/writefile:{{ .version }}
        timeout: {{ .timeout }}
        environment:
          DEST_DISK: {{ formatPartition ( index .Hardware.Disks 0 ) 1 }}
          FS_TYPE: ext4
          DEST_PATH: /etc/cloud/cloud.cfg.d/10_tinkerbell.cfg
          CONTENTS: |
            {{- .Hardware.UserData | nindent 12 }}
{{- end }}
{{- with .extra }}
      - name: "extra"
        image: {{ $.registry }}/{{ .image }}:{{ .tag }}
        timeout: 90
{{- else }}
      # nothing more
{{- end }}
      - name: "reboot"
        image: {{ .registry }}/{{ if eq .arch "x86_64" }}kexec{{ else }}reboot{{ end }}
        timeout: {{ .timeout }}
        pid: host
        volumes:
          - /worker:/worker
{{- /* the end */}}
# rendered for {{ .os | upper }} on {{ .arch }}
# {{ join ", " .Hardware.Disks }}
# {{ len .Hardware.Disks }} disks
"""
DATA: dict[str, object] = {
    "device_1": "08:00:27:00:00:01",
    "device_2": "08:00:27:00:00:02",
    "registry": "192.168.1.1",
    "version": "v1.0.0",
    "timeout": 90,
    "disk": "/dev/sda",
    "server": "192.168.1.1",
    "os": "ubuntu",
    "arch": "x86_64",
    "extra": None,
    "ethernets": {"eth0": {"dhcp4": True, "match": {"macaddress": "08:00:27:00:00:01"}}},
    "Hardware": {
        "Disks": ["/dev/nvme0n1", "/dev/sda"],
        "UserData": "#cloud-config\nusers:\n  - name: tink\n    groups: [sudo]\n",
        "Interfaces": [{"DHCP": {"MAC": "08:00:27:00:00:01", "IP": {"Address": "10.0.0.5"}}}],
    },
}
ROUNDS, PER_ROUND = 7, 200


def microseconds(work: Callable[[], object]) -> tuple[float, float]:
    """The median and the best of some rounds."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(PER_ROUND):
            work()
        rounds.append((time.perf_counter() - begin) / PER_ROUND * 1e6)
    return statistics.median(rounds), min(rounds)


def main() -> None:
    print(f"Python {platform.python_version()}, {ROUNDS} rounds of {PER_ROUND}, microseconds")
    for name, text in (("classic", CLASSIC), ("today", TODAY)):
        template = parse(text)
        lines = text.count("\n")
        works: dict[str, Callable[[], object]] = {
            "parse": lambda text=text: parse(text),
            "render": lambda template=template: template.render(DATA),
            "render_traced": lambda template=template: template.render_traced(DATA),
            "copy of the data": lambda: copy_data(DATA, DEFAULT_LIMITS),
        }
        for what, work in works.items():
            median, best = microseconds(work)
            print(f"{name} ({lines} lines) {what:17} median {median:7.0f}  best {best:7.0f}")


if __name__ == "__main__":
    main()
