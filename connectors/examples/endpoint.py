"""Embeddings from any OpenAI-compatible endpoint."""

from collections.abc import Sequence

import numpy as np
import openai

from connectors.examples.lexical import Vectors, unit
from connectors.llm.openai_compatible import from_openai
from domain.errors import BadRequest

BATCH = 128
"""Texts a request; the smallest limit that was met is 256."""


class EmbeddingsEndpoint:
    """A model behind `POST /embeddings`."""

    def __init__(self, base_url: str, model: str, api_key: str, timeout_s: float = 30.0) -> None:
        self.name = f"{model}@{base_url.rstrip('/')}"
        self._model = model
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, max_retries=0, timeout=timeout_s)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text.

        Raises:
            Retryable: throttled, down, or no answer in time; the same later may do.
            Permanent: the endpoint refuses the request or the key, or answers with something else.
        """
        rows: list[list[float]] = []
        try:
            for start in range(0, len(texts), BATCH):
                batch = list(texts[start : start + BATCH])
                answer = await self._client.embeddings.create(model=self._model, input=batch, encoding_format="float")
                rows += [list(map(float, item.embedding)) for item in sorted(answer.data, key=lambda item: item.index)]
        except openai.OpenAIError as exc:
            raise from_openai(exc, "INTERLOCK_EMBEDDINGS") from exc
        except (AttributeError, TypeError, ValueError) as exc:
            raise BadRequest("the embeddings endpoint answered with something else; check its address") from exc
        if len(rows) != len(texts) or len({len(row) for row in rows}) != 1:
            raise BadRequest(f"the embeddings endpoint gave {len(rows)} vectors for {len(texts)} texts")
        return unit(np.array(rows))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()
