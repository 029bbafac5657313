"""Predicts each [MASK] in lines of text from two pieces on either side.

    echo 'The [MASK] sat.' | python -m bert_tf.ngram.predict --model_file=M.npz

The answers are JSON lines in the format of bert_tf.predict.
"""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.ngram import model_file
from bert_tf.ngram.scoring import guesses
from data_pipelines.datasets.text_files import standard_input_lines
from data_pipelines.files.json_files import to_json
from data_pipelines.programs import cli
from data_pipelines.tokenizers.tokenizer import Tokenizer, make_tokenizer
from data_pipelines.tokenizers.vocabulary import MASK


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """Options of the program."""

    model_file: str = cli.option(
        cli.REQUIRED, "The file written by bert_tf.ngram.train."
    )
    top_k: int = cli.option(5, "Number of predictions for a mask.")

    def __post_init__(self) -> None:
        cli.require_positive(top_k=self.top_k)


def predict(
    loaded: model_file.TrigramFile, tokenizer: Tokenizer, text: str, top_k: int
) -> dict[str, Any]:
    """Predicts the masks: `tokens` and `probabilities` `(masks, top_k)`, best first."""
    token_ids, *others = tokenizer.tokenize(tf.constant(text.split(MASK))).to_list()
    mask_id = loaded.vocabulary.mask_id
    for part in others:
        token_ids += [mask_id, *part]
    tokens, probabilities = [], []
    for place in np.flatnonzero(np.equal(token_ids, mask_id)).tolist():
        found = guesses(loaded.model, loaded.vocabulary, token_ids, place)
        best = np.argsort(-found, kind="stable")[:top_k]
        tokens.append([loaded.vocabulary.tokens[i] for i in best])
        probabilities.append(found[best].tolist())
    return {"text": text, "tokens": tokens, "probabilities": probabilities}


def main(options: PredictOptions) -> None:
    """Answers the lines of standard input."""
    loaded = model_file.load(options.model_file)
    tokenizer = make_tokenizer(loaded.vocabulary)
    for text in standard_input_lines():
        answer = predict(loaded, tokenizer, text, options.top_k)
        print(to_json(answer, ensure_ascii=False))


if __name__ == "__main__":
    cli.run(PredictOptions, main, __doc__)
