"""Looks at Prefect: whether the server answers, knows what prefect.yaml deploys, and has a worker at work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.settings import get_current_settings

from connectors.diagnosis import ahead_s
from connectors.http_outcomes import Headed, HttpFailure
from console.doctor_report import Check, untold, warning, well, wrong
from console.doctor_systems import SkewOf
from domain.errors import PolicyInvalid
from policies.load import HERE, Workflow

PAGE = 200
"""Deployments that Prefect's API lists at once, at most."""
PLANNED_WITHIN = timedelta(minutes=2)
"""By then a new schedule has runs to come: Prefect's services plan an hour ahead or three runs, once a minute."""
NAMED = 3
"""Deployments that one line names."""
AUTOMATIONS = HERE.parent / "deploy" / "automations.yaml"
"""What tells Prefect of runs whose worker was killed."""
SHARED = ("flows.deliver.deliver", "flows.review.review")
"""Flows that serve every policy."""
RETAIN = "flows.retain.retain"
"""Nothing but its schedule ever starts it."""


@dataclass(frozen=True)
class Planned:
    """A deployment as prefect.yaml has it.

    Attributes:
        policy: the one that it runs; empty where it takes none, or several.
        policies: that one, or the several.
    """

    name: str
    entrypoint: str
    policy: str = ""
    policies: tuple[str, ...] = ()
    pool: str = ""
    schedules: tuple[str, ...] = field(default=())


def prefect_file(given: Path | None) -> Path | None:
    """The prefect.yaml that is meant: the one given, that of the working directory, or the one that is shipped."""
    if given is not None:
        return given
    return next((path for path in (Path("prefect.yaml"), HERE.parent / "prefect.yaml") if path.is_file()), None)


def planned(path: Path) -> list[Planned]:
    """The deployments of a prefect.yaml.

    Raises:
        PolicyInvalid: it cannot be read as one.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]
        return [_planned(entry) for entry in entries]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as exc:
        raise PolicyInvalid(f"{path}: no prefect.yaml with a list 'deployments': {exc}") from exc


def _planned(entry: Mapping[str, Any]) -> Planned:
    parameters = entry.get("parameters") or {}
    return Planned(
        name=entry["name"],
        entrypoint=entry["entrypoint"],
        policy=str(parameters.get("policy", "")),
        policies=_policies(parameters),
        pool=(entry.get("work_pool") or {}).get("name", ""),
        schedules=tuple(sorted(map(_of_yaml, entry.get("schedules") or ()))),
    )


def _policies(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(map(str, parameters.get("policies") or filter(None, [parameters.get("policy")])))


def needed(workflow: Workflow) -> list[str]:
    """The flows that a policy must be deployed with."""
    aged = [RETAIN] if workflow.policy.retention.days is not None else []
    if workflow.sync:
        return ["flows.sync.sync", "flows.watch.watch", "flows.reconcile.reconcile", *aged]
    main = "next_action" if workflow.cases else "route" if workflow.policy.classifies else "intake"
    collected = ["flows.collect.collect"] if workflow.policy.intake.sources else []
    return [f"flows.{main}.{main}", "flows.watch.watch", *collected, *aged]


def check_plan(workflows: Sequence[Workflow], plan: Sequence[Planned], path: Path) -> list[Check]:
    """Whether prefect.yaml deploys every flow that the policies need."""
    checks = []
    running = [one for one in plan if one.schedules or one.entrypoint != RETAIN]
    there = {(one.entrypoint, policy) for one in running for policy in one.policies}
    for workflow in workflows:
        names = {workflow.policy.name, workflow.reference, str(workflow.path)}
        missing = [flow for flow in needed(workflow) if not any((flow, name) in there for name in names)]
        if missing:
            mend = f"Add it to {path} and run 'prefect deploy --all --no-prompt'"
            checks.append(
                wrong("schedule", workflow.policy.name, f"{path.name} has no {', '.join(missing)} of it", mend)
            )
    if missing := [flow for flow in SHARED if flow not in {one.entrypoint for one in plan}]:
        checks.append(wrong("schedule", "", f"{path.name} has no {', '.join(missing)}", f"Add it to {path}"))
    return checks


async def look_at_prefect(plan: Sequence[Planned], skews: SkewOf, now: datetime) -> list[Check]:
    """The server, then its deployments, their runs to come, and workers, held against the plan."""
    address = get_current_settings().api.url
    if not address:
        mend = "Start a server, set PREFECT_API_URL here and where the workers run, and deploy"
        return [wrong("schedule", "", "PREFECT_API_URL names no server: nothing runs on a schedule", mend)]
    try:
        async with get_client() as client:
            answer = await client._client.get("/health")  # noqa: SLF001  the only way to its headers
            if (ahead := ahead_s(Headed(headers=dict(answer.headers)))) is not None:
                skews["Prefect's server"] = ahead
            known = await _deployments(client)
            checks = [well("schedule", "", f"Prefect's server at {address} answers")]
            checks += _held_against(plan, known)
            checks += await _unplanned(client, plan, known, now)
            checks += await _automations(client)
            for pool in sorted({one.pool for one in plan if one.pool}):
                checks += await _pool(client, pool)
            return checks
    except PrefectHTTPStatusError as exc:
        says = f"{address} refuses us (HTTP {exc.response.status_code})"
        return [wrong("schedule", "", says, "Check PREFECT_API_URL, PREFECT_API_KEY and PREFECT_API_AUTH_STRING")]
    except HttpFailure as exc:
        says = f"{address} does not answer: {type(exc).__name__}"
        return [wrong("schedule", "", says, "Start Prefect's server, or mend PREFECT_API_URL")]


async def _unplanned(
    client: PrefectClient, plan: Sequence[Planned], known: Sequence[DeploymentResponse], now: datetime
) -> list[Check]:
    """Whether runs are to come of each planned deployment that has long had a schedule; Prefect plans for 100 days."""
    names = {one.name for one in plan}
    scheduled = [one for one in known if one.name in names and not one.paused and _long_scheduled(one, now)]
    without = []
    for one in scheduled:
        runs = await client.count_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[one.id])),
            flow_run_filter=FlowRunFilter(expected_start_time=FlowRunFilterExpectedStartTime(after_=now)),
        )
        if not runs:
            without.append(one.name)
    if not without:
        return []
    some = ", ".join(without[:NAMED]) + (", …" if len(without) > NAMED else "")
    says = f"no run is to come of {len(without)} of {len(scheduled)} deployments with a schedule: {some}"
    mend = (
        "See that Prefect's background services run ('prefect server services start', or 'prefect server start' "
        "without --no-services) and what they log"
    )
    return [wrong("schedule", "", says, mend)]


def _long_scheduled(one: DeploymentResponse, now: datetime) -> bool:
    changed = [schedule.updated or schedule.created for schedule in one.schedules if schedule.active]
    return any(at is not None and at < now - PLANNED_WITHIN for at in changed)


async def _automations(client: PrefectClient) -> list[Check]:
    """Whether Prefect hears of runs whose worker was killed."""
    checks = []
    again = f"'prefect automation create --from-file {AUTOMATIONS.parent.name}/{AUTOMATIONS.name}'"
    for shipped in map(AutomationCore.model_validate, _shipped_automations()):
        there = [one for one in await client.read_automations_by_name(shipped.name) if one.enabled]
        if not there:
            says = "is not there: a run whose worker was killed stays as it is, and holds a slot of the pool"
            checks.append(warning("schedule", shipped.name, says, f"Run {again}"))
        elif any(one.trigger != shipped.trigger for one in there):
            mend = f"Run 'prefect automation delete' for each that the file names, then {again}"
            checks.append(warning("schedule", shipped.name, "looks at other states than the shipped one", mend))
    return checks


def _shipped_automations() -> list[Any]:
    if not AUTOMATIONS.is_file():  # where the package alone is installed
        return []
    entries: list[Any] = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]
    return entries


async def _deployments(client: PrefectClient) -> list[DeploymentResponse]:
    found: list[DeploymentResponse] = []
    while page := await client.read_deployments(limit=PAGE, offset=len(found)):
        found += page
    return found


def _held_against(plan: Sequence[Planned], known: Sequence[DeploymentResponse]) -> list[Check]:
    """Each planned deployment as the server has it; what is alike is told in one line."""
    checks = [check for one in plan for check in _one(one, known)]
    alike = len(plan) - len({check.subject for check in checks})
    if alike:
        checks.insert(
            0, well("schedule", "", f"{alike} of {len(plan)} deployments are there, active, as prefect.yaml has them")
        )
    return checks


def _one(wanted: Planned, known: Sequence[DeploymentResponse]) -> list[Check]:
    again = "Run 'prefect deploy --all --no-prompt'"
    named = [one for one in known if one.name == wanted.name and one.entrypoint == wanted.entrypoint]
    if not named:
        return [wrong("schedule", wanted.name, "Prefect's server has no such deployment", again)]
    there = named[0]
    if there.paused:
        resume = f"Resume it in Prefect's UI, or run 'prefect deployment schedule resume' on {wanted.name}"
        return [wrong("schedule", wanted.name, "is paused", resume)]
    scheduled = tuple(sorted(_of_server(one.schedule) for one in there.schedules if one.active))
    if wanted.schedules and not scheduled:
        return [
            wrong("schedule", wanted.name, "none of its schedules is active", f"Resume it in Prefect's UI, or: {again}")
        ]
    differs = []
    if scheduled != wanted.schedules:
        now, then = " and ".join(scheduled) or "on no schedule", " and ".join(wanted.schedules) or "on none"
        differs.append(f"runs {now}, by prefect.yaml {then}")
    if wanted.policies and (has := _policies(there.parameters)) != wanted.policies:
        differs.append(f"has the policy '{', '.join(has)}', by prefect.yaml '{', '.join(wanted.policies)}'")
    if wanted.pool and there.work_pool_name != wanted.pool:
        differs.append(f"is in the pool '{there.work_pool_name}', by prefect.yaml '{wanted.pool}'")
    return [warning("schedule", wanted.name, one, again) for one in differs]


def _of_yaml(entry: Mapping[str, Any]) -> str:
    if "interval" in entry:
        return f"each {float(entry['interval']):g} s"
    return f"at {entry.get('cron', entry.get('rrule', '?'))} in {entry.get('timezone') or 'UTC'}"


def _of_server(schedule: object) -> str:
    match schedule:
        case IntervalSchedule(interval=interval):
            return f"each {interval / timedelta(seconds=1):g} s"
        case CronSchedule(cron=cron, timezone=zone):
            return f"at {cron} in {zone or 'UTC'}"
        case other:
            return f"at {getattr(other, 'rrule', '?')} in {getattr(other, 'timezone', None) or 'UTC'}"


async def _pool(client: PrefectClient, name: str) -> list[Check]:
    try:
        pool = await client.read_work_pool(name)
    except ObjectNotFound:
        mend = f"Run 'prefect work-pool create {name} --type process'"
        return [wrong("worker", name, "there is no such work pool", mend)]
    if pool.is_paused:
        return [wrong("worker", name, "the work pool is paused", f"Run 'prefect work-pool resume {name}'")]
    workers = await client.read_workers_for_work_pool(name)
    online = [worker for worker in workers if str(worker.status).rpartition(".")[2].upper() == "ONLINE"]
    if not online:
        mend = f"Run 'prefect worker start --pool {name}' where the work is to be done, and keep it running"
        gone = f"{len(workers)} are gone" if workers else "none was ever there"
        return [wrong("worker", name, f"no worker is online: {gone}", mend)]
    checks = [well("worker", name, f"{len(online)} online")]
    if pool.concurrency_limit is None:
        mend = f"Run 'prefect work-pool set-concurrency-limit {name} 4', or as many as the machine carries"
        checks.append(warning("worker", name, "nothing limits how many runs there are at a time", mend))
    return checks


def no_plan(path: Path | None) -> list[Check]:
    """What is said where there is no prefect.yaml."""
    where = str(path) if path else "here"
    return [
        untold("schedule", "", f"no prefect.yaml {where}, so that deployments are not looked at", "Give --prefect-file")
    ]
