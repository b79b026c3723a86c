"""A running installation, as tests against the real parts hold it."""

from dataclasses import dataclass

from connectors.store.engine import Store
from console.sandboxes import Sandboxes


@dataclass(frozen=True)
class Installation:
    """A running installation: its policy, its store, its sandboxes, its Prefect UI."""

    policy: str
    store: Store
    systems: Sandboxes
    ui: str
    environ: dict[str, str]
