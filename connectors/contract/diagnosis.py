"""What every system that tells how it stands must keep to: the promises of `connectors.diagnosis.Diagnosable`."""

from collections.abc import Sequence

from connectors.contract.subject import NetworkSubject, Subject, hold
from connectors.diagnosis import Aspect, Diagnosable, Diagnosis, Grade, Use
from connectors.registry import SYSTEMS
from connectors.sandbox.proxy import Answer, CutAnswer
from domain.delivery import Operation

JSON = {"Content-Type": "application/json"}


class DiagnosisContract:
    """Of destinations that are `Diagnosable`; mixed into the contracts of every destination."""

    async def test_a_diagnosis_of_what_works_finds_nothing_wrong_and_writes_nothing(self, subject: Subject) -> None:
        """The system answers, and nothing but our own operation is there afterwards."""
        if not isinstance(subject.destination, Diagnosable):
            return
        operation = subject.fresh()
        found = await subject.destination.diagnose(_uses(operation))
        complaints = [one for one in found.findings if one.grade is Grade.WRONG]
        hold(not complaints, f"nothing is wrong, and it finds {complaints!r}")
        hold(bool(found.findings), "it must find something")
        await subject.holds_nothing(operation, "after a diagnosis")


class NetworkDiagnosisContract:
    """The same over HTTP: whatever happens on the way, it tells, and never more than may be told."""

    async def test_a_diagnosis_tells_that_nobody_answers(self, subject: NetworkSubject) -> None:
        """Refused connections, and answers that break off or make no sense, are no good health."""
        destination = subject.destination
        if not isinstance(destination, Diagnosable):
            return
        uses = _uses(subject.fresh())
        async with subject.proxy.refusing():
            unreached = await destination.diagnose(uses)
        hold(not unreached.answered, f"nobody answers, and it finds {unreached!r}")
        for name, fault in {"an answer cut short": CutAnswer(20)}.items():
            subject.proxy.next(fault, times=None)
            found = await destination.diagnose(uses)
            subject.proxy.clear()
            hold(not found.answered, f"with {name} it must say so, and finds {found!r}")

    async def test_a_diagnosis_tells_a_key_that_is_refused_and_does_not_show_it(self, subject: NetworkSubject) -> None:
        """It names the variable to set; the system answers, for it said no."""
        key, destination = subject.key, subject.destination
        if key is None or not isinstance(destination, Diagnosable):
            return
        for status, aspect in ((401, Aspect.KEY), (403, Aspect.RIGHTS)):
            body = b'{"message": "no entry for %s"}' % key.secret.encode()
            subject.proxy.next(Answer(status, body, JSON), times=None)
            found = await destination.diagnose(_uses(subject.fresh()))
            subject.proxy.clear()
            hold(found.answered, f"HTTP {status}: it answers, and it finds {found!r}")
            told = _wrong(found, aspect)
            hold(bool(told), f"HTTP {status}: its {aspect.value} must be wrong, and it finds {found!r}")
            hold(key.variable in repr(told), f"HTTP {status}: must name {key.variable}")
            hold(key.secret not in repr(found), f"HTTP {status}: the key itself is shown")


def _wrong(found: Diagnosis, aspect: Aspect) -> list[str]:
    return [one.says for one in found.findings if one.aspect is aspect and one.grade is Grade.WRONG]


def _uses(operation: Operation) -> Sequence[Use]:
    spec = SYSTEMS.get(operation.system)
    options = spec.chosen(operation.options) if spec else operation.options
    return [Use(options, frozenset(operation.values), operation.values)]
