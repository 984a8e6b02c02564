"""What bad templates cost a pass: counted in renderings, not in seconds."""

from __future__ import annotations

import pytest

from provisioner.planning import planner, render_costs
from provisioner.planning.template_cache import TemplateCache
from tests.builders import AT, HELLO, MACS, ONE, TWO, hardware, request, template
from tests.planning.test_planner import Site

ROUNDS = "{{range until 2000}}{{range until 2000}}x{{end}}{{end}}"
LOOP = HELLO.replace("hello_world_workflow", "loop").replace("image: ", f"image: {ROUNDS}")
# Goes round for one of the machines.
PICKY = LOOP.replace(ROUNDS, f'{{{{if eq .device_1 "{MACS[TWO]}"}}}}{ROUNDS}{{{{end}}}}')
BAD = [f"workflows/bad-{number:03}.yaml" for number in range(100)]
GOOD = "workflows/good.yaml"


class CountingCache(TemplateCache):
    """Notes the templates that were rendered."""

    def __init__(self):
        super().__init__()
        self.rendered = []

    def make(self, template, data):
        self.rendered.append(template.name)
        return super().make(template, data)


def looping(path, mac=MACS[ONE]):
    return request(path, template="loop", devices={"device_1": mac}, digest=path)


def planned(*documents, seconds=lambda: 0.0):
    """A plan under way for a site of these documents."""
    story = Site(hardware(ONE), hardware(TWO), template())
    status = story.status
    story.commit(*documents)
    cache = CountingCache()
    planning = planner.begin(
        story.desired,
        status,
        changed_paths=None,
        now=AT,
        new_id=story.new_id,
        cache=cache,
        seconds=seconds,
    )
    return planning, cache


def paths(creations):
    return [each.record.request_path for each in creations]


def test_good_requests_are_made_before_those_of_a_template_that_hits_its_limits():
    loop = template(LOOP, name="loop", path="templates/loop.yaml")
    planning, cache = planned(loop, request(GOOD), *map(looping, BAD))
    assert paths([next(planning.creations())]) == [GOOD]
    assert cache.rendered == ["loop", "hello_world_workflow"]
    plan = planning.finish()
    assert cache.rendered.count("loop") == render_costs.TRIES
    assert paths(plan.creations) == [GOOD]
    assert set(plan.pending) == set(BAD)
    codes = {each.code for pending in plan.pending.values() for each in pending.problems}
    assert codes == {"template.limit"}
    assert "not tried for workflows/bad-099.yaml" in plan.pending[BAD[-1]].problems[0].message


def test_a_template_that_is_mended_is_tried_for_all_again():
    loop = template(LOOP, name="loop", path="templates/loop.yaml")
    story = Site(hardware(ONE), template(), loop, *map(looping, BAD[:10]))
    assert len(story.plan.pending) == 10
    mended = HELLO.replace("hello_world_workflow", "loop")
    plan = story.commit(template(mended, name="loop", path="templates/loop.yaml"))
    assert len(plan.creations) == 10 and not plan.pending


def test_a_template_that_goes_round_for_one_machine_works_for_all_others():
    picky = template(PICKY, name="loop", path="templates/loop.yaml")
    bad = [looping(path, mac=MACS[TWO]) for path in BAD[:5:2]]
    good = [looping(path) for path in BAD[1:20:2]]
    plan = Site(hardware(ONE), hardware(TWO), picky, *bad, *good).plan
    assert len(plan.creations) == len(good)
    assert len(plan.pending) == len(bad)


@pytest.fixture
def slow():
    """A clock by which each rendering takes 0.2 s."""
    now = iter(range(10_000))
    return lambda: next(now) * 0.2


def test_a_pass_that_took_long_leaves_the_rest_to_the_next(slow):
    names = sorted(BAD[:10])
    planning, _ = planned(*(request(path, digest=path) for path in names), seconds=slow)
    plan = planning.finish()
    assert paths(plan.creations) == names[:3]
    assert plan.postponed == frozenset(names[3:])
    assert not plan.pending


def test_what_is_slow_and_fails_is_given_up_as_well(slow):
    broken = HELLO.replace("hello_world_workflow", "loop").replace("timeout: 60", "timeout: never")
    documents = (template(broken, name="loop", path="templates/loop.yaml"), *map(looping, BAD))
    planning, cache = planned(*documents, seconds=slow)
    plan = planning.finish()
    assert cache.rendered.count("loop") == render_costs.TRIES
    assert set(plan.pending) | plan.postponed == set(BAD)
