"""Keeps a policy's systems in step, round after round: the process that `test_three_systems.py` kills.

`python tests/real/sync_steps.py POLICY`, with the environment of an installation. Prints a line after each round.
The steps are those of `flows.sync`, without a flow run around them, which takes as long as ten rounds.
"""

import asyncio
import logging
import os
import sys

from tasks.deliver import deliver_due
from tasks.in_step import keep_in_step, note_written
from tasks.observe import note_changes, read_changed
from tasks.recognise import recognise
from tasks.resources import Resources, opened

PAUSE_S = 0.1
PATIENCE_S = 2.0


async def main(policy: str) -> None:
    """Until it is killed."""
    async with opened(Resources.from_environment(os.environ, ask=False)):
        while True:
            for step in (note_changes, read_changed, recognise, keep_in_step):
                await step.fn(policy)
            await deliver_due.fn(PATIENCE_S)
            await note_written.fn(policy)
            sys.stdout.write("round\n")
            sys.stdout.flush()
            await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(main(sys.argv[1]))
