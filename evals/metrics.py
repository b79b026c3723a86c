"""What a run shows of a classifier: how much acts alone, how much of that goes wrong, how well it ranks itself.

Unscored items say nothing of the classifier: they are counted, and left out of everything but the costs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.calibration import Rate, Scored, rate
from domain.confidence import UNFITTED, Judgement, Source, pool, source_of
from domain.decision import Reason, Terms
from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE, AskOutcome, Tokens
from domain.values import Frozen
from evals.prices import Prices, asked_once, tokens_of
from evals.ranking import aurc, auroc, coverage_at, ece, percentile, recall_beyond, share
from evals.recorded import Row, Run
from evals.ruled import weigh_row
from evals.trust import distrust, main_source
from policies.load import Workflow

NO_LABEL = "no answer"
"""Stands for the proposed label where there is none; no route has a space in its name."""


@dataclass(frozen=True)
class Seen:
    """A row as the policy sees it: the label, the confidence, and why it may not act alone, be it a rule's word."""

    row: Row
    judgement: Judgement
    holds: tuple[Reason, ...]

    @property
    def acts(self) -> bool:
        """Whether it would be routed automatically, or ended, without a person."""
        return not self.holds

    @property
    def correct(self) -> bool:
        """Whether the label is the right one."""
        return self.judgement.label == self.row.item.label

    @property
    def confidence(self) -> float:
        """The confidence, 0 to 1; 0 where nothing tells it."""
        return self.judgement.confidence or 0.0

    @property
    def scored(self) -> Scored:
        """Confidence and correctness alone, whatever holds it."""
        return Scored(score=self.confidence, correct=self.correct)

    @property
    def ruled(self) -> str | None:
        """Where a rule routes it in the proposal's stead, if one does."""
        rule = self.row.rule
        return rule.route if rule and self.holds and not self.row.proposal.tampering else None


class Latency(Frozen):
    """Seconds from asking to the answer, over calls; None without any."""

    p50: float | None
    p95: float | None


class RouteMeasures(Frozen):
    """One label's figures.

    Attributes:
        n: items whose right label it is.
        precision: share of its proposals that are right; None when it was never proposed.
        recall: share of its `n` for which it was proposed; None without any.
        auto: items that go there automatically; `misroute_rate` is the share of those that are wrong.
    """

    n: int
    precision: float | None
    recall: float | None
    auto: int
    misroute_rate: Rate


class SliceMeasures(Frozen):
    """The figures of items that share a field's value."""

    n: int
    accuracy: float
    coverage: float
    misroute_rate: Rate


class Measures(Frozen):
    """All that a run shows; shares are 0 to 1, and None where there is nothing to tell them by.

    Attributes:
        trusted: whether a threshold was proven for this very classifier; if not, `stale_because` says why.
        proven_here: whether the thresholds were proven with these very items, which flatters every figure.
        target: the largest share of misroutes that the policy allows.
        n: scored items; `unscored` ones are in no other share.
        accuracy: of the label that model and examples come to together, whether it may act or not.
        coverage: share of `n` that would act alone: `auto` items, `ended` of them without a route.
        by_rule: items that a rule routes instead, wrongly in a share of `by_rule_misroute_rate`;
            `rejected` are ended by one.
        holds: how often each reason keeps an item from acting alone; one item may have several.
        coverage_at: by accuracy, the largest share that keeps it when items are ranked by confidence.
        auroc: chance that a right answer is surer than a wrong one.
        ece: expected calibration error over ten equal steps of confidence.
        aurc: mean share of errors over all coverages, by confidence.
        oos_recall: share of `none_of_these` recognised while 95 % of the rest stay accepted.
        confusion: counts by right label, then proposed label.
        model_accuracy, examples_accuracy: of each side alone; agreement: how often they agree.
        tampering: items with signs that they were written for a machine.
        calls, tokens, cost, latency_s: of asking, unscored items included, each text once.
        slices: by field, then value.
        fingerprint: of classifier, data and the classifier's parts.
    """

    policy: str
    model: str
    trusted: bool
    stale_because: str
    proven_here: bool
    target: float
    thresholds: dict[str, float | None]
    n: int
    unscored: int
    accuracy: float | None
    coverage: float
    auto: int
    ended: int
    misroute_rate: Rate
    by_rule: int
    by_rule_misroute_rate: Rate
    rejected: int
    holds: dict[str, int]
    coverage_at: dict[str, float]
    auroc: float | None
    ece: float | None
    aurc: float | None
    oos_recall: float | None
    per_route: dict[str, RouteMeasures]
    confusion: dict[str, dict[str, int]]
    model_accuracy: float | None
    examples_accuracy: float | None
    agreement: float | None
    tampering: int
    calls: int
    tokens: Tokens
    cost: float | None
    latency_s: Latency
    slices: dict[str, dict[str, SliceMeasures]]
    fingerprint: dict[str, str]


def see(workflow: Workflow, rows: Iterable[Row], terms: Terms | None = None) -> list[Seen]:
    """Scored rows under the workflow's terms, or under others."""
    under = terms or workflow.terms
    return [Seen(row, *weigh_row(row, under)) for row in rows]


def measure(run: Run, workflow: Workflow, prices: Prices | None = None, slice_by: Sequence[str] = ()) -> Measures:
    """Every figure of a run under the workflow as it is now.

    Args:
        slice_by: fields of the items, `label` or `intent`.

    Raises:
        InputInvalid: no item has such a field.
    """
    terms = workflow.terms
    seen = see(workflow, run.scored, terms)
    scores = [one.scored for one in seen]
    acting, ruled = [one for one in seen if one.acts], [one for one in seen if one.ruled]
    because = distrust(run, workflow, terms)
    proof = terms.proofs.get(main_source(run.scored))
    asked = asked_once(run.rows)
    waits_s = [proposal.latency_s for proposal in asked if proposal.calls]
    votes = [(one.row, one.row.proposal.opinion.label) for one in seen if one.row.proposal.opinion]
    answered = [one.row for one in seen if one.row.proposal.outcome is AskOutcome.ANSWERED]
    return Measures(
        policy=run.policy,
        model=run.model,
        trusted=not because,
        stale_because=because,
        proven_here=workflow.calibration is not None and workflow.calibration.data == run.data,
        target=workflow.policy.target.misroute,
        thresholds={group: one.threshold for group, one in proof.promises.items()} if proof and not because else {},
        n=len(seen),
        unscored=len(run.rows) - len(seen),
        accuracy=share(one.correct for one in seen),
        coverage=len(acting) / len(seen) if seen else 0.0,
        auto=len(acting),
        ended=sum(one.judgement.label == NONE_OF_THESE for one in acting),
        misroute_rate=misroutes(acting),
        by_rule=len(ruled),
        by_rule_misroute_rate=rate(sum(one.ruled != one.row.item.label for one in ruled), len(ruled)),
        rejected=sum(Reason.RULE_REJECTS in one.holds for one in seen),
        holds=dict(Counter(hold.value for one in seen for hold in one.holds).most_common()),
        coverage_at={text: coverage_at(scores, float(text)) for text in ("0.95", "0.98")},
        auroc=auroc(scores),
        ece=ece([one.scored for one in seen if one.judgement.confidence is not None]),
        aurc=aurc(scores),
        oos_recall=oos_recall(run.scored, terms),
        per_route=per_route(seen, workflow.policy.labels),
        confusion=confusion(seen, workflow.policy.labels),
        model_accuracy=share(row.proposal.label == row.item.label for row in answered),
        examples_accuracy=share(vote == row.item.label for row, vote in votes),
        agreement=share(
            vote == row.proposal.label for row, vote in votes if row.proposal.outcome is AskOutcome.ANSWERED
        ),
        tampering=sum(bool(one.row.proposal.tampering) for one in seen),
        calls=sum(proposal.calls for proposal in asked),
        tokens=tokens_of(asked),
        cost=prices.cost(run) if prices else None,
        latency_s=Latency(p50=percentile(waits_s, 50), p95=percentile(waits_s, 95)),
        slices={field: slices(seen, field) for field in slice_by},
        fingerprint={"classifier": run.classifier, "data": run.data, **run.parts},
    )


def misroutes(acting: Sequence[Seen]) -> Rate:
    """The share of what acts alone that is wrong, with its exact interval."""
    return rate(sum(not one.correct for one in acting), len(acting))


def oos_recall(rows: Iterable[Row], terms: Terms) -> float | None:
    """The share of `none_of_these` whose pooled probability of it exceeds what 95 % of in-scope items have.

    None without items of both kinds. An item that has no confidence scores 0.
    """
    inside: list[float] = []
    outside: list[float] = []
    for row in rows:
        source = source_of(row.proposal)
        score = 0.0
        if source is not Source.NONE:
            fusion = terms.proofs[source].fusion if source in terms.proofs else UNFITTED[source]
            score = pool(row.proposal, fusion).get(NONE_OF_THESE, 0.0)
        (outside if row.item.label == NONE_OF_THESE else inside).append(score)
    return recall_beyond(inside, outside)


def per_route(seen: Sequence[Seen], labels: Iterable[str]) -> dict[str, RouteMeasures]:
    """Each label's figures, in the policy's order."""
    found = {}
    for label in labels:
        truly = [one for one in seen if one.row.item.label == label]
        proposed = [one for one in seen if one.judgement.label == label]
        acting = [one for one in proposed if one.acts]
        found[label] = RouteMeasures(
            n=len(truly),
            precision=share(one.correct for one in proposed),
            recall=share(one.correct for one in truly),
            auto=len(acting),
            misroute_rate=misroutes(acting),
        )
    return found


def confusion(seen: Iterable[Seen], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Counts by right label, then by proposed label, both in the policy's order; what never occurs is left out."""
    counts = Counter((one.row.item.label, one.judgement.label or NO_LABEL) for one in seen)
    order = dict.fromkeys([*labels, *(label for pair in sorted(counts) for label in pair)])
    truths = {true for true, _ in counts}
    return {
        true: {said: counts[true, said] for said in order if counts[true, said]} for true in order if true in truths
    }


def slices(seen: Sequence[Seen], field: str) -> dict[str, SliceMeasures]:
    """The figures by a field's value, the most frequent first; items without the field are under an empty one.

    Raises:
        InputInvalid: no item has the field.
    """
    groups: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        item = one.row.item
        groups[({"label": item.label, "intent": item.intent or ""} | item.fields).get(field, "")].append(one)
    if groups.keys() == {""}:
        known = sorted({name for one in seen for name in one.row.item.fields})
        raise InputInvalid(f"no item has '{field}'. Slice by one of: {', '.join(['label', 'intent', *known])}")
    return {value: _slice(groups[value]) for value in sorted(groups, key=lambda value: (-len(groups[value]), value))}


def _slice(inside: Sequence[Seen]) -> SliceMeasures:
    acting = [one for one in inside if one.acts]
    return SliceMeasures(
        n=len(inside),
        accuracy=sum(one.correct for one in inside) / len(inside),
        coverage=len(acting) / len(inside),
        misroute_rate=misroutes(acting),
    )
