"""What a command tells at its end, for people and for programs."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from connectors.store.engine import Store
from domain.account import Account
from domain.tally import Tally, tally


@dataclass(frozen=True)
class Report:
    """Counts of one run, told from the ledger from entry `since` on, and the books over everything."""

    tally: Tally
    account: Account
    seconds: float

    def as_json(self) -> dict[str, object]:
        """One flat object; the names are a promise to scripts."""
        return {
            **self.tally.model_dump(),
            "done": self.account.done,
            "waiting": self.account.waiting,
            "escalated_open": self.account.escalated,
            "unaccounted": self.account.unaccounted,
            "seconds": round(self.seconds, 1),
        }


def make_report(store: Store, since: int, seconds: float) -> Report:
    """The report over the ledger's entries after number `since`."""
    with store.reading() as tx:
        counted = tally(tx.ledger.entries(after=since))
        return Report(counted, tx.accounts.balance(), seconds)


ROWS = (
    ("accepted", "messages accepted"),
    ("duplicates", "duplicates blocked"),
    ("refused", "unreadable records set aside"),
    ("auto", "routed automatically"),
    ("by_rule", "routed by rule"),
    ("rejected", "ended by rule, nothing to write"),
    ("answered", "decided by a person"),
    ("waiting", "waiting for a person, or in the outbox"),
    ("escalated_open", "escalated, still open"),
    ("written", "writes confirmed"),
    ("moved", "writes to be decided anew"),
    ("retried", "calls and writes tried again"),
    ("dead_lettered", "writes given up"),
    ("llm_calls", "calls to the model"),
    ("cache_hits", "answers remembered"),
    ("lost", "writes lost"),
    ("doubled", "writes doubled"),
    ("unaccounted", "items unaccounted for"),
    ("by_fault", "faults that struck"),
    ("ledger_verifies", "ledger verifies"),
    ("seconds", "seconds"),
)


def print_report(console: Console, title: str, counts: dict[str, object]) -> None:
    """The counts as a table; what must be 0 and is not stands in red."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    for key, words in ROWS:
        if key not in counts:
            continue
        told = _told(counts[key])
        wrong = key in ("lost", "doubled", "unaccounted", "dead_lettered") and counts[key]
        table.add_row(words, f"[bold red]{told}[/]" if wrong or told == "no" else told)
    console.print(table)


def _told(count: object) -> str:
    match count:
        case bool():
            return "yes" if count else "no"
        case dict():
            return ", ".join(f"{name.replace('_', ' ')} {times}" for name, times in count.items())
        case _:
            return str(count)
