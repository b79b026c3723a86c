"""Reasons in plain words, for reviewers and for the ledger's stories."""

from domain.decision import Reason

BECAUSE: dict[Reason, str] = {
    Reason.CONFIDENT: "the model is sure enough, by a proven threshold, and the examples agree",
    Reason.RULE_ROUTES: "a rule matches",
    Reason.RULE_REJECTS: "a rule ends such messages",
    Reason.RULE_WANTS_PERSON: "a rule leaves such messages to a person",
    Reason.NO_MODEL: "no model is connected",
    Reason.LLM_UNAVAILABLE: "the model could not be reached",
    Reason.LLM_TIMED_OUT: "the model did not answer in time",
    Reason.LLM_THROTTLED: "the model's endpoint refused more requests",
    Reason.LLM_REFUSED: "the model's endpoint refused the request",
    Reason.ANSWER_CUT_OFF: "the model's answer was cut off",
    Reason.ANSWER_NONSENSE: "the model's answer was not readable",
    Reason.UNKNOWN_LABEL: "the model named a route that does not exist",
    Reason.NONE_OF_THESE: "the model thinks that no route fits",
    Reason.NO_CONFIDENCE: "the model's endpoint gives no confidence",
    Reason.NO_CALIBRATION: "no threshold was proven for this policy yet",
    Reason.STALE_CALIBRATION: "the threshold was proven for another model, prompt or set of examples",
    Reason.NO_SECOND_OPINION: "there is no second opinion",
    Reason.OPINIONS_DISAGREE: "the labelled examples disagree with the model",
    Reason.BELOW_THRESHOLD: "the model is less sure than the threshold asks",
    Reason.FIELDS_MISSING: "required fields are missing or malformed",
    Reason.MODE_ASSIST: "in assist mode a person confirms everything",
    Reason.OUTSIDE_CANARY: "in canary mode a person confirms all but a share",
    Reason.APPROVED: "the reviewer agrees with the proposal",
    Reason.OVERRIDDEN: "the reviewer chose another route",
    Reason.DISMISSED: "the reviewer found that no route fits",
}
