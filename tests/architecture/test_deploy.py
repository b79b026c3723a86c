"""What is deployed exists: each command, setting, flow, policy and file that the deployment files name."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any

import prefect.settings
import pytest
import yaml
from docker.utils.build import exclude_paths
from prefect_redis import lease_storage, messaging, ordering
from prefect_redis.client import RedisMessagingSettings

from connectors.settings import Settings
from console.doctor_prefect import AUTOMATIONS
from console.local_prefect import IN_BATCHES
from policies.load import load_workflow

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
OURS = {name: one for name, one in COMPOSE["services"].items() if one["image"] == "interlock"}
MANIFESTS = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
FLOWS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
TEMPLATES = [one["spec"]["template"]["spec"] for one in MANIFESTS if "template" in one["spec"]]
PODS = [one["containers"][0] for one in TEMPLATES]
RUNS_FLOWS = ["prefect", "worker", "start"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
EXAMPLE = set(re.findall(r"^(\w+)=", (DEPLOY / "example.env").read_text(encoding="utf-8"), re.MULTILINE))
REFERENCED = re.compile(r"\$\{(\w+)")


def settings_of(service: dict[str, Any]) -> dict[str, str]:
    return service.get("environment", {})


@pytest.mark.parametrize(
    "command", [one["command"] for one in [*OURS.values(), *PODS]], ids=lambda one: " ".join(one)[:50]
)
def test_each_command_is_installed(command: list[str]) -> None:
    assert command[0] == "sh" or Path(sys.executable).with_name(command[0]).exists()


@pytest.mark.parametrize(
    "name", sorted({name for one in OURS.values() for name in settings_of(one)} | EXAMPLE - {"POSTGRES_PASSWORD"})
)
def test_each_setting_exists(name: str) -> None:
    if name.startswith("PREFECT_REDIS_MESSAGING_"):
        assert name.removeprefix("PREFECT_REDIS_MESSAGING_").lower() in RedisMessagingSettings.model_fields
    elif name.startswith("PREFECT_"):
        assert getattr(prefect.settings, name) is not None
    else:
        known = name.removeprefix("INTERLOCK_").lower() in Settings.model_fields
        assert known or any(name in path.read_text(encoding="utf-8") for path in (ROOT / "connectors").rglob("*.py"))


def test_task_runs_are_recorded_as_by_the_servers_that_we_start() -> None:
    assert IN_BATCHES.items() <= settings_of(OURS["prefect-services"]).items()


def test_each_variable_is_in_the_example() -> None:
    assert set(REFERENCED.findall((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))) <= EXAMPLE


def test_whatever_is_written_beside_the_example_reaches_every_process_that_opens_the_store() -> None:
    given = {name: one.get("env_file") for name, one in OURS.items() if "INTERLOCK_DATABASE_URL" in settings_of(one)}
    assert given == {"deployments": [".env"], "worker": [".env"], "serve": [".env"]}


SETTINGS = [".env", "deploy/.env", "interlock.env", "prefect-server.env"]
PRIVATE = [*SETTINGS, "interlock.db", "evals/runs.db", "a/b.db-wal", "interlock.dump"]
"""Where secrets and customers' texts come to lie: files of settings, databases, backups."""


def test_no_secrets_and_no_customers_get_into_the_image(tmp_path: Path) -> None:
    for name in [*PRIVATE, "build/lib/console/main.py", "console/main.py"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    patterns = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {one for one in exclude_paths(tmp_path, patterns) if (tmp_path / one).is_file()}
    assert taken == {"console/main.py"}


def test_no_secrets_and_no_customers_get_into_git(tmp_path: Path) -> None:
    git = [str(which("git")), "-C", str(tmp_path)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (tmp_path / ".gitignore").write_text((ROOT / ".gitignore").read_text(encoding="utf-8"), encoding="utf-8")
    asked = [*git, "check-ignore", *PRIVATE, "deploy/example.env"]
    assert subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split() == PRIVATE


def test_services_wait_for_services_that_are_there_and_mount_what_is_there() -> None:
    for service in COMPOSE["services"].values():
        assert service.get("depends_on", {}).keys() <= COMPOSE["services"].keys()
        for mounted in (volume.split(":")[0] for volume in service.get("volumes", [])):
            assert mounted in COMPOSE["volumes"] or (DEPLOY / mounted).exists()


def test_in_compose_all_that_run_flows_keep_results_in_one_volume() -> None:
    workers = [one for one in OURS.values() if one["command"][:3] == RUNS_FLOWS]
    (mounts,) = {(one["environment"]["PREFECT_LOCAL_STORAGE_PATH"], *one["volumes"]) for one in workers}
    assert mounts == ("/data/storage", "results:/data/storage")
    assert "results" in COMPOSE["volumes"]
    assert "mkdir --parents /data/storage && chown --recursive interlock /data" in DOCKERFILE


def test_on_kubernetes_all_that_run_flows_keep_results_in_one_claim_that_every_node_may_write_to() -> None:
    workers = [one for one in TEMPLATES if one["containers"][0]["command"][:3] == RUNS_FLOWS]
    claims = {one["metadata"]["name"]: one["spec"] for one in MANIFESTS if one["kind"] == "PersistentVolumeClaim"}
    assert workers
    for worker in workers:
        (pod,), (volume,) = worker["containers"], worker["volumes"]
        assert {"name": "PREFECT_LOCAL_STORAGE_PATH", "value": "/data/storage"} in pod["env"]
        assert pod["volumeMounts"] == [{"name": volume["name"], "mountPath": "/data/storage"}]
        assert claims[volume["persistentVolumeClaim"]["claimName"]]["accessModes"] == ["ReadWriteMany"]
        assert f"--uid {worker['securityContext']['fsGroup']} interlock" in DOCKERFILE


def test_what_prefect_is_told_to_use_is_there() -> None:
    assert {one.__name__ for one in (messaging, ordering, lease_storage)} <= {
        value for one in OURS.values() for value in settings_of(one).values()
    }


@pytest.mark.parametrize("deployment", FLOWS, ids=lambda one: one["name"])
def test_each_deployment_runs_a_flow_that_takes_its_parameters(deployment: dict[str, Any]) -> None:
    module, _, name = deployment["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    parameters = deployment.get("parameters", {})
    inspect.signature(flow.fn).bind_partial(**parameters)
    for policy in parameters.get("policies", [parameters.get("policy")]):
        assert policy is None or load_workflow(policy).policy.name == policy


def test_every_flow_is_deployed() -> None:
    public = {
        f"flows.{path.stem}.{path.stem}"
        for path in (ROOT / "flows").glob("*.py")
        if re.search(r"^@flow", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {one["entrypoint"] for one in FLOWS} == public


CRASHED_RUNS, CANCELLED_RUNS = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))["automations"]


def test_every_run_but_that_of_a_review_which_is_suspended_is_watched_for_signs_of_life() -> None:
    tag = CRASHED_RUNS["trigger"]["match_related"]["prefect.resource.id"].removeprefix("prefect.tag.")
    assert CANCELLED_RUNS["trigger"]["match_related"] == CRASHED_RUNS["trigger"]["match_related"]
    watched = {one["name"] for one in FLOWS if tag in one.get("tags", [])}
    assert watched == {one["name"] for one in FLOWS} - {"review"}
    assert "-" in tag, "a review's run has the policy's name as a tag, and no name of a policy has a dash"


@pytest.mark.parametrize("deployment", FLOWS, ids=lambda one: one["name"])
def test_a_run_gives_several_signs_of_life_before_it_is_taken_for_dead(deployment: dict[str, Any]) -> None:
    (name, seconds), *others = deployment["work_pool"]["job_variables"]["env"].items()
    assert (getattr(prefect.settings, name), others) == (prefect.settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY, [])
    assert int(seconds) * 5 <= CRASHED_RUNS["trigger"]["within"]
