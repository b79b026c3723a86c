"""What people read of a run: the terminal's table and the page that needs no network."""

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from builders import NOW, calibration, proof, proposal, workflow
from rich.console import Console

from domain.calibration import Rate, Scored, learn_then_test, rate, start
from domain.decision import RuleAction, RuleMatch
from domain.proposal import NONE_OF_THESE, AskOutcome, Proposal
from evals.items import Item
from evals.metrics import Measures, measure, see
from evals.recorded import Row, Run
from evals.report import (
    MOST_MISROUTES,
    curve,
    expected,
    highest,
    interval,
    misroutes_of,
    more_data,
    page,
    percent,
    print_measures,
    reliability,
    unbound,
    verdict,
)
from policies.load import Workflow

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'>{{ 7 * 7 }}</style></svg>"


def says(label: str, confidence: float, number: int) -> Proposal:
    """The model and the examples both say it."""
    return proposal(label, confidence, label, key=f"key-{number}")


def row(label: str, said: Proposal, text: str = "a letter", rule: RuleMatch | None = None, **fields: str) -> Row:
    return Row(item=Item(id=said.key, text=text, label=label, fields=fields), proposal=said, rule=rule)


def run(*rows: Row, model: str = "small-model") -> Run:
    return Run(
        policy="tiny", reference="tiny", model=model, classifier="c", data="other data", made_at=NOW, rows=tuple(rows)
    )


def calibrated(threshold: float | None = 0.8, **changes: object) -> Workflow:
    """The tiny policy, by default proven from 80 % on."""
    return replace(workflow(), calibration=calibration(proof(threshold=threshold), **changes))


def many(right: int, wrong: int, unsure: int = 0, sure: float = 0.9) -> Run:
    """`right` and `wrong` items that act at 80 %, and `unsure` ones that do not."""
    return run(
        *(row("sales", says("sales", sure, n)) for n in range(right)),
        *(row("repairs", says("sales", sure, 1000 + n)) for n in range(wrong)),
        *(row("sales", says("sales", 0.6, 2000 + n)) for n in range(unsure)),
    )


def printed(measures: Measures) -> str:
    out = io.StringIO()
    print_measures(measures, Console(file=out, width=120))
    return out.getvalue()


def drawn(of: Run, under: Workflow, **more: object) -> str:
    return page(of, under, measure(of, under, **more))


@pytest.mark.parametrize(
    ("of", "under", "told"),
    [
        pytest.param(many(200, 0), calibrated(), "These items keep the promise of at most 5.0 %", id="kept"),
        pytest.param(many(20, 1), calibrated(), "These items neither prove nor refute the promise", id="too few"),
        pytest.param(many(20, 20), calibrated(), "MORE GOES WRONG THAN THE POLICY ALLOWS: 50.0 %", id="broken"),
        pytest.param(many(0, 0, 5), calibrated(), "none of these items would act alone", id="nothing acts"),
        pytest.param(many(20, 0), workflow(), "NO THRESHOLD IS TRUSTED, nothing would act alone. Nothing", id="none"),
        pytest.param(many(200, 0), calibrated(data="other data"), "proven with these very items", id="the same items"),
    ],
)
def test_the_first_line_says_whether_to_trust_the_rest(of, under, told):
    measures = measure(of, under)
    assert told in verdict(measures)
    assert printed(measures).startswith(verdict(measures)[:60])
    assert told in drawn(of, under)


def test_the_terminal_tells_a_manager_what_acts_what_goes_wrong_and_what_people_get():
    repairs = RuleMatch(name="broken", action=RuleAction.ROUTE, route="repairs")
    junk = RuleMatch(name="junk", action=RuleAction.REJECT)
    items = [*many(6, 2, 1).rows, row("repairs", says("sales", 0.5, 3000), rule=repairs)]
    items.append(row("repairs", says("sales", 0.5, 3001), rule=junk))
    told = printed(measure(run(*items), calibrated(), slice_by=["label"]))

    for line in (
        r"acts alone +8 of 11: 72\.7 %",
        r"of that wrong +25\.0 % \(3\.2 to 65\.1 %\); promised is at most 5\.0 %",
        r"goes to people +1\b",
        r"routed by a rule +1, wrong 0\.0 %",
        r"ended by a rule +1\b",
        r" 3 +it is less sure than the threshold asks",
        r"sales +7 +8 +25\.0 % \(3\.2 to 65\.1 %\) +63\.6 % +100\.0 %",
        r"by label",
    ):
        assert re.search(line, told), line


def test_what_was_not_counted_is_a_dash_and_never_a_zero():
    assert interval(rate(0, 0)) == "–"
    assert percent(None) == "–"
    told = printed(measure(many(3, 0), workflow()))
    assert re.search(r"of that wrong +–", told)


def test_unscored_items_and_costs_are_told():
    said = says("sales", 0.9, 1).model_copy(update={"calls": 2, "latency_s": 0.25})
    down = proposal(None, None, None, AskOutcome.TIMED_OUT, key="down")
    told = printed(measure(run(row("sales", said), row("sales", down)), calibrated()))
    assert "1 labelled items scored and 1 unscored: the model could not be asked" in told
    assert re.search(r"calls to a model +2", told)
    assert "half within 0.25 s" in told


def test_markup_in_names_is_only_text_in_the_terminal():
    told = printed(measure(run(row("sales", says("sales", 0.9, 1), kind="[red]x[/]")), workflow(), slice_by=["kind"]))
    assert "[red]x[/]" in told


class Parsed(HTMLParser):
    """The tags of a page, in order, with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_run() -> Run:
    return run(
        Row(
            item=Item(id=HOSTILE, text=HOSTILE, label="repairs", intent=HOSTILE, fields={HOSTILE: HOSTILE}),
            proposal=says("sales", 0.9, 1),
        ),
        model=HOSTILE,
    )


def test_texts_and_names_of_strangers_are_harmless_in_the_page():
    parsed = Parsed(drawn(hostile_run(), calibrated(), slice_by=[HOSTILE]))

    assert {tag for tag, _ in parsed.tags} & {"script", "img", "iframe", "object", "form"} == set()
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in parsed.text


def test_the_page_loads_nothing():
    html = drawn(hostile_run(), calibrated())
    parsed = Parsed(html)

    addresses = [attributes[name] for _, attributes in parsed.tags for name in ("src", "href") if name in attributes]
    assert addresses == ["data:,"], "the empty icon, so that no browser asks for one"
    assert "url(" not in html
    assert "@import" not in html
    assert ("meta", "default-src 'none'") in [
        (tag, (attributes.get("content") or "").split(";")[0]) for tag, attributes in parsed.tags
    ]


def test_drawings_are_well_formed_and_say_what_they_show():
    drawings = re.findall(r"<svg.*?</svg>", drawn(many(60, 3, 10), calibrated()), re.DOTALL)

    assert len(drawings) == 2
    for drawing in drawings:
        root = ET.fromstring(drawing)  # noqa: S314  our own
        named = [root.find(f"*[@id='{name}']") for name in root.attrib["aria-labelledby"].split()]
        assert root.attrib["role"] == "img"
        assert all(part is not None and part.text for part in named)
    assert '<circle class="chosen"' in drawings[0]


def test_every_column_has_a_header_and_every_scrolling_part_can_be_reached_by_keyboard():
    parsed = Parsed(drawn(many(60, 3, 10), calibrated(), slice_by=["label"]))
    assert all("scope" in attributes for tag, attributes in parsed.tags if tag == "th")
    assert all("tabindex" in attributes for _, attributes in parsed.tags if attributes.get("class") == "scroll")


@pytest.mark.parametrize(
    ("of", "under"),
    [
        pytest.param(run(), calibrated(), id="no item"),
        pytest.param(run(), workflow(), id="no item and no calibration"),
        pytest.param(run(row("sales", proposal("sales", None, None))), calibrated(), id="no confidence"),
        pytest.param(run(row("sales", proposal(None, None, None, AskOutcome.CUT_OFF))), calibrated(), id="no label"),
        pytest.param(many(1, 0), calibrated(), id="one item, all right"),
        pytest.param(many(0, 1), workflow(), id="one item, all wrong"),
    ],
)
def test_a_page_is_made_of_the_least(of, under):
    html = drawn(of, under)
    assert html.rstrip().endswith("</html>")
    assert '<circle class="chosen"' not in html or measure(of, under).auto


def test_the_worst_misroutes_are_those_that_act_then_the_surest():
    seen = see(
        calibrated(),
        [
            row("repairs", says("sales", 0.79, 1)),
            row("repairs", says("sales", 0.85, 2)),
            row("sales", says("sales", 0.99, 3)),
            row("repairs", says(NONE_OF_THESE, 0.95, 4)),
            row("repairs", says("sales", 0.9, 5)),
        ],
    )
    assert [one.row.item.id for one in misroutes_of(seen)] == ["key-5", "key-2", "key-4", "key-1"]
    assert len(misroutes_of(seen * 10)) == MOST_MISROUTES


def test_a_misroute_is_shown_with_its_text_and_what_both_sides_said():
    said = proposal("sales", 0.9, "repairs", votes=0.75)
    text = Parsed(drawn(run(row("repairs", said, text="The wheel of my train " * 100)), calibrated())).text

    flat = " ".join(text.split())
    assert "sales, 90.0 % sure; right is repairs" in flat
    assert "Model: sales, 90.0 %. Examples: repairs, 75.0 %." in flat
    assert "the labelled examples disagree with the model" in flat
    assert " …" in flat, "a long text is cut"
    assert flat.count("The wheel") < 30


def scores(*values: tuple[float, bool]) -> list[Scored]:
    return [Scored(score=score, correct=correct) for score, correct in values]


def test_the_curve_has_the_share_of_errors_at_each_coverage_with_the_exact_interval():
    points = curve(scores((0.9, True), (0.8, False)), n=4)

    assert [(point.coverage, point.risk.value) for point in points] == [(1 / 4, 0), (2 / 4, 1 / 2)]
    for point, exact in zip(points, (rate(0, 1), rate(1, 2)), strict=True):
        assert (point.risk.low, point.risk.high) == pytest.approx((exact.low, exact.high), abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 149, 150, 151, 301, 1000])
def test_a_long_curve_is_thinned_and_ends_where_it_ends(count):
    points = curve(scores(*[(0.5, True)] * count), n=1000)
    assert len(points) <= 300
    assert [point.coverage for point in points[-1:]] == [count / 1000][: min(1, count)]


def test_reliability_tells_each_step_that_has_items():
    steps = reliability(scores((0.92, True), (0.98, False), (0.25, False)))

    assert [(step.low, step.n, pytest.approx(step.confidence), step.accuracy.value) for step in steps] == [
        (0.2, 1, 0.25, 0),
        (0.9, 2, 0.95, 1 / 2),
    ]


@pytest.mark.parametrize(
    ("of", "most"),
    [
        pytest.param(many(3, 0), 1.0, id="three items say little"),
        pytest.param(many(600, 30), 0.1, id="twice the target"),
        pytest.param(many(600, 0), 0.1, id="twice the target, though nothing is wrong"),
    ],
)
def test_the_drawing_has_room_for_the_target_and_the_chosen_points_interval(of, most):
    high = highest(measure(of, calibrated()), [])
    assert high == (most if of.rows[3:] else pytest.approx(0.75, abs=0.051))


def test_without_thresholds_only_other_holds_keep_items():
    lines = [row("sales", says("sales", 0.1 + 0.5, 1)), row("sales", proposal("sales", 0.9, "repairs", key="2"))]
    for under in (workflow(), calibrated(), calibrated(threshold=None)):
        able = see(under, lines, unbound(run(*lines), under))
        assert [one.acts for one in able] == [True, False]


@pytest.mark.parametrize("factor", [0.75, 1.5, 3, 6])
def test_expected_counts_are_as_many_times_the_right_and_the_wrong(factor):
    found = expected(scores(*[(0.9, True)] * 80, *[(0.9, False)] * 4, *[(0.2, False)] * 16), factor)

    counts = [sum(one == wanted for one in found) for wanted in scores((0.9, True), (0.9, False), (0.2, False))]
    assert counts == [80 * factor, 4 * factor, 16 * factor]


def test_as_many_items_as_there_are_prove_what_they_prove():
    items = scores(*[(0.9, True)] * 80, *[(0.8, False)] * 4, *[(0.7, True)] * 16)
    first = start(items, 0.05)
    assert learn_then_test(expected(items, 1), 0.05, 0.05, first) == learn_then_test(items, 0.05, 0.05, first)


def test_more_data_buy_what_the_test_would_prove_with_them():
    # 40 right items: 30 are left to prove with, 59 are needed without an error; twice 40 leave 60
    able = see(calibrated(), many(40, 0, sure=0.99).rows)
    assert [(one.items, one.coverage) for one in more_data(able, calibrated())] == [
        (40, 0.0),
        (80, 1.0),
        (160, 1.0),
        (320, 1.0),
    ]


def test_no_amount_of_data_proves_what_is_wrong_too_often():
    of = many(50, 50)
    assert {one.coverage for one in more_data(see(calibrated(), of.rows), calibrated())} == {0.0}
    assert "Even 8 times as many items like these" in drawn(of, calibrated())


def test_each_bound_is_proven_at_its_share_of_delta():
    # two bounds: 72 items without an error are needed at 2.5 %, more than the 60 of 80
    named = workflow(target={"misroute": 0.05, "confidence": 0.95, "routes": {"repairs": 0.01}})
    estimates = more_data(see(calibrated(), many(40, 0, sure=0.99).rows), named)
    assert [one.coverage for one in estimates] == [0.0, 0.0, 1.0, 1.0]


def test_an_estimate_is_called_one():
    text = " ".join(Parsed(drawn(many(40, 0), workflow())).text.split())
    assert "An estimate, not a measurement" in text
    assert "A calibration would also fit" in text


def test_rates_are_told_with_their_interval():
    assert interval(Rate(value=0.0371, low=0.028, high=0.0481)) == "3.7 % (2.8 to 4.8 %)"
