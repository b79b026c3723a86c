"""What extraction is worth on labelled texts: by field, what is written by itself and what of that is right."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from connectors.ports import LanguageModel
from domain.calibration import Rate, rate
from domain.errors import InputInvalid
from domain.extraction import By, Extraction
from domain.values import Frozen, digest
from evals.items import MOST_NAMED, plain_text
from evals.recorded import UNSCORED
from policies.model import Policy
from tasks.extract import Search, look_through, section_of


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class Labelled(Frozen):
    """A text with the right values; one line of a data file.

    Attributes:
        fields: what came in by form, and is not looked for.
        truth: by field, the right value in its type's one spelling, or several that are equally
            right; a field that is absent is not told by the text.
    """

    id: str = Field(min_length=1)
    text: str = Field(min_length=1)
    fields: dict[str, str] = Field(default_factory=dict)
    truth: dict[str, Annotated[tuple[str, ...], BeforeValidator(_several)]] = Field(default_factory=dict)


class FieldMeasures(Frozen):
    """One field's figures.

    Attributes:
        told: texts that tell the field.
        written: texts of which a value would be written by itself, `by_model` of them the model's.
        right: of `written`, those with a right value.
        precision: `right` of `written`, with the exact interval at 95 %; 0 to 1 where nothing is written.
        recall: `right` of `told`, the same way.
        unsure: texts with a value that is too unsure to be written.
    """

    told: int
    written: int
    by_model: int
    right: int
    precision: Rate
    recall: Rate
    unsure: int


class Mistake(Frozen):
    """A wrong value that would be written, and what is right; nothing is when the text does not tell it."""

    id: str
    field: str
    value: str
    right: tuple[str, ...]


class Measures(Frozen):
    """All that a run of extraction shows.

    Attributes:
        precision: of all values that would be written by themselves; `coverage`, the share of the values
            that texts tell which would be written rightly.
        unscored: texts of which asking failed for a reason that has nothing to do with them; they count as
            they would be written, by patterns alone.
        dropped: values that the model gave and the text does not bear out.
    """

    policy: str
    model: str
    n: int
    unscored: int
    threshold: float
    precision: Rate
    coverage: Rate
    per_field: dict[str, FieldMeasures]
    calls: int
    dropped: int
    mistakes: tuple[Mistake, ...]


def load_labelled(path: Path, policy: Policy, only: str = "") -> list[Labelled]:
    """The labelled texts in a JSON Lines file whose ids begin with `only`.

    Raises:
        InputInvalid: naming lines that cannot be read, that double an id or name a field that is not extracted.
    """
    known = section_of(policy).fields
    items: list[Labelled] = []
    faults = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputInvalid(f"{path}: cannot be read. Write one JSON object a line: id, text, truth.") from exc
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = Labelled.model_validate_json(line)
        except ValidationError as exc:
            faults.append(f"{path}:{number}: {exc.errors(include_url=False)[0]['msg']}. Write id, text and truth.")
            continue
        if not item.id.startswith(only):
            continue
        if strange := sorted(item.truth.keys() - known.keys()):
            faults.append(f"{path}:{number}: '{strange[0]}' is not extracted. Use one of: {', '.join(known)}")
        if item.id in {other.id for other in items}:
            faults.append(f"{path}:{number}: id '{item.id}' stands there already. Give it its own.")
        items.append(item)
    if faults or not items:
        raise InputInvalid("\n".join(faults[:MOST_NAMED]) or f"{path}: no items. Write one JSON object a line.")
    return items


async def extract_all(
    model: LanguageModel | None, policy: Policy, items: Sequence[Labelled], progress: Callable[[int], None]
) -> list[Extraction]:
    """What each text gives, as a run would find it."""
    limit = asyncio.Semaphore(policy.classifier.concurrency)

    async def one(item: Labelled) -> Extraction:
        given = {name: value for name, value in item.fields.items() if name in policy.input.fields}
        async with limit:
            extraction, _ = await look_through(model, policy, Search(key=digest(item.id), text=item.text, given=given))
        progress(1)
        return extraction

    return list(await asyncio.gather(*[one(item) for item in items]))


def measure(policy: Policy, model: str, items: Sequence[Labelled], extractions: Sequence[Extraction]) -> Measures:
    """The figures of a run over labelled texts."""
    section = section_of(policy)
    pairs = list(zip(items, extractions, strict=True))
    per_field = {name: _measure(name, section.threshold, pairs) for name in section.fields}
    written, right, told = (
        sum(getattr(one, what) for one in per_field.values()) for what in ("written", "right", "told")
    )
    return Measures(
        policy=policy.name,
        model=model,
        n=len(items),
        unscored=sum(one.outcome in UNSCORED for one in extractions),
        threshold=section.threshold,
        precision=rate(right, written),
        coverage=rate(right, told),
        per_field=per_field,
        calls=sum(one.calls for one in extractions),
        dropped=sum(len(one.dropped) for one in extractions),
        mistakes=tuple(_mistakes(section.threshold, pairs)),
    )


def _measure(name: str, threshold: float, pairs: Sequence[tuple[Labelled, Extraction]]) -> FieldMeasures:
    looked = [(item.truth.get(name, ()), one.found.get(name)) for item, one in pairs if name not in item.fields]
    sure = [(truth, found) for truth, found in looked if found and found.confidence >= threshold]
    told = sum(bool(truth) for truth, _ in looked)
    right = sum(_is_right(found.value, truth) for truth, found in sure)
    return FieldMeasures(
        told=told,
        written=len(sure),
        by_model=sum(found.by is By.MODEL for _, found in sure),
        right=right,
        precision=rate(right, len(sure)),
        recall=rate(right, told),
        unsure=sum(found is not None for _, found in looked) - len(sure),
    )


def _mistakes(threshold: float, pairs: Sequence[tuple[Labelled, Extraction]]) -> Iterator[Mistake]:
    for item, extraction in pairs:
        for name, found in extraction.sure(threshold).items():
            truth = item.truth.get(name, ())
            if found.by is not By.FORM and not _is_right(found.value, truth):
                yield Mistake(id=item.id, field=name, value=found.value, right=truth)


def _is_right(value: str, truth: Sequence[str]) -> bool:
    """Letter case and white space do not count: order numbers and companies are not mended."""
    return plain_text(value) in map(plain_text, truth)


def print_extraction(found: Measures, out: Console) -> None:
    """The figures as a table, and each mistake on a line."""
    table = Table("field", "told", "written", "by model", "precision", "recall", "too unsure", box=None, padding=(0, 2))
    for name, one in found.per_field.items():
        precision = _interval(one.precision) if one.written else "-"
        recall = f"{one.recall.value:.3f}" if one.told else "-"
        table.add_row(name, str(one.told), str(one.written), str(one.by_model), precision, recall, str(one.unsure))
    out.print(
        f"{found.n} texts, {found.model}; of what is written by itself, {_interval(found.precision)} is right, "
        f"and that is {found.coverage.value:.3f} of what the texts tell. {found.calls} calls, {found.dropped} values "
        f"of the model dropped, {found.unscored} texts unscored.",
        highlight=False,
    )
    out.print(table)
    for wrong in found.mistakes:
        right = " or ".join(wrong.right) or "nothing"
        out.print(f"  {wrong.id} {wrong.field}: {escape(wrong.value)}, right is {escape(right)}", highlight=False)


def _interval(share: Rate) -> str:
    return f"{share.value:.3f} ({share.low:.3f} to {share.high:.3f})"
