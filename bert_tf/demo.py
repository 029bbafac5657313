"""Everything from raw text to an exported model in less than five minutes.

    python -m bert_tf.demo

No network and no data set is needed: the text is English that every Python installation
carries, the language reference and the docstrings of the standard library. A vocabulary
is learned from it, a tiny BERT is pre-trained and exported, and the exported model
fills in blanks. The model stays in `demo/model`, with a report.
"""

import ast
import dataclasses
import inspect
import os
import pathlib
import posixpath
import pydoc_data.topics
import re
import sysconfig
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bert_tf import pretrain
from bert_tf.models.config import preset
from bert_tf.serving import saved_model
from bert_tf.training.budget import Clock, process_clock, seconds_of
from bert_tf.training.plan import PLAN, read_plan
from bert_tf.training.run_log import METRICS, read_metrics
from data_pipelines.files.atomic import write_file
from data_pipelines.files.locks import locked_folder
from data_pipelines.programs import cli

_SENTENCES = (
    "Return the number of [MASK] in the list.",
    "If the file does not exist, an exception is [MASK].",
    "This method returns [MASK] if the two objects are equal.",
    "The [MASK] argument is the name of the file.",
    "If the argument is not an integer, TypeError is [MASK].",
    "[MASK] a list of the [MASK] of the class.",
)
_VOCAB_SIZE = 4096
# Doctests, grammar, tables and signatures are not sentences.
_CODE = re.compile(r"^\s*(>>>|\.\.\.|\.\. |::|\+-|==|--|\*\*|\|)|::=")


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Options of the program."""

    output_dir: str = cli.option("demo", "Folder of everything that is written.")
    budget: str = cli.option(
        "3.5m",
        "Time from the start of the demo to the finished model, such as 90s, 4m or "
        "1.5h. The export and its answers take some seconds more.",
    )


def demo(
    output_dir: str, budget: str, clock: Clock | None = None
) -> list[tuple[str, list[list[str]]]]:
    """Runs the demo; a second run resumes where the first one was stopped.

    Args:
        output_dir: `corpus/`, `model/` and `saved_models/` are made in it.
        budget: the time until the model is finished, see `PretrainOptions`.
        clock: returns the seconds since the start of the demo. Default: the seconds
            since the pre-training was started.

    Returns:
        Sentences with blanks, and for each blank the tokens that the exported model
        suggests, best first.

    Raises:
        ValueError: the budget is no duration, or too short.
    """
    seconds_of(budget)
    with locked_folder(output_dir):
        return _demo(output_dir, budget, clock)


def _demo(
    output_dir: str, budget: str, clock: Clock | None
) -> list[tuple[str, list[list[str]]]]:
    corpus_dir, model_dir, saved_models_dir = (
        posixpath.join(output_dir, name) for name in ("corpus", "model", "saved_models")
    )
    _say(1, f"Collecting the documentation of this Python in {corpus_dir}.")
    num_files, num_characters = write_corpus(corpus_dir)
    print(f"   {num_files} documents, {num_characters:,} characters.")

    _say(2, f"Pre-training a tiny BERT from scratch, until {budget} have passed.")
    _pretrain(output_dir, corpus_dir, model_dir, budget, clock)

    _say(3, "Exporting the model for TF Serving.")
    version = posixpath.join(saved_models_dir, "demo", "1")
    if not tf.io.gfile.isdir(version):
        saved_model.export(model_dir, "demo", saved_models_dir=saved_models_dir)
    print(f"   {version}")

    _say(4, "Filling in blanks with the exported model.")
    answers = fill_blanks(version, _SENTENCES)
    for sentence, blanks in answers:
        print(f"   {sentence}")
        for guesses in blanks:
            print(f"       {', '.join(guesses)}")
    return answers


def _pretrain(
    output_dir: str,
    corpus_dir: str,
    model_dir: str,
    budget: str,
    clock: Clock | None,
) -> None:
    # Minutes are too short for dropout: the model reads too little to learn it by
    # heart. And a model this narrow starts sooner from larger weights.
    config = preset(
        "tiny",
        _VOCAB_SIZE,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.08,
    )
    config_file = posixpath.join(output_dir, "bert_config.json")
    write_file(config_file, config.to_json().encode())
    options = pretrain.PretrainOptions(
        output_dir=model_dir,
        input_files=(posixpath.join(corpus_dir, "*.txt"),),
        holdout_fraction=0.05,
        vocab_size=_VOCAB_SIZE,
        config_file=config_file,
        sequence_length=64,
        batch_size=32,
        budget=budget,
        optimizer="adamw",
        learning_rate=2e-3,
        num_eval_batches=20,
        log_every=100,
    )
    pretrain.pretrain(options, clock)


def summary(model_dir: str) -> str:
    """Says how well the model of the demo predicts, and how to get a better one."""
    plan = read_plan(posixpath.join(model_dir, PLAN))
    steps = plan.revisions[-1].pace.num_train_steps
    heldout = {
        record["step"]: record["mlm_accuracy"]
        for record in read_metrics(posixpath.join(model_dir, METRICS))
        if record["split"] == "heldout"
    }
    half = min(heldout, key=lambda step: abs(step - steps / 2))
    report = os.path.abspath(posixpath.join(model_dir, pretrain.REPORT))
    return (
        f"The model predicts {heldout[steps]:.0%} of the masked tokens in documents "
        f"that it has\nnot read, after {steps:,} steps; after {half:,} it was "
        f"{heldout[half]:.0%}. A longer budget gives more steps:\n"
        "    python -m bert_tf.demo --budget=15m --output_dir=demo_15m\n"
        f"The report: {report}"
    )


def write_corpus(folder: str) -> tuple[int, int]:
    """Writes a text file for each topic and module; returns their number and size."""
    os.makedirs(folder, exist_ok=True)
    documents = dict(documentation())
    for name, text in documents.items():
        pathlib.Path(folder, f"{name}.txt").write_text(text, encoding="utf-8")
    return len(documents), sum(map(len, documents.values()))


def documentation() -> Iterator[tuple[str, str]]:
    """Yields names and texts: topics of `help()`, and docstrings of modules."""
    for name, text in sorted(pydoc_data.topics.topics.items()):
        yield f"topic.{name}", _prose(text)
    root = pathlib.Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        module = path.relative_to(root)
        if module.parts[0] in ("site-packages", "dist-packages", "test", "idlelib"):
            continue
        text = _prose("\n\n".join(_docstrings(path)))
        if len(text) > 200:
            yield ".".join(("module", *module.with_suffix("").parts)), text


def _docstrings(path: pathlib.Path) -> Iterator[str]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # Some files of the library are wrong on purpose.
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and (text := ast.get_docstring(node)):
            yield inspect.cleandoc(text)


def _prose(text: str) -> str:
    lines = (line for line in text.split("\n") if not _CODE.search(line))
    text = "\n".join(re.sub(r"[`*]{1,2}", "", line).rstrip() for line in lines)
    return text.encode("utf-8", "ignore").decode().strip() + "\n"


def fill_blanks(
    saved_model: str, sentences: tuple[str, ...]
) -> list[tuple[str, list[list[str]]]]:
    """Returns what an exported model suggests for the blanks of each sentence."""
    fill_mask = tf.saved_model.load(saved_model).signatures["fill_mask"]
    tokens = np.char.decode(
        fill_mask(texts=tf.constant(sentences))["tokens"].numpy().astype(bytes), "utf-8"
    ).tolist()
    return [
        (sentence, [guesses for guesses in blanks if guesses[0]])
        for sentence, blanks in zip(sentences, tokens, strict=True)
    ]


def _say(number: int, message: str) -> None:
    print(f"\n{number}. {message}", flush=True)


def main(options: DemoOptions) -> None:
    """Runs the demo."""
    clock = process_clock()
    demo(options.output_dir, options.budget, clock)
    model_dir = posixpath.join(options.output_dir, "model")
    print(f"\nDone in {clock():.0f} s. {summary(model_dir)}")


if __name__ == "__main__":
    cli.run(DemoOptions, main, __doc__, kept=cli.RESUMED)
