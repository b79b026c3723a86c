"""The index over labelled examples: neighbours and votes."""

import pytest

from connectors.choice import open_examples
from connectors.examples import TfidfExamples

TEXTS = (
    "How much does the enterprise licence cost for 900 people?",
    "Please send a quote for two thousand handheld scanners.",
    "Our tender for the warehouse software closes on Friday.",
    "The scanner crashes when I press the red button.",
    "I cannot log in since the update, it says error 500.",
    "The app freezes whenever I open a picking list.",
    "I would like to apply for an internship with you.",
    "Attached is my CV for the job as an engineer.",
    "Grüße aus Köln: hiermit bewerbe ich mich als Entwicklerin.",
)
LABELS = ("sales",) * 3 + ("support",) * 3 + ("jobs",) * 3
ODD = {
    "empty": "",
    "white space": " \n\t ",
    "one letter": "x",
    "punctuation": "?!…",
    "emoji": "🙂🙃",
    "Chinese": "你好,世界",
    "right to left": "مرحبا بالعالم",
    "combining marks": "e\u0301\u0302\u0303",
    "NUL": "\x00",
    "long": "price " * 20_000,
}


@pytest.fixture(scope="module")
def examples() -> TfidfExamples:
    return TfidfExamples(TEXTS, LABELS)


@pytest.mark.parametrize(("text", "label"), list(zip(TEXTS, LABELS, strict=True)))
def test_a_texts_own_example_is_its_nearest_and_comes_last(examples: TfidfExamples, text: str, label: str) -> None:
    nearest = examples.nearest(text, 3)

    assert (nearest[-1].text, nearest[-1].label) == (text, label)
    assert nearest[-1].similarity == pytest.approx(1)
    assert all(other.similarity < 1 for other in nearest[:-1])


def test_neighbours_come_in_rising_similarity(examples: TfidfExamples) -> None:
    similarities = [neighbour.similarity for neighbour in examples.nearest("a quote for scanners, please", 9)]

    assert similarities == sorted(similarities)


@pytest.mark.parametrize(("count", "given"), [(0, 0), (1, 1), (9, 9), (10, 9), (17, 9), (1000, 9)])
def test_as_many_neighbours_as_asked_for_if_there_are_so_many(examples: TfidfExamples, count: int, given: int) -> None:
    nearest = examples.nearest(TEXTS[0], count)

    assert len(nearest) == given
    assert not nearest or nearest[-1].text == TEXTS[0]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What would the licence cost for 300 people?", "sales"),
        ("It crashes with an error when I open the app.", "support"),
        ("I apply for the job, my CV is attached.", "jobs"),
    ],
)
def test_the_vote_goes_with_the_examples_that_a_text_is_like(examples: TfidfExamples, text: str, label: str) -> None:
    opinion = examples.opinion(text)

    assert opinion.label == label
    assert 1 / 3 < opinion.probability < 1
    assert 0 < opinion.similarity < 1


def test_the_vote_on_an_examples_own_text_is_its_label(examples: TfidfExamples) -> None:
    opinions = [examples.opinion(text) for text in TEXTS]

    assert tuple(opinion.label for opinion in opinions) == LABELS
    assert [opinion.similarity for opinion in opinions] == pytest.approx([1] * len(TEXTS))


def test_the_votes_cover_every_label_and_sum_to_one(examples: TfidfExamples) -> None:
    scores = examples.opinion("anything").scores

    assert set(scores) == set(LABELS)
    assert sum(scores.values()) == pytest.approx(1)


@pytest.mark.parametrize("text", list(ODD.values()), ids=list(ODD))
def test_odd_texts_have_neighbours_and_a_vote(examples: TfidfExamples, text: str) -> None:
    opinion, nearest = examples.opinion(text), examples.nearest(text, 3)

    assert opinion.label in LABELS
    assert 1 / 3 <= opinion.probability <= 1
    assert len(nearest) == 3
    assert all(0 <= neighbour.similarity <= 1 for neighbour in nearest)


def test_a_text_like_nothing_has_no_similarity(examples: TfidfExamples) -> None:
    assert examples.opinion("你好").similarity == 0


def test_letter_case_and_accents_do_not_count(examples: TfidfExamples) -> None:
    plain = TEXTS[-1].replace("ü", "u").replace("ö", "o").upper().replace("SS", "ß")

    assert examples.nearest(plain, 1)[0].text == TEXTS[-1]
    assert examples.nearest(plain, 1)[0].similarity == pytest.approx(1, abs=0.1)


def test_the_same_examples_answer_the_same(examples: TfidfExamples) -> None:
    again = open_examples(list(zip(TEXTS, LABELS, strict=True)))

    for text in (*TEXTS, *ODD.values()):
        assert again.nearest(text, 5) == examples.nearest(text, 5)
        assert again.opinion(text) == examples.opinion(text)
    assert again.name == examples.name


def test_equal_similarities_keep_the_examples_order() -> None:
    twins = TfidfExamples(["same words", "same words", "other text"], ["a", "b", "b"])

    assert [neighbour.label for neighbour in twins.nearest("same words", 2)] == ["a", "b"]
