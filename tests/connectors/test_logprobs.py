"""Tables of tokens, and the probability of each label that they mean."""

from dataclasses import dataclass
from math import exp, log

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.llm.logprobs import Token, label_scores

HEAD = ("{", '"label"', ":", ' "')


def sure(*texts: str) -> list[Token]:
    """Tokens without an alternative."""
    return [Token(text, {text: 0.0}) for text in texts]


def torn(text: str, **others: float) -> Token:
    """A token that has what the others leave; `_` in their names stands for a quote."""
    shares = {name.replace("_", '"'): share for name, share in others.items()}
    return Token(text, {name: log(share) for name, share in ({text: 1 - sum(shares.values())} | shares).items()})


@dataclass(frozen=True)
class Case:
    tokens: list[Token]
    labels: tuple[str, ...]
    scores: dict[str, float]


CASES: dict[str, Case] = {
    "labels of one token each": Case(
        [*sure(*HEAD), torn("sales", support=0.2, press=0.1), *sure('"', "}")],
        ("sales", "support", "press"),
        {"sales": 0.7, "support": 0.2, "press": 0.1},
    ),
    "a label that nothing speaks for has none": Case(
        [*sure(*HEAD), torn("sales", support=0.25), *sure('"}')],
        ("sales", "support", "press"),
        {"sales": 0.75, "support": 0.25, "press": 0.0},
    ),
    "labels that share their first token part at the second": Case(
        [*sure(*HEAD), torn("sales", press=0.2), torn("-north", **{"-south": 0.25}), *sure('"}')],
        ("sales-north", "sales-south", "press"),
        {"sales-north": 0.8 * 0.75, "sales-south": 0.8 * 0.25, "press": 0.2},
    ),
    "labels that part at the third token": Case(
        [*sure(*HEAD, "a", "b"), torn("c", d=0.4), *sure('"}')],
        ("abc", "abd"),
        {"abc": 0.6, "abd": 0.4},
    ),
    "a label that begins another ends with its quote": Case(
        [*sure(*HEAD), torn("bill", press=0.5), torn('"}', ing=0.4)],
        ("bill", "billing", "press"),
        {"bill": 0.3, "billing": 0.2, "press": 0.5},
    ),
    "a label that goes on where another ends": Case(
        [*sure(*HEAD), torn("bill", press=0.5), torn("ing", _=0.4), *sure('"}')],
        ("bill", "billing", "press"),
        {"bill": 0.2, "billing": 0.3, "press": 0.5},
    ),
    "several spellings of the end count together": Case(
        [*sure(*HEAD, "bill"), Token('"}', {'"}': log(0.4), '"': log(0.2), '"\n': log(0.1), "ing": log(0.3)})],
        ("bill", "billing"),
        {"bill": 0.7, "billing": 0.3},
    ),
    "several ways to cut the label that was given count together": Case(
        [*sure(*HEAD), torn("sal", sales=0.3, sa=0.1, press=0.2), *sure("es", '"}')],
        ("sales", "press"),
        {"sales": 0.8, "press": 0.2},
    ),
    "the opening quote is glued to the first letters": Case(
        [*sure("{", '"label"', ":"), Token(' "b', {' "b': log(0.6), ' "s': log(0.4)}), *sure("illing", '"}')],
        ("billing", "sales"),
        {"billing": 0.6, "sales": 0.4},
    ),
    "everything is one token": Case(
        [Token('{"label": "b"}', {'{"label": "b"}': log(0.6), '{"label": "s"}': log(0.4)})],
        ("b", "s"),
        {"b": 0.6, "s": 0.4},
    ),
    "the closing quote is glued to the last letters": Case(
        [*sure(*HEAD), torn('sales"}', **{'press"}': 0.3})],
        ("sales", "press"),
        {"sales": 0.7, "press": 0.3},
    ),
    "no white space before the label": Case(
        [*sure('{"', "label", '":"'), torn("sales", press=0.3), *sure('"}')],
        ("sales", "press"),
        {"sales": 0.7, "press": 0.3},
    ),
    "a code fence stands before the JSON": Case(
        [*sure("```", "json", "\n", *HEAD), torn("sales", press=0.3), *sure('"', "\n}", "\n```")],
        ("sales", "press"),
        {"sales": 0.7, "press": 0.3},
    ),
    "what is no label's beginning counts for nothing": Case(
        [*sure(*HEAD), torn("sales", press=0.1, The=0.5, Sales=0.2), *sure('"}')],
        ("sales", "press"),
        {"sales": 2 / 3, "press": 1 / 3},
    ),
    "once one label is left the rest of it is certain": Case(
        [*sure(*HEAD), torn("sales", press=0.5), torn('"}', man=0.9)],
        ("sales", "press"),
        {"sales": 0.5, "press": 0.5},
    ),
    "alternatives before the label count for nothing": Case(
        [torn("{", **{"```": 0.9}), *sure('"label"', ":", ' "'), torn("sales", press=0.3), *sure('"}')],
        ("sales", "press"),
        {"sales": 0.7, "press": 0.3},
    ),
    "letters beyond ASCII": Case(
        [*sure(*HEAD), torn("größe", käse=0.4), *sure('"}')],
        ("größe", "käse"),
        {"größe": 0.6, "käse": 0.4},
    ),
    "signs that regular expressions know": Case(
        [*sure(*HEAD), torn("a.c", abc=0.4), *sure('"}')],
        ("a.c", "abc"),
        {"a.c": 0.6, "abc": 0.4},
    ),
    "a single label": Case([*sure(*HEAD), torn("sales", The=0.9), *sure('"}')], ("sales",), {"sales": 1.0}),
}


@pytest.mark.parametrize("case", CASES)
def test_tokens_give_each_label_its_share(case: str) -> None:
    table = CASES[case]

    assert label_scores(table.tokens, table.labels) == pytest.approx(table.scores)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        sure("sales"),
        sure("{", '"team"', ":", ' "', "sales", '"}'),
        sure("{", '"label"', ":", " 3", "}"),
        sure("{", '"label"', ":", ' "'),
        [*sure(*HEAD), Token("sales", {"sales": float("-inf")}), *sure('"}')],
        sure(*HEAD, "other", '"}'),
    ],
    ids=["none", "no JSON", "no label", "a number", "cut off before it", "impossible", "no label of ours"],
)
def test_tokens_that_do_not_tell_give_nothing(tokens: list[Token]) -> None:
    assert label_scores(tokens, ("sales", "press")) == {}


def test_a_label_cut_off_half_way_is_shared_by_those_it_may_become() -> None:
    tokens = [*sure(*HEAD), torn("sal", press=0.5)]

    assert label_scores(tokens, ("sales", "salad", "press")) == pytest.approx(
        {"sales": 1 / 4, "salad": 1 / 4, "press": 1 / 2}
    )


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[Token], tuple[str, ...], str]:
    """The tokens of an answer cut anywhere, with any alternatives; the labels; the label that was given."""
    some_labels = st.lists(st.text("abc_ü", min_size=1, max_size=6), min_size=1, max_size=6, unique=True)
    labels = tuple(draw(some_labels))
    given_label = draw(st.sampled_from(labels))
    text = draw(st.sampled_from(["", "```json\n", "\n "])) + f'{{"label": "{given_label}"}}'
    cuts = sorted(draw(st.sets(st.integers(1, len(text) - 1))))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    alternatives = st.dictionaries(st.text('abc_ü" ', max_size=4), st.floats(-50, 0), max_size=4)
    tokens = [Token(piece, draw(alternatives) | {piece: draw(st.floats(-20, 0))}) for piece in pieces]
    return tokens, labels, given_label


def test_a_token_without_alternatives_says_nothing_of_the_other_labels() -> None:
    tokens = [*sure(*HEAD), Token('sales"', {'sales"': -2.3})]

    assert label_scores(tokens, ("sales", "press")) == {}


@given(answers())
def test_the_scores_sum_to_one_and_the_label_that_was_given_has_some(
    answer: tuple[list[Token], tuple[str, ...], str],
) -> None:
    tokens, labels, given_label = answer

    scores = label_scores(tokens, labels)

    if not any(len(token.alternatives) > 1 for token in tokens):
        assert scores == {}, "nothing was there to compare the label with"
    assume(scores)
    assert set(scores) == set(labels)
    assert sum(scores.values()) == pytest.approx(1)
    assert all(0 <= score <= 1 for score in scores.values())
    assert scores[given_label] > 0


@given(st.lists(st.builds(Token, st.text(max_size=8), st.dictionaries(st.text(max_size=8), st.floats(max_value=0)))))
def test_any_tokens_at_all_give_scores_that_sum_to_one_or_none(tokens: list[Token]) -> None:
    scores = label_scores([*sure('{"label": "'), *tokens], ("sales", "press", "presse"))

    assert scores == {} or sum(scores.values()) == pytest.approx(1)


@given(st.floats(-5, 0), st.floats(0.01, 3))
def test_the_surer_the_token_the_surer_the_label(logprob: float, less: float) -> None:
    def score(of: float) -> float:
        taken = Token("sales", {"sales": of, "press": log(1.0001 - exp(of)) - 0.01})
        return label_scores([*sure(*HEAD), taken, *sure('"}')], ("sales", "press"))["sales"]

    assert score(logprob - less) <= score(logprob)
