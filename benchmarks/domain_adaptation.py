"""Measures what further pre-training on medical text is worth for medical tasks.

    python -m benchmarks.domain_adaptation --data_dir=data --work_dir=adaptation

A general model is pre-trained on Wikipedia for 30 minutes, by the recipe of
docs/recipe_90_minutes.md. Then it is trained for 20 minutes more, on Wikipedia again
(`longer`), or on medical text (`adapted`): the texts of the tasks' training files
without their labels, and the articles of Wikipedia whose title and first paragraph have
at least two of a list of medical words. All are fine-tuned on NCBI-disease, BC5CDR and
ChemProt with three seeds. With --minilm_dir=FOLDER the same is done with
all-MiniLM-L6-v2: as it is, and adapted.

A finished step is a line of the results file. The same command continues a stopped run.
At the end the table is printed.
"""

import contextlib
import csv
import dataclasses
import gzip
import json
import os
import re
import statistics
from collections.abc import Iterator
from functools import partial
from typing import Any

import tqdm

from benchmarks.quality.preparation import run_logged
from benchmarks.quality.results import Point, Result
from benchmarks.quality.runner import Step, run_missing
from benchmarks.quality.side import SideOptions
from bert_tf.convert import ConvertOptions, convert
from bert_tf.finetune import FinetuneOptions, finetune
from bert_tf.finetuning.results import read_results as read_runs
from bert_tf.pretraining.options import PretrainOptions
from bert_tf.training.budget import seconds_of
from bert_tf.training.run_log import read_metrics
from data_pipelines.corpus.documents import expand_sources, read_documents
from data_pipelines.files.atomic import new_folder
from data_pipelines.programs import cli

# Each of this many articles is held out of all training.
_HELDOUT_EVERY = 20
# The recipe takes a share of the files.
_NUM_FILES = 12
# The rule for medical articles: words of which two or more occur, singular or plural,
# in the title and the first paragraph.
_MEDICAL = re.compile(
    r"\b(?:acid|anatom\w+|antibiotic|bacteri\w+|biochem\w+|cancer|cell|chemical|clinical"
    r"|diagnos\w+|disease|disorder|dose|drug|enzyme|gene|genetic|hormone|immun\w+"
    r"|infect\w+|inhibitor|medic\w+|metaboli\w+|molecul\w+|mutation|neuro\w+|organism"
    r"|patholog\w+|patient|pharma\w+|physician|protein|psychiatr\w+|receptor|surg\w+"
    r"|symptom|syndrome|therap\w+|tissue|toxic\w+|treatment|tumou?r|vaccine|virus)s?\b",
    re.IGNORECASE,
)
_LEAST_WORDS = 2
_MINUTES, _MORE_MINUTES = "30m", "20m"
# Those of the recipe.
_TRAINING: dict[str, Any] = {
    "batch_size": 32,
    "optimizer": "adamw",
    "beta_2": 0.98,
    "dtype": "bfloat16",
    "sentences": "full_sentences",
    "mlm_rate": 0.2,
}
_TASKS: dict[str, dict[str, Any]] = {
    "NCBI-disease": {"kind": "token_tagging", "suffix": "txt.gz"},
    "bc5cdr": {"kind": "token_tagging", "suffix": "txt.gz"},
    "chemprot": {"kind": "classification", "suffix": "jsonl.gz"},
}
# Each of these is the micro F1 of its task: ChemProt has one class for each text.
_METRICS = {"token_tagging": "entity_f1", "classification": "accuracy"}
# The models by the model that they start from, and their text.
_OWN = {
    "general": (None, "general"),
    "longer": ("general", "general"),
    "adapted": ("general", "medical"),
}
_MINILM = {"minilm": (None, None), "minilm_adapted": ("minilm", "medical")}


@dataclasses.dataclass(frozen=True)
class AdaptationOptions:
    """Options of the benchmark."""

    data_dir: str = cli.option(cli.REQUIRED, "Folder of the corpora and datasets.")
    work_dir: str = cli.option(cli.REQUIRED, "Folder for the text and the models.")
    results_file: str = cli.option(
        "benchmarks/results/domain_adaptation.jsonl", "File to which results are added."
    )
    minilm_dir: str | None = cli.option(None, "Folder of all-MiniLM-L6-v2.")
    num_seeds: int = cli.option(3, "Runs of each task.")

    def models(self) -> dict[str, tuple[str | None, str | None]]:
        """Returns the model that each one starts from, and its text."""
        return {**_OWN, **(_MINILM if self.minilm_dir else {})}


def main(options: AdaptationOptions) -> None:
    """Runs the steps that the results file lacks, and prints the table."""
    write_texts(options)
    print(table(run_missing(steps(options), options.results_file)))


def steps(options: AdaptationOptions) -> Iterator[Step]:
    """Yields the steps as functions that return their figures, pre-training first."""
    models = options.models()
    budgets = {n: _MINUTES if n == "general" else _MORE_MINUTES for n in models}
    points = {n: Point(n, seconds_of(budgets[n]) / 60, 0) for n in models}
    for name, (start, text) in models.items():
        run = partial(_pretrained, options, name, start, text, budgets[name])
        yield points[name], "pretrain", run
    # A stopped run has the first seeds of all models.
    for seed in range(options.num_seeds):
        for name, point in points.items():
            for task in _TASKS:
                run = partial(_fine_tuned, options, name, task, seed)
                yield dataclasses.replace(point, seed=seed), task, run


def write_texts(options: AdaptationOptions) -> None:
    """Writes the general and the medical text, unless they are there."""
    folder = os.path.join(options.work_dir, "text")
    if os.path.exists(folder):
        return
    sources = expand_sources([os.path.join(options.data_dir, "enwiki", "*.jsonl.gz")])
    os.makedirs(options.work_dir, exist_ok=True)
    with new_folder(folder) as temporary, contextlib.ExitStack() as opened:
        names = ("medical", *(f"general-{n:02d}" for n in range(_NUM_FILES)))
        files = {
            name: opened.enter_context(
                open(os.path.join(temporary, f"{name}.jsonl"), "w", encoding="utf-8")
            )
            for name in names
        }

        def write(name: str, text: str) -> None:
            files[name].write(json.dumps({"text": text}, ensure_ascii=False) + "\n")

        texts = (text for source in sources for text in read_documents(source))
        for number, text in enumerate(tqdm.tqdm(texts, "articles", unit="")):
            if number % _HELDOUT_EVERY == 0:
                continue
            write(f"general-{number % _NUM_FILES:02d}", text)
            if is_medical(text):
                write("medical", text)
        for text in task_texts(options.data_dir):
            write("medical", text)


def is_medical(article: str) -> bool:
    """Whether an article, one paragraph a line, is about medicine by the rule."""
    opening = "\n".join(article.split("\n", 2)[:2])
    return len({word.lower() for word in _MEDICAL.findall(opening)}) >= _LEAST_WORDS


def task_texts(data_dir: str) -> Iterator[str]:
    """Yields the texts of the tasks' training files, an abstract or sentence each."""
    for task, settings in _TASKS.items():
        path = _file(data_dir, task, "train")
        if settings["kind"] == "classification":
            for document in read_documents(path):
                yield re.sub(r"<< | >>|\[\[ | \]\]", "", document)
        else:
            yield from _sentences(path)


def _sentences(path: str) -> Iterator[str]:
    """Yields the sentences of a file of columns, joined by spaces."""
    words: list[str] = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row and row[0] and not row[0].startswith("-DOCSTART-"):
                words.append(row[0])
            elif words:
                yield " ".join(words)
                words = []
    if words:
        yield " ".join(words)


def _file(data_dir: str, task: str, split: str) -> str:
    suffix = _TASKS[task]["suffix"]
    return os.path.join(data_dir, "biomedical", task, f"{split}.{suffix}")


def _model(options: AdaptationOptions, name: str) -> str:
    # The recipe writes its model beside its records.
    parts = ("general", "model") if name == "general" else (name,)
    return os.path.join(options.work_dir, *parts)


def _pretrained(
    options: AdaptationOptions,
    name: str,
    start: str | None,
    text: str | None,
    budget: str,
) -> dict[str, Any]:
    """Pre-trains a model; returns the seconds of the command and the steps."""
    folder = os.path.join(options.work_dir, name)
    if text is None:
        source = options.minilm_dir or ""
        convert(ConvertOptions(source=source, output_dir=folder))
        return {}
    text_files = os.path.join(options.work_dir, "text", f"{text}*.jsonl")
    if start is None:
        module = "benchmarks.quality.recipe_90_minutes"
        run: Any = SideOptions(input_files=text_files, output_dir=folder, budget=budget)
    else:
        module = "bert_tf.pretrain"
        # MiniLM is trained further at the rate that suits its size and its training.
        run = PretrainOptions(
            **_TRAINING,
            initial_model_dir=_model(options, start),
            learning_rate=5e-4 if start == "general" else 5e-5,
            input_files=(text_files,),
            output_dir=folder,
            budget=budget,
        )
    seconds = run_logged(module, run, f"{folder}.log")
    metrics = os.path.join(_model(options, name), "metrics.jsonl")
    steps = max(record["step"] for record in read_metrics(metrics))
    return {"command_seconds": round(seconds, 1), "steps": steps}


def _fine_tuned(
    options: AdaptationOptions, name: str, task: str, seed: int
) -> dict[str, Any]:
    """Fine-tunes a task; returns the figures of the test and the dev file."""
    kind = _TASKS[task]["kind"]
    output = os.path.join(options.work_dir, f"{name}_{task}_{seed}")
    finetune(
        FinetuneOptions(
            model_dir=_model(options, name),
            output_dir=output,
            kind=kind,
            train_file=_file(options.data_dir, task, "train"),
            dev_file=_file(options.data_dir, task, "dev"),
            test_file=_file(options.data_dir, task, "test"),
            num_epochs=3.0,
            learning_rate=1e-4 if name.startswith("minilm") else 5e-4,
            dtype="bfloat16",
            baselines=False,
            seed=seed,
        )
    )
    (run,) = read_runs(output)
    metric = _METRICS[kind]
    return {"test": run.test_metrics["test"][metric], "dev": run.metrics[metric]}


def table(results: list[Result]) -> str:
    """Returns the means of the seeds on the test sets, and their mean, in percent."""
    found: dict[tuple[str, str], list[float]] = {}
    for result in results:
        if result.step in _TASKS:
            key = (result.point.side, result.step)
            found.setdefault(key, []).append(result.values["test"])
    lines = [
        f"| model | {' | '.join(_TASKS)} | mean |",
        "|---" * (len(_TASKS) + 2) + "|",
    ]
    for name in {**_OWN, **_MINILM}:
        scores = [found[name, task] for task in _TASKS if (name, task) in found]
        if len(scores) < len(_TASKS):
            continue
        means = [100 * statistics.mean(runs) for runs in scores]
        spreads = [100 * statistics.pstdev(runs) for runs in scores]
        cells = [f"{m:.1f} ± {s:.1f}" for m, s in zip(means, spreads, strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {statistics.mean(means):.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    cli.run(AdaptationOptions, main, __doc__)
