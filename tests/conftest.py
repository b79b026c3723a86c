"""Fixtures that more than one folder uses."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from console.local_prefect import prefect_server

os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", parent=settings.get_profile("unhurried"), max_examples=3000)
settings.load_profile("unhurried")  # a busy machine is no counterexample


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together, on one worker, what shares servers; what waits longest begins first."""
    for item in items:
        shares_prefect = "prefect" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("prefect" if shares_prefect else item.path.stem))
    items.sort(key=lambda item: "real" not in item.path.parts)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything is said to be there (in CI), a test that was left out is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("INTERLOCK_TEST_ALL") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("INTERLOCK_TEST_ALL is set, and tests were left out", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prefect server, the same one for the whole session; gives the UI's address."""
    with prefect_server(tmp_path_factory.mktemp("prefect")) as ui:
        yield ui
