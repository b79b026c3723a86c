"""What is decided about an item and why, and what that depends on; `domain.decide` decides."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from domain.calibration import Proof
from domain.case import Plan
from domain.confidence import Source
from domain.values import Frozen


class Mode(StrEnum):
    """How much of a workflow acts without a person; the order in which a rollout moves."""

    SHADOW = "shadow"
    """Decide and record, write nothing."""
    ASSIST = "assist"
    """A person confirms every decision."""
    CANARY = "canary"
    """A fixed share acts alone, a person confirms the rest."""
    AUTO = "auto"


class Kind(StrEnum):
    """Who decided, or must decide."""

    AUTO = "auto"
    RULE = "rule"
    HUMAN = "human"
    REJECT = "reject"


class Reason(StrEnum):
    """Why a decision is what it is; one code for each way through `decide`, `decide_intake` and `settle`."""

    CONFIDENT = "confident"
    RULE_ROUTES = "rule_routes"
    RULE_REJECTS = "rule_rejects"
    RULE_WANTS_PERSON = "rule_wants_person"
    RULE_RELIEVES = "rule_relieves"
    NO_MODEL = "no_model"
    LLM_UNAVAILABLE = "llm_unavailable"
    LLM_TIMED_OUT = "llm_timed_out"
    LLM_THROTTLED = "llm_throttled"
    LLM_REFUSED = "llm_refused"
    ANSWER_CUT_OFF = "answer_cut_off"
    ANSWER_NONSENSE = "answer_nonsense"
    UNKNOWN_LABEL = "unknown_label"
    NONE_OF_THESE = "none_of_these"
    NO_CONFIDENCE = "no_confidence"
    NO_CALIBRATION = "no_calibration"
    STALE_CALIBRATION = "stale_calibration"
    ROUTE_UNPROVEN = "route_unproven"
    NO_SECOND_OPINION = "no_second_opinion"
    OPINIONS_DISAGREE = "opinions_disagree"
    TAMPERING = "tampering"
    UNLIKE_EXAMPLES = "unlike_examples"
    PARTS_DISAGREE = "parts_disagree"
    BELOW_THRESHOLD = "below_threshold"
    FIELDS_MISSING = "fields_missing"
    FIELDS_UNSURE = "fields_unsure"
    CHECK_FAILED = "check_failed"
    COMPLETE = "complete"
    MODE_ASSIST = "mode_assist"
    OUTSIDE_CANARY = "outside_canary"
    AUDIT = "audit"
    OUT_OF_SCOPE = "out_of_scope"
    EVENT_UNKNOWN = "event_unknown"
    EVENT_NOT_ALLOWED = "event_not_allowed"
    EVENT_EARLY = "event_early"
    CASE_UNNAMED = "case_unnamed"
    DEADLINE_MOOT = "deadline_moot"
    ACTION_NOT_ALLOWED = "action_not_allowed"
    PARAMETERS_MISSING = "parameters_missing"
    PARAMETERS_UNSUPPORTED = "parameters_unsupported"
    PRECONDITION_FAILED = "precondition_failed"
    NEEDS_APPROVAL = "needs_approval"
    NEEDS_TWO_PEOPLE = "needs_two_people"
    EDITS_CONTRADICT = "edits_contradict"
    MAYBE_SAME = "maybe_same"
    SYSTEMS_AGREE = "systems_agree"
    RULE_ADDED = "rule_added"
    FIELD_LOST = "field_lost"
    SAID = "said"
    APPROVED = "approved"
    OVERRIDDEN = "overridden"
    DISMISSED = "dismissed"
    COMPLETED = "completed"
    LEFT_OUT = "left_out"


class RuleAction(StrEnum):
    """What a matching rule does."""

    ROUTE = "route"
    """Routes an item that the model may not route alone."""
    PERSON = "person"
    """Sends the item to a person, however sure the model is."""
    REJECT = "reject"
    """Ends the item: nothing is written."""


class RuleMatch(Frozen):
    """The first rule of a policy that matched an item."""

    name: str
    action: RuleAction
    route: str | None = None
    flags: tuple[str, ...] = ()

    @property
    def takes_over(self) -> bool:
        """Whether it decides about the item whatever model and examples say of it."""
        return self.action is not RuleAction.ROUTE


class Terms(Frozen):
    """What `decide` needs to know of a policy.

    Attributes:
        fingerprint: of the whole policy, kept with each decision.
        canary_share: share of decisions, 0 to 1, that act alone in canary mode.
        audit_share: share of what would be routed automatically, 0 to 1, that a person decides
            blindly instead: the only honest misroute figure of a running workflow. In canary
            mode it is at least `domain.decide.CANARY_AUDIT_SHARE`.
        ends_out_of_scope: whether a message for which surely no route fits ends by itself.
        proofs: what was proven, by the source of the confidence; empty when nothing ever was.
    """

    policy: str
    fingerprint: str
    mode: Mode
    routes: frozenset[str]
    canary_share: float = Field(default=0, ge=0, le=1)
    audit_share: float = Field(default=0, ge=0, le=1)
    ends_out_of_scope: bool = False
    proofs: dict[Source, Proof] = Field(default_factory=dict)


class Decision(Frozen):
    """What shall happen with an item, and why.

    Attributes:
        route: where it goes; None while a person must still decide, when nothing is written, and in
            a workflow without routes.
        proposed: the label that model and examples came to together.
        source: where the confidence in it comes from.
        holds: every reason for which the proposal may not act alone.
        filled: what a person filled in or corrected, by field, in its one spelling.
        writes: whether anything may leave the house.
        by: who decided: `model`, `examples`, `rule`, `checks`, or the name a reviewer gave.
        plan: for an event of a case, the action with its parameters; None where none is proposed.
    """

    kind: Kind
    reason: Reason
    route: str | None
    proposed: str | None = None
    source: Source = Source.NONE
    holds: tuple[Reason, ...] = ()
    rule: str | None = None
    flags: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    filled: dict[str, str] = Field(default_factory=dict)
    confidence: float | None = None
    threshold: float | None = None
    mode: Mode
    writes: bool
    by: str
    note: str = ""
    proposal_hash: str
    policy_fingerprint: str
    plan: Plan | None = None
    decided_at: AwareDatetime

    @property
    def waits(self) -> bool:
        """Whether a person must still answer."""
        return self.kind is Kind.HUMAN and self.reason not in SETTLED

    @property
    def incomplete(self) -> bool:
        """Whether a person is asked because of the fields, in a mode in which something may go out meanwhile."""
        return self.waits and self.reason in INCOMPLETE and self.mode in (Mode.CANARY, Mode.AUTO)

    @property
    def blind(self) -> bool:
        """Whether the person who decides must not see what was proposed."""
        return self.reason is Reason.AUDIT


INCOMPLETE = frozenset({Reason.FIELDS_MISSING, Reason.FIELDS_UNSURE, Reason.CHECK_FAILED})
"""Reasons that whoever sent the message could mend."""

SETTLED = frozenset(
    {Reason.APPROVED, Reason.OVERRIDDEN, Reason.DISMISSED, Reason.COMPLETED, Reason.LEFT_OUT, Reason.SAID}
)
"""Reasons that only a person's answer gives."""

OF_CASES = frozenset(
    {
        Reason.EVENT_UNKNOWN,
        Reason.EVENT_NOT_ALLOWED,
        Reason.EVENT_EARLY,
        Reason.CASE_UNNAMED,
        Reason.DEADLINE_MOOT,
        Reason.ACTION_NOT_ALLOWED,
        Reason.PARAMETERS_MISSING,
        Reason.PARAMETERS_UNSUPPORTED,
        Reason.PRECONDITION_FAILED,
        Reason.NEEDS_APPROVAL,
        Reason.NEEDS_TWO_PEOPLE,
    }
)
"""Reasons that only an event of a case gives; see `domain.action`."""

OF_RECORDS = frozenset(
    {Reason.EDITS_CONTRADICT, Reason.MAYBE_SAME, Reason.SYSTEMS_AGREE, Reason.RULE_ADDED, Reason.FIELD_LOST}
)
"""Reasons that only records which are kept in step give."""

ENRICH = "needs_enrichment"
"""Flag of an item that was routed though required fields are missing."""
