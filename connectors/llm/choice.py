"""Which model answers: the endpoint that the environment names, the embedded one, or none."""

from connectors.llm import embedded
from connectors.llm.openai_compatible import OpenAICompatible
from connectors.settings import Settings
from domain.errors import PolicyInvalid

NOBODY = "none"
"""The model's name where there is none: rules and people decide."""


def open_model(settings: Settings) -> OpenAICompatible | None:
    """The model to ask; None when there is neither an endpoint nor the extra `local`.

    Raises:
        PolicyInvalid: an endpoint is named without a model.
    """
    if settings.llm == "off":
        return None
    if settings.llm_base_url:
        if not settings.llm_model:
            raise PolicyInvalid("INTERLOCK_LLM_BASE_URL is set: set INTERLOCK_LLM_MODEL too")
        key = settings.llm_api_key.get_secret_value() or "none"
        return OpenAICompatible(settings.llm_base_url, settings.llm_model, key)
    return embedded.EmbeddedModel(settings.llm_threads) if embedded.is_installed() else None
