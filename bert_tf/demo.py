"""The whole way in a few minutes, without network or data set.

    python -m bert_tf.demo

The corpus is English that every Python installation carries: the language reference
and the docstrings of the standard library. A vocabulary is learned from it, a tiny BERT
is pre-trained, reported on and exported, and the exported model fills in blanks.
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
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bert_tf import pretrain
from bert_tf.models.config import preset
from bert_tf.serving import saved_model
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
# Doctests, grammar, tables and signatures are no sentences.
_CODE = re.compile(r"^\s*(>>>|\.\.\.|\.\. |::|\+-|==|--|\*\*|\|)|::=")


@dataclasses.dataclass(frozen=True)
class DemoOptions:
    """Options of the program."""

    output_dir: str = cli.option("demo", "Where everything is written.")
    num_train_steps: int = cli.option(3000, "Steps of pre-training.")


def demo(output_dir: str, num_train_steps: int) -> list[tuple[str, list[list[str]]]]:
    """Runs all of it; a second run resumes where the first one was stopped.

    Args:
        output_dir: `corpus/`, `model/` and `saved_models/` are made in it.
        num_train_steps: of pre-training.

    Returns:
        Sentences with blanks, and for each blank the tokens that the exported model
        guesses, best first.
    """
    with locked_folder(output_dir):
        return _demo(output_dir, num_train_steps)


def _demo(output_dir: str, num_train_steps: int) -> list[tuple[str, list[list[str]]]]:
    started = time.monotonic()
    corpus_dir, model_dir, saved_models_dir = (
        posixpath.join(output_dir, name) for name in ("corpus", "model", "saved_models")
    )
    _say(1, f"Collecting the documentation of this Python into {corpus_dir}.")
    num_files, num_characters = write_corpus(corpus_dir)
    print(f"   {num_files} documents, {num_characters:,} characters.")

    _say(2, f"Learning {_VOCAB_SIZE:,} pieces, and pre-training a tiny BERT.")
    _pretrain(output_dir, corpus_dir, model_dir, num_train_steps)

    _say(3, "Exporting the model for TF Serving.")
    version = posixpath.join(saved_models_dir, "demo", "1")
    if not tf.io.gfile.isdir(version):
        saved_model.export(model_dir, "demo", saved_models_dir=saved_models_dir)
    print(f"   {version}")

    _say(4, "Querying the exported model with plain strings.")
    answers = fill_blanks(version, _SENTENCES)
    for sentence, blanks in answers:
        print(f"   {sentence}")
        for guesses in blanks:
            print(f"       {', '.join(guesses)}")
    report = os.path.abspath(posixpath.join(model_dir, pretrain.REPORT))
    print(
        f"\nDone in {time.monotonic() - started:.0f} s. Open {report} in a browser.\n"
        "A model this small, after minutes on so little text, knows which words go "
        "together,\nand not much more."
    )
    return answers


def _pretrain(
    output_dir: str, corpus_dir: str, model_dir: str, num_train_steps: int
) -> None:
    # For a few minutes: no dropout, as the model reads too little to learn it by heart,
    # and larger initial weights, from which so narrow a model starts sooner.
    config = preset(
        "tiny",
        _VOCAB_SIZE,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.08,
    )
    config_file = posixpath.join(output_dir, "bert_config.json")
    write_file(config_file, config.to_json().encode())
    pretrain.pretrain(
        pretrain.PretrainOptions(
            output_dir=model_dir,
            input_files=(posixpath.join(corpus_dir, "*.txt"),),
            holdout_fraction=0.05,
            vocab_size=_VOCAB_SIZE,
            config_file=config_file,
            sequence_length=64,
            batch_size=32,
            num_train_steps=num_train_steps,
            num_warmup_steps=num_train_steps // 10,
            optimizer="adamw",
            learning_rate=2e-3,
            eval_every=max(num_train_steps // 8, 1),
            num_eval_batches=20,
            checkpoint_every=max(num_train_steps // 4, 1),
            log_every=50,
        )
    )


def write_corpus(folder: str) -> tuple[int, int]:
    """Writes a text file for each topic and module; returns their number and size."""
    os.makedirs(folder, exist_ok=True)
    documents = dict(documentation())
    for name, text in documents.items():
        pathlib.Path(folder, f"{name}.txt").write_text(text, encoding="utf-8")
    return len(documents), sum(map(len, documents.values()))


def documentation() -> Iterator[tuple[str, str]]:
    """Names and texts of the topics of `help()`, and of the docstrings of modules."""
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
        return  # The library has files that are wrong on purpose.
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
    """The guesses of an exported model for the blanks of each sentence."""
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
    demo(options.output_dir, options.num_train_steps)


if __name__ == "__main__":
    cli.run(DemoOptions, main, __doc__, kept=cli.RESUMED)
