"""Programs to disturb: their inputs, and how their outputs are compared.

Each program uses the outputs of those before it. All data is small: a text of some
stories, a vocabulary of a hundred pieces, a model of two layers with 32 features.
"""

import dataclasses
import json
import pathlib
import random
import re

# Time-dependent values in the lines of `metrics.jsonl` and in `result.json`.
_CLOCKS = re.compile("time|seconds|.*_per_second|matmul_share")
# Files that grow or are replaced while a program runs: compared only at the end.
_CHANGING = re.compile(r"out/(metrics\.jsonl|runs/.*/[^/]*|checkpoints/.*)")
_KEPT_FOR_GOOD = re.compile(r".*/result\.json")
# Files of which each run of a program creates a new one.
_NOT_COMPARED = re.compile(r"out/(.*/)?tensorboard/.*")

Tree = dict[str, bytes]


@dataclasses.dataclass(frozen=True)
class Verb:
    """A program and its output, `out` or a file in it, on the failing disk.

    Attributes:
        flags: flags, with the placeholders `{inputs}` and `{out}` for the folders.
        makes_out: whether the program creates the folder `out` itself.
        before: name of the input folder that is copied to `out` before the start.
        checkpoint_every: steps of pre-training between two checkpoints.
    """

    name: str
    module: str
    flags: tuple[str, ...]
    makes_out: bool = True
    before: str | None = None
    checkpoint_every: int | None = None

    def arguments(self, inputs: pathlib.Path, out: pathlib.Path) -> list[str]:
        """Returns the flags with the folders filled in."""
        return [flag.format(inputs=inputs, out=out) for flag in self.flags]

    @property
    def named(self) -> str:
        """Path on the disk of the output named by a flag."""
        return next(f.split("{")[1] for f in self.flags if "{out}" in f).replace(
            "}", ""
        )

    def feeds(self, other: "Verb") -> bool:
        """Returns True if the other program reads the output of this one."""
        parts = re.split("[=/]", " ".join(other.flags).replace(" ", "="))
        return self.name in parts


_TEXT = "--input_files={inputs}/text/*.txt"
_RECORDS = (
    *(_TEXT, "--vocab_file={inputs}/learn_vocabulary/vocab.txt"),
    *("--output_dir={out}", "--num_shards=3", "--holdout_fraction=0.2"),
)
_MODEL = "--model_dir={inputs}/pretrain"
_VOCABULARY = (_TEXT, "--vocab_size=90", "--vocab_file={out}/vocab.txt")

VERBS = (
    Verb(
        "learn_vocabulary",
        "data_pipelines.learn_vocabulary",
        (*_VOCABULARY, "--num_processes=1"),
    ),
    Verb(
        "learn_vocabulary, byte_bpe",
        "data_pipelines.learn_vocabulary",
        (
            *(_TEXT, "--vocab_size=300", "--vocab_file={out}/vocab.txt"),
            "--tokenizer=byte_bpe",
        ),
    ),
    Verb(
        "create_pretraining_data",
        "data_pipelines.create_pretraining_data",
        (*_RECORDS, "--num_processes=1"),
    ),
    Verb(
        "create_pretraining_data, 2 processes",
        "data_pipelines.create_pretraining_data",
        ("--input_files={inputs}/large/*.jsonl", *_RECORDS[1:], "--num_processes=2"),
    ),
    Verb(
        "pretrain",
        "bert_tf.pretrain",
        (
            *(_TEXT, "--output_dir={out}", "--config_file={inputs}/config.json"),
            *("--vocab_size=90", "--num_processes=1", "--holdout_fraction=0"),
            *("--sentences=full_sentences", "--sequence_length=32", "--batch_size=8"),
            *("--num_train_steps=40", "--checkpoint_every=4", "--log_every=1"),
            *("--learning_rate=1e-3", "--jit_compile=off"),
        ),
        checkpoint_every=4,
    ),
    Verb(
        "finetune",
        "bert_tf.finetune",
        (
            *(_MODEL, "--output_dir={out}", "--kind=classification"),
            *("--train_file={inputs}/train.csv", "--dev_file={inputs}/dev.csv"),
            *("--num_seeds=2", "--num_epochs=4", "--batch_size=8", "--max_length=16"),
            *("--learning_rate=1e-3", "--jit_compile=off"),
        ),
    ),
    *(
        Verb(
            f"convert to {name}",
            "bert_tf.convert",
            (
                *("--source={inputs}/pretrain", "--output_dir={out}"),
                f"--output_format={name}",
            ),
        )
        for name in ("hugging_face", "google")
    ),
    Verb(
        "export",
        "bert_tf.export",
        (_MODEL, "--name=mine", "--saved_models_dir={out}"),
        before="exported",
    ),
    *(
        Verb(
            f"extract_features to {name}",
            "bert_tf.extract_features",
            (
                *(_MODEL, "--input_file={inputs}/lines.txt", f"--vectors={vectors}"),
                f"--output_file={{out}}/vectors.{name}",
            ),
            makes_out=False,
        )
        for name, vectors in (
            ("npy", "tokens"),
            ("jsonl.gz", "mean"),
            ("tfrecord", "tokens"),
        )
    ),
    Verb(
        "predict",
        "bert_tf.predict",
        (_MODEL, "--input_file={inputs}/masked.txt", "--output_file={out}/answers.csv"),
        makes_out=False,
    ),
    Verb(
        "learn_vectors",
        "bert_tf.learn_vectors",
        (
            *(_TEXT, "--vectors_file={out}/words.bin", "--vector_size=8"),
            *("--num_threads=1", "--num_epochs=2"),
        ),
    ),
    Verb(
        "neighbors",
        "bert_tf.neighbors",
        (
            *("--word=cat", "--vectors_file={inputs}/learn_vectors/words.bin"),
            "--output_dir={out}",
        ),
    ),
    Verb(
        "corrupt_text",
        "data_pipelines.corrupt_text",
        (_TEXT, "--output_file={out}/pairs.tsv", "--language=english"),
    ),
)

_ANIMALS = {"cat": "mouse", "dog": "bone", "bird": "worm", "horse": "apple"}
_PLACES = ("garden", "kitchen", "barn", "street", "forest", "field")


def write_inputs(folder: pathlib.Path) -> None:
    """Writes the inputs that none of the programs creates."""
    draw = random.Random(0)

    def story() -> list[str]:
        animal = draw.choice(sorted(_ANIMALS))
        first, second = draw.sample(_PLACES, 2)
        return [
            f"The {animal} went from the {first} to the {second}.",
            f"There the {animal} found the {_ANIMALS[animal]}.",
            f"It ate the {_ANIMALS[animal]} in the {second}.",
        ]

    for name in ("text", "large"):
        (folder / name).mkdir(parents=True)
    for number in range(12):
        text = "\n".join(" ".join(story()) for _ in range(8))
        (folder / "text" / f"{number:02}.txt").write_text(text)
        # Large enough for two processes.
        line = json.dumps({"text": text, "not_read": "x" * 100_000}) + "\n"
        if number < 2:
            (folder / "large" / f"{number}.jsonl").write_text(45 * line)
    config = {
        **{"vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 2},
        **{"num_attention_heads": 2, "intermediate_size": 64},
        **{"max_position_embeddings": 64},
    }
    (folder / "config.json").write_text(json.dumps(config))
    for name, count in (("train", 64), ("dev", 16)):
        rows = [
            (sentence, sentence[4:7])
            for sentence, *_ in (story() for _ in range(count))
        ]
        lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    lines = [sentence for _ in range(40) for sentence in story()]
    (folder / "lines.txt").write_text("\n".join(lines) + "\n")
    masked = [line.replace("The ", "The [MASK] ") for line in lines]
    (folder / "masked.txt").write_text("\n".join(masked) + "\n")


def read_tree(folder: pathlib.Path) -> Tree:
    """Returns the files of a folder by path, in comparable form."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {
        name: _compared(name, path.read_bytes())
        for name, path in sorted(names.items())
        if not _NOT_COMPARED.fullmatch(name)
    }


def stays(name: str) -> bool:
    """Returns True if a file must be complete as soon as it has its name."""
    return bool(_KEPT_FOR_GOOD.fullmatch(name) or not _CHANGING.fullmatch(name))


def _compared(name: str, content: bytes) -> bytes:
    """Returns the content of a file without time-dependent values."""
    if name.endswith(("report.html", "fingerprint.pb")) or "/checkpoints/" in name:
        return b"Not compared: the other files contain the relevant values."
    if name.endswith(("metrics.jsonl", "result.json")):
        lines = content.split(b"\n") if name.endswith("l") else [content]
        return b"\n".join(_without_clocks(line) for line in lines)
    return content


def _without_clocks(line: bytes) -> bytes:
    try:
        values = json.loads(line)
    except ValueError:
        return line
    kept = {k: v for k, v in values.items() if not _CLOCKS.fullmatch(k)}
    return json.dumps(kept).encode()
