"""Server of `benchmarks.serving` that runs PyTorch in eager mode."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
import torch
import transformers

from bert_tf.serve import ServeOptions
from bert_tf.serving.server import app
from bert_tf.serving.server.saved_model import Arrays
from data_pipelines.programs import cli


class TorchSignature:
    """Classifies texts like the SavedModel signature of the same name."""

    method = "predict"
    name = "classify_texts"
    definition = SimpleNamespace(inputs={"texts": None})

    def __init__(self, folder: str) -> None:
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        kind = transformers.AutoModelForSequenceClassification
        self._model = kind.from_pretrained(folder).eval()
        self._labels = np.array(list(self._model.config.id2label.values()), object)

    def spec(self, name: str) -> tuple[tf.DType, tuple[int | None, ...]]:
        """Returns the type and shape of the only input."""
        return tf.string, (None,)

    def check(self, inputs: Arrays) -> int:
        """Returns the number of texts."""
        return len(inputs["texts"])

    def answer(self, inputs: Arrays) -> Arrays:
        """Returns the label of each text, and the probabilities."""
        texts = [text.decode() for text in inputs["texts"]]
        batch = self._tokenizer(
            texts, padding=True, truncation=True, max_length=128, return_tensors="pt"
        )
        with torch.inference_mode():
            shares = self._model(**batch).logits.softmax(dim=-1).numpy()
        labels = np.array([b"%d" % n for n in shares.argmax(axis=1)], object)
        return {"label": labels, "probabilities": shares}


def load(path: str) -> Any:
    """Loads a model version for `ServedModels`."""
    return SimpleNamespace(signatures={"serving_default": TorchSignature(path)})


def main(options: ServeOptions) -> None:
    """Runs the server."""
    asyncio.run(
        app.serve(
            options.base_paths(),
            options.limits(),
            host=options.host,
            rest_port=options.rest_api_port,
            grpc_port=options.port,
            enable_batching=options.enable_batching,
            batch_timeout_seconds=0.0,
            load=load,
        )
    )


if __name__ == "__main__":
    cli.run(ServeOptions, main, __doc__)
