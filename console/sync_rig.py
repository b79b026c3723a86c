"""What a replay of `evals sync` runs against: `python -m console.sync_rig HOME FAULTS`.

A sandbox HubSpot and a Prefect server; prints one line of JSON, the environment of who uses them, and ends when
its standard input does.
"""

import json
import sys
from pathlib import Path

from connectors.crm.hubspot_api import URL
from console.local_prefect import prefect_server
from console.sandboxes import SETTLES_S, sandboxes

RATE_PER_S = 100_000
"""Requests that the sandbox takes: the limit is not what is measured."""


def main(home: Path, faults: float) -> None:
    """Start both, and wait."""
    with (
        sandboxes(home, faults, systems=("hubspot",), rate_per_s=RATE_PER_S) as systems,
        prefect_server(home / "prefect") as ui,
    ):
        environ = {
            URL.name: systems.addresses["hubspot"],
            "INTERLOCK_SETTLES_S": SETTLES_S,
            "PREFECT_API_URL": f"{ui}/api",
            "PREFECT_LOGGING_TO_API_ENABLED": "false",
        }
        sys.stdout.write(json.dumps(environ) + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
