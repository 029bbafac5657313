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

from benchmarks.quality import side
from benchmarks.quality.preparation import prepare, run_logged
from benchmarks.quality.side import SideOptions
from bert_tf.models.config import BertConfig, preset
from bert_tf.pretraining.options import PretrainOptions
from data_pipelines.corpus.documents import expand_sources
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json, write_json
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
    config, marker = (os.path.join(folder, name) for name in ("mini.json", _PREPARED))
    log = os.path.join(folder, "recipe.log")
    files = scaled_files(options.input_files, budget.seconds)
    if not os.path.exists(marker):
        # What a stopped preparation leaves took time that nobody counted.
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        write_file(config, mini_config().to_json().encode())
    sizes = side.VOCAB_SIZE, mini_config().hidden_size
    prepared = prepare(files, folder, *sizes, log)
    if not os.path.exists(marker):
        if budget.left <= 1:
            raise budget.too_short(budget.used)
        write_json(marker, {"seconds_left": round(budget.left)})
    left = read_json(marker)["seconds_left"]
    run_logged(
        "bert_tf.pretrain",
        PretrainOptions(
            records_dir=prepared.records,
            vocab_file=prepared.vocabulary,
            token_vectors=prepared.vectors,
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
        log,
    )


if __name__ == "__main__":
    cli.run(SideOptions, main, __doc__)
