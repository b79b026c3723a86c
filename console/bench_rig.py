"""The Prefect server of `evals bench`: `python -m console.bench_rig HOME`.

Prints its API's address and ends when its standard input does.
"""

import sys
from pathlib import Path

from console.local_prefect import prefect_server


def main(home: Path) -> None:
    """Start it, and wait."""
    with prefect_server(home) as ui:
        sys.stdout.write(f"{ui}/api\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
