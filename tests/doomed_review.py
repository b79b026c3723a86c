"""The review flow in a process that may be doomed: entrypoint of the deployment of `real/test_review_killed.py`.

The folder that `INTERLOCK_TEST_DOOM` names has a file for each review whose process is to die, named as the
review, with the step to die at. It dies there once; with `, and its worker` it takes that along.
"""

import os
from pathlib import Path

from doom import TOO, kill, listen
from prefect.context import FlowRunContext

from flows.review import review

__all__ = ["review"]

WORKER = os.getppid()
"""While it lives: afterwards the parent is somebody else."""


def _reached(step: str) -> None:
    context = FlowRunContext.get()
    if context is None:
        return
    sentence = Path(os.environ["INTERLOCK_TEST_DOOM"]) / str((context.parameters or {})["review_id"])
    told = sentence.read_text(encoding="utf-8") if sentence.exists() else ""
    if told.removesuffix(TOO) == step:
        sentence.unlink()
        if told.endswith(TOO) and os.getppid() == WORKER:
            kill(WORKER)
        kill()


listen(_reached)
