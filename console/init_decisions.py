"""Past decisions, as people have them in a CSV, and how they are parted into examples, proof and evaluation."""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from domain.errors import InputInvalid
from domain.proposal import NONE_OF_THESE
from domain.values import digest
from policies.intake import LONGEST_TEXT

MOST_NAMED = 5
"""Rows that a message names one by one."""
FEWEST = 3
"""Decisions of a label: one example, one to prove with and one to evaluate with."""
FEWEST_ROUTES = 2
EXAMPLES, EVALUATED = 2, 5
"""One in so many is an example, and one in so many is held aside for evaluation; the rest proves a threshold."""


@dataclass(frozen=True)
class Decision:
    """A text that was decided, and what it was decided to be.

    Attributes:
        others: what else its row holds, by column.
    """

    text: str
    label: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """The decisions, no text in two parts."""

    examples: tuple[Decision, ...]
    labelled: tuple[Decision, ...]
    evaluated: tuple[Decision, ...]


def read_decisions(path: Path, text: str, label: str) -> list[Decision]:
    """The decisions in a CSV, parted by commas, semicolons or tabs.

    Raises:
        InputInvalid: it cannot be read, a column is not there, or rows are unusable; names the first of them.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=max(",;\t", key=head.count), strict=True)
            _check_columns(path, rows.fieldnames or (), text, label)
            return _decisions(path, ((rows.line_num, row) for row in rows), text, label)
    except FileNotFoundError as exc:
        raise InputInvalid(f"{path}: no such file") from exc
    except UnicodeDecodeError as exc:
        raise InputInvalid(f"{path}: not UTF-8. Save it as 'CSV UTF-8'") from exc
    except csv.Error as exc:
        raise InputInvalid(f"{path}: no CSV: {exc}. Put quotes around texts with line breaks or separators") from exc
    except OSError as exc:
        raise InputInvalid(f"{path}: cannot be read: {exc.strerror}") from exc


def _check_columns(path: Path, columns: Sequence[str], text: str, label: str) -> None:
    if not columns:
        raise InputInvalid(f"{path}: empty. The first line names the columns, each other one is a decision")
    for option, name in (("--text", text), ("--label", label)):
        if name not in columns:
            alike = get_close_matches(name, columns, 1)
            hint = f" Did you mean '{alike[0]}'?" if alike else ""
            raise InputInvalid(f"{path}: no column '{name}' for {option}; there are: {', '.join(columns)}.{hint}")
    if doubled := [name for name, times in Counter(columns).items() if times > 1]:
        raise InputInvalid(f"{path}: two columns are called '{doubled[0]}'. Rename one of them")
    if text == label:
        raise InputInvalid("--text and --label name the same column; give the text's and the decision's")


def _decisions(
    path: Path, rows: Iterable[tuple[int, dict[str | None, str | None]]], text: str, label: str
) -> list[Decision]:
    found: list[Decision] = []
    faults: list[str] = []
    for line, row in rows:
        told, decided = (row[text] or "").strip(), (row[label] or "").strip()
        if None in row:
            faults.append(f"line {line}: more cells than columns; put quotes around texts with separators")
        elif not told or not decided:
            faults.append(f"line {line}: the {'label' if told else 'text'} is empty; fill it in or remove the row")
        elif len(told) > LONGEST_TEXT:
            faults.append(f"line {line}: {len(told)} characters; at most {LONGEST_TEXT} are classified")
        else:
            others = {name: value or "" for name, value in row.items() if name and name not in (text, label)}
            found.append(Decision(told, decided, others))
    if faults:
        more = f"\n... and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
        raise InputInvalid("\n".join(f"{path}: {one}" for one in faults[:MOST_NAMED]) + more)
    return found


def route_name(label: str) -> str:
    """A label as the name of a route: lower case, digits and underscores.

    Raises:
        InputInvalid: nothing of it is left.
    """
    name = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")[:60]
    name = name if name[:1].isalpha() else f"route_{name}" if name else ""
    if not name:
        raise InputInvalid(f"label '{label}' has no letter or digit of ASCII; give it a name in the CSV that has")
    return name


def routes_of(decisions: Sequence[Decision]) -> dict[str, str]:
    """The label of each route, by its name, the most frequent first; what fits none is no route.

    Raises:
        InputInvalid: two labels come to one name, a label has too few decisions, or there is but one.
    """
    counts = Counter(one.label for one in decisions)
    routes: dict[str, str] = {}
    for label, _ in counts.most_common():
        if (other := routes.setdefault(route_name(label), label)) != label:
            raise InputInvalid(f"labels '{other}' and '{label}' would be one route '{route_name(label)}'; rename one")
    if few := [f"'{label}' ({times})" for label, times in counts.items() if times < FEWEST]:
        mend = "Add some, give them another label, or remove those rows"
        raise InputInvalid(
            f"each label needs {FEWEST} decisions, of different texts; too few: {', '.join(few)}. {mend}"
        )
    routes.pop(NONE_OF_THESE, None)
    if len(routes) < FEWEST_ROUTES:
        raise InputInvalid(f"{len(routes)} label is nothing to choose among; give decisions of two at least")
    return routes


def different(decisions: Sequence[Decision]) -> list[Decision]:
    """Each text once.

    Raises:
        InputInvalid: a text has two labels.
    """
    labels: dict[str, Decision] = {}
    for one in decisions:
        if (known := labels.setdefault(one.text, one)).label != one.label:
            said = f"'{one.text[:60]}' is decided both as '{known.label}' and as '{one.label}'"
            raise InputInvalid(f"{said}. Keep the right one; what people do not agree on cannot be learnt")
    return list(labels.values())


def split(decisions: Sequence[Decision]) -> Split:
    """Part the decisions, each label by itself, in an order that depends on the texts alone."""
    by_label: dict[str, list[Decision]] = defaultdict(list)
    for one in sorted(decisions, key=lambda decision: digest(decision.text)):
        by_label[one.label].append(one)
    examples: list[Decision] = []
    labelled: list[Decision] = []
    evaluated: list[Decision] = []
    for of_label in by_label.values():
        first = max(1, len(of_label) // EXAMPLES)
        second = first + max(1, len(of_label) // EVALUATED)
        examples += of_label[:first]
        evaluated += of_label[first:second]
        labelled += of_label[second:]
    return Split(tuple(examples), tuple(labelled), tuple(evaluated))
