"""Datasets and the sources of their splits: local files or TFDS."""

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
# Training and development need labels; a test set may have them. For prediction, labels
# are ignored, and no example is skipped.
Role = Literal["train", "dev", "test", "predict"]


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a file: the texts whose hash modulo `of` is in `takes`."""

    takes: tuple[int, ...]
    of: int

    def has(self, text: str) -> bool:
        """Returns True if an example with this text belongs to the part."""
        return zlib.crc32(text.encode("utf-8")) % self.of in self.takes


@dataclasses.dataclass(frozen=True)
class Files:
    """Files of one split, in one of the layouts in which the data is distributed.

    Attributes:
        paths: paths, read one after another. In a `Split`, they are relative to the
            folder of the dataset, and `.gz` may be appended to each.
        names: names of the columns, for tables without a header.
        part: the examples to use; None for all.
        note: message to the user when these files are read.
    """

    paths: tuple[str, ...]
    names: tuple[str, ...] | None = None
    part: Part | None = None
    note: str | None = None

    def has(self, text: str) -> bool:
        """Returns True if an example with this text is used."""
        return self.part is None or self.part.has(text)


@dataclasses.dataclass(frozen=True)
class Split:
    """A split of a dataset.

    Attributes:
        layouts: alternatives; the first whose files all exist is read.
        tfds: dataset and split in TFDS, such as `glue/cola:validation`, if any.
    """

    layouts: tuple[Files, ...]
    tfds: str | None = None


def split_of(*layouts: str | Files, tfds: str | None = None) -> Split:
    """Creates a split from its layouts; a layout of one file can be given as a path."""
    files = (Files((x,)) if isinstance(x, str) else x for x in layouts)
    return Split(tuple(files), tfds)


@dataclasses.dataclass(frozen=True)
class Reading:
    """Context of a reader: the role of the split, its labels and its log.

    Attributes:
        labels: known classes or tags, in the order of their ids.
    """

    role: Role
    labels: tuple[str, ...] | None
    log: ReadLog

    @property
    def needs_labels(self) -> bool:
        """True if examples without a label are skipped."""
        return self.role in ("train", "dev")

    @property
    def reads_labels(self) -> bool:
        """True if existing labels are read."""
        return self.role != "predict"

    def takes(
        self, text: str, has_label: bool, place: str, missing: str = "no label"
    ) -> bool:
        """Counts an example as used or skipped; returns True if it is used."""
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
        """Reads the examples of existing files, one file after another."""

    def read_tfds(self, data: "TfdsSplit", reading: Reading) -> Iterator[Example]:
        """Reads the examples of a TFDS split."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples of one kind.

    Attributes:
        name: name of the dataset on the command line.
        metrics: names of the metrics; the first selects the best checkpoint.
        splits: splits by name: `train`, `dev`, `test`, or these with a suffix, such as
            `dev_mismatched`.
        reader: reads the splits; None: there are none, the examples are in memory.
        labels: classes or tags in the order of their ids; None: those of the training
            data (`examples.labels_in`), or the kind has none.
        folders: possible folders of its files within the data folder; "" is the data
            folder itself. None: the splits have the user's own paths.
        num_choices: number of choices of the kind multiple_choice.
    """

    name: str
    kind: TaskKind
    metrics: tuple[str, ...]
    splits: Mapping[str, Split]
    reader: Reader | None
    labels: tuple[str, ...] | None = None
    folders: tuple[str, ...] | None = None
    num_choices: int | None = None

    def split(self, name: str) -> Split:
        """Returns a split by name.

        Raises:
            ValueError: the dataset has no such split.
        """
        if name not in self.splits:
            raise ValueError(
                f"Received the split {name!r} of {self.name}. Expected one of its "
                f"splits: {list(self.splits)}."
            )
        return self.splits[name]


def role_of(split: str) -> Role:
    """Returns the role of a split, from its name."""
    role = split.partition("_")[0]
    if role in get_args(Role):
        return cast(Role, role)
    raise ValueError(
        f"Received the split {split!r}. Expected 'train', 'dev' or 'test', or one of "
        "these with a suffix, such as 'dev_mismatched'."
    )


def find_files(dataset: Dataset, split: str, data_dir: str | None) -> Files:
    """Returns the existing files of a split, with their full paths.

    Args:
        dataset, split: dataset, and name of the split.
        data_dir: folder of all data or of the dataset; None for a user's own files.

    Raises:
        FileNotFoundError: the files do not exist.
        ValueError: there is no such split, or no folder is given.
    """
    chosen = dataset.split(split)
    wanted = _options([" and ".join(files.paths) for files in chosen.layouts])
    if dataset.folders is None:
        roots = [""]
    elif data_dir is None:
        raise ValueError(
            f"TFDS does not have the split {split!r} of {dataset.name}. Expected a "
            f"data_dir in which {dataset.folders[0]!r} contains {wanted}."
        )
    else:
        roots = [os.path.join(data_dir, folder) for folder in dataset.folders]
    for root, files in itertools.product(roots, chosen.layouts):
        found = [existing(os.path.join(root, path)) for path in files.paths]
        paths = tuple(path for path in found if path is not None)
        if len(paths) == len(files.paths):
            return dataclasses.replace(files, paths=paths)
    if dataset.folders is None:
        raise FileNotFoundError(f"No file {wanted}. Expected a file: check the name.")
    raise FileNotFoundError(
        f"The split {split!r} of {dataset.name} is not in {data_dir!r}. Expected "
        f"{wanted} in {_options(roots)}: copy the files there, or use another split"
        f"{', or omit data_dir to load it from TFDS' if chosen.tfds else ''}."
    )


def _options(names: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in names)


@dataclasses.dataclass(frozen=True)
class TfdsSplit:
    """A split that TFDS has prepared.

    Attributes:
        source: dataset and split, such as `glue/cola:validation`.
        features: feature description from TFDS.
        examples: dicts of NumPy values, with texts as bytes.
    """

    source: str
    features: Any
    examples: Iterator[dict[str, Any]]


def load_tfds(source: str) -> TfdsSplit:
    """Loads a TFDS split from `TFDS_DATA_DIR`; downloads and prepares it if needed.

    Raises:
        OSError: TFDS cannot provide the split.
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
            f"TFDS cannot load {source!r} ({reason}). Expected a prepared copy or a "
            "network connection: set TFDS_DATA_DIR to the folder of the copy, or "
            "data_dir to the folder of the original files."
        ) from error
    return TfdsSplit(source, info.features, iter(tfds.as_numpy(data)))
