"""What the operations lead is told once a day, in plain sentences."""

from domain.account import Account
from domain.figures import Counts, Pace, Share, duration, percent


def told(
    policy: str, counts: Counts, pace: Pace, kept: Share, account: Account, waiting: int, dead_letters: int
) -> tuple[str, str]:
    """Subject and text of a day's digest; what somebody must look at stands in the subject.

    Args:
        counts, pace, kept: of what came in within the day.
        account: the books, over all time.
        waiting: reviews that wait for a person now.
        dead_letters: items with a write that was given up and is not mended.
    """
    lost, audit = account.unaccounted, counts.audit
    alarms = [f"{lost} unaccounted"] * bool(lost) + [f"{dead_letters} with dead letters"] * bool(dead_letters)
    name = policy.replace("_", " ")
    subject = f"{name}: {counts.accepted} came in, {percent(counts.completion)} done"
    lines = [
        f"In the last 24 hours {counts.accepted} items of {name} came in, and {counts.done} of them are done.",
        f"Decided without a person: {percent(counts.automation)} ({_of(counts.automation)}).",
        f"Proposals that people overrode: {percent(counts.overrides)} ({_of(counts.overrides)}).",
        f"Audited blindly: {audit.n}, misrouted of these {audit.wrong}.",
        f"Time to decision: half within {duration(pace.p50_ms)}, 95 % within {duration(pace.p95_ms)}.",
        f"Promises on time kept: {percent(kept)} ({_of(kept)}).",
        f"Escalated: {counts.escalated}. A write given up: {counts.given_up}. Tries again: {counts.retries}.",
        f"Tokens: {counts.tokens}.",
        f"Now {waiting} reviews wait, and {dead_letters} items have dead letters.",
        f"Books: {account.accepted} accepted, {lost} unaccounted.",
    ]
    return f"{subject}{'; ' + ', '.join(alarms) if alarms else ''}", "\n".join(lines)


def _of(share: Share) -> str:
    return f"{share.part} of {share.of}"
