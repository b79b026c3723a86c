"""Looks at this installation: its variables and secrets, its database and ledger, the watch, the disk, the clocks."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from connectors.registry import SOURCES, SYSTEMS
from connectors.settings import Settings
from connectors.store.engine import HEAD, Store, Transaction, standing
from connectors.web_api.described import PREFIX
from console.doctor_report import Check, untold, warning, well, wrong
from console.doctor_systems import SkewOf
from domain.errors import InterlockError, PolicyInvalid, Unavailable
from domain.ledger import first_break
from policies.load import Workflow
from tasks.heartbeat import STALE_AFTER, silence
from tasks.prefect_secrets import SCHEME, resolved

NEWEST = 1_000
"""Entries of the ledger's end that are verified; `interlock ledger verify` reads all of it."""
SKEWED_S, FAR_SKEWED_S = 5.0, 60.0
"""Seconds between two clocks that are worth a word, and that break what is timed: leases and links end, and
webhooks are refused, 300 s apart (Standard Webhooks)."""
LITTLE, TOO_LITTLE = 2 * 2**30, 2**28
"""Bytes free on a disk that are a warning, and that are wrong."""
OURS = frozenset({"INTERLOCK_PUBLIC_DATA", "INTERLOCK_TEST_POSTGRES", "INTERLOCK_TEST_ALL"})
"""Variables that belong to no setting and no connector."""


async def resolve(environ: Mapping[str, str]) -> tuple[dict[str, str], list[Check]]:
    """The environment with its secrets out of Prefect, and what is wrong with those that cannot be had."""
    known, checks = dict(environ), []
    for name in sorted(name for name, value in environ.items() if value.startswith(SCHEME)):
        try:
            known |= await resolved({name: environ[name]})
        except InterlockError as exc:
            del known[name]
            checks.append(wrong("settings", name, str(exc), "Make the block, or set the variable to the secret itself"))
        else:
            checks.append(well("settings", name, "its secret is in Prefect"))
    return known, checks


def check_settings(environ: Mapping[str, str], workflows: Sequence[Workflow]) -> list[Check]:
    """Variables that nobody reads, that cannot be read, or that are of no use without another."""
    known = _known(workflows)
    checks = [_unread(name, known) for name in sorted(environ) if _ours(name) and name not in known]
    checks += [
        warning("settings", name, "is set and empty, which counts as not set", "Set it, or remove it")
        for name in sorted(environ.keys() & known)
        if not environ[name].strip()
    ]
    try:
        settings = Settings.of(environ)
    except ValidationError as exc:
        for fault in exc.errors(include_input=False, include_url=False):
            name = f"INTERLOCK_{str(fault['loc'][0]).upper()}"
            checks.append(wrong("settings", name, f"cannot be used: {fault['msg']}", "Set it as the README says"))
    else:
        checks += _alone(settings)
    for workflow in workflows:
        secrets = workflow.policy.intake.webhook.secrets
        if secrets and not any(environ.get(name) for name in secrets):
            says = f"{workflow.policy.name}: no secret for its webhooks' signatures is set"
            checks.append(wrong("settings", " or ".join(secrets), says, "Set one to what the sender signs with"))
    return checks or [well("settings", "", "every INTERLOCK_ variable that is set is one that is read")]


def _known(workflows: Sequence[Workflow]) -> set[str]:
    told = [one.name for spec in SYSTEMS.values() for one in spec.variables]
    told += [one.name for spec in SOURCES.values() for one in spec.variables]
    named = {name for workflow in workflows for name in workflow.policy.intake.webhook.secrets}
    settings = {f"INTERLOCK_{name.upper()}" for name in Settings.model_fields}
    return settings | {*told} | named | OURS


def _ours(name: str) -> bool:
    return name.startswith("INTERLOCK_") and not name.startswith(PREFIX) and not name.endswith("_WEBHOOK_SECRET")


def _unread(name: str, known: set[str]) -> Check:
    alike = get_close_matches(name, known, 1)
    return warning(
        "settings", name, "is set, and nothing reads it", f"Did you mean {alike[0]}?" if alike else "Remove it"
    )


def _alone(settings: Settings) -> list[Check]:
    checks = []
    for what in ("llm", "embeddings"):
        url, model = getattr(settings, f"{what}_base_url"), getattr(settings, f"{what}_model")
        name = f"INTERLOCK_{what.upper()}"
        if url and not model:
            checks.append(
                wrong("settings", f"{name}_BASE_URL", "names an endpoint and no model", f"Set {name}_MODEL too")
            )
        if model and not url:
            says = "is of no use without an endpoint"
            checks.append(warning("settings", f"{name}_MODEL", says, f"Set {name}_BASE_URL, or remove it"))
    if settings.link_secret.get_secret_value() and not settings.public_url:
        says = "makes links, and nothing says what they begin with"
        checks.append(
            warning("settings", "INTERLOCK_LINK_SECRET", says, "Set INTERLOCK_PUBLIC_URL to the server's address")
        )
    return checks


def check_database(url: str, names: Sequence[str], now: datetime, skews: SkewOf) -> tuple[list[Check], bool]:
    """The database, the ledger's end and the watches over the policies of these names; and whether it can be used."""
    try:
        found = standing(url)
    except Unavailable as exc:
        return [wrong("database", "", str(exc), "Start it, or mend INTERLOCK_DATABASE_URL")], False
    except PolicyInvalid as exc:
        return [wrong("database", "", str(exc), "Mend INTERLOCK_DATABASE_URL")], False
    if found.ahead_s is not None:
        skews["the database"] = found.ahead_s
    if found.version is None:
        says = "answers, and has no tables of ours yet: the first run makes them"
        return [warning("database", "", says, "Is it the one that is meant? Set INTERLOCK_DATABASE_URL if not")], False
    if found.version != HEAD:
        newer = found.version > HEAD
        mend = "Update Interlock here" if newer else "Back it up and run any command, such as 'interlock ledger verify'"
        says = f"its tables are of version {found.version}, and this Interlock's of {HEAD}"
        return [wrong("database", "", says, mend)], False
    store = Store(url)
    try:
        with store.reading() as tx:
            checks = [well("database", "", f"answers, with the tables of version {HEAD}"), _ledger(tx)]
            checks += [_watched(name, silence(tx, name, now)) for name in names]
    except InterlockError as exc:
        return [wrong("database", "", str(exc), "See why it stopped answering")], False
    finally:
        store.close()
    return checks, True


def _ledger(tx: Transaction) -> Check:
    seq, head = tx.ledger.head()
    if not seq:
        return well("ledger", "", "is empty")
    begin = max(0, seq - NEWEST - 1)
    entries = list(tx.ledger.entries(after=begin))
    after, rest = (entries[0], entries[1:]) if begin else (None, entries)
    broken = first_break(rest, after)
    if broken is not None or not entries or entries[-1].hash != head:
        says = f"its chain is broken at entry {broken or seq}: something was changed, removed or put in"
        return wrong("ledger", "", says, "Keep a copy, and run 'interlock ledger verify'")
    return well("ledger", "", f"its newest {len(rest):,} of {seq:,} entries follow from each other")


def _watched(name: str, silent: timedelta | None) -> Check:
    mend = "Deploy flows.watch for it, and see that its schedule is active and a worker is online"
    if silent is None:
        return wrong("watch", name, "nobody has ever watched over it: late reviews and clocks are not seen", mend)
    minutes = f"{silent / timedelta(minutes=1):,.0f} min ago"
    if silent > STALE_AFTER:
        return wrong("watch", name, f"was last watched {minutes}", mend)
    return well("watch", name, f"was last watched {minutes}")


def check_disk(settings: Settings) -> list[Check]:
    """Space where files are kept."""
    url = settings.store_url
    files = {settings.home} | ({Path(url.removeprefix("sqlite:///")).parent} if url.startswith("sqlite:///") else set())
    folders = {next(one for one in (path.absolute(), *path.absolute().parents) if one.exists()) for path in files}
    checks = []
    for folder in sorted(folders):
        free = shutil.disk_usage(folder).free
        says = f"{free / 2**30:,.1f} GiB are free"
        if free < LITTLE:
            check = wrong if free < TOO_LITTLE else warning
            checks.append(check("disk", str(folder), says, "Free some, or set INTERLOCK_HOME to another disk"))
        else:
            checks.append(well("disk", str(folder), says))
    return checks


def check_clocks(skews: Mapping[str, float]) -> list[Check]:
    """How far the others' clocks are from this machine's; by Date headers, to within a second."""
    if not skews:
        return [untold("clock", "", "nobody who answered tells the time")]
    checks = []
    for who, ahead in sorted(skews.items()):
        if abs(ahead) < SKEWED_S:
            continue
        check = wrong if abs(ahead) >= FAR_SKEWED_S else warning
        says = f"its clock is {abs(ahead):,.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
        checks.append(check("clock", who, says, "Let both machines take the time from a time server (NTP)"))
    agree = len(skews) - len(checks)
    if agree:
        checks.insert(0, well("clock", "", f"within {SKEWED_S:g} s of this machine's: {agree} of {len(skews)}"))
    return checks
