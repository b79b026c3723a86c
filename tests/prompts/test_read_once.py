"""A prompt that changes while a process runs is asked as it was: its fingerprint tells what was sent."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
from pathlib import Path
from prompts import render

prompt = Path(render.HERE) / "classify" / "answer.jinja"
prompt.write_text("changed: {{ label }}")
print(render.ENVIRONMENT.get_template("classify/answer.jinja").render(label="billing"))
print(render.prompt_sources("classify"))
"""


def test_a_prompt_is_read_once_with_its_fingerprint(tmp_path):
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")

    def ran() -> list[str]:
        environ = {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.splitlines()

    (before, fingerprint), (after, other) = ran(), ran()
    assert (before.startswith("changed"), after.startswith("changed")) == (False, True)
    assert fingerprint != other
