"""What the doctor finds, one line a check, and how it is shown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from connectors.diagnosis import Grade
from console.shared import shown

SIGNS = {
    Grade.WELL: "[green]✓[/]",
    Grade.UNTOLD: "[dim]·[/]",
    Grade.WARNING: "[yellow]![/]",
    Grade.WRONG: "[bold red]✗[/]",
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        area: such as `system`, `fields`, `clock`.
        subject: which one: a system's or a policy's name; empty where there is one only.
        mend: what to do; empty where there is nothing to do.
    """

    area: str
    subject: str
    grade: Grade
    says: str
    mend: str = ""


def well(area: str, subject: str, says: str) -> Check:
    """It is as it should be."""
    return Check(area, subject, Grade.WELL, says)


def untold(area: str, subject: str, says: str, mend: str = "") -> Check:
    """It cannot be told."""
    return Check(area, subject, Grade.UNTOLD, says, mend)


def warning(area: str, subject: str, says: str, mend: str) -> Check:
    """It works for now, or is not all that it could be."""
    return Check(area, subject, Grade.WARNING, says, mend)


def wrong(area: str, subject: str, says: str, mend: str) -> Check:
    """Something does not work."""
    return Check(area, subject, Grade.WRONG, says, mend)


def as_json(checks: Sequence[Check]) -> dict[str, Any]:
    """All of it, and how much is wrong."""
    counts = Counter(check.grade for check in checks)
    lines = [
        {"area": one.area, "subject": one.subject, "grade": one.grade.value, "says": one.says, "mend": one.mend}
        for one in checks
    ]
    return {
        "ok": not counts[Grade.WRONG],
        "wrong": counts[Grade.WRONG],
        "warnings": counts[Grade.WARNING],
        "untold": counts[Grade.UNTOLD],
        "checks": lines,
    }


def print_checks(checks: Sequence[Check], out: Console) -> None:
    """The checks under a heading for each area, each with its mend below it, and a sum."""
    area = ""
    for one in checks:
        if one.area != area:
            area = one.area
            out.print(f"[bold]{area}[/]", highlight=False)
        subject = f"[bold]{shown(one.subject)}[/]: " if one.subject else ""
        out.print(f"  {SIGNS[one.grade]} {subject}{shown(one.says)}", highlight=False)
        if one.mend and one.grade is not Grade.WELL:
            out.print(f"    [cyan]→ {shown(one.mend)}[/]", highlight=False)
    counts = Counter(check.grade for check in checks)
    out.print(
        f"{counts[Grade.WRONG]} wrong, {_many(counts[Grade.WARNING])}, {counts[Grade.WELL]} well", highlight=False
    )


def _many(warnings: int) -> str:
    return f"{warnings} warning" if warnings == 1 else f"{warnings} warnings"
