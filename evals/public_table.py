"""The table on public data: what the examples' vote is worth alone, and with a model beside it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

from pydantic import Field

from connectors.llm.embedded import is_installed
from connectors.settings import Settings
from domain.errors import InputInvalid
from domain.values import Frozen
from evals.asking import asking, public_data
from evals.calibrate import Terms, calibrate
from evals.guarantee import guarantee
from evals.hostile import hostile_items, withstood
from evals.items import Data, load_data
from evals.metrics import measure
from evals.proposals import propose_all
from evals.public_sets import SETS, prepare
from evals.recorded import Run
from policies.load import load_classifier
from tasks.resources import resources

CALIBRATED_ON = 500
SPLITS = 200
TERMS = Terms(target=0.05, delta=0.05, named={})
PER_ATTACK = 3


class Held(Frozen):
    """How the promise fared."""

    splits: int
    broken: int
    coverage: float
    calibrated_on: int
    naive_broken: int


class Hostile(Frozen):
    """How attacks fared."""

    n: int
    wrong_auto: int
    price: float


class Line(Frozen):
    """One classifier on one public set.

    Attributes:
        coverage_at: share of items, the surest first, at which accuracy is still 95 % and 98 %.
        calls, tokens: what the model cost; 0 without one.
    """

    n: int
    accuracy: float
    coverage_at: dict[str, float]
    oos_recall: float | None
    guarantee: Held
    hostile: Hostile
    calls: int = 0
    tokens: dict[str, int] = Field(default_factory=dict)


def public_table(items: int, without_model: bool) -> dict[str, dict[str, Line]]:
    """For each set: the examples alone on everything; on `items` drawn ones, with the model and again without.

    Raises:
        InputInvalid: the data are not there, or there is no model and it was asked for.
    """
    return asyncio.run(_table(items, without_model))


async def _table(items: int, without_model: bool) -> dict[str, dict[str, Line]]:
    table: dict[str, dict[str, Line]] = {}
    settings = Settings()
    if not without_model:
        _refuse_without_a_model()
    for name in SETS:
        prepared = prepare(name, public_data(), settings.home / "public")
        policy = str(prepared.policy)
        data = load_data(prepared.items, load_classifier(policy))
        table[name] = {"examples": await _measured(policy, data, ask=False)}
        if not without_model:
            drawn = some(data, items)
            table[name]["with_model"] = await _measured(policy, drawn, ask=True)
            table[name]["examples_same_items"] = await _measured(policy, drawn, ask=False)
    return table


def _refuse_without_a_model() -> None:
    settings = Settings()
    if settings.llm == "off" or not (settings.llm_base_url or is_installed()):
        raise InputInvalid("there is no model to measure with: install the extra 'local', or say --without-model")


async def _measured(policy: str, data: Data, *, ask: bool) -> Line:
    async with asking(f"{Path(policy).stem},", len(data.items), ask=ask) as progress:
        return await line(policy, data, progress)


async def line(policy: str, data: Data, progress: Callable[[int], None]) -> Line:
    """Everything about one classifier: the one that the resources around it open.

    The weights are fitted on items that the figures leave out.
    """
    run = await propose_all(policy, data, progress)
    workflow = resources().workflow(policy)
    rows = list(run.scored)
    drawn = Random(0).sample(rows, len(rows))  # noqa: S311  a split to be repeated, not a secret
    size = min(CALIBRATED_ON, len(rows) // 3)
    record = calibrate(workflow, drawn[:size], run.parts, TERMS, data.fingerprint, run.made_at)
    proven = replace(workflow, calibration=record)
    rest = run.model_copy(update={"rows": tuple(drawn[size:])})
    measured = measure(rest, proven)
    kept = guarantee(workflow, rows, TERMS, SPLITS, size)
    hostile = await propose_all(policy, hostile_items(proven, rest.rows, PER_ATTACK if not _asks(run) else 1), progress)
    fates = withstood(proven, hostile.rows, rest.rows)
    return Line(
        n=len(rest.rows),
        accuracy=measured.accuracy or 0.0,
        coverage_at=measured.coverage_at,
        oos_recall=measured.oos_recall,
        guarantee=Held(
            splits=SPLITS,
            broken=kept.proven.broken,
            coverage=kept.proven.coverage,
            calibrated_on=size,
            naive_broken=kept.naive.broken,
        ),
        hostile=Hostile(n=fates.n, wrong_auto=fates.wrong_auto, price=fates.price),
        calls=measured.calls,
        tokens=measured.tokens.model_dump(),
    )


def some(data: Data, count: int) -> Data:
    """`count` of the items, drawn once and for all; all of them if there are fewer."""
    if count >= len(data.items):
        return data
    drawn = Random(0).sample(data.items, count)  # noqa: S311  a draw to be repeated, not a secret
    return Data(tuple(sorted(drawn, key=lambda item: item.id)), data.warnings)


def _asks(run: Run) -> bool:
    return any(row.proposal.calls for row in run.rows)
