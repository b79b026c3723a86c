"""What a run says, before it touches anything, of who will decide."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import proof
from databases import sqlite_database
from fakes import FakeModel, FakeSystem, fake_resources, sure, words_only
from tiny import write_people, write_tiny

from connectors.ports import Destination
from connectors.registry import open_destination
from connectors.store.engine import Store
from domain.confidence import Source
from domain.decision import Reason
from domain.errors import PolicyInvalid
from policies.load import HERE, PEOPLE, load_workflow
from tasks.prepare import alone, check_systems, nobody_alone, reach_systems, thresholds, what_changed, who_decides
from tasks.resources import Resources

Here = Callable[..., tuple[Resources, Any]]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    """Resources with a model by that name, or none, and the tiny workflow."""
    store = Store(sqlite_database(tmp_path / "store.db"))

    def opened(model: str | None = "fake-model", **changes: Any) -> tuple[Resources, Any]:
        answering = FakeModel(lambda _text: sure("billing"), model) if model else None
        resources = fake_resources(store, answering, FakeSystem())
        return resources, resources.workflow(write_tiny(tmp_path, **changes))

    yield opened
    store.close()


@pytest.mark.parametrize(
    ("model", "changes", "why", "told"),
    [
        pytest.param("fake-model", {}, None, "tiny: fake-model alone from 0.500", id="the model, as calibrated"),
        pytest.param(
            "fake-model",
            {"alone": 0.7},
            None,
            "tiny: fake-model alone from 0.500; without a model the examples alone from 0.700",
            id="the model, and the examples when it is silent",
        ),
        pytest.param(None, {"alone": 0.7}, None, "tiny: the examples alone from 0.700", id="no model, but examples"),
        pytest.param(
            "newer-model",
            {"alone": 0.7},
            None,
            "tiny: the examples alone from 0.700",
            id="another model than calibrated, but the same examples",
        ),
        pytest.param(
            None,
            {},
            Reason.NO_MODEL,
            "tiny: no model is connected (model changed); rules and people decide",
            id="no model, and nothing proven of the examples",
        ),
        pytest.param(
            "newer-model",
            {},
            Reason.STALE_CALIBRATION,
            "tiny: the threshold was proven for another model, prompt or set of examples (model changed); "
            "rules and people decide",
            id="another model than calibrated",
        ),
        pytest.param(
            "fake-model",
            {"target": {"routes": {"billing": 0.01}}},
            None,
            "tiny: fake-model alone from 0.500, 0.500 for billing",
            id="a route with a threshold of its own",
        ),
    ],
)
def test_a_run_says_who_decides_alone_and_from_which_confidence(
    here: Here, model: str | None, changes: dict[str, Any], why: Reason | None, told: str
) -> None:
    resources, workflow = here(model, **changes)

    assert nobody_alone(resources, workflow) is why
    assert who_decides(resources, workflow) == told
    assert bool(alone(resources, workflow)) is (why is None)


def test_without_a_calibration_rules_and_people_decide(here: Here) -> None:
    resources, workflow = here()
    workflow.calibration_path.unlink()
    fresh = fake_resources(resources.store, resources.model, FakeSystem())
    bare = fresh.workflow(str(workflow.path))

    assert nobody_alone(fresh, bare) is Reason.NO_CALIBRATION
    assert who_decides(fresh, bare) == "tiny: no threshold was proven for this policy yet; rules and people decide"


def test_a_calibration_for_a_looser_promise_is_none(here: Here) -> None:
    resources, workflow = here()
    path = workflow.path
    path.write_text(path.read_text() + "target:\n  misroute: 0.01\n")
    fresh = fake_resources(resources.store, resources.model, FakeSystem())

    assert nobody_alone(fresh, fresh.workflow(str(path))) is Reason.NO_CALIBRATION


@pytest.mark.parametrize(
    ("after", "parts"),
    [
        pytest.param(lambda path: None, [], id="nothing"),
        pytest.param(
            lambda path: replace(path, "invoices and payments", "invoices, payments"), ["prompt"], id="prompt"
        ),
        pytest.param(lambda path: replace(path, "access", "logins"), ["prompt", "labels", "examples"], id="a label"),
        pytest.param(
            lambda path: replace(path.with_name("tiny.examples.jsonl"), "win a prize", "win the prize"),
            ["examples"],
            id="an example",
        ),
    ],
)
def test_what_has_changed_since_the_calibration_is_named(
    here: Here, after: Callable[[Path], None], parts: list[str]
) -> None:
    resources, workflow = here(alone=0.7)
    after(workflow.path)
    if parts and "labels" in parts:
        replace(workflow.path.with_name("tiny.examples.jsonl"), "access", "logins")
    fresh = fake_resources(resources.store, resources.model, FakeSystem())
    changed = fresh.workflow(str(workflow.path))

    assert what_changed(fresh, changed) == parts
    sources = {proved.source for proved in alone(fresh, changed)}
    assert (Source.LOGPROBS_AND_EXAMPLES in sources) is not bool(parts)
    assert (Source.EXAMPLES in sources) is not ({"labels", "examples"} & set(parts) != set())


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    ("threshold", "named", "told"),
    [
        (0.8, {}, "0.800"),
        (0.8, {"repairs": 0.95}, "0.800, 0.950 for repairs"),
        (None, {"repairs": 0.95}, "0.950 for repairs"),
        (0.8, {"repairs": None}, "0.800"),
        (None, {"repairs": None}, "none"),
    ],
)
def test_thresholds_in_words(threshold: float | None, named: dict[str, float | None], told: str) -> None:
    assert thresholds(proof(threshold=threshold, **named)) == told


def test_that_people_cannot_be_told_is_said_before_anybody_must_be(tmp_path):
    write_people(tmp_path, {"people": {"the lead": {"slack": "D01"}}})
    path = write_tiny(tmp_path, people="people.yaml", escalation={"steps": [{"to": "the lead", "by": "slack"}]})

    def system(name: str) -> Destination:
        return open_destination(name, {}) if name == "slack" else FakeSystem()

    with closing(Store(f"sqlite:///{tmp_path / 'store.db'}")) as store:
        resources = Resources(store, lambda: None, words_only, system)
        with pytest.raises(PolicyInvalid, match="set INTERLOCK_SLACK_TOKEN"):
            reach_systems(resources, resources.workflow(path))


@pytest.mark.parametrize(("system", "taken"), [("base", True), ("crm", False), ("desk", False)])
def test_keys_are_chosen_only_where_a_record_under_one_is_left_alone(tmp_path: Path, system: str, taken: bool) -> None:
    """A CRM that upserts by key would make another's record of it."""
    shutil.copy(HERE / PEOPLE, tmp_path / PEOPLE)
    policy = yaml.safe_load((HERE / "crm_helpdesk_sync.yaml").read_text(encoding="utf-8"))
    for kept in policy["objects"].values():
        if system in kept["systems"]:
            kept["systems"][system]["key"] = "{{ entity }}"
    path = tmp_path / "crm_helpdesk_sync.yaml"
    path.write_text(yaml.safe_dump(policy, allow_unicode=True), encoding="utf-8")
    if taken:
        check_systems(load_workflow(str(path)))
    else:
        with pytest.raises(PolicyInvalid, match=rf"systems\.{system}: remove 'key': .* given for sql_table"):
            check_systems(load_workflow(str(path)))
