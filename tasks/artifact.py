"""Leaves what a run came to beside it in Prefect's UI."""

import re

from prefect.artifacts import acreate_markdown_artifact
from prefect.context import FlowRunContext


async def leave(name: str, markdown: str) -> None:
    """Keep a text as an artifact of the run, the newest of its name first; nothing outside of runs."""
    if FlowRunContext.get() is not None:
        await acreate_markdown_artifact(markdown, key=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"))
