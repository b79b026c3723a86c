"""The floor of `evals bench`: `python -m evals.bench_floor STUB JOURNAL CONCURRENCY`.

The same work in bare asyncio with a row of a journal a step: nothing that is durable can be much faster. It
has no queue, claims nothing, retries nothing, proves nothing and balances no books. Each line of the standard
input names tickets, `FROM TO`; the answer is a line with the processor time, in seconds.
"""

import asyncio
import json
import sqlite3
import sys
import time
from math import exp
from pathlib import Path
from typing import Any

from connectors.spec import client
from evals.bench_work import THRESHOLD, text_of

TIMEOUT_S = 30


class Floor:
    """Works off tickets; each step is in the journal before the next one is taken.

    Args:
        concurrency: tickets at the same time.
    """

    def __init__(self, stub: str, journal: Path, concurrency: int) -> None:
        self._http = client(stub, TIMEOUT_S)
        self._limit = asyncio.Semaphore(concurrency)
        self._journal = sqlite3.connect(journal, isolation_level=None)
        self._journal.execute("PRAGMA journal_mode=WAL")
        self._journal.execute("PRAGMA synchronous=NORMAL")
        self._journal.execute("CREATE TABLE step (item TEXT, step TEXT, out TEXT, PRIMARY KEY (item, step))")

    async def work(self, numbers: range) -> None:
        """Classify, gate, and write or hold each of the tickets."""
        await asyncio.gather(*map(self._one, numbers))

    async def _one(self, number: int) -> None:
        async with self._limit:
            choice = await self._asked(text_of(number))
            self._log(number, "classify", choice)
            label = json.loads(choice["message"]["content"])["label"]
            passes = _probability(choice, label) >= THRESHOLD
            self._log(number, "gate", [label, passes])
            if passes:
                self._log(number, "write", await self._written(str(number), label))
            self._log(number, "done", "written" if passes else "held")

    async def _asked(self, text: str) -> dict[str, Any]:
        messages = [{"role": "system", "content": "classify; answer JSON"}, {"role": "user", "content": text}]
        asked = {"model": "stand-in", "messages": messages, "logprobs": True, "top_logprobs": 20}
        answer = (await self._http.post("/v1/chat/completions", json=asked)).raise_for_status()
        choice: dict[str, Any] = answer.json()["choices"][0]
        return choice

    async def _written(self, key: str, label: str) -> str:
        record = {"external_id": key, "label": label}
        answer = await self._http.post("/records", json=record, headers={"Idempotency-Key": key})
        return str(answer.raise_for_status().json()["id"])

    def _log(self, number: int, step: str, out: object) -> None:
        self._journal.execute("INSERT INTO step VALUES (?, ?, ?)", (str(number), step, json.dumps(out)))


def _probability(choice: dict[str, Any], label: str) -> float:
    tokens = choice["logprobs"]["content"]
    return next(exp(token["logprob"]) for token in tokens if token["token"] == f'{label}"')


async def main(stub: str, journal: Path, concurrency: int) -> None:
    """Do what the lines of the standard input say, until it ends."""
    floor = Floor(stub, journal, concurrency)
    while line := await asyncio.to_thread(sys.stdin.readline):
        first, end = map(int, line.split())
        began = time.process_time()
        await floor.work(range(first, end))
        sys.stdout.write(json.dumps({"rss_mib": 0, "cpu_s": time.process_time() - began}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
