"""All figures of `evals sync`: the replay, the pairs of the linkage sets, and how fast records are merged."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from connectors.settings import Settings
from domain.errors import InputInvalid
from domain.values import Frozen
from evals.asking import public_data
from evals.linkage import LinkageFigures, febrl4_figures, messy_figures
from evals.sync_account import Replayed
from evals.sync_log import read_versions
from evals.sync_replay import replay
from evals.sync_volume import Volume, measure_volume

FEBRL4_F1, MESSY_F1 = 0.995, 0.85
"""F1 that is promised at least, of the names in FEBRL4 and of a set of real, messy records."""


class SyncFigures(Frozen):
    """What is asked of records that are kept in step.

    Attributes:
        conflicts: contradictions that wait for a person at the end of the replay; each is a real one.
        febrl4_f1, messy_f1: F1 of the pairs found, 0 to 1; None where the data are not there.
    """

    versions: int
    lost: int
    doubled: int
    unexplained: int
    conflicts: int
    febrl4_f1: float | None
    messy_f1: float | None
    merge_records_per_s: float
    replay: Replayed
    volume: Volume

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, doubled, given up or left unexplained, the sync came to rest, and pairs are found.

        What was not measured is not held against it.
        """
        sound = self.replay.settled and self.replay.ledger_verifies and not self.replay.dead_lettered
        promised = ((self.febrl4_f1, FEBRL4_F1), (self.messy_f1, MESSY_F1))
        found = all(f1 is None or f1 >= least for f1, least in promised)
        return sound and found and not (self.lost or self.doubled or self.unexplained)


def measure_sync(versions: int, faults: float, crashes: int, database: str, say: Console) -> SyncFigures:
    """Take all the figures; what is measured now is told to `say`.

    Raises:
        InputInvalid: the help desk's log is not there.
        Unavailable: the systems of the replay did not start.
    """
    folder = public_data()
    log = read_versions(folder, versions)
    say.print(f"{len(log)} versions, {faults:.0%} of requests fail, {crashes} crashes …", highlight=False)
    home = Settings().home / "sync_replay"
    replayed = asyncio.run(replay(log, home, faults, crashes, database))
    say.print("merging …")
    volume = measure_volume()
    say.print("pairing …")
    return SyncFigures(
        versions=replayed.versions,
        lost=replayed.lost,
        doubled=replayed.doubled,
        unexplained=replayed.unexplained,
        conflicts=replayed.conflicts,
        febrl4_f1=_f1(febrl4_figures, folder, say),
        messy_f1=_f1(messy_figures, folder, say),
        merge_records_per_s=volume.records_per_s,
        replay=replayed,
        volume=volume,
    )


def _f1(figures: Callable[[Path], LinkageFigures], folder: Path, say: Console) -> float | None:
    try:
        return figures(folder).pairs.f1
    except InputInvalid as exc:
        say.print(f"not measured: {exc}", highlight=False)
        return None
