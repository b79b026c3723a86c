"""Looks at every system that policies write to, read from or keep in step; changes nothing there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

import httpx

from connectors.diagnosis import Aspect, Diagnosable, Diagnosis, Finding, Use
from connectors.registry import open_destination, open_kept, open_source
from connectors.settings import Settings
from console.doctor_report import Check, untold, warning, well, wrong
from domain.errors import InterlockError, PolicyInvalid, Throttled, Unauthorised
from policies.load import Workflow
from policies.sources import IntakeSource
from policies.sync import Kept, Side

SkewOf = dict[str, float]
"""By how many seconds the clock of each that tells the time is ahead of ours."""

ABOUT = {Aspect.ANSWERS: "system", Aspect.SETTINGS: "system"}


async def look_at_system(
    system: str, uses: Sequence[Use], environ: Mapping[str, str], timeout_s: float, skews: SkewOf
) -> list[Check]:
    """What a system tells of itself and of what is written there."""

    async def look() -> list[Check]:
        async with aclosing(open_destination(system, environ)) as opened:
            if not isinstance(opened, Diagnosable):
                return [untold("system", system, "is set up; its connector tells no more")]
            found: Diagnosis = await opened.diagnose(uses)
        if found.ahead_s is not None:
            skews[system] = found.ahead_s
        return [_check(system, one) for one in found.findings]

    return await _bounded("system", system, timeout_s, look)


async def look_at_source(
    policy: str, wanted: IntakeSource, environ: Mapping[str, str], timeout_s: float
) -> list[Check]:
    """Whether a source can be read: one fetch from its beginning, which leaves no trace there."""

    async def look() -> list[Check]:
        async with aclosing(open_source(wanted.source, wanted.options, environ)) as source:
            await source.fetch("", 1)
        return [well("source", f"{policy}: {wanted}", "can be read")]

    return await _bounded("source", f"{policy}: {wanted}", timeout_s, look)


async def look_at_kept(
    policy: str, name: str, kept: Kept, side: Side, environ: Mapping[str, str], timeout_s: float
) -> list[Check]:
    """Whether a system's records can be read with every field that is kept in step; one record shows."""
    subject = f"{policy}: {name}"

    async def look() -> list[Check]:
        fields = sorted(place.name for place in kept.places(name).values())
        try:
            opened = open_kept(side.system, side.options, fields, environ)
        except PolicyInvalid:  # told of the system itself
            return []
        async with aclosing(opened):
            page = await opened.page("", 1)
        if not page.records:
            return [untold("fields", subject, "can be read; it holds no record yet, which would show its fields")]
        if missing := sorted(set(fields) - page.records[0].values.keys()):
            mend = "Make the fields there, let the key see them, or take them out of the policy"
            return [wrong("fields", subject, f"records have no {', '.join(missing)}", mend)]
        return [well("fields", subject, f"records have all of the {len(fields)} fields that are kept in step")]

    return await _bounded("fields", subject, timeout_s, look)


async def look_at_model(settings: Settings, timeout_s: float) -> list[Check]:
    """Whether the endpoints of the model and of the embeddings answer, take the key and have the model."""
    llm, embeddings = settings.llm_api_key, settings.embeddings_api_key
    named = (
        ("language model", settings.llm_base_url, settings.llm_model, llm, settings.llm),
        ("embeddings", settings.embeddings_base_url, settings.embeddings_model, embeddings, settings.embeddings),
    )
    checks: list[Check] = []
    for what, address, model, key, switch in named:
        if switch == "off" or not address:
            continue
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key.get_secret_value() else {}
        try:
            async with httpx.AsyncClient(timeout=timeout_s, headers=headers) as client:
                answer = await client.get(f"{address.rstrip('/')}/models")
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            says, mend = f"{address} does not answer: {type(exc).__name__}", "Start it, or mend its address"
            checks.append(wrong("system", what, says, f"{mend}; meanwhile the examples, rules and people decide"))
            continue
        checks.append(_of_models(what, address, model, answer))
    return checks


def _of_models(what: str, address: str, model: str, answer: httpx.Response) -> Check:
    if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        variable = "INTERLOCK_LLM_API_KEY" if what == "language model" else "INTERLOCK_EMBEDDINGS_API_KEY"
        return wrong("key", what, f"{address} refuses the key (HTTP {answer.status_code})", f"Set {variable} anew")
    try:
        offered = [str(one["id"]) for one in answer.json()["data"]]
    except (ValueError, KeyError, TypeError):
        return untold("system", what, f"{address} answers, and does not tell its models (HTTP {answer.status_code})")
    if model and model not in offered:
        few = ", ".join(offered[:5]) or "none"
        return warning("system", what, f"{address} lists no model '{model}'", f"Use one that it has: {few}")
    return well("system", what, f"{address} answers, and has {model}")


def _check(system: str, found: Finding) -> Check:
    """A system's finding; what it is about is the area."""
    return Check(ABOUT.get(found.aspect, found.aspect.value), system, found.grade, found.says, found.mend)


async def _bounded(
    area: str, subject: str, timeout_s: float, look: Callable[[], Awaitable[list[Check]]]
) -> list[Check]:
    """What a look gives, or why it gives nothing."""
    try:
        async with asyncio.timeout(timeout_s):
            return await look()
    except TimeoutError:
        mend = "See whether it is up and can be reached from this machine; --timeout gives it longer"
        return [wrong(area, subject, f"no answer within {timeout_s:g} s", mend)]
    except PolicyInvalid as exc:
        return [wrong(area, subject, str(exc), "Set what is missing, here and where the workers run")]
    except Unauthorised as exc:
        return [wrong("key", subject, str(exc), "Put a user and key in that are valid now")]
    except Throttled as exc:
        return [warning("quota", subject, str(exc), "Wait, or ask for a higher limit; reading goes on by itself")]
    except InterlockError as exc:
        return [wrong(area, subject, str(exc), "See whether it is up, and whether it is told the right options")]


def sources_of(workflows: Sequence[Workflow]) -> list[tuple[str, IntakeSource]]:
    """What the policies read, with the policy's name."""
    return [(one.policy.name, wanted) for one in workflows for wanted in one.policy.intake.sources]


def sides_of(workflows: Sequence[Workflow]) -> list[tuple[str, str, Kept, Side]]:
    """What the policies keep in step: policy and object, the system's name there, and the two."""
    return [
        (f"{one.policy.name}.{name}", system, kept, side)
        for one in workflows
        if one.sync
        for name, kept in one.sync.objects.items()
        for system, side in kept.systems.items()
    ]
