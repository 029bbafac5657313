"""Datasets, and where the examples of their splits are: local files or TFDS."""

import dataclasses
import itertools
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, cast, get_args

from data_pipelines.datasets.examples import Example
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.text_files import existing

TaskKind = Literal[
    "classification",
    "regression",
    "token_tagging",
    "span_qa",
    "multiple_choice",
    "correction",
]
# Training and development need labels; of a test they are read if they are there. For
# a prediction they are not looked at, and no example is left out.
Role = Literal["train", "dev", "test", "predict"]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a file: texts whose hash, modulo `of`, is one of `takes`."""

    takes: tuple[int, ...]
    of: int

    def has(self, text: str) -> bool:
        """True if an example with this text belongs to the part."""
        return zlib.crc32(text.encode("utf-8")) % self.of in self.takes


@dataclasses.dataclass(frozen=True)
class Files:
    """Files of one split, in one of the layouts in which the data is distributed.

    Attributes:
        paths: read one after another. In a `Split` they are in the folder of the
            dataset, and each may also have `.gz` appended to its name.
        names: of the columns, for tables without a header.
        part: the examples to take; None: all.
        note: shown to the user when these files are read.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...] | None = None
    part: Part | None = None
    note: str | None = None

    def has(self, text: str) -> bool:
        """True if an example with this text is to be taken."""
        return self.part is None or self.part.has(text)


@dataclasses.dataclass(frozen=True)
class Split:
    """A split of a dataset.

    Attributes:
        layouts: the first whose files all exist is read.
        tfds: dataset and split of TFDS, such as `glue/cola:validation`, if it has it.
    """

    layouts: tuple[Files, ...]
    tfds: str | None = None


def split_of(*layouts: str | Files, tfds: str | None = None) -> Split:
    """A split from its layouts; a layout of one file is written as its path."""
    files = (Files((x,)) if isinstance(x, str) else x for x in layouts)
    return Split(tuple(files), tfds)


@dataclasses.dataclass(frozen=True)
class Reading:
    """The split that a reader reads.

    Attributes:
        labels: known names of classes or tags, in the order of their ids.
    """

    role: Role
    labels: tuple[str, ...] | None
    log: ReadLog

    @property
    def needs_labels(self) -> bool:
        """True if examples without a label are of no use."""
        return self.role in ("train", "dev")

    @property
    def reads_labels(self) -> bool:
        """True if the labels that are there are read."""
        return self.role != "predict"

    def takes(
        self, text: str, has_label: bool, place: str, missing: str = "no label"
    ) -> bool:
        """Counts an example, or why it is skipped; returns True if it is used."""
        if not text.strip() and self.role != "predict":
            self.log.skip("empty text", place)
        elif not has_label and self.needs_labels:
            self.log.skip(missing, place)
        else:
            self.log.use()
            return True
        return False


class Reader(Protocol):
    """Reads the examples of one dataset from its files and from TFDS."""

    def read_files(self, files: Files, reading: Reading) -> Iterator[Example]:
        """The examples of files that exist, one file after another."""

    def read_tfds(self, data: "TfdsSplit", reading: Reading) -> Iterator[Example]:
        """The examples of a split of TFDS."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples of one kind.

    Attributes:
        name: as the user writes it.
        metrics: the first chooses the best checkpoint.
        splits: by name: `train`, `dev`, `test`, or these and an ending, as
            `dev_mismatched`.
        labels: names of classes or tags in the order of their ids; None: those of the
            training data (`examples.labels_in`), or the kind has none.
        folders: where its files may be in the folder of all data; "" is this folder
            itself. None: the paths of the splits are the user's own.
        num_choices: of the kind multiple_choice.
    """

    name: str
    kind: TaskKind
    metrics: tuple[str, ...]
    splits: Mapping[str, Split]
    reader: Reader
    labels: tuple[str, ...] | None = None
    folders: tuple[str, ...] | None = None
    num_choices: int | None = None

    def split(self, name: str) -> Split:
        """A split by name.

        Raises:
            ValueError: the dataset does not have it.
        """
        if name not in self.splits:
            raise ValueError(
                f"Received the split {name!r} of {self.name}. Expected one of "
                f"{list(self.splits)}, those that it has."
            )
        return self.splits[name]


def role_of(split: str) -> Role:
    """The role of a split, by its name."""
    role = split.partition("_")[0]
    if role in get_args(Role):
        return cast(Role, role)
    raise ValueError(
        f"Received the split {split!r}. Expected 'train', 'dev' or 'test', or one of "
        "these and an ending, such as 'dev_mismatched'."
    )


def find_files(dataset: Dataset, split: str, data_dir: str | None) -> Files:
    """The files of a split that exist, with their whole paths.

    Args:
        dataset, split: which files.
        data_dir: the folder of all data or of the dataset; None for a user's own files.

    Raises:
        FileNotFoundError: there are none.
        ValueError: there is no such split, or no folder is given.
    """
    chosen = dataset.split(split)
    wanted = _options([" and ".join(files.paths) for files in chosen.layouts])
    if dataset.folders is None:
        roots = [""]
    elif data_dir is None:
        raise ValueError(
            f"TFDS does not have the split {split!r} of {dataset.name}. Expected a "
            f"data_dir, in which {dataset.folders[0]!r} holds {wanted}."
        )
    else:
        roots = [os.path.join(data_dir, folder) for folder in dataset.folders]
    for root, files in itertools.product(roots, chosen.layouts):
        found = [existing(os.path.join(root, path)) for path in files.paths]
        paths = tuple(path for path in found if path is not None)
        if len(paths) == len(files.paths):
            return dataclasses.replace(files, paths=paths)
    if dataset.folders is None:
        raise FileNotFoundError(f"No file {wanted}. Expected one: check the name.")
    raise FileNotFoundError(
        f"The split {split!r} of {dataset.name} is not in {data_dir!r}. Expected "
        f"{wanted} in {_options(roots)}: copy the files there, or take another split"
        f"{', or give no data_dir to take it from TFDS' if chosen.tfds else ''}."
    )


def _options(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


@dataclasses.dataclass(frozen=True)
class TfdsSplit:
    """A split that TFDS has prepared.

    Attributes:
        source: dataset and split, such as `glue/cola:validation`.
        features: the description of the examples by TFDS.
        examples: dicts of NumPy values, texts as bytes.
    """

    source: str
    features: Any
    examples: Iterator[dict[str, Any]]


def load_tfds(source: str) -> TfdsSplit:
    """A split of TFDS, downloaded and prepared if it is not, in `TFDS_DATA_DIR`.

    Raises:
        OSError: TFDS cannot give it.
    """
    # Imported here: it takes seconds.
    import tensorflow_datasets as tfds

    name, _, split = source.partition(":")
    try:
        data, info = tfds.load(
            name, split=split, data_dir=os.environ.get("TFDS_DATA_DIR"), with_info=True
        )
    # Builders of TFDS pass on whatever their libraries raise.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise OSError(
            f"TFDS cannot give {source!r} ({reason}). Expected a prepared copy or a "
            "connection to download it: set TFDS_DATA_DIR to where it is, or give "
            "data_dir, the folder of the original files."
        ) from error
    return TfdsSplit(source, info.features, iter(tfds.as_numpy(data)))
