"""Opens and migrates the database, and gives transactions in which one writer writes at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from connectors.store.accounts import Accounts
from connectors.store.assignments import Assignments
from connectors.store.candidates import Candidates
from connectors.store.cases import Cases
from connectors.store.clocks import Clocks
from connectors.store.crosswalk import Crosswalk
from connectors.store.cursors import Cursors
from connectors.store.customers import Customers
from connectors.store.dead_letters import DeadLetters
from connectors.store.entities import Entities
from connectors.store.erasure import Erasing
from connectors.store.escalations import Escalations
from connectors.store.extractions import Extractions
from connectors.store.figures import Figures
from connectors.store.heartbeats import Heartbeats
from connectors.store.inbox import Inbox
from connectors.store.journeys import Journeys
from connectors.store.keys import UsedKeys
from connectors.store.ledger import Ledger
from connectors.store.outbox import Outbox
from connectors.store.passes import Passes
from connectors.store.places import Places
from connectors.store.proposals import Proposals
from connectors.store.reviews import Reviews
from connectors.store.sources import Sources
from connectors.store.spells import Spells
from connectors.store.sqlite import BUSY_TIMEOUT_S, begin_to_write, set_up
from connectors.store.standings import Standings
from connectors.store.strays import Strays
from connectors.store.systems import Systems
from connectors.store.traffic import Traffic
from connectors.store.troubles import Troubles
from connectors.store.turns import Turns
from connectors.store.versions import Versions
from connectors.store.waiting import Waiting
from connectors.store.workload import Workload
from domain.errors import PolicyInvalid, Unavailable

HEAD = "0026"
"""The newest migration; a test holds it to the files in `migrations/versions`."""

MIGRATION_LOCK = 7_001
"""PostgreSQL's advisory lock while tables are migrated; any number that nobody else uses."""

_NO_URL = "INTERLOCK_DATABASE_URL is no database URL; write sqlite:///PATH or postgresql://…"


@dataclass(frozen=True)
class Standing:
    """How a database stands, looked at without migrating it.

    Attributes:
        version: of its tables; None where it has none of ours yet.
        ahead_s: by how many seconds its clock is ahead of ours; None where it has none of its own.
    """

    version: str | None
    ahead_s: float | None = None


class Transaction:
    """All of the store, within one database transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.journeys = Journeys(session)
        self.ledger = Ledger(session, self.journeys)
        self.accounts = Accounts(session)
        self.figures = Figures(session)
        self.workload = Workload(session)
        self.inbox = Inbox(session, self.ledger)
        self.proposals = Proposals(session)
        self.versions = Versions(session)
        self.extractions = Extractions(session, self.ledger)
        self.reviews = Reviews(session, self.ledger)
        self.assignments = Assignments(session, self.ledger)
        self.systems = Systems(session, self.ledger)
        self.outbox = Outbox(session, self.ledger, self.systems, Turns(session))
        self.dead_letters = DeadLetters(session, self.ledger)
        self.standings = Standings(session, self.ledger)
        self.cursors = Cursors(session)
        self.sources = Sources(session, self.ledger)
        self.waiting = Waiting(session)
        self.keys = UsedKeys(session)
        self.traffic = Traffic(session)
        self.escalations = Escalations(session, self.ledger)
        self.spells = Spells(session, self.ledger)
        self.clocks = Clocks(session, self.ledger, self.cursors, self.spells)
        self.troubles = Troubles(session)
        self.customers = Customers(session, self.ledger)
        self.heartbeats = Heartbeats(session)
        self.cases = Cases(session, self.ledger)
        self.crosswalk = Crosswalk(session, self.ledger)
        self.entities = Entities(session)
        self.places = Places(session, self.ledger)
        self.passes = Passes(session)
        self.strays = Strays(session)
        self.candidates = Candidates(session)
        self.erasing = Erasing(session, self.ledger)


class Store:
    """The database behind `url`, migrated to this version's tables.

    SQLite runs in WAL mode: readers never wait for the writer. On every database there is
    one writer at a time, because each change appends to the one ledger.

    Raises:
        PolicyInvalid: the URL is none, its driver is not installed, or what is there is no
            database of this version or an older one.
        Unavailable: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._sqlite = self._engine.dialect.name == "sqlite"
        with ExitStack() as on_failure:
            on_failure.callback(self._engine.dispose)
            _open(self._engine)
            on_failure.pop_all()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that may write: all of it is committed, or none.

        Raises:
            Unavailable: the database does not answer; if it was lost at the commit, nobody
                knows whether that happened.
        """
        with _answering(), Session(self._engine, expire_on_commit=False) as session:
            if self._sqlite:
                begin_to_write(session.connection())
            transaction = Transaction(session)
            transaction.ledger.lock()
            yield transaction
            transaction.journeys.keep()
            session.commit()

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A consistent view to read from, as of its first statement; nothing is committed.

        Raises:
            Unavailable: the database does not answer.
        """
        with _answering(), Session(self._engine) as session:
            if self._sqlite:
                session.connection().exec_driver_sql("BEGIN")
            else:  # by default PostgreSQL shows each statement what was committed since the one before
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield Transaction(session)

    def compact(self) -> bool:
        """Give back what was freed, so that erased bytes do not stay in the database's files; False if it is busy.

        On PostgreSQL the log and what replicates it keep them for as long as they are kept.
        """
        try:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM")
                if self._sqlite:
                    busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
                    return not busy
        except OperationalError:
            return False
        return True

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def standing(url: str) -> Standing:
    """How the database behind `url` stands; nothing is made or migrated.

    Raises:
        PolicyInvalid: the URL is none, its driver is not installed, or what is there is no database.
        Unavailable: the database does not answer.
    """
    try:
        at = make_url(url)
    except ArgumentError as exc:
        raise PolicyInvalid(_NO_URL) from exc
    if at.get_backend_name() == "sqlite" and not Path(at.database or "").is_file():
        return Standing(None)
    engine = _engine(url)
    where = repr(engine.url.set(query={}))
    try:
        with engine.connect() as connection:
            ahead = None
            if engine.dialect.name == "postgresql":
                now: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
                ahead = (now - datetime.now(UTC)).total_seconds()
            return Standing(_version(connection), ahead)
    except OperationalError as exc:
        raise Unavailable(f"the database at {where} does not answer: {exc.orig}") from exc
    except DatabaseError as exc:
        raise PolicyInvalid(f"the database at {where} cannot be used: {exc.orig}") from exc
    finally:
        engine.dispose()


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except OperationalError as exc:
        raise Unavailable(f"the database does not answer: {exc.orig}") from exc
    except PoolTimeout as exc:
        raise Unavailable("the database does not answer: every connection to it is busy") from exc


def _engine(url: str) -> Engine:
    """What reaches the database; its errors tell the statement, and none of the customers' words in its parameters."""
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
        if parsed.get_backend_name() != "sqlite":
            raise PolicyInvalid(_NO_URL)
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        raise PolicyInvalid(_NO_URL) from exc
    except ModuleNotFoundError as exc:
        raise PolicyInvalid("PostgreSQL needs its driver: pip install 'interlock[postgres]'") from exc
    except OSError as exc:
        raise PolicyInvalid(f"INTERLOCK_DATABASE_URL: the folder of its file cannot be made: {exc}") from exc
    event.listen(engine, "connect", set_up)
    return engine


def _open(engine: Engine) -> None:
    where = repr(engine.url.set(query={}))  # a query can hold a password
    try:
        _migrate(engine)
    except OperationalError as exc:
        raise Unavailable(f"the database at {where} does not answer: {exc.orig}") from exc
    except DatabaseError as exc:
        raise PolicyInvalid(f"the database at {where} cannot be used: {exc.orig}") from exc


def _migrate(engine: Engine) -> None:
    """Bring the tables to this version; one process at a time, the others find it done."""
    with engine.connect() as connection:
        if _version(connection) == HEAD:
            return
    from alembic import command  # noqa: PLC0415  takes a third of a second, and is needed once a version
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            begin_to_write(connection)
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as exc:
            raise PolicyInvalid("the database was made by a newer version of Interlock: update this one") from exc
        connection.commit()


def _version(connection: Connection) -> str | None:
    """The version of the database's tables; None if it has none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
