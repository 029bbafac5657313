"""BERT beside what came before it and what followed, on one text and in the same time.

    python -m bert_tf.compare --corpus='books/*.txt.gz' --output_dir=comparison \\
        --datasets=glue/sst2,conll2003 --systems=ngram,skip_gram,elmo,gpt,bert,modern \\
        --budget=30m
    python -m bert_tf.compare --corpus='books/*.txt.gz' --output_dir=table_8 \\
        --ablation=masking --datasets=conll2003 --budget=30m

Each system is trained for the same time on the same text, by the verbs that a user has,
and measured alike: masked pieces of held-out text, perplexity, word similarity, the
datasets, size and speed. `report.html` has it all, `results.json` the figures, and each
system's `log.txt` its commands. What a system lacks in the end, the same command tries
again; what is done is kept.
"""

import dataclasses
import json
import os
import posixpath
import re
import signal
import sys
from typing import Any, Literal, get_args

import tensorflow as tf

from bert_tf.baselines.scores import baseline_scores
from bert_tf.comparison import measuring, programs
from bert_tf.comparison.outcome import Outcome
from bert_tf.comparison.systems import ABLATIONS, SYSTEMS, Ablation, System
from bert_tf.comparison.systems import Name as SystemName
from bert_tf.comparison.training import LOG, Text, train
from bert_tf.report.comparison import comparison_report, text_table
from bert_tf.tasks.data_options import read
from bert_tf.training.loop import PREEMPTED_EXIT_CODE
from bert_tf.training.output_dir import claim
from bert_tf.word_vectors.quality import check_files
from data_pipelines.corpus.documents import Separator, expand_sources
from data_pipelines.datasets import catalog
from data_pipelines.files.atomic import write_file
from data_pipelines.pretraining.record_folder import MANIFEST, read_manifest
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

RESULTS = "results.json"
REPORT = "report.html"

_SECONDS = {"s": 1, "m": 60, "h": 3600}
# What may change when a comparison is gone on with: more of it, but none anew.
_FREE_OPTIONS = ("output_dir", "systems", "datasets")


@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """What the program can be told."""

    corpus: tuple[str, ...] = cli.option(
        cli.REQUIRED, "Text: files or patterns such as 'corpus/*.txt', or tfds:NAME."
    )
    output_dir: str = cli.option(cli.REQUIRED, "Folder of the models and the report.")
    systems: tuple[str, ...] = cli.option(
        get_args(SystemName), "What is compared, in this order."
    )
    ablation: Ablation | None = cli.option(
        None,
        "Instead of systems, BERT with a part changed: pretraining_tasks (table 5 of "
        "the paper), sizes (table 6), masking (table 8).",
    )
    datasets: tuple[str, ...] = cli.option(
        (), "To fine-tune on: names of the catalogue, each with =FOLDER of its files."
    )
    budget: str = cli.option("30m", "Training of each system: 90s, 30m, 2h.")
    separator: Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    holdout_fraction: float = cli.option(
        0.02, "Share of the documents that the models are asked about."
    )
    preset: Literal["tiny", "mini", "small", "medium", "base"] = cli.option(
        "mini", "Size of the models; static vectors are as wide as their layers."
    )
    vocab_size: int = cli.option(16_384, "Pieces.")
    sequence_length: int = cli.option(64, "Tokens of a row.")
    batch_size: int = cli.option(32, "Rows of a step.")
    learning_rate: float = cli.option(1e-3, "Of pre-training; ELECTRA's is 5e-4.")
    dtype: Literal["float32", "bfloat16"] = cli.option(
        "float32", "What pre-training computes in."
    )
    num_seeds: int = cli.option(3, "Runs of each fine-tuning.")
    num_epochs: float = cli.option(3.0, "Of each fine-tuning.")
    finetuning_learning_rate: float = cli.option(3e-4, "Of each fine-tuning.")
    max_train_examples: int | None = cli.option(
        None, "Fine-tunes on the first so many examples alone."
    )
    pairs_files: tuple[str, ...] = cli.option(
        (), "Word pairs with scores, such as SimLex-999, for static vectors."
    )
    questions_file: str | None = cli.option(None, "Analogies, for static vectors.")
    seed: int = cli.option(0, "Of all.")

    def __post_init__(self) -> None:
        unknown = sorted(set(self.systems) - set(SYSTEMS))
        if unknown or not self.systems:
            raise ValueError(
                f"Received the systems {unknown or list(self.systems)}. Expected some "
                f"of {list(SYSTEMS)}."
            )
        if self.num_seeds < 1:
            raise ValueError(
                f"Received num_seeds={self.num_seeds}. Expected 1 or more."
            )
        _ = self.seconds
        for name in self.folders:
            catalog.find(name)

    @property
    def seconds(self) -> float:
        """Of the budget."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", self.budget)
        if not found or float(found[1]) == 0:
            raise ValueError(
                f"Received budget={self.budget!r}. Expected a time: 90s, 30m, 2h."
            )
        return float(found[1]) * _SECONDS[found[2]]

    @property
    def folders(self) -> dict[str, str | None]:
        """Of the datasets, by name; None: TFDS loads it."""
        pairs = [dataset.partition("=") for dataset in self.datasets]
        return {name: folder or None for name, _, folder in pairs}

    @property
    def chosen(self) -> dict[str, System]:
        """What is compared, by name."""
        if self.ablation is not None:
            return ABLATIONS[self.ablation]
        return {name: SYSTEMS[name] for name in self.systems}


def compare(options: CompareOptions) -> dict[str, Outcome]:
    """Trains and measures all systems, and writes the report.

    Returns:
        What was found, by the name of the system.

    Raises:
        ValueError, FileNotFoundError: options or files are wrong; nothing was written.
    """
    expand_sources(options.corpus)
    check_files(options.pairs_files, options.questions_file)
    data = {name: _read(name, folder) for name, folder in options.folders.items()}
    claim(options.output_dir, options, _FREE_OPTIONS)
    guesses = _simple_guesses(options, data)
    outcomes: dict[str, Outcome] = {}
    for name, system in options.chosen.items():
        outcomes[name] = Outcome(system.title)
        _run(options, name, system, outcomes[name], data)
        _write(options, outcomes, guesses)
    return outcomes


def _run(
    options: CompareOptions,
    name: str,
    system: System,
    outcome: Outcome,
    data: dict[str, Any],
) -> None:
    """All steps of a system; what fails is noted, and the rest goes on if it can."""
    folder = posixpath.join(options.output_dir, name)

    def step(title: str, function: Any, *arguments: Any) -> Any:
        print(f"{system.title}: {title}", flush=True)
        try:
            return function(*arguments)
        except (programs.Failed, ValueError, OSError, tf.errors.OpError) as error:
            line = " ".join(str(error).split())[:500]
            print(f"{system.title}: {title} failed: {line}", file=sys.stderr)
            outcome.failures.append(f"{title}: {line}")
            return None

    text = step("text", _text, options, system)
    if text is None:
        return
    outcome.trained = step(
        "training",
        train,
        system,
        text,
        folder,
        options.seconds,
        {
            "preset": options.preset,
            "sequence_length": options.sequence_length,
            "batch_size": options.batch_size,
            "optimizer": "adamw",
            "beta_2": 0.98,
            "learning_rate": options.learning_rate,
            "dtype": options.dtype,
            "seed": options.seed,
        },
        len(Vocabulary.from_file(text.vocab_file)),
    )
    if outcome.trained is None:
        return
    outcome.num_weights, outcome.num_bytes = measuring.size(system, folder)
    length = options.sequence_length
    found = step("held-out text", measuring.heldout, system, text, folder, length)
    outcome.heldout = found or {}
    found = step(
        "word similarity",
        measuring.similarities,
        system,
        folder,
        options.pairs_files,
        options.questions_file,
    )
    outcome.similarities = found or {}
    for dataset, data_dir in options.folders.items():
        values = {
            "dataset": dataset,
            "data_dir": data_dir,
            "num_epochs": options.num_epochs,
            "learning_rate": options.finetuning_learning_rate,
            "max_train_examples": options.max_train_examples,
            "baselines": False,
            "seed": options.seed,
        }
        score = step(
            dataset, measuring.task, system, folder, dataset, values, options.num_seeds
        )
        if score is None:
            continue
        outcome.tasks[dataset] = score
        if outcome.texts_per_second is None:
            model_folder = measuring.task_dir(folder, dataset)
            dev = data[dataset][2]
            outcome.texts_per_second = step(
                "speed", measuring.texts_per_second, model_folder, dev
            )


def _text(options: CompareOptions, system: System) -> Text:
    """Vocabulary and records, made by the first system that needs them."""
    tokenizer = system.tokenizer
    folder = posixpath.join(options.output_dir, "text", tokenizer)
    text = Text(
        options.corpus,
        options.separator,
        vocab_file=posixpath.join(folder, "vocab.txt"),
        records_dir=posixpath.join(folder, "records"),
        lower_case=tokenizer == "wordpiece",
    )
    tf.io.gfile.makedirs(folder)
    log = posixpath.join(folder, LOG)
    common = {
        "input_files": text.input_files,
        "separator": text.separator,
        "vocab_file": text.vocab_file,
        "lower_case": text.lower_case,
    }
    if not tf.io.gfile.exists(text.vocab_file):
        programs.run(
            "data_pipelines.learn_vocabulary",
            {**common, "tokenizer": tokenizer, "vocab_size": options.vocab_size},
            log,
        )
    if not tf.io.gfile.exists(posixpath.join(text.records_dir, MANIFEST)):
        programs.run(
            "data_pipelines.create_pretraining_data",
            {
                **common,
                "output_dir": text.records_dir,
                "holdout_fraction": options.holdout_fraction,
                "seed": options.seed,
            },
            log,
        )
    manifest = read_manifest(text.records_dir)
    if not manifest.get("heldout_counts", {}).get("parts"):
        raise ValueError(
            f"None of {manifest['counts']['documents']} documents was held out with "
            f"holdout_fraction={options.holdout_fraction}. Expected some, to ask the "
            "models about: raise it, or divide the text into more documents "
            "(--separator=blank_line)."
        )
    return text


def _read(name: str, folder: str | None) -> tuple[Any, list[Any], list[Any]]:
    """The dataset, and its examples to train on and to check with."""
    train_examples, dataset = read(catalog.find(name), "train", folder)
    return dataset, train_examples, read(dataset, "dev", folder)[0]


def _simple_guesses(
    options: CompareOptions, data: dict[str, Any]
) -> dict[str, tuple[str, float]]:
    """The best of each dataset."""
    found = {}
    for name, (dataset, train_examples, dev) in data.items():
        few = train_examples[: options.max_train_examples]
        scores = baseline_scores(dataset, few, dev)
        metric = dataset.metrics[0]
        if scores:
            best = max(scores, key=lambda guess: scores[guess][metric])
            found[name] = best, scores[best][metric]
    return found


def _write(
    options: CompareOptions,
    outcomes: dict[str, Outcome],
    simple_guesses: dict[str, tuple[str, float]],
) -> None:
    """What is known so far."""
    values = {name: outcome.to_dict() for name, outcome in outcomes.items()}
    texts = {RESULTS: json.dumps(values, indent=2) + "\n"}
    shown = list(outcomes.values())
    text = ", ".join(options.corpus)
    commands = [
        line.removeprefix("$ ")
        for name in outcomes
        for line in _lines(posixpath.join(options.output_dir, name, LOG))
        if line.startswith("$ ")
    ]
    texts[REPORT] = comparison_report(
        "BERT and its family" if options.ablation is None else options.ablation,
        facts={
            "text": text,
            "training of each": options.budget,
            "size": options.preset,
            "pieces": f"{options.vocab_size:,}",
            "rows": f"{options.batch_size} of {options.sequence_length} tokens",
            "computed in": options.dtype,
            "processors": str(os.cpu_count()),
        },
        outcomes=shown,
        simple_guesses=simple_guesses,
        # Those of a run that was stopped stand there twice.
        commands="".join(dict.fromkeys(commands)),
    )
    for name, content in texts.items():
        path = posixpath.join(options.output_dir, name)
        write_file(path, content.encode())


def _lines(path: str) -> list[str]:
    if not tf.io.gfile.exists(path):
        return []
    with tf.io.gfile.GFile(path) as file:
        return list(file)


def main(options: CompareOptions) -> int:
    """Compares, and prints the table; 1 if something failed."""

    def stop(*_: Any) -> None:
        sys.exit(PREEMPTED_EXIT_CODE)

    signal.signal(signal.SIGTERM, stop)
    outcomes = compare(options)
    print(text_table(list(outcomes.values())), end="")
    print(f"Look at {options.output_dir}/{REPORT}.")
    return 1 if any(outcome.failures for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    cli.run(CompareOptions, main, __doc__ or "")
