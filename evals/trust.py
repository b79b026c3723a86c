"""Whether a workflow's thresholds were proven for the classifier that a run is of."""

from collections import Counter
from collections.abc import Iterable

from domain.calibration import Proof
from domain.confidence import Source, source_of
from domain.decide import fingerprint
from domain.decision import Terms
from evals.recorded import Row, Run
from policies.load import Workflow
from prompts.render import VOTER_PARTS


def main_source(rows: Iterable[Row]) -> Source:
    """Where most of the rows' confidences come from; `none` where none has any."""
    counts = Counter(source for row in rows if (source := source_of(row.proposal)) is not Source.NONE)
    return counts.most_common(1)[0][0] if counts else Source.NONE


def distrust(run: Run, workflow: Workflow, terms: Terms) -> str:
    """Why no threshold is trusted for this run, in a sentence; empty when one is."""
    source = main_source(run.scored)
    proof = terms.proofs.get(source)
    if source is Source.NONE:
        return "no item has a confidence: no threshold can be trusted"
    if workflow.calibration is None:
        return "nothing was calibrated: no threshold was proven"
    if not terms.proofs:
        return "the calibration promises less than the policy does: no threshold is trusted"
    if proof is None:
        return f"the calibration says nothing of confidences from {source.replace('_', ' ')}: no threshold is trusted"
    if all(fingerprint(row.proposal, source) != proof.classifier for row in run.scored):
        return f"the calibration was made with another {_changed(proof, run)}: no threshold is trusted"
    return "" if proof.proven else "no threshold was proven: the labelled items were too few, or too many were wrong"


def _changed(proof: Proof, run: Run) -> str:
    """The classifier's parts that are not those of the proof, by name."""
    counted = VOTER_PARTS if proof.source is Source.EXAMPLES else run.parts
    return ", ".join(part for part in counted if run.parts.get(part) != proof.parts.get(part)) or "classifier"
