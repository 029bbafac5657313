"""Vectors of texts to files that appear complete or not at all: NumPy, TFRecord, JSON.

    x.npy       float32: (texts, width) or, of tokens, (all tokens, width)
    x.npz       the same arrays as of x.npy, named vectors, offsets, tokens, in one file
    x.tfrecord  a tf.train.Example for each text
    x.jsonl     a JSON object a line for each text; x.jsonl.gz: compressed

Beside the tokens' x.npy lie `x.offsets.npy`, int64 (texts + 1): those of text i are
`vectors[offsets[i] : offsets[i + 1]]`; and `x.tokens.npy`, (all tokens,), with the
fields `piece`, and `start` and `end`, its bytes in the text, or -1. All three can be
read with `np.load(name, mmap_mode="r")`.

Of a text, the other formats have `id` (its number, from 0), `text` and, of a pair,
`second`, `vectors`, and of tokens `tokens`, `starts`, `ends`; and TFRecords the `shape`
of the vectors, (width) or (tokens, width).
"""

import contextlib
import dataclasses
import gzip
import json
import os
import posixpath
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from bert_tf.prediction.text_vectors import TextVectors
from data_pipelines.files.atomic import remove, require_new


@dataclasses.dataclass(frozen=True)
class Layout:
    """What all texts of a file have in common.

    Attributes:
        width: features of a vector.
        of_tokens: whether a text has a vector for each token, else one.
        max_piece_characters: the most characters of a piece.
    """

    width: int
    of_tokens: bool
    max_piece_characters: int


class Writer(Protocol):
    """Writes texts one after another; leaving its context completes the files."""

    def write(self, text: TextVectors) -> None:
        """Adds a text."""
        ...


class NpyFile:
    """An array that grows row by row; its header is completed at the end.

    Args:
        path: local.
        dtype: of the array.
        row_shape: of what is added.
    """

    def __init__(self, path: str, dtype: Any, row_shape: tuple[int, ...] = ()) -> None:
        self.num_rows = 0
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._file = open(path, "wb")  # noqa: SIM115
        self._write_header()

    def append(self, rows: Any) -> None:
        """Adds (rows, *row_shape)."""
        rows = np.ascontiguousarray(rows, self._dtype)
        self._file.write(rows.data if rows.size else b"")
        self.num_rows += len(rows)

    def close(self) -> None:
        """Writes how many rows there are."""
        if not self._file.closed:
            self._file.seek(0)
            self._write_header()
            self._file.close()

    def _write_header(self) -> None:
        # NumPy leaves room in a header for the first axis to grow to any number.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self.num_rows, *self._row_shape),
            },
        )


class NpyWriter(contextlib.ExitStack):
    """Arrays, of tokens with their offsets and pieces in two files more."""

    def __init__(self, paths: Sequence[str], layout: Layout) -> None:
        super().__init__()
        self._vectors = self._file(paths[0], "<f4", (layout.width,))
        if layout.of_tokens:
            piece = f"<U{layout.max_piece_characters}"
            fields = [("piece", piece), ("start", "<i4"), ("end", "<i4")]
            self._offsets = self._file(paths[1], "<i8")
            self._tokens = self._file(paths[2], fields)
            self._offsets.append([0])

    def write(self, text: TextVectors) -> None:
        """Adds a row, or the rows of its tokens."""
        self._vectors.append(np.atleast_2d(text.vectors))
        if text.tokens is not None:
            tokens = text.tokens
            self._offsets.append([self._vectors.num_rows])
            rows = zip(tokens.pieces, tokens.starts, tokens.ends, strict=True)
            self._tokens.append(list(rows))

    def _file(self, *arguments: Any) -> NpyFile:
        return self.enter_context(contextlib.closing(NpyFile(*arguments)))


@contextlib.contextmanager
def npz_writer(paths: Sequence[str], layout: Layout) -> Iterator[NpyWriter]:
    """The same arrays in one file; until the end, they are in files beside it."""
    members = {name: f"{paths[0]}.{name}.npy" for name in _arrays(layout.of_tokens)}
    with NpyWriter(list(members.values()), layout) as writer:
        yield writer
    with zipfile.ZipFile(paths[0], "w") as archive:
        for name, member in members.items():
            archive.write(member, f"{name}.npy")
            os.remove(member)


class TfrecordWriter(contextlib.ExitStack):
    """A `tf.train.Example` for each text."""

    def __init__(self, paths: Sequence[str], layout: Layout) -> None:
        super().__init__()
        del layout  # Each record says what it is.
        self._records = self.enter_context(tf.io.TFRecordWriter(paths[0]))

    def write(self, text: TextVectors) -> None:
        """Adds a record."""
        example = tf.train.Example()
        features = example.features.feature
        features["id"].int64_list.value.append(text.row)
        for name, value in _texts_of(text).items():
            features[name].bytes_list.value.append(value.encode())
        features["vectors"].float_list.value.extend(text.vectors.ravel().tolist())
        features["shape"].int64_list.value.extend(text.vectors.shape)
        if text.tokens is not None:
            pieces = [piece.encode() for piece in text.tokens.pieces]
            features["tokens"].bytes_list.value.extend(pieces)
            features["starts"].int64_list.value.extend(text.tokens.starts.tolist())
            features["ends"].int64_list.value.extend(text.tokens.ends.tolist())
        self._records.write(example.SerializeToString(deterministic=True))


class JsonlWriter(contextlib.ExitStack):
    """A JSON object a line; numbers as short as float32 allows without loss."""

    def __init__(self, paths: Sequence[str], layout: Layout) -> None:
        super().__init__()
        del layout  # Each line says what it is.
        self._file: Any = self.enter_context(tf.io.gfile.GFile(paths[0], "wb"))
        if paths[0].removesuffix(_TEMPORARY).endswith(".gz"):
            # No name and no time: the same texts are the same bytes.
            self._file = gzip.GzipFile("", "wb", 6, self._file, mtime=0)
            self.enter_context(self._file)

    def write(self, text: TextVectors) -> None:
        """Adds a line."""
        values: dict[str, Any] = {"id": text.row, **_texts_of(text)}
        if text.tokens is not None:
            values["tokens"] = text.tokens.pieces
            values["starts"] = text.tokens.starts.tolist()
            values["ends"] = text.tokens.ends.tolist()
        start = json.dumps(values, ensure_ascii=False)[:-1]
        line = f'{start}, "vectors": {_json(text.vectors)}}}\n'
        self._file.write(line.encode())


def _texts_of(text: TextVectors) -> dict[str, str]:
    texts = {"text": text.example.first}
    if text.example.second is not None:
        texts["second"] = text.example.second
    return texts


def _json(vectors: np.ndarray) -> str:
    # Floats of Python would need 17 digits each, and no less time.
    if vectors.ndim == 2:
        return f"[{', '.join(_json(vector) for vector in vectors)}]"
    return f"[{', '.join(vectors.astype(str).tolist())}]"


FORMATS: dict[str, Callable[[Sequence[str], Layout], Any]] = {
    ".npy": NpyWriter,
    ".npz": npz_writer,
    ".tfrecord": TfrecordWriter,
    ".jsonl": JsonlWriter,
    ".jsonl.gz": JsonlWriter,
}
_TEMPORARY = ".tmp"


def check_new(path: str, of_tokens: bool) -> None:
    """Raises if `open_writer` could not make its files.

    Raises:
        ValueError: the name tells no format, a file exists already, or the folder
            does not, or can not hold it.
    """
    is_remote = "://" in path
    if is_remote and ending_of(path) in (".npy", ".npz"):
        raise ValueError(
            f"Received output_file={path!r}. Expected a local file, as a header is "
            "completed at its end: write it here and copy it, or choose .tfrecord."
        )
    for name in _files(path, of_tokens):
        require_new(name)
    folder = posixpath.dirname(path) or "."
    if not is_remote and not tf.io.gfile.isdir(folder):
        raise ValueError(
            f"Received output_file={path!r}, but there is no folder {folder!r}. "
            "Expected one: make it, or correct the name."
        )


def ending_of(path: str) -> str:
    """The key of `FORMATS` that a file's name ends in.

    Raises:
        ValueError: it ends in none.
    """
    for ending in FORMATS:
        if path.endswith(ending):
            return ending
    raise ValueError(
        f"Received output_file={path!r}. Expected a name that ends in one of "
        f"{list(FORMATS)}, which says what is written."
    )


@contextlib.contextmanager
def open_writer(path: str, layout: Layout) -> Iterator[Writer]:
    """A writer whose files have their names only after the block has ended well.

    Args:
        path: its ending is one of `FORMATS`.
        layout: of the vectors.

    Raises:
        ValueError: as `check_new`.
    """
    check_new(path, layout.of_tokens)
    names = _files(path, layout.of_tokens)
    temporaries = [f"{name}{_TEMPORARY}" for name in names]
    done: list[str] = []
    try:
        with FORMATS[ending_of(path)](temporaries, layout) as writer:
            yield writer
        # The named file comes last: with it all are there.
        for temporary, name in reversed(list(zip(temporaries, names, strict=True))):
            tf.io.gfile.rename(temporary, name)
            done.append(name)
    except BaseException:
        for name in done:
            remove(name)
        remove_unfinished(path, layout.of_tokens)
        raise


def remove_unfinished(path: str, of_tokens: bool) -> None:
    """Removes what `open_writer` has of files that are not complete."""
    temporaries = [f"{name}{_TEMPORARY}" for name in _files(path, of_tokens)]
    members = [f"{temporaries[0]}.{name}.npy" for name in _arrays(of_tokens)]
    for name in (*temporaries, *members):
        remove(name)


def _files(path: str, of_tokens: bool) -> list[str]:
    """All files of a name, the named one first."""
    ending = ending_of(path)
    if ending != ".npy":
        return [path]
    stem = path.removesuffix(ending)
    return [path, *(f"{stem}.{name}.npy" for name in _arrays(of_tokens)[1:])]


def _arrays(of_tokens: bool) -> tuple[str, ...]:
    return ("vectors", "offsets", "tokens") if of_tokens else ("vectors",)
