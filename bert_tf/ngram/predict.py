"""Guesses for each [MASK] in lines of text, from two pieces on either side.

    echo 'The [MASK] sat.' | python -m bert_tf.ngram.predict --model_file=M.npz

The answers are JSON lines as those of bert_tf.predict.
"""

import dataclasses
import json
import sys
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.ngram import model_file
from bert_tf.ngram.model_file import TrigramFile
from bert_tf.ngram.scoring import guesses
from data_pipelines.programs import cli
from data_pipelines.tokenizers.tokenizer import Tokenizer, make_tokenizer
from data_pipelines.tokenizers.vocabulary import MASK


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """Options of the program."""

    model_file: str = cli.option(cli.REQUIRED, "The file of bert_tf.ngram.train.")
    top_k: int = cli.option(5, "Number of guesses for a mask.")

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise ValueError(f"Received top_k={self.top_k}. Expected 1 or more.")


def predict(
    loaded: TrigramFile, tokenizer: Tokenizer, text: str, top_k: int
) -> dict[str, Any]:
    """The text, and `tokens` and `probabilities` `(masks, top_k)`, best first."""
    first, *others = tokenizer.tokenize(tf.constant(text.split(MASK))).to_list()
    token_ids, places = first, []
    for part in others:
        places.append(len(token_ids))
        token_ids = [*token_ids, loaded.vocabulary.mask_id, *part]
    tokens, probabilities = [], []
    for place in places:
        found = guesses(loaded.model, loaded.vocabulary, token_ids, place)
        best = np.argsort(-found, kind="stable")[:top_k]
        tokens.append([loaded.vocabulary.tokens[i] for i in best])
        probabilities.append(found[best].tolist())
    return {"text": text, "tokens": tokens, "probabilities": probabilities}


def main(options: PredictOptions) -> None:
    """Answers standard input, line by line."""
    loaded = model_file.load(options.model_file)
    tokenizer = make_tokenizer(loaded.vocabulary)
    for line in sys.stdin.buffer:
        text = line.rstrip(b"\r\n").decode("utf-8", "replace")
        answer = predict(loaded, tokenizer, text, options.top_k)
        print(json.dumps(answer, ensure_ascii=False))


if __name__ == "__main__":
    cli.run(PredictOptions, main, __doc__)
