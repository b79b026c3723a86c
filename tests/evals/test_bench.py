"""The benchmark's work and arithmetic, and a small run of it; never how long anything takes."""

import json
from math import exp

import pytest

from console.bench_worker import WAITING
from evals.bench import Rig, Speed, Tickets, books, ideal, measure_bench, shares, speed
from evals.bench_stub import Stub, completion
from evals.bench_work import HELD, LABEL, THRESHOLD, confidence, number_of, text_of, write_workflow, written
from evals.shown import ERR
from policies.load import load_workflow

MANY = range(2_000)


def test_a_text_names_its_ticket_even_behind_others() -> None:
    assert number_of(f"Like {text_of(7)}\n<message>{text_of(12)}</message>") == 12


def test_a_text_without_a_ticket_is_an_error() -> None:
    with pytest.raises(ValueError, match="names no ticket"):
        number_of("my invoice is wrong")


def test_about_one_ticket_in_five_is_held_and_none_is_near_the_gate() -> None:
    held = [number for number in MANY if confidence(number) < THRESHOLD]

    assert len(held) == pytest.approx(len(MANY) / HELD, rel=0.2)
    assert written(MANY) == {str(number) for number in MANY} - {str(number) for number in held}
    assert all(confidence(number) < 0.7 or confidence(number) >= 0.8 for number in MANY)


def test_the_stand_ins_log_probabilities_say_what_it_is_sure_of() -> None:
    answer = completion({"model": "m", "messages": [{"role": "user", "content": text_of(3)}]})

    tokens = answer["choices"][0]["logprobs"]["content"]
    (chosen,) = [token for token in tokens if token["token"] == f'{LABEL}"']
    assert exp(chosen["logprob"]) == pytest.approx(confidence(3))
    assert sum(exp(top["logprob"]) for top in chosen["top_logprobs"]) == pytest.approx(1)


async def test_a_repeated_write_is_known_by_its_key_and_another_key_is_a_second_record() -> None:
    stub = Stub(0)
    body = json.dumps({"external_id": "7"}).encode()

    async def write(key: bytes) -> int:
        return (await stub.answer("POST", "/records", {b"idempotency-key": key}, body))[0]

    assert [await write(b"a"), await write(b"a"), await write(b"b")] == [201, 200, 201]
    _, told = await stub.answer("GET", "/records", {}, b"")
    assert told == {"records": ["7", "7"], "posts": 3}


def test_the_workflow_gates_by_the_stand_ins_confidence_alone(tmp_path) -> None:
    workflow = load_workflow(str(write_workflow(tmp_path, 16, 100, 10, 1)))

    (proof,) = workflow.terms.proofs.values()
    assert (proof.fusion.examples, proof.fusion.model) == (0, 1)
    assert proof.promise(LABEL).threshold == THRESHOLD


@pytest.mark.parametrize(("numbers", "count"), [(range(10), 3), (range(5, 6), 2), (range(7), 1)])
def test_shares_are_everything_once_and_in_order(numbers: range, count: int) -> None:
    parts = shares(numbers, count)

    assert [number for part in parts for number in part] == list(numbers)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_tickets_are_given_out_once() -> None:
    tickets = Tickets()

    assert (tickets.take(3), tickets.take(2)) == (range(3), range(3, 5))


def test_speeds_are_medians_and_ratios_are_taken_within_a_round() -> None:
    assert speed([(100, 50), (10, 9), (200, 80)]) == Speed(items_per_s=50, ratio=0.5)


def test_the_ideal_is_what_the_models_latency_allows() -> None:
    assert ideal(400, 64) == pytest.approx(160)


class Kept(Rig):
    """A rig whose system has these records already."""

    def __init__(self, home, database: str, kept: list[str]) -> None:
        super().__init__(home, "", {"INTERLOCK_DATABASE_URL": database}, None)
        self.kept = kept

    async def records(self) -> tuple[list[str], int]:
        return self.kept, len(self.kept)


async def test_what_is_not_there_is_lost_and_what_is_there_twice_is_doubled(tmp_path) -> None:
    due = sorted(written(range(40)))

    found = await books(
        Kept(tmp_path, f"sqlite:///{tmp_path / 'store.db'}", [*due[1:], due[1]]), range(40), [range(40)]
    )

    assert (found.lost, found.doubled, found.hold) == (1, 1, False)


def test_a_small_run_writes_every_ticket_once_also_those_that_come_in_meanwhile(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path))

    found = measure_bench(WAITING + 50, 1, "", ERR)

    assert (found.lost, found.doubled, found.ledger_verifies) == (0, 0, True)
    assert set(found.model_dump()) >= {"floor_items_per_s", "one_process", "two_processes", "lost", "doubled"}
    assert set(found.one_process.model_dump()) == {"items_per_s", "ratio"}
