"""The figures in Prometheus's text format, made afresh from the store for each scrape."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from connectors.store.engine import Transaction
from connectors.store.figures import Choice
from console.web.overview import price_of
from domain.figures import Counts, Work
from tasks.heartbeat import beats
from tasks.resources import Resources

WHOLE = 24 * 366 * 1000
"""Hours of a stretch that holds all of time."""

COUNTERS: dict[str, tuple[str, str]] = {
    "accepted": ("interlock_items_accepted", "Items that came in."),
    "decided": ("interlock_items_decided", "Items with a decision, be it that a person is asked."),
    "automatic": ("interlock_items_automatic", "Items first decided without a person."),
    "answered": ("interlock_proposals_answered", "Proposals that people have seen and answered."),
    "overridden": ("interlock_proposals_overridden", "Proposals that people answered otherwise."),
    "audited": ("interlock_items_audited", "Items that people decided blindly, of what would have acted alone."),
    "misrouted": ("interlock_items_misrouted", "Audited items that people decided otherwise."),
    "escalated": ("interlock_items_escalated", "Items about which somebody had to be told."),
    "given_up": ("interlock_items_given_up", "Items of which a write became a dead letter, mended since or not."),
    "retries": ("interlock_retries", "Calls and writes that had to be tried again."),
    "prompt_tokens": ("interlock_prompt_tokens", "Tokens of prompts that were paid for."),
    "completion_tokens": ("interlock_completion_tokens", "Tokens of answers that were paid for."),
}
"""What only grows: each count's name and what it says."""


def exposed(here: Resources) -> bytes:
    """All metrics as of now."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(here))
    return generate_latest(registry)


class _Figures(Collector):
    """Reads the store when it is collected."""

    def __init__(self, here: Resources) -> None:
        self._here = here

    def describe(self) -> list[Metric]:
        """Nothing: registering reads no store."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Every metric, in one view of the store."""
        with self._here.store.reading() as tx:
            yield from _counted(tx)
            yield from _standing(tx, self._here)


def _counted(tx: Transaction) -> Iterator[Metric]:
    counts: dict[tuple[str, str], Counts] = {}
    for part in tx.figures.parts(Choice(), WHOLE):
        named = part.policy, part.route or ""
        counts[named] = counts.get(named, Counts()) + part.counts
    for name, (metric, says) in COUNTERS.items():
        family = CounterMetricFamily(metric, says, labels=("policy", "route"))
        for named, of in counts.items():
            family.add_metric(named, getattr(of, name))
        yield family
    done = GaugeMetricFamily("interlock_items_done", "Items that are done now.", labels=("policy", "route"))
    for named, of in counts.items():
        done.add_metric(named, of.done)
    yield done


def _standing(tx: Transaction, here: Resources) -> Iterator[Metric]:
    now = here.now()
    reviews = GaugeMetricFamily("interlock_reviews_waiting", "Reviews that wait.", labels=("policy", "kind"))
    for named, count in tx.figures.open_reviews().items():
        reviews.add_metric(named, count)
    yield reviews
    unaccounted = GaugeMetricFamily("interlock_items_unaccounted", "Items that stand nowhere.", labels=("policy",))
    balanced = GaugeMetricFamily("interlock_books_balanced_seconds", "When the books were checked.", labels=("policy",))
    for books in tx.figures.books():
        unaccounted.add_metric((books.policy,), books.account.unaccounted)
        balanced.add_metric((books.policy,), books.at.timestamp())
    yield from (unaccounted, balanced)
    watched = GaugeMetricFamily(
        "interlock_watched_seconds", "When flows.watch last ran to its end.", labels=("policy",)
    )
    for policy, at in beats(tx).items():
        watched.add_metric((policy,), at.timestamp())
    yield watched
    kept = GaugeMetricFamily("interlock_sla_compliance", "Clocks met, of those met or breached.", labels=("policy",))
    same = GaugeMetricFamily("interlock_data_consistency", "Values that agree, of those compared.", labels=("policy",))
    for family, shares in ((kept, tx.figures.kept(Choice(), now)), (same, tx.figures.consistency(Choice()))):
        for policy, share in shares.items():
            if share.value is not None:
                family.add_metric((policy,), share.value)
        yield family
    yield from _systems(tx, here)


def _systems(tx: Transaction, here: Resources) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("interlock_writes_waiting", "Writes to be sent or looked up.", labels=("system",))
    dead = GaugeMetricFamily("interlock_dead_letters", "Writes that wait to be mended.", labels=("system",))
    for system, counts in tx.workload.unwritten(Choice()).items():
        for of, count in counts.items():
            (dead if of is Work.DEAD_LETTERS else waiting).add_metric((system,), count)
    yield from (waiting, dead)
    paused = GaugeMetricFamily("interlock_system_paused", "1 while nothing is sent to a system.", labels=("system",))
    for system, breaker in tx.systems.troubled(here.now()).items():
        paused.add_metric((system,), breaker.paused(here.now()))
    yield paused
    unread = GaugeMetricFamily("interlock_source_unreadable", "1 for what cannot be read.", labels=("policy", "source"))
    for one in tx.sources.troubled():
        unread.add_metric((one.policy, one.shown), 1)
    yield unread
    yield GaugeMetricFamily("interlock_escalations_open", "Escalations nobody took over.", value=tx.escalations.count())
    if price := price_of(here.settings):
        family = GaugeMetricFamily("interlock_token_price", "Of a million tokens.", labels=("of", "currency"))
        family.add_metric(("prompt", price.currency), price.prompt)
        family.add_metric(("completion", price.currency), price.completion)
        yield family
