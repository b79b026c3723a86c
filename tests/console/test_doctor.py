"""`interlock doctor`: what it finds of systems, policies, Prefect, the database and this machine, and what it says."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from databases import sqlite_database
from fakes import FakeModel, FakeSystem, fake_resources, sure
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.schemas.automations import AutomationCore, EventTrigger
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.types.entrypoint import EntrypointType
from sqlalchemy import create_engine, text
from tiny import write_tiny
from typer.testing import CliRunner

from connectors.diagnosis import Grade
from connectors.settings import Settings
from connectors.store.engine import HEAD, Store
from console.doctor import examine
from console.doctor_here import check_clocks, check_database, check_disk, check_settings, resolve
from console.doctor_people import check_people
from console.doctor_prefect import (
    AUTOMATIONS,
    PLANNED_WITHIN,
    RETAIN,
    SHARED,
    Planned,
    check_plan,
    look_at_prefect,
    planned,
)
from console.doctor_report import Check
from console.doctor_thresholds import check_thresholds
from console.doctor_uses import uses_of
from console.main import app
from console.sandboxes import sandboxes
from domain.errors import PolicyInvalid
from domain.ledger import Event
from flows.deliver import deliver
from flows.retain import retain
from policies.load import load_workflow, shipped_policies
from tasks.heartbeat import STALE_AFTER

NOW = datetime.now(UTC)
SHIPPED = Path(__file__).parents[2] / "prefect.yaml"


def told(checks: Sequence[Check], grade: Grade = Grade.WRONG) -> list[tuple[str, str, str]]:
    return [(one.area, one.subject, one.says) for one in checks if one.grade is grade]


@pytest.fixture(scope="module")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The sandbox's CRM and help desk, without faults."""
    with sandboxes(tmp_path_factory.mktemp("sandboxes"), fault_rate=0) as running:
        yield running.addresses


def environ_of(systems: Mapping[str, str], folder: Path, **more: str) -> dict[str, str]:
    return {
        "INTERLOCK_HOME": str(folder),
        "INTERLOCK_DATABASE_URL": sqlite_database(folder / "store.db"),
        "INTERLOCK_LLM": "off",
        "INTERLOCK_EMBEDDINGS": "off",
        "INTERLOCK_SANDBOX_CRM_URL": systems["crm"],
        "INTERLOCK_SANDBOX_HELP_DESK_URL": systems["help_desk"],
        **more,
    }


def strike(url: str, rate: float) -> None:
    httpx.post(f"{url}/_faults", json={"rate": rate}, trust_env=False).raise_for_status()


async def test_a_system_whose_every_request_fails_is_wrong_and_well_again_after(
    systems: dict[str, str], tmp_path: Path
) -> None:
    environ = environ_of(systems, tmp_path, INTERLOCK_SANDBOX_TIMEOUT_S="1")
    for rate in (1, 0):
        strike(systems["help_desk"], rate)
        checks = await examine(["support_triage"], SHIPPED, 15, environ)
        complaints = [one for one in checks if one.subject == "sandbox_help_desk" and one.grade is not Grade.WELL]
        assert bool(complaints) == bool(rate)


async def test_the_systems_of_a_policy_are_looked_at_and_their_clocks_agree(
    systems: dict[str, str], tmp_path: Path
) -> None:
    checks = await examine(["support_triage"], SHIPPED, 15, environ_of(systems, tmp_path))
    of_systems = [one for one in checks if one.area in ("system", "fields", "clock", "disk", "database", "ledger")]
    assert {one.grade for one in of_systems} == {Grade.WELL}
    assert {one.subject for one in of_systems} >= {"sandbox_help_desk"}
    assert ("watch", "support_triage") in [(area, subject) for area, subject, _ in told(checks)]


@pytest.mark.parametrize("policy", sorted(set(shipped_policies()) - {"crm_helpdesk_sync"}))
async def test_the_sandbox_takes_whatever_a_shipped_policy_writes(
    policy: str, systems: dict[str, str], tmp_path: Path
) -> None:
    checks = await examine([policy], SHIPPED, 15, environ_of(systems, tmp_path))
    of_sandbox = [(one.subject, one.grade) for one in checks if one.subject.startswith("sandbox_")]
    assert {grade for _, grade in of_sandbox} == {Grade.WELL}, of_sandbox


async def test_a_system_that_is_not_set_up_says_what_to_set(systems: dict[str, str], tmp_path: Path) -> None:
    environ = environ_of(systems, tmp_path, INTERLOCK_SANDBOX_HELP_DESK_URL="")
    checks = await examine(["support_triage"], SHIPPED, 15, environ)
    [(_, says)] = [(one, says) for area, one, says in told(checks) if area == "system"]
    assert "set INTERLOCK_SANDBOX_HELP_DESK_URL to the address" in says


async def test_a_system_that_is_down_or_hangs_is_told_within_its_time(systems: dict[str, str], tmp_path: Path) -> None:
    hanging = socket.create_server(("127.0.0.1", 0))
    port = hanging.getsockname()[1]
    for address, within in (("http://127.0.0.1:9", "not reached"), (f"http://127.0.0.1:{port}", "no answer within")):
        more = {"INTERLOCK_SANDBOX_HELP_DESK_URL": address, "INTERLOCK_SANDBOX_TIMEOUT_S": "30"}
        checks = await examine(["support_triage"], SHIPPED, 1, environ_of(systems, tmp_path, **more))
        assert [within in says for area, _, says in told(checks) if area == "system"] == [True]
    hanging.close()


def test_the_command_prints_what_to_do_and_ends_with_1(
    systems: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "a-secret-that-nobody-may-see"
    more = {"INTERLOCK_REVIEWERS_TOKEN": secret, "INTERLOCK_HUBSPOTT_TOKEN": secret}
    for name, value in environ_of(systems, tmp_path, **more).items():
        monkeypatch.setenv(name, value)
    plain = CliRunner().invoke(app, ["doctor", "support_triage"])
    assert plain.exit_code == 1, plain.output
    assert "→ Did you mean INTERLOCK_HUBSPOT_TOKEN?" in plain.output
    assert secret not in plain.output
    result = CliRunner().invoke(app, ["doctor", "support_triage", "--json"])
    found = json.loads(result.stdout)
    assert found["ok"] is False
    assert found["wrong"] == len([one for one in found["checks"] if one["grade"] == "wrong"])
    assert all(one["mend"] for one in found["checks"] if one["grade"] in ("wrong", "warning"))
    assert secret not in result.stdout


async def test_a_policy_that_is_wrong_is_told_and_the_others_are_looked_at(
    systems: dict[str, str], tmp_path: Path
) -> None:
    checks = await examine(["nowhere.yaml", "support_triage"], SHIPPED, 15, environ_of(systems, tmp_path))
    assert [subject for area, subject, _ in told(checks) if area == "policy"] == ["nowhere.yaml"]
    assert [one.subject for one in checks if one.area == "system"] == ["sandbox_help_desk"]


@pytest.mark.parametrize(
    ("environ", "grade", "says", "mend"),
    [
        pytest.param({"INTERLOCK_LLM": "off"}, Grade.WELL, "one that is read", "", id="all well"),
        pytest.param({"INTERLOCK_LMM": "off"}, Grade.WARNING, "nothing reads it", "INTERLOCK_LLM", id="misspelt"),
        pytest.param({"INTERLOCK_LLM": "maybe"}, Grade.WRONG, "cannot be used", "README", id="unusable"),
        pytest.param({"INTERLOCK_LLM_MODEL": ""}, Grade.WARNING, "set and empty", "remove", id="empty"),
        pytest.param(
            {"INTERLOCK_LLM_BASE_URL": "http://x"}, Grade.WRONG, "no model", "INTERLOCK_LLM_MODEL", id="no model"
        ),
        pytest.param({"INTERLOCK_LLM_MODEL": "x"}, Grade.WARNING, "of no use", "_BASE_URL", id="no endpoint"),
        pytest.param({"INTERLOCK_API_CRM_KEY": "x"}, Grade.WELL, "one that is read", "", id="of a described API"),
        pytest.param(
            {"INTERLOCK_LINK_SECRET": "x" * 40},
            Grade.WARNING,
            "makes links",
            "INTERLOCK_PUBLIC_URL",
            id="links",
        ),
    ],
)
def test_settings_that_are_odd_are_told(environ: dict[str, str], grade: Grade, says: str, mend: str) -> None:
    [check] = check_settings(environ, [])
    assert check.grade is grade
    assert says in check.says
    assert mend in check.mend


async def test_a_secret_that_is_named_and_cannot_be_had_is_told_and_its_variable_not_used() -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        known, [check] = await resolve({"INTERLOCK_SLACK_TOKEN": "prefect-secret:slack", "HOME": "/"})
    assert known == {"HOME": "/"}
    assert (check.grade, check.subject) == (Grade.WRONG, "INTERLOCK_SLACK_TOKEN")


def test_a_database_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    [check], usable = check_database(f"sqlite:///{tmp_path / 'none.db'}", [], NOW, {})
    assert (check.grade, usable) == (Grade.WARNING, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("version", "mend"), [("0001", "Back it up"), ("9999", "Update Interlock")])
def test_tables_of_another_version_are_told_and_left_as_they_are(version: str, mend: str, tmp_path: Path) -> None:
    url = sqlite_database(tmp_path / "store.db")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    [check], usable = check_database(url, [], NOW, {})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == version != HEAD
    engine.dispose()
    assert (check.grade, usable) == (Grade.WRONG, False)
    assert mend in check.mend


@pytest.mark.parametrize("url", ["nonsense", "postgresql://nobody@127.0.0.1:9/x"])
def test_a_database_that_cannot_be_reached_is_wrong(url: str) -> None:
    [check], usable = check_database(url, [], NOW, {})
    assert (check.grade, check.area, usable) == (Grade.WRONG, "database", False)


def test_a_ledger_whose_end_was_changed_is_wrong(tmp_path: Path) -> None:
    url = sqlite_database(tmp_path / "store.db")
    with closing(Store(url)) as store, store.transaction() as tx:
        for number in range(1_100):
            tx.ledger.append(None, Event.BALANCED, NOW, number=number)
    assert told(check_database(url, [], NOW, {})[0]) == []
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET item_id = 'it-1' WHERE seq = 1050"))
    engine.dispose()
    [(area, _, says)] = told(check_database(url, [], NOW, {})[0])
    assert area == "ledger"
    assert "1050" in says


def test_a_watch_that_never_ran_or_fell_silent_is_wrong(tmp_path: Path) -> None:
    url = sqlite_database(tmp_path / "store.db")
    with closing(Store(url)) as store, store.transaction() as tx:
        tx.heartbeats.beat("watch:seen", NOW)
        tx.heartbeats.beat("watch:silent", NOW - 2 * STALE_AFTER)
    checks, usable = check_database(url, ["seen", "silent", "never"], NOW, {})
    assert usable
    assert [subject for _, subject, _ in told(checks)] == ["silent", "never"]


async def test_a_silent_watch_over_what_is_kept_in_step_is_told_too(systems: dict[str, str], tmp_path: Path) -> None:
    environ = environ_of(systems, tmp_path)
    Store(environ["INTERLOCK_DATABASE_URL"]).close()
    checks = await examine(["crm_helpdesk_sync"], SHIPPED, 15, environ)
    assert [subject for area, subject, _ in told(checks) if area == "watch"] == ["crm_helpdesk_sync"]


LINKS = {"INTERLOCK_LINK_SECRET": "x" * 40, "INTERLOCK_PUBLIC_URL": "https://interlock.example.com"}


@pytest.mark.parametrize(
    ("review", "environ", "grade", "says"),
    [
        pytest.param({}, {}, None, "", id="one person is enough"),
        pytest.param({"people": 2}, {}, Grade.WARNING, "as they are given", id="any name counts"),
        pytest.param({"people": 2, "proven": True}, {}, Grade.WARNING, "people file", id="any name that is known"),
        pytest.param({"people": 2, "proven": "link"}, {}, Grade.WRONG, "none are made", id="links, and none are made"),
        pytest.param({"people": 2, "proven": "link"}, LINKS, Grade.WELL, "by a link", id="links"),
    ],
)
def test_it_is_told_where_one_person_could_agree_for_two(
    review: dict[str, Any], environ: dict[str, str], grade: Grade | None, says: str, tmp_path: Path
) -> None:
    workflow = load_workflow(write_tiny(tmp_path, review=review))
    checks = check_people(Settings.of(environ), workflow)
    assert [one.grade for one in checks] == ([grade] if grade else [])
    assert all(says in one.says for one in checks)


@pytest.mark.parametrize(
    ("ahead", "grade"), [(0.4, Grade.WELL), (-4.9, Grade.WELL), (7.0, Grade.WARNING), (-61.0, Grade.WRONG)]
)
def test_a_clock_that_is_off_is_told(ahead: float, grade: Grade) -> None:
    [check] = check_clocks({"crm": ahead})
    assert check.grade is grade


def test_space_is_told_of_every_disk_that_is_written_to(tmp_path: Path) -> None:
    settings = Settings.of(
        {"INTERLOCK_HOME": str(tmp_path / "home"), "INTERLOCK_DATABASE_URL": f"sqlite:///{tmp_path}/x"}
    )
    assert [one.area for one in check_disk(settings)] == ["disk"]


THRESHOLDS = [
    pytest.param("fake-model", {}, Grade.WELL, "fake-model alone from 0.500", id="as calibrated"),
    pytest.param("newer-model", {}, Grade.WRONG, "made with another model", id="another model"),
    pytest.param(None, {"alone": 0.7}, Grade.WARNING, "no model is here; the examples alone", id="no model"),
    pytest.param("fake-model", {"calibrated": False}, Grade.WARNING, "none is proven", id="no record"),
]


@pytest.mark.parametrize(("model", "changes", "grade", "says"), THRESHOLDS)
def test_a_threshold_is_told_by_what_its_record_was_made_with(
    model: str | None, changes: dict[str, Any], grade: Grade, says: str, tmp_path: Path
) -> None:
    calibrated = changes.pop("calibrated", True)
    path = write_tiny(tmp_path, **changes)
    if not calibrated:
        Path(path).with_name(f"{Path(path).stem}.calibration.json").unlink()
    with closing(Store(sqlite_database(tmp_path / "store.db"))) as store:
        answering = FakeModel(lambda _text: sure("billing"), model) if model else None
        here = fake_resources(store, answering, FakeSystem())
        [check] = check_thresholds(here, here.workflow(path))
    assert check.grade is grade
    assert says in check.says


def test_a_plan_without_a_policys_flows_is_wrong() -> None:
    plan = [one for one in planned(SHIPPED) if one.name != "watch-support"]
    [(_, subject, says)] = told(check_plan([load_workflow("support_triage")], plan, SHIPPED))
    assert (subject, "flows.watch.watch" in says) == ("support_triage", True)
    assert check_plan([load_workflow("support_triage")], planned(SHIPPED), SHIPPED) == []


@pytest.mark.parametrize(
    ("name", "lacks"), [("watch-crm-helpdesk", "flows.watch.watch"), ("reconcile-crm-helpdesk", "flows.reconcile")]
)
def test_systems_are_kept_in_step_only_where_somebody_watches_and_reconciles(name: str, lacks: str) -> None:
    workflow = load_workflow("crm_helpdesk_sync")
    plan = [one for one in planned(SHIPPED) if one.name != name]
    [(_, subject, says)] = told(check_plan([workflow], plan, SHIPPED))
    assert (subject, lacks in says) == ("crm_helpdesk_sync", True)
    assert check_plan([workflow], planned(SHIPPED), SHIPPED) == []


@pytest.mark.parametrize(
    ("retention", "policies", "schedules", "wrong"),
    [
        pytest.param({"days": 90}, ("lead_routing",), ("each 60 s",), 1, id="others alone"),
        pytest.param({"days": 90}, ("lead_routing", "tiny"), (), 1, id="on no schedule"),
        pytest.param({"days": 90}, ("lead_routing", "tiny"), ("each 60 s",), 0, id="named, every night"),
        pytest.param({}, (), (), 0, id="everything is kept"),
    ],
)
def test_a_policy_that_keeps_for_so_many_days_is_wrong_while_nothing_erases(
    retention: dict[str, int], policies: tuple[str, ...], schedules: tuple[str, ...], wrong: int, tmp_path: Path
) -> None:
    workflow = load_workflow(write_tiny(tmp_path, retention=retention))
    plan = [Planned(flow, flow, policies=("tiny",)) for flow in ("flows.route.route", "flows.watch.watch", *SHARED)]
    plan.append(Planned("retain", RETAIN, policies=policies, schedules=schedules))
    found = [RETAIN in says for _, _, says in told(check_plan([workflow], plan, SHIPPED))]
    assert found == [True] * wrong


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prefect.yaml"
    path.write_text("name: x\n")
    with pytest.raises(PolicyInvalid, match="deployments"):
        planned(path)


async def test_prefects_deployments_and_workers_are_held_against_the_plan(prefect: str) -> None:
    plan = [one for one in planned(SHIPPED) if one.name == "deliver"]
    skews: dict[str, float] = {}
    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        async with get_client() as client:
            for left in await client.read_deployments():
                await client.delete_deployment(left.id)
        checks = await look_at_prefect(plan, skews, datetime.now(UTC))
        assert ("schedule", "deliver") in [(area, subject) for area, subject, _ in told(checks)]
        async with get_client() as client:
            with suppress(ObjectNotFound):
                await client.delete_work_pool("interlock")  # and what other tests left of workers in it
            await client.create_work_pool(WorkPoolCreate(name="interlock", type="process"))
        deployment = await deliver.ato_deployment(
            name="deliver", work_pool_name="interlock", entrypoint_type=EntrypointType.MODULE_PATH, interval=90
        )
        deployment_id = await deployment.aapply()
        checks = await look_at_prefect(plan, skews, datetime.now(UTC))
        async with get_client() as client:
            await client.delete_deployment(deployment_id)
    assert [says for _, subject, says in told(checks, Grade.WARNING) if subject == "deliver"] == [
        "runs each 90 s, by prefect.yaml each 60 s"
    ]
    assert [says for area, _, says in told(checks) if area == "worker"] == ["no worker is online: none was ever there"]
    assert abs(skews["Prefect's server"]) < timedelta(minutes=1) / timedelta(seconds=1)


async def test_a_policy_that_was_added_to_the_plan_and_not_deployed_is_told(prefect: str) -> None:
    plan = [Planned("retain", RETAIN, policies=("lead_routing", "tiny"), schedules=("each 60 s",))]
    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        deployment = await retain.ato_deployment(
            name="retain",
            parameters={"policies": ["lead_routing"]},
            entrypoint_type=EntrypointType.MODULE_PATH,
            interval=60,
        )
        deployment_id = await deployment.aapply()
        checks = await look_at_prefect(plan, {}, datetime.now(UTC))
        async with get_client() as client:
            await client.delete_deployment(deployment_id)
    assert [says for _, subject, says in told(checks, Grade.WARNING) if subject == "retain"] == [
        "has the policy 'lead_routing', by prefect.yaml 'lead_routing, tiny'"
    ]


async def test_that_prefect_plans_no_runs_is_told_once_it_should_have(prefect: str) -> None:
    async def told_in(ahead: timedelta) -> list[str]:
        checks = await look_at_prefect([Planned("deliver", "flows.deliver.deliver")], {}, datetime.now(UTC) + ahead)
        return [says for _, _, says in told(checks) if "no run is to come" in says]

    async def planned_ahead() -> bool:
        return bool(await client.get_scheduled_flow_runs_for_deployments([deployment_id]))

    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        deployment = await deliver.ato_deployment(
            name="deliver", entrypoint_type=EntrypointType.MODULE_PATH, interval=60
        )
        deployment_id = await deployment.aapply()
        async with get_client() as client, asyncio.timeout(60):
            while not await planned_ahead():  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.2)
        soon = [await told_in(ahead) for ahead in (timedelta(0), PLANNED_WITHIN * 2)]
        later = await told_in(timedelta(days=2))  # as after two days in which nothing was planned
        async with get_client() as client:
            await client.delete_deployment(deployment_id)
    assert soon == [[], []]
    assert later == ["no run is to come of 1 of 1 deployments with a schedule: deliver"]


async def test_that_nothing_finds_runs_of_killed_workers_is_a_warning_until_the_shipped_automations_are_there(
    prefect: str,
) -> None:
    shipped = [AutomationCore.model_validate(one) for one in yaml.safe_load(AUTOMATIONS.read_text())["automations"]]
    older = shipped[0].model_copy(deep=True)
    assert isinstance(older.trigger, EventTrigger)
    older.trigger.after.remove("prefect.flow-run.Submitting")

    async def warned(*there: AutomationCore) -> list[str]:
        async with get_client() as client:
            for one in shipped:
                for left in await client.read_automations_by_name(one.name):
                    await client.delete_automation(left.id)
            made = [await client.create_automation(one) for one in there]
            checks = await look_at_prefect([], {}, datetime.now(UTC))
            for one in made:
                await client.delete_automation(one)
        return [f"{name}: {says}" for _, name, says in told(checks, Grade.WARNING) if name.startswith("interlock-")]

    with temporary_settings({PREFECT_API_URL: f"{prefect}/api"}):
        none, old, both = await warned(), await warned(older, shipped[1]), await warned(*shipped)
    absent = "is not there: a run whose worker was killed stays as it is, and holds a slot of the pool"
    assert none == [f"{one.name}: {absent}" for one in shipped]
    assert old == ["interlock-crashed-runs: looks at other states than the shipped one"]
    assert both == []


async def test_a_prefect_that_is_not_there_is_wrong() -> None:
    for address, says in ((None, "names no server"), ("http://127.0.0.1:9/api", "does not answer")):
        with temporary_settings({PREFECT_API_URL: address}):
            [check] = await look_at_prefect([], {}, datetime.now(UTC))
        assert (check.grade, says in check.says) == (Grade.WRONG, True)


def test_a_value_that_depends_on_the_route_alone_is_looked_at_for_each_route() -> None:
    uses = uses_of([load_workflow("support_triage")])["sandbox_help_desk"]
    assert {use.fixed["queue"] for use in uses} == set(load_workflow("support_triage").policy.routes)


def test_systems_that_are_kept_in_step_are_used_with_their_own_names() -> None:
    uses = uses_of([load_workflow("crm_helpdesk_sync")])
    assert set(uses) >= {"hubspot", "request_tracker", "sql_table"}
    assert all(use.fields for use in uses["hubspot"])
