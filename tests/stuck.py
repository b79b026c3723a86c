"""A flow that works until it is told to stop: entrypoint of the deployment of `real/test_crashed_runs.py`.

The folder that `INTERLOCK_TEST_STUCK` names gets a file with the process's id, and has one named `stop` at the end.
"""

import asyncio
import os
from pathlib import Path

from prefect import flow


@flow(name="stuck")
async def stuck() -> None:
    """Work until told to stop."""
    folder = Path(os.environ["INTERLOCK_TEST_STUCK"])
    (folder / "pid").write_text(str(os.getpid()), encoding="utf-8")
    while not (folder / "stop").exists():  # noqa: ASYNC110  another process makes it
        await asyncio.sleep(0.1)
