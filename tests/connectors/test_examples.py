"""The labelled examples: what they say of a text, alone and by its parts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from connectors.examples import minilm
from connectors.examples.index import FEWEST_OF_INTENT, Embedder, LabelledExamples
from connectors.examples.lexical import Lexical, Vectors, unit
from connectors.examples.parts import parts
from connectors.ports import Consulted, Labelled, Neighbour
from domain.errors import Unavailable
from domain.proposal import Opinion

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
NINE = [Labelled(text, label) for text, label in zip(TEXTS, LABELS, strict=True)]
ODD = {
    "empty": "",
    "white space": " \n\t ",
    "one letter": "x",
    "punctuation": "?!…",
    "emoji": "🙂🙃",
    "Chinese": "你好,世界。我的应用程序崩溃了！",
    "right to left": "مرحبا بالعالم",
    "combining marks": "e\u0301\u0302\u0303",
    "NUL": "\x00",
    "markup": "<p>price</p><br><<>>",
    "long": "price " * 4_000,
    "many parts": "A price, please.\n" * 200,
}
NOWHERE = Path("nothing is kept")


@dataclass
class LetterCounts:
    """Means a text by how often it uses each letter, and counts what it is asked."""

    name: str = "letters-1"
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return unit(np.array([[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts]))

    async def aclose(self) -> None:
        self.closed = True


class Silent(LetterCounts):
    """An endpoint that is down."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        raise Unavailable("down")


MINILM = pytest.param(
    "minilm",
    marks=pytest.mark.skipif(
        not minilm.is_installed(),
        reason="embeddings left out: onnxruntime, tokenizers and the model's two packages are not all installed",
    ),
)


@pytest.fixture(scope="module", params=["words only", "letters", MINILM])
def examples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> LabelledExamples:
    embedders: dict[str, Embedder | None] = {"words only": None, "letters": LetterCounts()}
    embedder = embedders[request.param] if request.param in embedders else minilm.MiniLM(threads=1)
    return LabelledExamples(NINE, embedder, tmp_path_factory.mktemp("embeddings"))


@pytest.fixture
def words() -> LabelledExamples:
    return LabelledExamples(NINE, None, NOWHERE)


async def nearest(examples: LabelledExamples, text: str, count: int) -> list[Neighbour]:
    (consulted,) = await examples.consult([text], count)
    return consulted.nearest


async def opinion(examples: LabelledExamples, text: str) -> Opinion:
    (consulted,) = await examples.consult([text], 0)
    return consulted.opinion


async def test_a_texts_own_example_is_its_nearest_and_comes_last(examples: LabelledExamples) -> None:
    for (text, label), consulted in zip(zip(TEXTS, LABELS, strict=True), await examples.consult(TEXTS, 3), strict=True):
        assert (consulted.nearest[-1].text, consulted.nearest[-1].label) == (text, label)
        assert consulted.nearest[-1].similarity == pytest.approx(1, abs=0.1)
        assert all(other.similarity < 1 for other in consulted.nearest[:-1])


async def test_neighbours_come_in_rising_similarity(examples: LabelledExamples) -> None:
    similarities = [near.similarity for near in await nearest(examples, "a quote for scanners, please", 9)]

    assert similarities == sorted(similarities)


@pytest.mark.parametrize(("count", "given"), [(0, 0), (1, 1), (9, 9), (10, 9), (17, 9), (1000, 9)])
async def test_as_many_neighbours_as_asked_for_if_there_are_so_many(
    words: LabelledExamples, count: int, given: int
) -> None:
    found = await nearest(words, TEXTS[0], count)

    assert len(found) == given
    assert not found or found[-1].text == TEXTS[0]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("What would the licence cost for 300 people?", "sales"),
        ("It crashes with an error when I open the app.", "support"),
        ("I apply for the job, my CV is attached.", "jobs"),
    ],
)
async def test_the_vote_goes_with_the_examples_that_a_text_is_like(
    examples: LabelledExamples, text: str, label: str
) -> None:
    said = await opinion(examples, text)

    assert said.label == label
    assert 1 / 3 < said.probability < 1
    assert 0 < said.similarity < 1


async def test_the_vote_on_an_examples_own_text_is_its_label(examples: LabelledExamples) -> None:
    opinions = [consulted.opinion for consulted in await examples.consult(TEXTS, 0)]

    assert tuple(said.label for said in opinions) == LABELS
    assert [said.similarity for said in opinions] == pytest.approx([1] * len(TEXTS), abs=0.1)


@pytest.mark.parametrize("text", list(ODD.values()), ids=list(ODD))
async def test_odd_texts_have_neighbours_and_a_vote(examples: LabelledExamples, text: str) -> None:
    (consulted,) = await examples.consult([text], 3)
    said = consulted.opinion

    assert set(said.scores) == set(LABELS)
    assert sum(said.scores.values()) == pytest.approx(1)
    assert 0 <= said.weakest <= said.similarity
    assert len(consulted.nearest) == 3
    assert all(0 <= near.similarity <= 1 for near in consulted.nearest)


async def test_a_text_with_no_word_that_is_known_has_no_similarity(words: LabelledExamples) -> None:
    assert (await opinion(words, "你好")).similarity == 0


async def test_letter_case_and_accents_do_not_count(words: LabelledExamples) -> None:
    plain = TEXTS[-1].replace("ü", "u").replace("ö", "o").upper().replace("SS", "ß")

    (near,) = await nearest(words, plain, 1)

    assert near.text == TEXTS[-1]
    assert near.similarity == pytest.approx(1, abs=0.1)


def alike(one: Consulted, other: Consulted) -> bool:
    return (
        one.nearest == other.nearest
        and one.opinion.model_dump(exclude={"scores"}) == pytest.approx(other.opinion.model_dump(exclude={"scores"}))
        and one.opinion.scores == pytest.approx(other.opinion.scores)
    )


async def test_the_same_examples_answer_the_same_one_by_one_or_together(words: LabelledExamples) -> None:
    again = LabelledExamples(NINE, None, NOWHERE)
    together = await words.consult([*TEXTS, *ODD.values()], 5)

    for text, consulted in zip([*TEXTS, *ODD.values()], together, strict=True):
        (alone,) = await again.consult([text], 5)
        assert alone.opinion.label == consulted.opinion.label
        assert alone.opinion.scores == pytest.approx(consulted.opinion.scores)
        assert (alone.opinion.similarity, alone.opinion.weakest, alone.opinion.dissent) == pytest.approx(
            (consulted.opinion.similarity, consulted.opinion.weakest, consulted.opinion.dissent)
        )
    assert again.name == words.name


async def test_nothing_asked_nothing_said(words: LabelledExamples) -> None:
    assert await words.consult([], 5) == []


async def test_equal_similarities_keep_the_examples_order() -> None:
    twins = [Labelled("same words", "a"), Labelled("same words", "b"), Labelled("other text", "b")]

    found = await nearest(LabelledExamples(twins, None, NOWHERE), "same words", 2)

    assert [near.label for near in found] == ["a", "b"]


# --- parts


@pytest.mark.parametrize(
    ("text", "own"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("Hello there", ["Hello there"], id="one part is the whole"),
        pytest.param("It broke. Please help! Why?", ["It broke.", "Please help!"], id="sentences, and no scraps"),
        pytest.param("one line\n\nanother line\r\nthird line", ["one line", "another line", "third line"], id="lines"),
        pytest.param("He said: send it; then pay", ["He said:", "send it;", "then pay"], id="colons and semicolons"),
        pytest.param("see <b>this part</b> here", ["this part", "here"], id="what markup keeps apart"),
        pytest.param("3.50 EUR at shop.example.com", ["3.50 EUR at shop.example.com"], id="dots inside words"),
        pytest.param("应用程序崩溃了。请尽快帮助我！", ["应用程序崩溃了。", "请尽快帮助我！"], id="Chinese"),
        pytest.param("🙂🙃 !!! --- ???", [], id="no letters"),
        pytest.param("abc\nabcd", ["abcd"], id="three letters are no part, four are"),
        pytest.param("width < 5 cm\nand > 3 cm", ["width < 5 cm", "and > 3 cm"], id="signs of arithmetic"),
    ],
)
def test_the_parts_of_a_message_are_its_sentences_its_lines_and_what_markup_keeps_apart(
    text: str, own: list[str]
) -> None:
    assert parts(text) == own


QUOTE, CRASH = "Please send a quote for two thousand handheld scanners.", "The app freezes when I open a picking list."


async def test_a_part_that_points_elsewhere_is_dissent(examples: LabelledExamples) -> None:
    alone, both = await opinion(examples, QUOTE), await opinion(examples, f"{QUOTE}\n{CRASH}")

    assert alone.dissent == 0
    assert both.dissent > 0.3


async def test_parts_that_all_point_to_the_whole_texts_route_are_no_dissent(examples: LabelledExamples) -> None:
    assert (await opinion(examples, f"{CRASH}\nThe scanner crashes when I press the red button.")).dissent == 0


async def test_a_part_that_fits_no_route_is_no_dissent() -> None:
    spam = [
        Labelled(f"{word} our casino and win free spins tonight", "none_of_these")
        for word in ("join", "visit", "try", "love", "play", "enjoy")
    ]
    examples = LabelledExamples([*NINE, *spam], None, NOWHERE)

    said = await opinion(examples, f"{QUOTE}\nvisit our casino and win free spins tonight")

    assert (await opinion(examples, spam[0].text)).label == "none_of_these"
    assert said.dissent == 0 or said.label == "none_of_these"


async def test_the_least_familiar_part_is_told_beside_the_whole(words: LabelledExamples) -> None:
    familiar, strange = await opinion(words, QUOTE), await opinion(words, f"{QUOTE}\n你好你好你好")

    assert familiar.weakest == pytest.approx(1, abs=0.1)
    assert strange.similarity > 0.9
    assert strange.weakest == 0


async def test_a_text_without_parts_is_as_familiar_as_the_whole(words: LabelledExamples) -> None:
    said = await opinion(words, "app")

    assert said.weakest == said.similarity
    assert said.dissent == 0


# --- intents


async def test_what_belongs_to_a_route_need_not_look_alike_where_the_examples_have_intents() -> None:
    things = ["train", "kite", "doll", "ball", "drum", "boat", "robot", "puzzle"]
    assert len(things) >= FEWEST_OF_INTENT
    kinds = [
        *[Labelled(f"what does the {thing} cost", "sales", "price") for thing in things],
        *[Labelled(f"when will my {thing} arrive", "sales", "delivery") for thing in things],
        *[Labelled(f"the wheel of my {thing} came off", "repairs", "broken") for thing in things],
    ]
    examples = LabelledExamples(kinds, None, NOWHERE)

    said = [await opinion(examples, f"{begin} teddy") for begin in ("what does the", "when will my", "the wheel of my")]

    assert [one.label for one in said] == ["sales", "sales", "repairs"]
    assert all(set(one.scores) == {"sales", "repairs"} for one in said)


# --- embeddings


def test_a_name_says_how_texts_are_compared() -> None:
    words, letters = LabelledExamples(NINE, None, NOWHERE), LabelledExamples(NINE, LetterCounts(), NOWHERE)

    assert words.name.startswith(f"{Lexical.name}/")
    assert letters.name == f"letters-1+{words.name}"


async def test_the_examples_embeddings_are_computed_once_and_kept_for_the_next_run(tmp_path: Path) -> None:
    first, second = LetterCounts(), LetterCounts()
    before = await LabelledExamples(NINE, first, tmp_path / "kept").consult([QUOTE], 3)
    after = await LabelledExamples(NINE, second, tmp_path / "kept").consult([QUOTE], 3)

    assert first.asked[: len(TEXTS)] == list(TEXTS)
    assert not set(second.asked) & set(TEXTS) - {QUOTE}
    assert alike(before[0], after[0])
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".npy"]


@pytest.mark.parametrize(
    ("changed", "embedder"),
    [
        pytest.param([*NINE, Labelled("One more, please", "sales")], LetterCounts(), id="other examples"),
        pytest.param(NINE, LetterCounts(name="letters-2"), id="other embeddings"),
    ],
)
async def test_what_is_kept_is_not_taken_for_anything_else(
    tmp_path: Path, changed: list[Labelled], embedder: LetterCounts
) -> None:
    await LabelledExamples(NINE, LetterCounts(), tmp_path).consult([QUOTE], 3)
    await LabelledExamples(changed, embedder, tmp_path).consult(["x"], 3)

    assert set(embedder.asked) >= {example.text for example in changed}


async def test_the_first_two_who_ask_at_once_wait_for_one_fit(tmp_path: Path) -> None:
    embedder = LetterCounts()
    examples = LabelledExamples(NINE, embedder, tmp_path)

    await asyncio.gather(examples.consult(["x"], 1), examples.consult(["y"], 1))

    assert embedder.asked.count(TEXTS[0]) == 1


async def test_a_whole_chunk_is_embedded_by_one_call_each_text_and_part_once(tmp_path: Path) -> None:
    embedder = LetterCounts()
    examples = LabelledExamples(NINE, embedder, tmp_path)
    await examples.consult(["x"], 1)
    embedder.asked.clear()

    await examples.consult(["first text", "second one\nof two parts"], 1)

    assert embedder.asked == ["first text", "second one\nof two parts", "second one", "of two parts"]


async def test_embeddings_that_cannot_be_had_are_told_and_may_be_had_later(tmp_path: Path) -> None:
    examples = LabelledExamples(NINE, Silent(), tmp_path)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await examples.consult([QUOTE], 3)

    assert list(tmp_path.iterdir()) == []


async def test_closing_closes_what_computes_the_embeddings(tmp_path: Path, words: LabelledExamples) -> None:
    embedder = LetterCounts()

    await LabelledExamples(NINE, embedder, tmp_path).aclose()
    await words.aclose()

    assert embedder.closed


@pytest.mark.skipif(
    not minilm.is_installed(),
    reason="embeddings left out: onnxruntime, tokenizers and the model's two packages are not all installed",
)
class TestMiniLM:
    async def test_a_text_means_the_same_alone_and_among_longer_ones(self) -> None:
        model = minilm.MiniLM(threads=1)
        alone, together = await model.embed([QUOTE]), await model.embed([QUOTE, "x " * 60, "", CRASH] * 9)

        assert alone.shape == (1, 384)
        assert np.allclose(np.linalg.norm(together, axis=1), 1)
        assert all(float(row @ alone[0]) > 0.99 for row in together[::4])
        await model.aclose()

    async def test_other_words_of_the_same_meaning_are_near(self) -> None:
        model = minilm.MiniLM(threads=1)
        question, same, other = await model.embed(
            ["How expensive is it?", "What is the price?", "My dog is three years old."]
        )

        assert question @ same > question @ other + 0.2

    def test_its_name_carries_the_version_of_its_weights(self) -> None:
        assert minilm.MiniLM(threads=1).name.startswith("minilm-int8/")
