"""Compares BERT with its predecessors and successors, on one text in the same time.

    python -m bert_tf.compare --corpus='books/*.txt.gz' --output_dir=comparison \\
        --datasets=glue/sst2,conll2003 --systems=ngram,skip_gram,elmo,gpt,bert,modern \\
        --budget=30m
    python -m bert_tf.compare --corpus='books/*.txt.gz' --output_dir=table_8 \\
        --ablation=masking --datasets=conll2003 --budget=30m

Each system is trained on the same text with the programs that a user has. The budget is
the time of the whole training command, for each system. All are then measured in the
same way: masked pieces of held-out text, perplexity, word similarity, the datasets,
size and speed. `report.html` shows the results, `results.json` has the figures, and
each system's `log.txt` has its commands. If a step fails, the others continue; the same
command retries what failed and keeps what is done.
"""

import dataclasses
import operator
import os
import posixpath
import signal
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from bert_tf.baselines.scores import baseline_scores
from bert_tf.checkpoints import model_dir
from bert_tf.comparison import budget, measuring, programs
from bert_tf.comparison.options import CompareOptions
from bert_tf.comparison.outcome import Outcome, TaskScore, Trained
from bert_tf.comparison.systems import System
from bert_tf.comparison.text import LOG, Text, prepare
from bert_tf.convert import ConvertOptions
from bert_tf.evaluate import EvaluateOptions
from bert_tf.finetune import FinetuneOptions
from bert_tf.learn_vectors import LearnVectorsOptions
from bert_tf.models.config import PRESETS
from bert_tf.ngram.train import TrainOptions
from bert_tf.pretraining.heldout import METRICS
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.report.comparison import comparison_report, text_table
from bert_tf.tasks.data_options import read
from bert_tf.training.output_dir import claim
from bert_tf.training.plan import PLAN, read_plan
from bert_tf.word_vectors.quality import check_files
from data_pipelines.corpus.documents import expand_sources
from data_pipelines.datasets import catalog
from data_pipelines.datasets.sources import Dataset
from data_pipelines.files.atomic import remove, write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.files.locks import locked_folder
from data_pipelines.programs import cli, interruption
from data_pipelines.tokenizers.vocabulary import Vocabulary

RESULTS = "results.json"
REPORT = "report.html"

# Options that may change when a comparison is resumed.
_FREE_OPTIONS = ("output_dir", "systems", "datasets")


def compare(options: CompareOptions) -> dict[str, Outcome]:
    """Trains and measures all systems, and writes the report.

    Returns:
        The results of each system, by its name.

    Raises:
        ValueError, FileNotFoundError: options or files are wrong; nothing was written.
    """
    with locked_folder(options.output_dir):
        return _compare(options)


def _compare(options: CompareOptions) -> dict[str, Outcome]:
    expand_sources(options.corpus)
    check_files(options.pairs_files, options.questions_file)
    data = {name: _read(name, folder) for name, folder in options.folders.items()}
    claim(options.output_dir, options, _FREE_OPTIONS, options.inputs())
    baselines = _best_baselines(options, data)
    dev = {name: examples for name, (_, _, examples) in data.items()}
    outcomes: dict[str, Outcome] = {}
    for name, system in options.chosen.items():
        folder = posixpath.join(options.output_dir, name)
        outcomes[name] = Outcome(system.title)
        _Member(options, system, folder).run(outcomes[name], dev)
        _write(options, outcomes, baselines)
    return outcomes


@dataclasses.dataclass(frozen=True)
class _Member:
    """A system and its folder, in which finished steps are not repeated."""

    options: CompareOptions
    system: System
    folder: str

    def run(self, outcome: Outcome, dev: Mapping[str, Sequence[Any]]) -> None:
        """Trains the system and measures everything that it can do."""
        with outcome.step("text"):
            prepare(self._text, self.options)
        if outcome.failures:
            return
        with outcome.step("training"):
            outcome.trained = self._trained()
            outcome.num_weights, outcome.num_bytes = measuring.size(self._weights)
        if outcome.failures:
            return
        if self.system.verb == "word_vectors":
            with outcome.step("word similarity"):
                outcome.similarities = measuring.similarities(
                    self._vectors_file,
                    self.options.pairs_files,
                    self.options.questions_file,
                )
        else:
            with outcome.step("held-out text"):
                outcome.heldout = self._heldout()
        for dataset in dev if self.system.finetuning is not None else ():
            task_dir = self._path(dataset.replace("/", "_"))
            with outcome.step(dataset):
                outcome.tasks[dataset] = self._finetune(dataset, task_dir)
            if dataset in outcome.tasks and outcome.texts_per_second is None:
                with outcome.step("speed"):
                    outcome.texts_per_second = measuring.texts_per_second(
                        task_dir, dev[dataset]
                    )

    def _trained(self) -> Trained:
        path = self._path("training.json")
        if not tf.io.gfile.exists(path):
            tf.io.gfile.makedirs(self.folder)
            train = {
                "ngram": self._count_ngrams,
                "word_vectors": self._learn_vectors,
                "pretrain": self._pretrain,
            }[self.system.verb]
            write_json(path, dataclasses.asdict(train()))
        return Trained(**read_json(path))

    def _count_ngrams(self) -> Trained:
        remove(self._weights)
        options = TrainOptions(
            records_dir=self._text.records_dir,
            vocab_file=self._text.vocab_file,
            model_file=self._weights,
            **self.system.options,
        )
        seconds = self._program("bert_tf.ngram.train", options)
        return Trained(seconds, "all of the text, once")

    def _learn_vectors(self) -> Trained:
        def learn(path: str, num_epochs: int) -> float:
            remove(path)
            options = LearnVectorsOptions(
                input_files=self.options.corpus,
                separator=self.options.separator,
                lines=self.options.lines,
                vectors_file=path,
                vector_size=PRESETS[self.options.preset]["hidden_size"],
                num_epochs=num_epochs,
                **self.system.options,
            )
            return self._program("bert_tf.learn_vectors", options)

        trial = self._path("trial.bin")
        trials = learn(trial, 1), learn(trial, 2)
        remove(trial)
        epochs = budget.epochs_within(self.options.seconds, *trials)
        seconds = learn(self._vectors_file, epochs)
        if not tf.io.gfile.exists(self._model):
            options = ConvertOptions(source=self._vectors_file, output_dir=self._model)
            self._program("bert_tf.convert", options)
        return Trained(seconds, f"{epochs} epochs")

    def _pretrain(self) -> Trained:
        values: dict[str, Any] = {
            "records_dir": self._text.records_dir,
            "vocab_file": self._text.vocab_file,
            "config_file": self._path("config.json"),
            "preset": self.options.preset,
            "sequence_length": self.options.sequence_length,
            "batch_size": self.options.batch_size,
            "optimizer": "adamw",
            "beta_2": 0.98,
            "learning_rate": 1e-3,
            "dtype": self.options.dtype,
            **self.system.options,
        }
        vocab_size = len(Vocabulary.from_file(self._text.vocab_file))
        config = budget.member_config(self.system, values["preset"], vocab_size)
        write_file(values["config_file"], config.to_json().encode())

        options = PretrainOptions(
            **values, output_dir=self._model, budget=self.options.budget
        )
        self._program("bert_tf.pretrain", options)
        plan = read_plan(posixpath.join(self._model, PLAN))
        seconds = plan.total or max(plan.used.values())
        steps = plan.revisions[-1].pace.num_train_steps
        return Trained(seconds, f"{steps:,} steps")

    def _heldout(self) -> dict[str, float]:
        length = self.options.sequence_length
        path = self._path("heldout", METRICS)
        if tf.io.gfile.exists(path):
            return read_json(path)
        if self.system.verb == "ngram":
            tf.io.gfile.makedirs(self._path("heldout"))
            scores = measuring.ngram_scores(
                self._weights, self._text.records_dir, length
            )
            write_json(path, scores)
        else:
            options = EvaluateOptions(
                model_dir=self._model,
                records_dir=self._text.records_dir,
                sequence_length=length,
                batch_size=32,
                output_dir=self._path("heldout"),
            )
            self._program("bert_tf.evaluate", options)
        return read_json(path)

    def _finetune(self, dataset: str, task_dir: str) -> TaskScore:
        options = FinetuneOptions(
            model_dir=self._model,
            output_dir=task_dir,
            dataset=dataset,
            data_dir=self.options.folders[dataset],
            num_seeds=self.options.num_seeds,
            num_epochs=self.options.num_epochs,
            max_train_examples=self.options.max_train_examples,
            baselines=False,
            **{"learning_rate": 3e-4, **(self.system.finetuning or {})},
        )
        self._program("bert_tf.finetune", options)
        return measuring.task_score(task_dir)

    def _program(self, module: str, options: Any) -> float:
        return programs.run(module, options, self._path(LOG))

    def _path(self, *names: str) -> str:
        return posixpath.join(self.folder, *names)

    @property
    def _text(self) -> Text:
        return Text(self.system.tokenizer, self.options.output_dir)

    @property
    def _model(self) -> str:
        return self._path("model")

    @property
    def _vectors_file(self) -> str:
        return self._path("vectors.bin")

    @property
    def _weights(self) -> str:
        if self.system.verb == "ngram":
            return self._path("trigrams.npz")
        return self._path("model", model_dir.WEIGHTS)


def _read(name: str, folder: str | None) -> tuple[Dataset, list[Any], list[Any]]:
    """Reads a dataset; returns it with its training and development examples."""
    train_examples, dataset = read(catalog.find(name), "train", folder)
    return dataset, train_examples, read(dataset, "dev", folder)[0]


def _best_baselines(
    options: CompareOptions, data: dict[str, Any]
) -> dict[str, tuple[str, float]]:
    """Returns name and score of the best baseline of each dataset."""
    found = {}
    for name, (dataset, train_examples, dev) in data.items():
        few = train_examples[: options.max_train_examples]
        scores = [
            (baseline, values[dataset.metrics[0]])
            for baseline, values in baseline_scores(dataset, few, dev).items()
        ]
        if scores:
            found[name] = max(scores, key=operator.itemgetter(1))
    return found


def _write(
    options: CompareOptions,
    outcomes: dict[str, Outcome],
    baselines: dict[str, tuple[str, float]],
) -> None:
    """Writes the figures and the report of the systems measured so far."""
    values = {name: dataclasses.asdict(outcome) for name, outcome in outcomes.items()}
    write_json(posixpath.join(options.output_dir, RESULTS), values)
    commands = []
    for name in outcomes:
        path = posixpath.join(options.output_dir, name, LOG)
        if tf.io.gfile.exists(path):
            with tf.io.gfile.GFile(path) as file:
                commands += [line[2:] for line in file if line.startswith("$ ")]
    page = comparison_report(
        options.ablation or "BERT and its family",
        facts={
            "text": ", ".join(options.corpus),
            "training of each": options.budget,
            "size": options.preset,
            "pieces": f"{options.vocab_size:,}",
            "rows": f"{options.batch_size} of {options.sequence_length} tokens",
            "computed in": options.dtype,
            "processors": str(os.cpu_count()),
        },
        outcomes=list(outcomes.values()),
        baselines=baselines,
        # The commands of a run that was stopped are in the log twice.
        commands="".join(dict.fromkeys(commands)),
    )
    write_file(posixpath.join(options.output_dir, REPORT), page.encode())


def _stop(number: int, _: Any) -> None:
    """Ends the running program, and then this one."""
    how = interruption.how_it_ended(number)
    raise cli.Stopped(f"{how}. {cli.RESUMED}", 128 + number)


def main(options: CompareOptions) -> int:
    """Compares the systems and prints the table; returns 1 if something failed."""
    for number in interruption.heeded(interruption.SIGNALS):
        signal.signal(number, _stop)
    outcomes = compare(options)
    print(text_table(list(outcomes.values())), end="")
    print(f"Look at {options.output_dir}/{REPORT}.")
    return 1 if any(outcome.failures for outcome in outcomes.values()) else 0


if __name__ == "__main__":
    cli.run(CompareOptions, main, __doc__ or "", kept=cli.RESUMED)
