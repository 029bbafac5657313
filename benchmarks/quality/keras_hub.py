"""Pre-trains KerasHub's `BertMaskedLM` with `fit` within a budget.

    python -m benchmarks.quality.keras_hub --input_files='text/train-*.jsonl' \\
        --output_dir=models/keras_hub --budget=5m

Its own preprocessor packs and masks the texts, 15 %. The optimizer is that of its guide
to pre-training, Adam with 5e-4; the default of `BertMaskedLM`, 5e-5, is for further
training of published models.
"""

import os
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from benchmarks.peers import keras_hub_backbone
from benchmarks.quality import side
from benchmarks.quality.side import SideOptions
from bert_tf.training.budget import Budget
from data_pipelines.programs import cli

_LEARNING_RATE = 5e-4
# Seconds that are kept for writing the model.
_RESERVE = 8.0
# Words of a text, so that most rows are full: its preprocessor cuts what is longer.
_WORDS = 100


class _StopInTime(keras.callbacks.Callback):
    """Ends the training when its time is up."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self.steps = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.steps += 1
        if self._budget.left < _RESERVE:
            self.model.stop_training = True


def main(options: SideOptions) -> None:
    """Trains the model, and writes it."""
    import keras_hub

    budget = options.start()
    os.makedirs(options.output_dir, exist_ok=True)
    with budget.stage("vocabulary"):
        vocabulary = options.learned_vocabulary()
    keras.utils.set_random_seed(options.seed)
    tokenizer = keras_hub.models.BertTokenizer(list(vocabulary.tokens), lowercase=True)
    predictions = round(side.MASKED_SHARE * side.SEQUENCE_LENGTH)
    model = keras_hub.models.BertMaskedLM(
        keras_hub_backbone(side.mini_config(), "bfloat16"),
        keras_hub.models.BertMaskedLMPreprocessor(
            tokenizer,
            sequence_length=side.SEQUENCE_LENGTH,
            mask_selection_rate=side.MASKED_SHARE,
            mask_selection_length=predictions,
        ),
    )
    model.compile(keras.optimizers.Adam(_LEARNING_RATE))
    texts = tf.data.Dataset.from_generator(
        lambda: _texts(options), output_signature=tf.TensorSpec([], tf.string)
    )
    stop = _StopInTime(budget)
    batches = texts.shuffle(64 * side.BATCH_SIZE, seed=0).batch(side.BATCH_SIZE)
    if budget.left < _RESERVE:
        raise budget.too_short(budget.used + _RESERVE)
    model.fit(batches.prefetch(2), epochs=1, verbose=2, callbacks=[stop])
    model.save_to_preset(os.path.join(options.output_dir, side.PEER_MODEL))
    side.write_training(options.output_dir, stop.steps, predictions)


def _texts(options: SideOptions) -> Iterator[str]:
    for document in options.documents():
        words = document.split()
        for first in range(0, len(words), _WORDS):
            yield " ".join(words[first : first + _WORDS])


if __name__ == "__main__":
    cli.run(SideOptions, main, __doc__)
