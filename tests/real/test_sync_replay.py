"""The replay of a help desk's log, small: requests fail, the sync is killed, and every edit is accounted for."""

import asyncio
from pathlib import Path

import pytest

from domain.values import share
from evals.sync_log import PLAIN, Version
from evals.sync_replay import replay

pytestmark = pytest.mark.real
INCIDENTS, VERSIONS = 12, 5
WHO = ("Ann", "Bob", "Cem", "Dora")


def version(number: int, incident: int) -> Version:
    """One of an incident's versions: at each some fields are others, and two people edit by turns."""
    key = f"I-{incident}"
    values = {
        name: f"{name} {number // 2 if share(f'{key}{name}') < 1 / 2 else 0}"
        for name in PLAIN
        if name != "incident_state"
    }
    return Version(
        incident=key,
        who=WHO[(incident + number) % len(WHO)],
        values=values | {"incident_state": ("New", "Active", "Active", "Resolved", "Closed")[number]},
        tags=frozenset({"active"} if number < VERSIONS - 1 else {"made_sla"}),
        note=f"version {number}",
    )


@pytest.mark.timeout(400)
def test_no_edit_is_lost_or_doubled_though_requests_fail_and_the_sync_is_killed(tmp_path: Path) -> None:
    log = [version(number, incident) for number in range(VERSIONS) for incident in range(INCIDENTS)]

    found = asyncio.run(replay(log, tmp_path / "replay", faults=0.15, crashes=1, pace_per_s=12))

    assert (found.versions, found.incidents, found.crashes) == (60, 12, 1)
    assert (found.lost, found.doubled, found.unexplained) == (0, 0, 0), found.told
    assert found.settled
    assert found.ledger_verifies
    assert sum(found.faults.values()) > 10, "requests did fail"
    assert found.moves["one_edit"] > 60
