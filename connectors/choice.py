"""Which model answers and how examples are searched, by what the environment names and what is installed.

The libraries behind them take seconds to import and not every flow run needs them: a
review only waits for a person. So they are imported when they are opened.
"""

from collections.abc import Sequence

from connectors.ports import Examples, Labelled, LanguageModel
from connectors.settings import Settings
from domain.errors import PolicyInvalid

NOBODY = "none"
"""The model's name where there is none: rules and people decide."""


def open_model(settings: Settings) -> LanguageModel | None:
    """The endpoint that the environment names, the embedded model, or None where there is neither.

    Raises:
        PolicyInvalid: an endpoint is named without a model.
    """
    if settings.llm == "off":
        return None
    from connectors.llm import embedded  # noqa: PLC0415
    from connectors.llm.openai_compatible import OpenAICompatible  # noqa: PLC0415

    if settings.llm_base_url:
        if not settings.llm_model:
            raise PolicyInvalid("INTERLOCK_LLM_BASE_URL is set: set INTERLOCK_LLM_MODEL too")
        key = settings.llm_api_key.get_secret_value() or "none"
        return OpenAICompatible(settings.llm_base_url, settings.llm_model, key)
    return embedded.EmbeddedModel(settings.llm_threads) if embedded.is_installed() else None


def open_examples(settings: Settings, examples: Sequence[Labelled]) -> Examples:
    """An index over labelled examples: by the embeddings that the environment names, MiniLM, or words alone.

    Raises:
        PolicyInvalid: an embeddings endpoint is named without a model.
    """
    from connectors.examples import minilm  # noqa: PLC0415
    from connectors.examples.endpoint import EmbeddingsEndpoint  # noqa: PLC0415
    from connectors.examples.index import Embedder, LabelledExamples  # noqa: PLC0415

    embedder: Embedder | None = None
    if settings.embeddings_base_url:
        if not settings.embeddings_model:
            raise PolicyInvalid("INTERLOCK_EMBEDDINGS_BASE_URL is set: set INTERLOCK_EMBEDDINGS_MODEL too")
        key = settings.embeddings_api_key.get_secret_value() or "none"
        embedder = EmbeddingsEndpoint(settings.embeddings_base_url, settings.embeddings_model, key)
    elif settings.embeddings == "on" and minilm.is_installed():
        embedder = minilm.MiniLM(settings.llm_threads)
    return LabelledExamples(examples, embedder, settings.home / "embeddings")
