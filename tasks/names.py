"""How runs are called in Prefect's UI, and which of them Prefect may remember."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypedDict, TypeVar, cast

from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.context import TaskRunContext
from prefect.runtime import flow_run, task_run
from prefect.utilities.annotations import quote

Value = TypeVar("Value")


class _Act(TypedDict):
    persist_result: bool
    cache_policy: CachePolicy


ACT: Final = _Act(persist_result=False, cache_policy=NO_CACHE)
"""Options of tasks that act, or that look at what changes: never answered from a cache, whatever
the settings of the Prefect that they run on."""


def named(verb: str) -> Callable[[], str]:
    """A run's name: the verb and the policy's name, be it given by name or by path."""

    def name() -> str:
        run = task_run if TaskRunContext.get() else flow_run
        return f"{verb}-{Path(str(run.parameters['policy'])).stem}"

    return name


def whole(value: Value) -> Value:
    """A task's argument that is taken as it is: else Prefect walks through all of it, twice, to find futures."""
    return cast("Value", quote(value))
