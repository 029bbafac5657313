"""Small tasks of every kind that a small model can learn, as files of a user."""

import csv
import dataclasses
import json
import pathlib
import random
from collections.abc import Callable
from typing import Any

from bert_tf.checkpoints import model_dir
from bert_tf.models.config import BertConfig
from bert_tf.models.masked_lm import BertPretrainer
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.seeds import set_seed

NAMES = ("anna", "bert", "carl", "dora")
CITIES = ("paris", "rome", "oslo", "lima")
GOOD = ("good", "fine", "great", "lovely")
BAD = ("bad", "poor", "awful", "dull")
OTHERS = ("is", "the", "film", "was", "and", "in", "lives", "today", "who", "where")
# Names, with chance and the number of examples of each.
Splits = list[tuple[str, random.Random, int]]
VOCABULARY = Vocabulary(
    (*SPECIAL_TOKENS, *NAMES, *CITIES, *GOOD, *BAD, *OTHERS, "?", ".", "##s", "a")
)


@dataclasses.dataclass(frozen=True)
class Task:
    """Files of one kind, and the options that they need.

    Attributes:
        kind: of the task.
        train_file, dev_file: paths.
        options: besides these.
        goal: what its first metric reaches at least.
        metric: its name.
    """

    kind: str
    train_file: str
    dev_file: str
    options: dict[str, Any]
    metric: str
    goal: float


def write_model(folder: pathlib.Path, **changes) -> str:
    """A model folder as `pretrain` leaves it, with random weights."""
    set_seed(0)
    values = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 48,
        "norm_position": "pre",
        "position_embeddings": "rotary",
        "initializer_range": 0.2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    config = BertConfig(vocab_size=len(VOCABULARY), **(values | changes))
    description = model_dir.Description("pretraining", sentence_task="next_sentence")
    model = BertPretrainer(config, name="bert")
    model_dir.save(str(folder), model, VOCABULARY, description, {})
    return str(folder)


def write_task(
    kind: str, folder: pathlib.Path, num_train: int = 256, num_dev: int = 48
) -> Task:
    """Writes the files of a kind: examples to train on, and others to check with."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = [
        ("train", random.Random(0), num_train),
        ("dev", random.Random(1), num_dev),
    ]
    return _WRITERS[kind](folder, splits)


def _opinion(draw: random.Random) -> tuple[str, str, float]:
    good = draw.randint(0, 3)
    words = draw.sample(GOOD, good) + draw.sample(BAD, 3 - good)
    draw.shuffle(words)
    text = f"the film was {' and '.join(words)} ."
    return text, "praise" if good >= 2 else "blame", good / 3


def _classification(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        with (folder / f"{name}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["number", "text", "label"])
            for number in range(count):
                table.writerow([number, *_opinion(draw)[:2]])
    return _task("classification", folder, "csv", {}, "accuracy", 0.9)


def _regression(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        with (folder / f"{name}.jsonl").open("w") as file:
            for _ in range(count):
                text, _, score = _opinion(draw)
                row = {"review": text, "score": score}
                file.write(json.dumps(row) + "\n")
    columns = {"first_column": "review", "label_column": "score"}
    return _task("regression", folder, "jsonl", columns, "spearman", 0.8)


def _token_tagging(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        with (folder / f"{name}.conll").open("w") as file:
            for _ in range(count):
                who, city = draw.choice(NAMES), draw.choice(CITIES)
                pairs = [(who, "I-PER"), ("lives", "O"), ("in", "O"), (city, "I-LOC")]
                # More sentences than fit: a long one has several windows.
                pairs += [("today", "O")] * draw.randint(0, 60) + [(who, "I-PER")]
                file.writelines(f"{word} {tag}\n" for word, tag in pairs)
                file.write("\n")
    return _task("token_tagging", folder, "conll", {}, "entity_f1", 0.9)


def _span_qa(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        paragraphs = []
        for number in range(count):
            who, city = draw.choice(NAMES), draw.choice(CITIES)
            before = "The film was good. " * draw.randint(0, 12)
            context = f"{before}{who.title()} lives in {city.title()} today."
            # Every fourth question has no answer.
            possible = number % 4 != 0
            start = context.index(city.title())
            answers = [{"text": city.title(), "answer_start": start}]
            question = {
                "id": f"{name}{number}",
                "question": f"{'Where' if possible else 'Who'} is {who}?",
                "answers": answers if possible else [],
                "is_impossible": not possible,
            }
            paragraphs.append({"context": context, "qas": [question]})
        data = [{"title": "people", "paragraphs": paragraphs}]
        (folder / f"{name}.json").write_text(json.dumps({"data": data}))
    options = {"max_question_length": 8, "stride": 16}
    return _task("span_qa", folder, "json", options, "f1", 0.8)


def _multiple_choice(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        with (folder / f"{name}.tsv").open("w") as file:
            file.write("start\tone\ttwo\tthree\tlabel\n")
            for _ in range(count):
                right = draw.randint(0, 2)
                choices = [f"was {draw.choice(BAD)} ." for _ in range(3)]
                choices[right] = f"was {draw.choice(GOOD)} ."
                file.write("\t".join(["the film", *choices, str(right)]) + "\n")
    columns = {"first_column": "start", "choice_columns": ("one", "two", "three")}
    return _task("multiple_choice", folder, "tsv", columns, "accuracy", 0.9)


def _correction(folder: pathlib.Path, splits: Splits) -> Task:
    for name, draw, count in splits:
        with (folder / f"{name}.tsv").open("w") as file:
            file.write("text\tcorrected\n")
            for number in range(count):
                words = [draw.choice(NAMES), "lives", "in", draw.choice(CITIES), "."]
                text = list(words)
                # Of four texts one is right, and one each has a word of another sort,
                # one twice, or one too few.
                if number % 4 == 1:
                    text[1] = draw.choice(OTHERS[7:])
                elif number % 4 == 2:
                    text[2:2] = ["lives"]
                elif number % 4 == 3:
                    del text[2]
                sentences = [" ".join(part).capitalize() for part in (text, words)]
                file.write("\t".join(sentences) + "\n")
    return _task("correction", folder, "tsv", {}, "edit_f05", 0.9)


def _task(
    kind: str,
    folder: pathlib.Path,
    ending: str,
    options: dict[str, Any],
    metric: str,
    goal: float,
) -> Task:
    train, dev = (str(folder / f"{name}.{ending}") for name in ("train", "dev"))
    return Task(kind, train, dev, options, metric, goal)


_WRITERS: dict[str, Callable[[pathlib.Path, Splits], Task]] = {
    "classification": _classification,
    "regression": _regression,
    "token_tagging": _token_tagging,
    "span_qa": _span_qa,
    "multiple_choice": _multiple_choice,
    "correction": _correction,
}
KINDS = tuple(_WRITERS)
