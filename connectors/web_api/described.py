"""Sends to any HTTP interface that a YAML file describes.

The descriptions are the files `<name>.yaml` of one folder, and a policy says `api: <name>`. A
folder, and no path in the policy, because an operation may be sent by another machine than
the one that decided on it: a name means the same on both, and cannot lead out of the folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.capabilities import Capabilities, Idempotency, Upsert, Versioning
from connectors.diagnosis import Aspect, Diagnosis, Use, untold, wrong
from connectors.spec import Option, SystemSpec, Variable
from connectors.web_api.api import Api, open_api
from domain.delivery import DeliveryOutcome, Hindrance, Operation, RetryAfter
from domain.errors import PolicyInvalid

FOLDER = Variable("INTERLOCK_APIS", "folder of the YAML files that describe APIs, one a file")
PREFIX = "INTERLOCK_API_"
"""Descriptions may name any variable that begins so, for an address or a key, and no other."""
API = Option("api", "the name of the file in INTERLOCK_APIS that describes the API, without '.yaml'")


@dataclass(frozen=True)
class PrefixedSpec(SystemSpec):
    """A system whose own files name further variables; `open` also sees those that begin with `prefix`."""

    prefix: str = PREFIX


class Described:
    """All the APIs that are described in a folder; each operation names its own.

    A description that cannot be used, or is not there, holds up only the operations that name
    it, until somebody mends it; an API that is down, or limits, only its own.
    """

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._apis: dict[str, Api] = {}
        self._faults: dict[str, str] = {}
        for path in sorted(folder.glob("*.yaml")):
            try:
                self._apis[path.stem] = open_api(path, environ)
            except PolicyInvalid as exc:
                self._faults[path.stem] = str(exc)

    @property
    def capabilities(self) -> Capabilities:
        """What all of the APIs can do: the least."""
        each = list(self.places.values())
        return Capabilities(
            upsert=Upsert.NONE if any(can.upsert is Upsert.NONE for can in each) else Upsert.SEARCH,
            idempotency=Idempotency.NONE
            if any(can.idempotency is Idempotency.NONE for can in each)
            else Idempotency.TRACE,
            versioning=Versioning.NONE,
            search_lag_s=max((can.search_lag_s for can in each), default=0),
        )

    @property
    def places(self) -> dict[str, Capabilities]:
        """What each of the APIs can do, by its name."""
        return {name: api.capabilities for name, api in self._apis.items()}

    async def send(self, operation: Operation) -> DeliveryOutcome:
        """Make the record hold the operation's values, as the description says."""
        api = self._api(operation)
        return api if isinstance(api, RetryAfter) else await api.send(operation)

    async def find(self, operation: Operation) -> DeliveryOutcome | None:
        """What became of an earlier send, as the description says."""
        api = self._api(operation)
        return api if isinstance(api, RetryAfter) else await api.find(operation)

    async def diagnose(self, uses: Sequence[Use]) -> Diagnosis:
        """Whether each API's description can be used and its address answers; of no more do descriptions tell."""
        found, ahead = [], None
        for name in sorted({use.options[API.name] for use in uses}):
            if isinstance(api := self._named(name), RetryAfter):
                found.append(wrong(Aspect.SETTINGS, api.detail, "Write the description, or mend it as it says"))
                continue
            reached, ahead = await api.reached()
            found += [reached, untold(Aspect.KEY, f"whether {name} takes the key shows with the first write")]
        return Diagnosis(tuple(found), ahead)

    async def aclose(self) -> None:
        """Close the connections."""
        for api in self._apis.values():
            await api.aclose()

    def _api(self, operation: Operation) -> Api | RetryAfter:
        return self._named(operation.options[API.name])

    def _named(self, name: str) -> Api | RetryAfter:
        if name in self._apis:
            return self._apis[name]
        missing = f"INTERLOCK_APIS has no file {name}.yaml; described are: {', '.join(self._apis) or 'none'}"
        return RetryAfter(hindrance=Hindrance.SETUP, detail=self._faults.get(name, missing))


def _open(values: Mapping[str, str]) -> Described:
    folder = Path(values[FOLDER.name]).expanduser()
    if not folder.is_dir():
        raise PolicyInvalid(f"{FOLDER.name} is '{folder}', no folder. Set it to the {FOLDER.meaning}")
    return Described(folder, values)


SPEC = PrefixedSpec(_open, (FOLDER,), (API,), place=API, prefix=PREFIX)
