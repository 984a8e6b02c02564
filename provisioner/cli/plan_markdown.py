"""A plan as one comment of a pull request: folded per machine, and never over the forge's limit.

What files say stands in fenced blocks only, whose fences are longer than any in the text, and in
`<code>` with every special character as an entity: nothing in it is markdown, HTML or a mention.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from provisioner.cli import plan_text
from provisioner.planning.merge_plan import MergePlan

# A comment may have 65,536 characters on GitHub, 1,000,000 on GitLab.
LIMIT_CHARACTERS = 65_000
MARKER = "<!-- tinkgit plan -->"  # by which the one comment is found again

_SPECIAL = re.compile(r"[^\w .:,/-]|_")
_FENCES = re.compile(r"`{3,}")
_ROOM_FOR_NOTE = 200


def comment(plan: MergePlan, heading: str, unknown: Iterable[str]) -> str:
    """The text of the comment; whole sections are left out, and counted, where it would be cut."""
    head = [MARKER, f"### tink plan: {_code(heading)}", f"**{plan_text.summary(plan)}**"]
    if plan.destructive:
        noun = "workflow is" if plan.destructive == 1 else "workflows are"
        head.append(f":warning: **{plan.destructive} {noun} destructive**")
    head += [f"_{text}_" for text in unknown]
    problems = list(plan_text.problem_lines(plan))
    others = list(plan_text.not_of_machines(plan))
    sections = []
    if problems:
        sections.append(_folded("Problems", problems, is_open=True))
    sections += [_folded(name, found) for name, found in plan_text.of_machines(plan)]
    if others:
        sections.append(_folded("Other changes", others))
    text = "\n\n".join(head)
    return "\n\n".join([text, *_fitting(sections, LIMIT_CHARACTERS - len(text))]) + "\n"


def _fitting(sections: list[str], room: int) -> list[str]:
    """The first sections that fit, with a note of how many were left out."""
    kept: list[str] = []
    for number, section in enumerate(sections):
        room -= len(section) + len("\n\n")
        if room < (_ROOM_FOR_NOTE if number + 1 < len(sections) else 0):
            left = len(sections) - number
            noun = "section is" if left == 1 else "sections are"
            return [*kept, f"_{left} more {noun} left out here; `tink plan` shows everything._"]
        kept.append(section)
    return kept


def _folded(title: str, lines: list[str], *, is_open: bool = False) -> str:
    text = "\n".join(line.removeprefix("  ") for line in lines)
    longest = max((len(fence) for fence in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    opened = " open" if is_open else ""
    summary = f"<details{opened}><summary>{_code(title)}</summary>"
    return f"{summary}\n\n{fence}diff\n{text}\n{fence}\n\n</details>"


def _code(text: str) -> str:
    """Text as inline code; a mention or a link in it stays what it is: text."""
    return f"<code>{_SPECIAL.sub(lambda found: f'&#{ord(found[0])};', text)}</code>"
