"""The channels by which people answer reviews, each in a process of its own that answers when the others do."""

import asyncio
import html
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.synchronize import Barrier
from typing import Any

import httpx
from reviewing import TOKEN, form_of

WAIT_S = 120
"""For the slowest of them to have begun: each process takes seconds to import what it needs."""

Answering = Callable[[str, str], Callable[[], str]]
"""Prepares an answer to a review, so that nothing is left but to give it; that gives what its giver is told."""


def page(address: str, reviewer: str) -> Answering:
    """A browser on the review page, signed in, with the review before it."""
    browser = httpx.Client(base_url=address, trust_env=False, timeout=60, follow_redirects=True)
    browser.post("/reviews/login", data={"name": reviewer, "token": TOKEN}).raise_for_status()

    def prepare(review: str, choice: str) -> Callable[[], str]:
        target, hidden = form_of(browser.get(f"/reviews/{review}").raise_for_status().text)
        return lambda: html.unescape(browser.post(target, data={**hidden, "choice": choice}).text)

    return prepare


def api(address: str, reviewer: str) -> Answering:
    """A program that knows the reviewers' token."""
    program = httpx.Client(base_url=address, trust_env=False, timeout=60, headers={"Authorization": f"Bearer {TOKEN}"})

    def prepare(review: str, choice: str) -> Callable[[], str]:
        path = f"/api/reviews/{review}"
        binding = program.get(path).raise_for_status().json()["form"]["binding"]
        given = {"choice": choice, "reviewer": reviewer, "binding": binding}
        return lambda: program.post(path, json=given).text

    return prepare


def command_line(_address: str, reviewer: str) -> Answering:
    """`interlock reviews decide`."""
    from typer.testing import CliRunner

    from console.main import app

    def prepare(review: str, choice: str) -> Callable[[], str]:
        given = ["reviews", "decide", review, choice, "--reviewer", reviewer]
        return lambda: " ".join(CliRunner().invoke(app, given).output.split())

    return prepare


def prefect_form(_address: str, reviewer: str) -> Answering:
    """The steps of a review's flow run once Prefect has resumed it with an answer."""
    from domain.review import Answer
    from tasks.resources import Resources, opened
    from tasks.review import settle_review, show

    here = Resources.from_environment(os.environ)

    async def shown(review: str) -> str:
        async with opened(here):
            form = await show.fn(review)
        assert form is not None
        return form.binding

    async def settled(review: str, answer: Answer) -> str:
        async with opened(here):
            return (await settle_review.fn(review, answer)).notice

    def prepare(review: str, choice: str) -> Callable[[], str]:
        answer = Answer(choice=choice, reviewer=reviewer, binding=asyncio.run(shown(review)))
        return lambda: asyncio.run(settled(review, answer))

    return prepare


CHANNELS = {"Ann": page, "Bob": api, "Cid": command_line, "Dee": prefect_form}
"""By who uses them."""


def answer_at_once(
    address: str, environ: Mapping[str, str], reviews: Sequence[str], choices: Mapping[str, str]
) -> list[dict[str, str]]:
    """Let everybody answer each review at the same moment; gives what each was told, by name.

    Args:
        choices: what each chooses, by name.
    """
    context = multiprocessing.get_context("spawn")
    start, told = context.Barrier(len(CHANNELS)), context.Queue()
    processes = [
        context.Process(target=_answer, args=(name, address, dict(environ), list(reviews), choices[name], start, told))
        for name in CHANNELS
    ]
    for process in processes:
        process.start()
    given = [told.get(timeout=WAIT_S) for _ in range(len(CHANNELS) * len(reviews))]
    for process in processes:
        process.join(WAIT_S)
    return [{name: words for name, about, words in given if about == review} for review in reviews]


def _answer(
    name: str, address: str, environ: dict[str, str], reviews: list[str], choice: str, start: Barrier, told: Any
) -> None:
    os.environ.update(environ)
    prepare = CHANNELS[name](address, name)
    for review in reviews:
        give = prepare(review, choice)
        start.wait(WAIT_S)
        told.put((name, review, give()))
