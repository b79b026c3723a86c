"""What a run came to lies beside it in Prefect, whatever kind of run it was."""

from datetime import UTC, datetime

from fakes import FakeSource, fake_resources
from prefect.artifacts import Artifact
from tiny import message, write_tiny

from connectors.ports import Arrival
from domain.delivery import Invalid, RetryAfter
from flows.collect import collect
from flows.deliver import deliver
from flows.retain import retain
from tasks.resources import opened


async def left(key: str) -> str:
    """The newest artifact of a name."""
    artifact = await Artifact.aget(key)
    assert artifact is not None
    return str(artifact.data)


async def test_a_workflows_run_leaves_its_books_and_a_delivery_what_is_not_written(bench):
    bench.system.outcomes = [Invalid(detail="no such field"), *[RetryAfter(detail="away", seconds=3_600)] * 2]
    bench.accept(*[message(str(number), f"my invoice {number} is wrong") for number in range(3)])
    await bench.run()

    async with opened(bench.resources()):
        await deliver(wait_s=0)

    assert "| accepted | 3 |" in await left("books-tiny")
    assert await left("outbox") == (
        "**0** tried\n\n| system | to be sent | given up |\n| --- | ---: | ---: |\n| sandbox_help_desk | 2 | 1 |\n"
    )


async def test_a_collection_leaves_what_each_source_brought(bench):
    mails = FakeSource(
        [
            Arrival(str(number), "mail", f"m-{number}", datetime.now(UTC), {"message": f"invoice {number}"})
            for number in range(2)
        ]
    )
    policy = write_tiny(bench.folder, intake={"sources": ["imap", "folder"]})
    sources = {"imap": mails, "folder": FakeSource()}

    async with opened(fake_resources(bench.store, None, bench.system, sources=sources)):
        await collect(policy)

    assert (await left("collected-tiny")).endswith("| imap | 2 |\n| folder | 0 |")


async def test_a_night_of_retention_leaves_how_much_was_erased(bench):
    async with opened(bench.resources()):
        await retain([bench.policy])

    head, _, row = (await left("erased")).split("\n")
    assert head == "| policy | items | cases | records | escalations | entries |"
    assert row == f"| {bench.policy} | 0 | 0 | 0 | 0 | 0 |"
