"""What holds of the tree itself."""

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from prefect import Task
from prefect.cache_policies import NO_CACHE

from policies.cases import CasePolicy
from policies.load import load_workflow, shipped_policies
from policies.model import Policy
from policies.sync import SyncPolicy

ROOT = Path(__file__).parents[2]
PACKAGES = ("domain", "policies", "prompts", "connectors", "tasks", "flows", "evals", "console")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SHIPPED = shipped_policies()
CLASSIFYING = [name for name in SHIPPED if load_workflow(name).policy.classifies]


def test_imports_point_down():
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for_and_stays_small(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a docstring says what the module is for"
    assert len(text.splitlines()) <= 320, "longer has a reason"
    assert path.stem not in sys.stdlib_module_names - {"__init__"}, "its name hides the standard library's"


@pytest.mark.parametrize("path", sorted((ROOT / "flows").glob("*.py")), ids=lambda path: path.name)
def test_a_flow_is_at_most_40_lines(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 40, node.name


def test_policies_without_rules_start_without_the_rule_engine():
    script = "import sys, policies.load, tasks.decide; print('rule_engine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_folder_of_ours_says_what_may_live_there():
    data = ("evals/data", "evals/public", "evals/bad_candidate", "console/demo_messages")
    folders = {path.parent for path in SOURCES} | {ROOT / folder for folder in (*data, "tests")}
    silent = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if "migrations" not in folder.parts
        and not any((folder / name).exists() for name in ("__init__.py", "README.md"))
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("model", "file", "command"),
    [
        (Policy, "policy.schema.json", "schema"),
        (CasePolicy, "case_policy.schema.json", "schema --cases"),
        (SyncPolicy, "sync_policy.schema.json", "schema --sync"),
    ],
)
def test_the_schema_for_editors_is_the_models_own(model, file, command):
    kept = json.loads((ROOT / "policies" / file).read_text(encoding="utf-8"))
    assert kept == model.model_json_schema(), f"make it again: interlock policy {command} > policies/{file}"


UNPROVEN = {"lead_routing", "onboarding", "order_processing"}
"""Shipped policies whose promise the shipped items do not prove: 'evals calibrate' refuses, and writes nothing."""


@pytest.mark.parametrize("name", CLASSIFYING)
def test_a_shipped_policy_has_a_calibration_that_fits_its_target_or_is_known_to_have_none(name):
    workflow = load_workflow(name)
    assert (workflow.calibration is None) == (name in UNPROVEN)
    assert any(proof.proven for proof in workflow.terms.proofs.values()) == (name not in UNPROVEN)


def test_every_deployment_names_a_flow_and_a_policy_that_exist():
    for deployment in yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]:
        module, _, flow = deployment["entrypoint"].rpartition(".")
        assert hasattr(__import__(module, fromlist=[flow]), flow)
        if "policy" in deployment.get("parameters", {}):
            load_workflow(deployment["parameters"]["policy"])


def test_whatever_policy_a_deployment_runs_another_watches_over():
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    run = {one["parameters"]["policy"] for one in deployments if "policy" in one.get("parameters", {})}
    assert run == {one["parameters"]["policy"] for one in deployments if one["entrypoint"] == "flows.watch.watch"}


REMEMBERED = {"ask_chunk": "answers by value", "show": "a review is shown once", "settle_review": "and settled once"}


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.py")), ids=lambda path: path.name)
def test_no_task_is_answered_from_a_cache_but_those_that_say_so(path):
    module = importlib.import_module(f"tasks.{path.stem}" if path.stem != "__init__" else "tasks")
    for name, task in vars(module).items():
        if isinstance(task, Task) and name not in REMEMBERED:
            assert (task.persist_result, task.cache_policy) == (False, NO_CACHE), name


def test_every_file_of_ours_is_in_a_wheel():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    data = {package: told["package-data"].get(package, []) for package in told["packages"]}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.*")):
        if "__pycache__" not in path.parts and path.name != "README.md":
            package = ".".join(path.relative_to(ROOT).parent.parts)
            assert any(map(path.match, ["*.py", *data[package]])), path


def test_the_lock_has_hashes_and_no_addresses():
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    for requirement in re.split(r"\n(?=\w)", lock.strip()):
        assert "--hash=sha256:" in requirement, requirement[:80]


def test_every_word_that_the_ledger_and_decisions_use_is_in_the_glossary():
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    for word in (
        "item",
        "proposal",
        "decision",
        "route",
        "misroute",
        "abstain",
        "overridden",
        "escalation",
        "operation",
    ):
        assert f"**{word}" in glossary or f", {word}" in glossary, word
