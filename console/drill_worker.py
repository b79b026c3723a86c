"""One worker of the drill: `python -m console.drill_worker POLICY` routes and delivers until it is ended.

It is a process of its own because the drill kills it.
"""

import asyncio
import sys

from flows.route import route
from tasks.resources import opened

PAUSE_S = 0.2
"""Between two runs."""

PATIENCE_S = 3.0
"""How long a run waits for writes that other systems put off."""


async def work(policy: str) -> None:
    """Run the flow, again and again."""
    async with opened():
        while True:
            await route(policy, wait_s=PATIENCE_S)
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
