"""Lines of text to lines of JSON, by the functions that `export` saves.

echo 'The [MASK] sat on the mat.' | python -m bert_tf.predict --model_dir=M
"""

import contextlib
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Literal

import numpy as np
import tensorflow as tf

from bert_tf import model_dir, serving
from data_pipelines import cli


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """What the program can be told."""

    model_dir: str = cli.option(
        cli.REQUIRED, "The model folder that bert_tf.pretrain wrote."
    )
    signature: Literal["fill_mask", "embed"] = cli.option(
        "fill_mask", "fill_mask: guesses for each [MASK]. embed: vectors."
    )
    input_file: str | None = cli.option(
        None, "A text on each line. Default: standard input."
    )
    output_file: str | None = cli.option(
        None, "A JSON object on each line. Default: standard output."
    )
    batch_size: int = cli.option(32, "How many texts are run at once.")
    top_k: int = cli.option(5, "How many guesses fill_mask gives for a mask.")
    embedding_layer: int = cli.option(
        -1, "The layer that embed reads: 0 the embeddings, -1 the last block."
    )


def predict(
    text_model: serving.TextModel,
    signature: str,
    texts: Iterable[bytes],
    batch_size: int = 32,
) -> Iterator[dict[str, Any]]:
    """Answers to the texts, in their order, as plain values.

    Args:
        text_model: the model.
        signature: "fill_mask" or "embed".
        texts: UTF-8 strings; read as they are needed.
        batch_size: how many are run at once.

    Yields:
        For each text, a dict with the text and what the signature returns.
    """
    function = text_model.signatures()[signature]
    texts = iter(texts)
    while batch := list(itertools.islice(texts, batch_size)):
        answers = {k: v.numpy() for k, v in function(tf.constant(batch)).items()}
        for index, text in enumerate(batch):
            row = {name: values[index] for name, values in answers.items()}
            yield {"text": text.decode("utf-8", "replace"), **_plain(row)}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Lists of Python values, without the masks that a text does not have."""
    if "tokens" in row:
        real = row["probabilities"][:, 0] > 0
        tokens = np.char.decode(row["tokens"][real].astype(bytes), "utf-8")
        row = {**row, "tokens": tokens, "probabilities": row["probabilities"][real]}
    return {name: np.asarray(value).tolist() for name, value in row.items()}


def main(options: PredictOptions) -> None:
    """Streams the texts through the model."""
    if options.batch_size < 1:
        raise ValueError(
            f"Received batch_size={options.batch_size}. Expected 1 or more."
        )
    loaded = model_dir.load(options.model_dir)
    text_model = serving.TextModel(
        loaded.model,
        loaded.vocabulary,
        loaded.description.lower_case,
        top_k=options.top_k,
        embedding_layer=options.embedding_layer,
    )
    with contextlib.ExitStack() as stack:
        lines = _open(stack, options.input_file, "rb", sys.stdin.buffer)
        output = _open(stack, options.output_file, "wb", sys.stdout.buffer)
        texts = (line.rstrip(b"\r\n") for line in lines)
        for answer in predict(text_model, options.signature, texts, options.batch_size):
            output.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")


def _open(
    stack: contextlib.ExitStack, path: str | None, mode: str, default: BinaryIO
) -> Any:
    if path is None:
        return default
    if mode == "wb" and tf.io.gfile.exists(path):
        raise ValueError(
            f"{path} exists already. Expected a new file: remove it or choose another."
        )
    return stack.enter_context(tf.io.gfile.GFile(path, mode))


if __name__ == "__main__":
    cli.run(PredictOptions, main, __doc__)
