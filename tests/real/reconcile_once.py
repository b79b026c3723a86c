"""Reads the two tables of `test_reconcile_killed.py` as a whole, in a process that dies at a step."""

import asyncio
import sys
from pathlib import Path

from doom import kill, listen
from reconciling import Works

from connectors.store.engine import Store


def main() -> None:
    folder, doom = Path(sys.argv[1]), sys.argv[2]

    def reached(step: str) -> None:
        if step == doom:
            kill()

    listen(reached)
    assert asyncio.run(Works(folder, Store(f"sqlite:///{folder}/store.db")).look()) == 0


if __name__ == "__main__":
    main()
