"""What a dataset is, and where the examples of a split are: local files or TFDS."""

import dataclasses
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from data_pipelines.datasets.examples import Example
from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.text_files import existing

Kind = Literal[
    "classification",
    "regression",
    "token_tagging",
    "span_qa",
    "multiple_choice",
    "correction",
]
# Training and development need labels; of a test they are read if they are there.
Role = Literal["train", "dev", "test"]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a file that is divided, always in the same way, by hashes of texts.

    Attributes:
        takes: the remainders that belong to it.
        of: the divisor.
    """

    takes: tuple[int, ...]
    of: int

    def has(self, text: str) -> bool:
        """Whether what has this text belongs to the part."""
        return zlib.crc32(text.encode("utf-8")) % self.of in self.takes


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of one split, in one of the layouts in which the data is around.

    Attributes:
        paths: in the folder of the dataset; read one after another. Each may also be
            there with `.gz` behind its name.
        names: of the columns, for tables without a header.
        part: which examples of the files are meant; None: all.
        note: told to the user if it is these that are read.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...] | None = None
    part: Part | None = None
    note: str | None = None


@dataclasses.dataclass(frozen=True)
class Split:
    """Where the examples of a split are.

    Attributes:
        layouts: the first whose files are all there is read.
        tfds: dataset and split of TFDS, such as `glue/cola:validation`; None: TFDS
            does not have it.
    """

    layouts: tuple[Files, ...]
    tfds: str | None = None


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a reader has to know of the split that it reads."""

    role: Role
    labels: tuple[str, ...] | None
    log: ReadLog


class Reader(Protocol):
    """How examples stand in the files, and in TFDS, of one dataset."""

    def read_files(
        self, paths: Sequence[str], files: Files, reading: Reading
    ) -> Iterator[Example]:
        """The examples of files that exist, in the order of `files.paths`."""
        ...

    def read_tfds(self, data: "TfdsSplit", reading: Reading) -> Iterator[Example]:
        """The examples of a split of TFDS."""
        ...


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Examples of one kind.

    Attributes:
        name: as the user writes it.
        kind: what is asked about its examples.
        labels: names of classes or tags in the order of their ids; None: those that
            the training data has (`catalog.labels_in`), or that there are none.
        metrics: the first is the one that the best checkpoint is chosen by.
        splits: by name: `train`, `dev`, `test`, or these and an ending, as
            `dev_mismatched`.
        reader: reads the examples.
        folders: where, in the folder of all data, its files may be; "" is this folder
            itself. None: the paths of the splits are the user's own.
        num_choices: of the kind multiple_choice.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] | None
    metrics: tuple[str, ...]
    splits: Mapping[str, Split]
    reader: Reader
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
    """What a split is for, by its name."""
    for role in ("train", "dev", "test"):
        if split.partition("_")[0] == role:
            return role  # type: ignore[return-value]
    raise ValueError(
        f"Received the split {split!r}. Expected 'train', 'dev' or 'test', or one of "
        "these and an ending, such as 'dev_mismatched'."
    )


def find_files(
    dataset: Dataset, split: str, data_dir: str | None
) -> tuple[tuple[str, ...], Files]:
    """The files of a split that exist.

    Args:
        dataset: what is looked for.
        split: one of its splits.
        data_dir: the folder of all data, or that of the dataset. None is for files of
            the user's own.

    Raises:
        FileNotFoundError: there are none.
        ValueError: there is no such split, or no folder is given.
    """
    layouts = dataset.split(split).layouts
    wanted = _options([" and ".join(files.paths) for files in layouts])
    if dataset.folders is None:
        roots = [""]
    elif data_dir is None:
        raise ValueError(
            f"TFDS does not have the split {split!r} of {dataset.name}. Expected a "
            f"data_dir, in which {dataset.folders[0]!r} holds {wanted}."
        )
    else:
        roots = [os.path.join(data_dir, folder) for folder in dataset.folders]
    for root in roots:
        for files in layouts:
            found = [existing(os.path.join(root, path)) for path in files.paths]
            paths = tuple(path for path in found if path is not None)
            if len(paths) == len(files.paths):
                return paths, files
    if dataset.folders is None:
        raise FileNotFoundError(f"No file {wanted}. Expected one: check the name.")
    has_tfds = dataset.splits[split].tfds is not None
    raise FileNotFoundError(
        f"The split {split!r} of {dataset.name} is not in {data_dir!r}. Expected "
        f"{wanted} in {_options(roots)}: copy the files there, or take another split"
        f"{', or give no data_dir to take it from TFDS' if has_tfds else ''}."
    )


def _options(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


@dataclasses.dataclass(frozen=True)
class TfdsSplit:
    """A split that TFDS has prepared.

    Attributes:
        source: dataset and split, such as `glue/cola:validation`.
        features: what TFDS says of them.
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
    # Late: its import takes seconds.
    import tensorflow_datasets as tfds

    name, _, split = source.partition(":")
    try:
        data, info = tfds.load(
            name,
            split=split,
            data_dir=os.environ.get("TFDS_DATA_DIR"),
            download=True,
            shuffle_files=False,
            with_info=True,
        )
    # Builders of TFDS let through whatever their libraries raise.
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise OSError(
            f"TFDS cannot give {source!r} ({reason}). Expected a prepared copy or a "
            "connection to download it: set TFDS_DATA_DIR to where it is, or give "
            "data_dir, the folder of the original files."
        ) from error
    return TfdsSplit(source, info.features, iter(tfds.as_numpy(data)))
