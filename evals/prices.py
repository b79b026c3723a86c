"""What a run's tokens cost, by a table of prices that the user keeps."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from domain.errors import InputInvalid
from domain.proposal import Proposal, Tokens
from domain.values import Frozen
from evals.recorded import Row, Run

ANY_MODEL = "*"
"""The name under which the table prices models that it does not name."""

FORM = "Write one entry a model, or '*': {prompt_per_million: 0.15, completion_per_million: 0.6}."


class Price(Frozen):
    """Prices per million tokens, in any one currency.

    Attributes:
        cached_per_million: of prompt tokens that were not evaluated again; None for the prompt's own price.
    """

    prompt_per_million: float = Field(ge=0, allow_inf_nan=False)
    completion_per_million: float = Field(ge=0, allow_inf_nan=False)
    cached_per_million: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class Prices(Frozen):
    """The price table: by model, `*` for all others."""

    models: dict[str, Price] = Field(min_length=1)

    def cost(self, run: Run) -> float | None:
        """What the run's calls cost, in the table's currency; None when the table has no price for its model.

        A run without calls costs nothing. Items of one text share one call.
        """
        calls = asked_once(run.rows)
        if not any(proposal.calls for proposal in calls):
            return 0.0
        price = self.models.get(run.model, self.models.get(ANY_MODEL))
        return None if price is None else sum(_cost(proposal, price) for proposal in calls)


def load_prices(path: Path) -> Prices:
    """The price table in a YAML or JSON file: a model's name, or `*`, to its `Price`.

    Raises:
        InputInvalid: there is no such file, or it is no price table; names the place and the mend.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML
        return Prices.model_validate({"models": raw})
    except FileNotFoundError as exc:
        raise InputInvalid(f"{path}: no such price table. {FORM}") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise InputInvalid(f"{path}: cannot be read ({exc}). Save it as UTF-8 text.") from exc
    except ValidationError as exc:
        fault = exc.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"][1:])
        raise InputInvalid(f"{path}: {where + ': ' if where else ''}{fault['msg']}. {FORM}") from exc
    except (yaml.YAMLError, ValueError) as exc:
        raise InputInvalid(f"{path}: not YAML or JSON. {FORM}") from exc


def asked_once(rows: Iterable[Row]) -> list[Proposal]:
    """Each proposal once: items of one text, and so of one key, were asked about with one call."""
    return list({row.proposal.key: row.proposal for row in rows}.values())


def tokens_of(proposals: Sequence[Proposal]) -> Tokens:
    """All tokens of the proposals together."""
    return Tokens(
        prompt=sum(proposal.tokens.prompt for proposal in proposals),
        completion=sum(proposal.tokens.completion for proposal in proposals),
        cached=sum(proposal.tokens.cached for proposal in proposals),
    )


def _cost(proposal: Proposal, price: Price) -> float:
    tokens = proposal.tokens
    cached_price = price.prompt_per_million if price.cached_per_million is None else price.cached_per_million
    cached = min(tokens.cached, tokens.prompt)
    spent = (tokens.prompt - cached) * price.prompt_per_million + cached * cached_price
    return (spent + tokens.completion * price.completion_per_million) / 1_000_000
