"""A workflow's policy, as strict models; the YAML files are read into these."""

from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, ClassVar

from pydantic import Field, ValidationError, model_validator

from domain.business_time import Calendar
from domain.calibration import Calibration
from domain.decision import Mode, RuleAction, Terms
from domain.escalation import Ladder
from domain.masking import Mask
from domain.proposal import NONE_OF_THESE
from domain.sla import Clock, ClockName, LongestPause
from domain.values import Frozen, digest
from policies.agreement import disagreements
from policies.calendars import WorkingHours
from policies.customer import Customer
from policies.destination import Destination, Name, Template
from policies.extract import Extract
from policies.fields import Conventions, DateOrder, FieldType
from policies.privacy import Privacy, Retention
from policies.review import Review
from policies.sla import SlaClock
from policies.sources import Intake


class OutOfScope(StrEnum):
    """What becomes of a message for which no route fits, when that is proven as routes are."""

    PERSON = "person"
    """A person looks at it, always."""
    END = "end"
    """It ends without a write; the ledger and the audit sample still show it."""


class Input(Frozen):
    """How an item is made of what comes in.

    Attributes:
        fields: the fields that this workflow knows, by type; others are kept, not used.
        region: ISO alpha-2 of the country whose phone numbers come without a prefix.
        date_order: what `03/04/2026` means; without it such a date is missing.
        text: template of the text that is classified.
        duplicate_window_hours: the same content again within it is a duplicate; 0 compares no content.
    """

    fields: dict[Name, FieldType] = Field(min_length=1)
    text: Template
    region: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    date_order: DateOrder | None = None
    duplicate_window_hours: float = Field(default=72, ge=0)

    @property
    def conventions(self) -> Conventions:
        """What people leave unsaid here."""
        return Conventions(self.region, self.date_order)

    @property
    def numeric(self) -> dict[str, bool]:
        """Whether rules see each field as a number."""
        return {name: kind is FieldType.NUMBER for name, kind in self.fields.items()}


class Route(Frozen):
    """Where an item can go. The description is what the model and the reviewer read."""

    description: str = Field(min_length=10)


class Classifier(Frozen):
    """How the model is asked.

    Attributes:
        prompt: name of a folder in `prompts/`.
        neighbours: labelled examples shown with each item, the nearest ones.
        reasks: further calls when an answer is cut off, nonsense or an unknown label.
        retries: further tries of a chunk when the endpoint is down or throttles.
        timeout_s: for one call.
        concurrency: calls at the same time.
        samples: answers that are asked for, and counted as votes, where the endpoint gives no
            log-probabilities; 0 leaves such answers to rules and people.
        guard: share of honest traffic that each guard against strange messages may send to
            people; `evals calibrate` fits the guards to it.
    """

    prompt: Name = "classify"
    neighbours: int = Field(default=5, ge=0, le=50)
    reasks: int = Field(default=1, ge=0, le=5)
    retries: int = Field(default=3, ge=0, le=10)
    timeout_s: float = Field(default=60, gt=0)
    concurrency: int = Field(default=4, ge=1, le=64)
    samples: int = Field(default=5, ge=0, le=25)
    guard: float = Field(default=0.02, ge=0, le=0.5)


class Target(Frozen):
    """The promise: at most `misroute` of what is routed automatically, with `confidence`.

    Attributes:
        routes: stricter promises for single routes, each proven by itself; all hold together.
    """

    misroute: float = Field(default=0.05, gt=0, lt=1)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    routes: dict[Name, Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=dict)

    @property
    def delta(self) -> float:
        """The chance that the promise is broken."""
        return round(1 - self.confidence, 9)


class Audit(Frozen):
    """The blind sample of what would be routed automatically, decided by people instead.

    Attributes:
        share: of automatic decisions, 0 to 1; in canary mode it is at least a fifth.
        step_back: whether the mode steps back by itself when the sample refutes the target.
    """

    share: float = Field(default=0.02, ge=0, le=1)
    step_back: bool = True


class Rule(Frozen):
    """A deterministic rule. Rules are read in order; the first that matches counts.

    Attributes:
        when: expression over `text`, the fields, `missing`, `unsure` and `faults`, in rule-engine's language.
        route: where the item goes if the model may not route it alone.
        action: `route`, or `person` or `reject` whatever the model says.
        flags: marks that the write carries.
    """

    name: Name
    when: str
    action: RuleAction = RuleAction.ROUTE
    route: Name | None = None
    flags: tuple[Name, ...] = ()

    @model_validator(mode="after")
    def _route_goes_with_its_action(self) -> "Rule":
        if (self.route is not None) != (self.action is RuleAction.ROUTE):
            raise ValueError("a rule has a route exactly when its action is 'route'; add one or remove the other")
        return self


class Check(Frozen):
    """What must hold of a field's value, such as `quantity <= 1000`; else the value counts as malformed.

    Attributes:
        must: expression over `text`, the fields and `missing`, in the rules' language; it is
            asked where the field has a value.
        message: what a person reads when it does not hold.
    """

    field: Name
    must: str
    message: str = Field(min_length=5)


class Validation(Frozen):
    """What must be there, and hold, before a write; what is missing flags the item for enrichment."""

    required: tuple[Name, ...] = ()
    checks: tuple[Check, ...] = ()


class Batch(Frozen):
    """How much one run takes, and how many items one Prefect task does.

    `chunk: 1` shows every item's call as a task of its own; 20 to 50 carries volume.
    """

    items: int = Field(default=200, ge=1)
    chunk: int = Field(default=10, ge=1, le=200)
    lease_minutes: float = Field(default=10, gt=0)


class Policy(Frozen):
    """A workflow: what comes in, where it can go, who decides and what is written.

    Without `routes` there is nothing to classify: an item is written once its fields are complete.

    Attributes:
        people: the file beside this one that says who people are.
        has_events: whether it is about cases.
        keeps_in_step: whether it is about records that several systems keep.
    """

    has_events: ClassVar[bool] = False
    keeps_in_step: ClassVar[bool] = False

    name: Name
    version: int = Field(ge=1)
    description: str = Field(min_length=10)
    mode: Mode
    canary_share: float = Field(default=0.1, ge=0, le=1)
    input: Input
    intake: Intake = Intake()
    routes: dict[Name, Route] = Field(default_factory=dict)
    out_of_scope: OutOfScope = OutOfScope.PERSON
    examples: str | None = Field(default=None, pattern=r"\.jsonl$")
    classifier: Classifier = Classifier()
    target: Target = Target()
    audit: Audit = Audit()
    rules: tuple[Rule, ...] = ()
    extract: Extract | None = None
    validation: Validation = Validation()
    destinations: dict[Name, Destination] = Field(min_length=1)
    calendars: dict[Name, WorkingHours] = Field(default_factory=dict)
    review: Review = Review()
    sla: dict[ClockName, SlaClock] = Field(default_factory=dict)
    customer: Customer = Customer()
    people: Annotated[str, Field(pattern=r"\.ya?ml$")] | None = None
    escalation: Ladder
    batch: Batch = Batch()
    retention: Retention = Retention()
    privacy: Privacy = Privacy()

    def masking(self) -> Mask:
        """A mask for the texts of one question."""
        return Mask(self.privacy.mask, self.input.region)

    @property
    def labels(self) -> tuple[str, ...]:
        """The routes in the file's order, and none of these."""
        return (*self.routes, NONE_OF_THESE)

    @property
    def classifies(self) -> bool:
        """Whether there are routes to choose among; else the fields alone decide."""
        return bool(self.routes)

    @property
    def knows_reviewers(self) -> bool:
        """Whether, where several must agree, only those count who are known."""
        return bool(self.review.proven)

    @property
    def several_agree(self) -> bool:
        """Whether anything needs more than one person."""
        return self.review.people > 1

    @property
    def scope(self) -> str:
        """Digest of what decides which items may act at all, beside the classifier."""
        taking = [(rule.when, rule.action.value) for rule in self.rules if rule.action is not RuleAction.ROUTE]
        return digest(self.out_of_scope.value, taking)

    @property
    def fingerprint(self) -> str:
        """Digest of everything that the file says."""
        return digest(self.model_dump(mode="json"))

    @cached_property
    def clocks(self) -> tuple[Clock, ...]:
        """What is promised on time."""
        longest = self.longest_pause
        return tuple(one.clock(name, self._calendar(one.calendar), longest) for name, one in self.sla.items())

    @property
    def longest_pause(self) -> LongestPause:
        """How long they stand still for a customer's answer."""
        return self.customer.longest(self._calendar(self.customer.calendar))

    def review_due_at(self, opened_at: datetime) -> datetime:
        """When a review's time is over."""
        within = timedelta(minutes=self.review.answer_within_minutes)
        return self._calendar(self.review.calendar).add(opened_at, within)

    def written(self, route: str | None) -> dict[str, Destination]:  # noqa: ARG002  here every route writes the same
        """The destinations that an item of `route` is written to."""
        return self.destinations

    def terms(self, calibration: Calibration | None) -> Terms:
        """What `decide` needs to know; nothing is trusted that was proven for a looser promise."""
        return Terms(
            policy=self.name,
            fingerprint=self.fingerprint,
            mode=self.mode,
            routes=frozenset(self.routes),
            canary_share=self.canary_share,
            audit_share=self.audit.share,
            ends_out_of_scope=self.out_of_scope is OutOfScope.END,
            proofs={proof.source: proof for proof in calibration.proofs}
            if calibration and self.covers(calibration)
            else {},
        )

    def covers(self, calibration: Calibration) -> bool:
        """Whether a calibration proves at least what this policy promises."""
        target = self.target
        return (
            calibration.scope in ("", self.scope)
            and calibration.target <= target.misroute
            and calibration.delta <= target.delta
            and all(calibration.named.get(route, 1) <= bound for route, bound in target.routes.items())
        )

    @property
    def ladder_time(self) -> Calendar:
        """In which the minutes of its escalations pass."""
        return self._calendar(self.escalation.calendar)

    def _calendar(self, name: str | None) -> Calendar:
        return self.calendars[name].calendar if name else Calendar()

    @model_validator(mode="after")
    def _names_agree(self) -> "Policy":
        if faults := list(disagreements(self)):
            raise ValidationError.from_exception_data("Policy", faults)
        return self
