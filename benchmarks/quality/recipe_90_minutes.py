"""The recipe of docs/recipe_90_minutes.md, with its steps scaled to a budget.

    python -m benchmarks.quality.recipe_90_minutes --input_files='text/train-*.jsonl' \\
        --output_dir=models/recipe_90_minutes --budget=90m

The time of the vocabulary, the records and the vectors is part of the budget. Of the
text it takes as large a share of the files as the budget is of 90 minutes, all of them
from 90 minutes on: the vectors of the whole text alone take longer than five minutes.
The same command resumes a stopped training within the rest of the budget.
"""

import math
import os
import shutil
from typing import Any

from benchmarks.quality import side
from benchmarks.quality.side import SideOptions
from bert_tf.comparison import programs
from bert_tf.learn_vectors import LearnVectorsOptions
from bert_tf.models.config import BertConfig, preset
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.corpus.documents import expand_sources
from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.learn_vocabulary import LearnVocabularyOptions
from data_pipelines.programs import cli

# Written when vocabulary, records and vectors are there: the time that is left then.
_PREPARED = "prepared.json"
_FULL_SECONDS = 90 * 60


def mini_config() -> BertConfig:
    """Returns the `mini.json` of the recipe."""
    return preset(
        "mini",
        side.VOCAB_SIZE,
        max_position_embeddings=512,
        norm_position="pre",
        position_embeddings="rotary",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def scaled_files(input_files: str, seconds: float) -> list[str]:
    """Returns the files that a budget has time for, at least one."""
    files = expand_sources([input_files])
    return files[: math.ceil(len(files) * min(1.0, seconds / _FULL_SECONDS))]


def main(options: SideOptions) -> None:
    """Runs the four commands; the last one gets the time that is left."""
    budget = options.start()
    folder = options.output_dir
    vocabulary, records, vectors, config, prepared = (
        os.path.join(folder, name)
        for name in ("vocab.txt", "records", "vectors.bin", "mini.json", _PREPARED)
    )
    files = tuple(scaled_files(options.input_files, budget.seconds))
    if not os.path.exists(prepared):
        # What a stopped preparation leaves took time that nobody counted.
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        write_file(config, mini_config().to_json().encode())
        _run(
            "data_pipelines.learn_vocabulary",
            LearnVocabularyOptions(
                input_files=files, vocab_size=side.VOCAB_SIZE, vocab_file=vocabulary
            ),
            folder,
        )
        _run(
            "data_pipelines.create_pretraining_data",
            CreatePretrainingDataOptions(
                input_files=files,
                vocab_file=vocabulary,
                output_dir=records,
                holdout_fraction=0.01,
            ),
            folder,
        )
        _run(
            "bert_tf.learn_vectors",
            LearnVectorsOptions(
                records_dir=records,
                vocab_file=vocabulary,
                vector_size=256,
                num_epochs=3,
                vectors_file=vectors,
            ),
            folder,
        )
        if budget.left <= 1:
            raise budget.too_short(budget.used)
        write_json(prepared, {"seconds_left": round(budget.left)})
    left = read_json(prepared)["seconds_left"]
    _run(
        "bert_tf.pretrain",
        PretrainOptions(
            records_dir=records,
            vocab_file=vocabulary,
            token_vectors=vectors,
            config_file=config,
            output_dir=os.path.join(folder, "model"),
            dtype="bfloat16",
            optimizer="adamw",
            beta_2=0.98,
            learning_rate=1e-3,
            budget=f"{left}s",
            batch_size=32,
            mlm_rate=0.2,
            sequence_length=64,
            long_sequence_length=256,
            seed=options.seed,
        ),
        folder,
    )


def _run(module: str, options: Any, folder: str) -> None:
    """Runs a program; its output is in `recipe.log` of the folder.

    Raises:
        ValueError: it failed.
    """
    log = os.path.join(folder, "recipe.log")
    try:
        programs.run(module, options, log)
    except programs.Failed as error:
        raise ValueError(f"{module} failed: {error} (all of it: {log})") from None


if __name__ == "__main__":
    cli.run(SideOptions, main, __doc__)
