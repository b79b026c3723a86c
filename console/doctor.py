"""`interlock doctor`: looks at everything that a workflow needs, says what is wrong, and what to do about it."""

import asyncio
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from connectors.diagnosis import Grade
from connectors.settings import Settings
from console.doctor_here import check_clocks, check_database, check_disk, check_settings, resolve
from console.doctor_people import check_people
from console.doctor_prefect import Planned, check_plan, look_at_prefect, no_plan, planned, prefect_file
from console.doctor_report import Check, as_json, print_checks, untold, wrong
from console.doctor_systems import (
    SkewOf,
    look_at_kept,
    look_at_model,
    look_at_source,
    look_at_system,
    sides_of,
    sources_of,
)
from console.doctor_thresholds import check_thresholds
from console.doctor_uses import uses_of
from console.shared import OUT
from domain.errors import PolicyInvalid
from policies.load import Workflow, load_workflow, shipped_policies
from tasks.prepare import check_sources, check_systems
from tasks.resources import Resources

SICK = 1
"""Exit code when something is wrong."""
AREAS = (
    *("policy", "settings", "system", "key", "rights", "quota", "fields", "source"),
    *("people", "threshold", "schedule", "worker", "watch", "database", "ledger", "clock", "disk"),
)
"""In the order in which they are told."""


def doctor(
    policies: Annotated[
        list[str] | None, typer.Argument(help="Names or paths; without any, those that prefect.yaml deploys.")
    ] = None,
    prefect_yaml: Annotated[
        Path | None, typer.Option("--prefect-file", help="The prefect.yaml to hold the server against.")
    ] = None,
    timeout: Annotated[float, typer.Option(help="Seconds for each look at a system.", min=0.1, max=600)] = 15,
    as_json_: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
) -> None:
    """Look at all that workflows need, and say what to do; exit code 1 if anything is wrong.

    Nothing is written anywhere, and no secret is shown. Warnings do not count.
    """
    with _silent(logging.getLogger("prefect")):  # what it would say is found here
        checks = asyncio.run(examine(policies or [], prefect_yaml, timeout, os.environ))
    if as_json_:
        OUT.print_json(data=as_json(checks))
    else:
        print_checks(checks, OUT)
    if any(check.grade is Grade.WRONG for check in checks):
        raise typer.Exit(SICK)


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


async def examine(
    policies: Sequence[str], prefect_yaml: Path | None, timeout_s: float, environ: Mapping[str, str]
) -> list[Check]:
    """Everything that is looked at, side by side, each for so long and no longer."""
    path = prefect_file(prefect_yaml)
    plan, checks = _plan(path)
    workflows, faults = _workflows(policies or _deployed(plan))
    checks += faults
    known, found = await resolve(environ)
    checks += found
    checks += check_settings(known, workflows)
    skews: SkewOf = {}
    systems = _systems(workflows, known, timeout_s, skews)
    wanted = [one for one in plan if not policies or not one.policy or one.policy in _names(workflows)]
    prefect = _prefect(wanted, timeout_s, skews) if plan else _nothing(no_plan(path))
    here = asyncio.to_thread(_here, known, workflows, skews)
    for looked in await asyncio.gather(*systems, prefect, here):
        checks += looked
    if path and plan:
        checks += check_plan(workflows, plan, path)
    checks += check_clocks(skews)
    return sorted(checks, key=lambda check: AREAS.index(check.area))


def _plan(path: Path | None) -> tuple[list[Planned], list[Check]]:
    try:
        return (planned(path) if path else []), []
    except PolicyInvalid as exc:
        return [], [wrong("schedule", "", str(exc), "Mend the file, or give another by --prefect-file")]


def _deployed(plan: Sequence[Planned]) -> list[str]:
    return list(dict.fromkeys(one.policy for one in plan if one.policy)) or shipped_policies()


def _names(workflows: Sequence[Workflow]) -> set[str]:
    return {name for one in workflows for name in (one.policy.name, one.reference, str(one.path))}


def _workflows(names: Sequence[str]) -> tuple[list[Workflow], list[Check]]:
    workflows, checks = [], []
    for name in names:
        try:
            workflow = load_workflow(name)
            check_systems(workflow)
            check_sources(workflow)
        except PolicyInvalid as exc:
            checks.append(
                wrong("policy", name, str(exc), f"Mend it; 'interlock policy check {name}' says when it holds")
            )
        else:
            workflows.append(workflow)
    return workflows, checks


def _systems(
    workflows: Sequence[Workflow], environ: Mapping[str, str], timeout_s: float, skews: SkewOf
) -> list[asyncio.Future[list[Check]]]:
    uses = uses_of(workflows)
    looks = [
        *(look_at_system(system, uses[system], environ, timeout_s, skews) for system in uses),
        *(look_at_source(policy, wanted, environ, timeout_s) for policy, wanted in sources_of(workflows)),
        *(
            look_at_kept(policy, name, kept, side, environ, timeout_s)
            for policy, name, kept, side in sides_of(workflows)
        ),
        _model(environ, timeout_s),
    ]
    return [asyncio.ensure_future(look) for look in looks]


async def _model(environ: Mapping[str, str], timeout_s: float) -> list[Check]:
    try:
        return await look_at_model(Settings.of(environ), timeout_s)
    except ValidationError:  # told by the settings
        return []


async def _prefect(plan: Sequence[Planned], timeout_s: float, skews: SkewOf) -> list[Check]:
    try:
        async with asyncio.timeout(timeout_s):
            return await look_at_prefect(plan, skews, datetime.now(UTC))
    except TimeoutError:
        says = f"Prefect's server gave no answer within {timeout_s:g} s"
        return [wrong("schedule", "", says, "See whether it is overloaded, or mend PREFECT_API_URL")]


async def _nothing(checks: list[Check]) -> list[Check]:
    return checks


def _here(environ: Mapping[str, str], workflows: Sequence[Workflow], skews: SkewOf) -> list[Check]:
    """The database, the disk and the thresholds; in a thread, for all of it blocks."""
    try:
        settings = Settings.of(environ)
    except ValidationError:
        return []
    names = [one.policy.name for one in workflows]
    checks, usable = check_database(settings.store_url, names, datetime.now(UTC), skews)
    checks += [*check_disk(settings), *(check for one in workflows for check in check_people(settings, one))]
    if not usable:
        classifying = [one for one in workflows if one.policy.classifies]
        return checks + [
            untold("threshold", one.policy.name, "is looked at once the database is there") for one in classifying
        ]
    return checks + asyncio.run(_thresholds(environ, workflows))


async def _thresholds(environ: Mapping[str, str], workflows: Sequence[Workflow]) -> list[Check]:
    here = Resources.from_environment(environ)
    try:
        return [check for one in workflows for check in check_thresholds(here, one)]
    finally:
        await here.aclose()
