"""What a reviewer reads above the form."""

import re
from datetime import timedelta

import pytest
from builders import NOW, claimed, policy, proposal, terms
from hypothesis import given
from hypothesis import strategies as st

from domain.decide import decide
from domain.decision import RuleAction, RuleMatch
from domain.item import ClaimedItem
from domain.proposal import AskOutcome, Proposal, ScoresFrom
from prompts.review import review_form

TINY = policy()
DUE = NOW + timedelta(hours=4)
UNSURE = proposal(confidence=0.5, opinion="repairs")


def form(here: ClaimedItem, proposed: Proposal = UNSURE, rule: RuleMatch | None = None, notice: str = "") -> str:
    missing = () if "email" in here.item.fields else ("email",)
    held = decide(proposed, rule, terms(), NOW, missing)
    return review_form(here, proposed, held, DUE, notice)


def test_a_form_shows_the_message_what_is_said_of_it_and_why_a_person_is_asked() -> None:
    assert (
        form(claimed("It squeaks."))
        == """\
## Where should this message go?

```text
It squeaks.
```

| | says |
|---|---|
| Model | `sales`, 50% (`small-model`) |
| Labelled examples | `repairs`, 75% |
| Both together | `sales`, 50% sure |
| Rules | none matches |
| Missing or malformed | email |

**Why a person is asked:** the labelled examples disagree with the model; it is less sure than the threshold \
asks; required fields are missing or malformed.

Item `item-1`, came in from `post` as `letter-7`. Answer by 2026-03-02 13:30 UTC."""
    )


def test_a_notice_comes_before_everything() -> None:
    assert form(claimed(), notice="Please fill in your name.").startswith("> **Please fill in your name.**\n\n##")


def test_a_rule_that_wants_a_person_is_named_with_its_reason() -> None:
    text = form(claimed(email="ada@example.com"), proposal(), RuleMatch(name="threat", action=RuleAction.PERSON))

    assert "| Rules | `threat` |" in text
    assert "**Why a person is asked:** a rule leaves such messages to a person." in text
    assert "Missing or malformed" not in text


@pytest.mark.parametrize(
    ("proposed", "row"),
    [
        pytest.param(
            proposal(None, None, None, AskOutcome.NO_MODEL, detail="none is set up"),
            "| Model | no usable answer: `none is set up` |\n| Labelled examples | nothing |",
            id="no answer and no examples",
        ),
        pytest.param(proposal(None, None, None, AskOutcome.NONSENSE), "| Model | no usable answer |", id="no detail"),
        pytest.param(
            proposal(confidence=None),
            "| Model | `sales` (`small-model`) |\n| Labelled examples | `sales`, 75% |\n| Rules |",
            id="no confidence",
        ),
        pytest.param(
            proposal(None, None, outcome=AskOutcome.NO_MODEL, detail="none is set up"),
            "| Model | no usable answer: `none is set up` |\n| Labelled examples | `sales`, 75% |\n"
            "| Both together | `sales`, 75% sure |",
            id="the examples alone",
        ),
        pytest.param(
            proposal(confidence=0.4, scores_from=ScoresFrom.SAMPLES),
            "| Model | `sales`, 40% (`small-model`) |",
            id="votes of samples",
        ),
    ],
)
def test_what_the_model_did_not_say_is_not_made_up(proposed: Proposal, row: str) -> None:
    assert row in form(claimed(), proposed)


def test_a_sign_of_tampering_is_the_first_thing_that_is_told() -> None:
    text = form(claimed(email="ada@example.com"), proposal(tampering=("chat_markup",)))

    assert "**Why a person is asked:** the message shows signs of being written to steer a machine." in text


AUDITED = proposal(confidence=0.93, votes=0.81, dissent=0.37, similarity=0.83, weakest=0.61)


def blind_form(proposed: Proposal, rule: RuleMatch | None = None, missing: tuple[str, ...] = ()) -> str:
    here = claimed("It squeaks.", email="ada@example.com")
    held = decide(proposed, rule, terms(audit_share=1), NOW, missing)
    assert held.blind
    return review_form(here, proposed, held, DUE, "")


def test_a_blind_form_shows_the_message_and_the_routes_and_nothing_else() -> None:
    assert (
        blind_form(AUDITED)
        == """\
## Where should this message go?

```text
It squeaks.
```

**This is a blind check.** What the machine would have done is not shown, so that your answer is your own: it decides.

Item `item-1`, came in from `post` as `letter-7`. Answer by 2026-03-02 13:30 UTC."""
    )


def test_a_blind_form_is_the_same_whatever_was_proposed() -> None:
    routes = RuleMatch(name="broken", action=RuleAction.ROUTE, route="repairs")

    assert (
        len({blind_form(AUDITED), blind_form(proposal("repairs", 0.99, "repairs")), blind_form(AUDITED, routes)}) == 1
    )


@given(st.lists(st.sampled_from(["`", "``", "```", "\n", " ", "~~~", "# x", "text"]), max_size=30).map("".join))
def test_no_message_closes_its_code_block(text: str) -> None:
    lines = form(claimed(f"a{text}")).split("\n")
    opened = next(line for line in lines if re.fullmatch("`{3,}text", line))
    fence = opened.removesuffix("text")

    shown = lines[lines.index(opened) + 1 :]
    assert "\n".join(shown[: shown.index(fence)]) == f"a{text}"
    assert not [line for line in shown[: shown.index(fence)] if line.strip().startswith(fence)]


EVIL = "x` |\n\n# [Press here](https://evil.example) | `"


def test_a_strangers_id_and_a_strangers_answer_stay_in_their_code_spans() -> None:
    text = form(
        claimed(external_id=EVIL), proposal(None, None, None, AskOutcome.UNKNOWN_LABEL, detail=f"'{EVIL}' is no label")
    )

    harmless = "x' ¦ # [Press here](https://evil.example) ¦ '"
    assert f"as `{harmless}`. Answer by" in text
    assert f"| Model | no usable answer: `'{harmless}' is no label` |\n" in text
