"""Finds the fields that a policy wants in items' texts: by pattern, then by asking the model for what is left."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial

from prefect import task

from connectors.extractors.guard import faults, judged, taken
from connectors.extractors.patterns import VERSION, find
from connectors.extractors.senders import Mail
from connectors.ports import LanguageModel, Message
from domain.errors import InterlockError, PolicyInvalid, Retryable
from domain.extraction import CONFIDENCE, By, Extraction, Found, Ground, Quoted
from domain.item import ClaimedItem, InboundItem
from domain.ledger import Event
from domain.masking import Mask
from domain.proposal import AskOutcome
from domain.values import Frozen, digest
from policies.extract import Extract
from policies.fields import FieldType
from policies.model import Policy
from prompts.extraction import extraction_fingerprint, extraction_turns
from tasks.names import ACT, named, whole
from tasks.propose import FIRST_RETRY_S, outcome_of
from tasks.resources import Resources, resources


class Search(Frozen):
    """A text to look through. The key holds everything that the result depends on.

    Attributes:
        given: what came in by form of the fields that may be filled, and the sender's address and country.
    """

    key: str
    text: str
    given: dict[str, str]


async def extract(policy: str, items: Sequence[ClaimedItem]) -> None:
    """Find what the policy wants in the items' texts, and keep it with them; nothing where it wants nothing."""
    if resources().workflow(policy).policy.extract is not None:
        await extract_items(policy, whole(list(items)))


@task(task_run_name=named("extract"), **ACT)
async def extract_items(policy: str, items: list[ClaimedItem]) -> list[Extraction]:
    """Look through a chunk of items; an ask, and safe to repeat: what is kept costs no call again.

    Each answer is kept as soon as it is there. What the model fails at is tried again as often
    as the classifier's is; then what the patterns found stands alone, and the rest is missing.
    """
    here = resources()
    chosen = here.workflow(policy).policy
    searches = {claimed.item_id: search(here, chosen, claimed.item) for claimed in items}
    with here.store.reading() as tx:
        known = tx.extractions.recall(one.key for one in searches.values())
    done = {key: one for key, one in known.items() if one.outcome in _FINAL}
    _keep(here, chosen, {item_id: done[one.key] for item_id, one in searches.items() if one.key in done}, cached=True)
    limit = here.asking(chosen)
    first = {one.key: (item_id, one) for item_id, one in reversed(searches.items()) if one.key not in done}
    asked = await asyncio.gather(*[_persist(here, chosen, item_id, one, limit) for item_id, one in first.values()])
    done |= {one.key: one for one in asked}
    asked_for = {item_id for item_id, _ in first.values()}
    again = {item_id: done[one.key] for item_id, one in searches.items() if item_id not in asked_for}
    _keep(here, chosen, again, cached=True)
    return [done[one.key] for one in searches.values()]


_FINAL = frozenset({AskOutcome.ANSWERED, AskOutcome.NO_MODEL, AskOutcome.CUT_OFF, AskOutcome.NONSENSE})
"""Outcomes that the same question would have again."""


def search(here: Resources, policy: Policy, item: InboundItem) -> Search:
    """What is looked for in an item's text."""
    section = section_of(policy)
    telling = [name for name, kind in policy.input.fields.items() if kind in (FieldType.EMAIL, FieldType.COUNTRY)]
    given = {name: item.fields[name] for name in (*section.fields, *telling) if name in item.fields}
    return Search(key=digest(item.text, given, reader(here, policy)), text=item.text, given=given)


def reader(here: Resources, policy: Policy) -> str:
    """Fingerprint of all that finds fields for a policy: patterns, model, prompt and what is wanted."""
    model = here.model_name if policy.extract and policy.extract.ask else ""
    return digest(model, VERSION, extraction_fingerprint(policy))


async def _persist(here: Resources, policy: Policy, item_id: str, one: Search, limit: asyncio.Semaphore) -> Extraction:
    """Look through a text until the model answers or its tries are used up; keep what came of it."""
    async with limit:
        for attempt in range(1, policy.classifier.retries + 2):
            extraction, failure = await look_through(here.model, policy, one)
            if failure is not None:
                facts = {"attempt": attempt, "outcome": extraction.outcome.value, "detail": extraction.detail}
                with here.store.transaction() as tx:
                    tx.ledger.append(item_id, Event.ASK_FAILED, here.now(), calls=extraction.calls, **facts)
            if not isinstance(failure, Retryable) or attempt > policy.classifier.retries:
                break
            backoff_s = FIRST_RETRY_S * 2 ** (attempt - 1)
            await asyncio.sleep(backoff_s if failure.retry_after_s is None else failure.retry_after_s)
    if failure is not None:
        extraction = extraction.model_copy(update={"calls": 0})  # failed calls have entries of their own
    _keep(here, policy, {item_id: extraction}, cached=False)
    return extraction


def _keep(here: Resources, policy: Policy, extractions: Mapping[str, Extraction], *, cached: bool) -> None:
    threshold = section_of(policy).threshold
    if extractions:
        with here.store.transaction() as tx:
            for item_id, extraction in extractions.items():
                tx.extractions.keep(item_id, extraction, threshold, cached, here.now())


async def look_through(
    model: LanguageModel | None, policy: Policy, one: Search
) -> tuple[Extraction, InterlockError | None]:
    """What a text gives: what came in by form, what patterns find, what the model adds; with its failure if any."""
    section, kinds = section_of(policy), policy.input.fields
    wanted = [name for name in section.fields if name not in one.given]
    found, mail = find(one.text, wanted, section, kinds, policy.input.conventions, one.given)
    given = {name: _given(raw) for name, raw in one.given.items() if name in section.fields}
    bare = Extraction(key=one.key, found=given | found)
    left = [name for name in wanted if name not in found or found[name].confidence < section.threshold]
    if model is None or not section.ask or not left:
        return bare, None
    mask = policy.masking()
    turns = [Message(role, content) for role, content in extraction_turns(policy, mask.hide(one.text), left)]
    judge = partial(_judge, policy, mail, mask)
    asked_at = time.perf_counter()
    try:
        answer = await model.extract(
            turns,
            left,
            lambda said: faults(judge(said)),
            reasks=section.reasks,
            timeout_s=policy.classifier.timeout_s,
        )
    except InterlockError as exc:
        took = {"calls": 1, "latency_s": time.perf_counter() - asked_at, "model": model.model}
        return bare.model_copy(update={"outcome": outcome_of(exc), "detail": str(exc), **took}), exc
    judgements = judge({name: said for name, said in answer.fields.items() if name in left})
    update = {
        "found": bare.found | _surer(found, taken(judgements)),
        "dropped": faults(judgements),
        "outcome": AskOutcome.ANSWERED,
        "model": model.model,
        "tokens": answer.tokens,
        "calls": answer.calls,
        "latency_s": time.perf_counter() - asked_at,
    }
    return bare.model_copy(update=update), None


def _judge(policy: Policy, mail: Mail, mask: Mask, said: Mapping[str, Quoted]) -> dict[str, Found | str]:
    """Each field as the model gives it, of the text as it was before it was masked; or what is wrong with it."""
    wanted, kinds = section_of(policy).fields, policy.input.fields
    conventions = policy.input.conventions
    return {
        name: judged(mail, kinds[name], wanted[name], conventions, _unmasked(one, mask)) for name, one in said.items()
    }


def _unmasked(said: Quoted, mask: Mask) -> Quoted:
    return said.model_copy(update={"value": mask.restore(said.value), "quote": mask.restore(said.quote)})


def _surer(found: Mapping[str, Found], added: Mapping[str, Found]) -> dict[str, Found]:
    """What the model adds to, or is surer of than, what patterns found."""
    return {name: one for name, one in added.items() if name not in found or one.confidence > found[name].confidence}


def _given(raw: str) -> Found:
    return Found(value=raw, by=By.FORM, ground=Ground.FORM, confidence=CONFIDENCE[Ground.FORM])


def section_of(policy: Policy) -> Extract:
    """The policy's section on extraction.

    Raises:
        PolicyInvalid: it has none.
    """
    if policy.extract is None:
        raise PolicyInvalid(f"{policy.name}: no section 'extract'. Add one that names the fields.")
    return policy.extract
