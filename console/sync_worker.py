"""Keeps systems in step until it is ended: `python -m console.sync_worker POLICY RUNS`.

It is a process of its own because `evals sync` kills it. Each run that came to its end is a line of the file RUNS:
when it began, in seconds since 1970.
"""

import asyncio
import sys
import time
from pathlib import Path

from flows.sync import sync
from tasks.resources import opened

PAUSE_S = 0.2
"""Between two runs."""

PATIENCE_S = 3.0
"""How long a run waits for writes that other systems put off."""


async def work(policy: str, runs: Path) -> None:
    """Run the flow, again and again."""
    async with opened():
        while True:
            began = time.time()
            await sync(policy, wait_s=PATIENCE_S)
            with runs.open("a", encoding="utf-8") as file:
                file.write(f"{began:.3f}\n")
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2])))
