"""Real files, seen in the wild: accepted where real tink accepts, refused for a reason.

The files are not ours to give away: they stand beside the checkout, in
`../shared/reference/corpus`, or where `TINKGIT_CORPUS` says; without them these tests say
that they skip.  Small files of our own for each class that was met there are in
tests/documents.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.corpus.verdicts import Verdict, judge

# Read before the suite clears its environment.
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "corpus"
CORPUS = Path(os.environ.get("TINKGIT_CORPUS") or BESIDE)
pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="no corpus: set TINKGIT_CORPUS to a folder of real files"
)


@pytest.fixture(scope="module")
def judged():
    return list(judge(CORPUS))


def test_no_real_file_is_judged_wrongly(judged, capsys):
    counts = Counter((each.group, each.verdict) for each in judged)
    groups = list(dict.fromkeys(each.group for each in judged))
    head = "".join(f"{verdict:>27}" for verdict in Verdict)
    lines = [f"{'':26}{head}"] + [
        f"{group:26}" + "".join(f"{counts[group, verdict]:>27}" for verdict in Verdict)
        for group in groups
    ]
    with capsys.disabled():
        print("\n" + "\n".join(lines))
    wrong = [f"{each.name}: {each.reason}" for each in judged if each.verdict is Verdict.WRONG]
    assert not wrong


def test_every_kind_of_file_was_met(judged):
    assert len({each.group for each in judged}) == 6
    assert {each.verdict for each in judged} >= {Verdict.ACCEPTED, Verdict.REFUSED, Verdict.KINDER}
