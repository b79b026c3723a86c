"""The failure drill, small: systems fail, webhooks come twice, a worker is killed, and nothing is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real


@pytest.mark.timeout(400)
def test_nothing_is_lost_or_doubled_though_requests_fail_and_a_worker_is_killed(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("interlock")
    command = [str(script), "drill", "--items", "40", "--faults", "0.2", "--crashes", "1", "--json"]
    environ = {**os.environ, "INTERLOCK_HOME": str(tmp_path)}

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["accepted"], counts["written"], counts["waiting"]) == (40, 80, 0)
    assert (counts["lost"], counts["doubled"], counts["unaccounted"]) == (0, 0, 0)
    assert counts["ledger_verifies"] is True
    assert counts["by_fault"]["killed"] == 1
    assert sum(counts["by_fault"].values()) > 20, "requests did fail"
