"""Writes vectors of texts to NumPy, TFRecord or JSON files, completely or not at all.

    x.npy       float32: (texts, width), or for tokens (all tokens, width)
    x.tfrecord  a tf.train.Example for each text
    x.jsonl     a JSON object per line for each text; x.jsonl.gz: compressed

Vectors of tokens have two more files: `x.offsets.npy`, int64 (texts + 1), where the
vectors of text i are `vectors[offsets[i] : offsets[i + 1]]`; and `x.tokens.npy`, (all
tokens,), with the fields `piece`, `start` and `end`, the byte offsets in the text, or
-1. All three can be read with `np.load(name, mmap_mode="r")`.

For each text, the other formats have `id` (its number, from 0), `text`, for a pair
`second`, `vectors`, and for tokens `tokens`, `starts`, `ends`; TFRecords also have the
`shape` of the vectors, (width) or (tokens, width).
"""

import contextlib
import dataclasses
import gzip
import json
import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.prediction.text_vectors import TextVectors
from data_pipelines.files.atomic import new_folder, remove, require_new

# A function that writes a text.
Write = Callable[[TextVectors], None]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Properties that all texts of a file share.

    Attributes:
        width: the number of dimensions of a vector.
        of_tokens: whether a text has a vector for each token, instead of one.
        max_piece_characters: the length of the longest piece in the vocabulary.
    """

    width: int
    of_tokens: bool
    max_piece_characters: int


class _NpyFile:
    """An array that grows row by row; its header is completed at the end."""

    def __init__(self, path: str, dtype: Any, row_shape: tuple[int, ...]) -> None:
        self.num_rows = 0
        self._dtype = np.dtype(dtype)
        self._row_shape = row_shape
        self._file = open(path, "wb")  # noqa: SIM115
        self._write_header()

    def append(self, rows: Any) -> None:
        rows = np.ascontiguousarray(rows, self._dtype)
        self._file.write(rows.data if rows.size else b"")
        self.num_rows += len(rows)

    def close(self) -> None:
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        # NumPy's header has padding, so that the first axis can grow to any number.
        np.lib.format.write_array_header_1_0(
            self._file,
            {
                "descr": np.lib.format.dtype_to_descr(self._dtype),
                "fortran_order": False,
                "shape": (self.num_rows, *self._row_shape),
            },
        )


@contextlib.contextmanager
def _npy(paths: Sequence[str], layout: Layout) -> Iterator[Write]:
    """Writes arrays; for tokens, also their offsets and pieces in two more files."""
    piece = f"<U{layout.max_piece_characters}"
    arrays = (
        ("<f4", (layout.width,)),
        ("<i8", ()),
        ([("piece", piece), ("start", "<i4"), ("end", "<i4")], ()),
    )
    with contextlib.ExitStack() as stack:
        vectors, *others = (
            stack.enter_context(contextlib.closing(_NpyFile(path, *array)))
            for path, array in zip(paths, arrays, strict=False)
        )
        if others:
            others[0].append([0])

        def write(text: TextVectors) -> None:
            vectors.append(np.atleast_2d(text.vectors))
            if text.tokens is not None:
                offsets, tokens = others
                offsets.append([vectors.num_rows])
                fields = (text.tokens.pieces, text.tokens.starts, text.tokens.ends)
                tokens.append(list(zip(*fields, strict=True)))

        yield write


@contextlib.contextmanager
def _tfrecord(paths: Sequence[str], layout: Layout) -> Iterator[Write]:
    with tf.io.TFRecordWriter(paths[0]) as records:

        def write(text: TextVectors) -> None:
            example = tf.train.Example()
            features = example.features.feature
            for name, values in {**_fields(text), "shape": text.vectors.shape}.items():
                values = [values] if isinstance(values, str | int) else values
                if isinstance(values[0], str):
                    encoded = (value.encode() for value in values)
                    features[name].bytes_list.value.extend(encoded)
                else:
                    features[name].int64_list.value.extend(values)
            features["vectors"].float_list.value.extend(text.vectors.ravel().tolist())
            records.write(example.SerializeToString(deterministic=True))

        yield write


@contextlib.contextmanager
def _jsonl(paths: Sequence[str], layout: Layout) -> Iterator[Write]:
    with contextlib.ExitStack() as stack:
        file: Any = stack.enter_context(tf.io.gfile.GFile(paths[0], "wb"))
        if paths[0].endswith(".gz"):
            # Without a name and a time, the same texts give the same bytes.
            file = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))

        def write(text: TextVectors) -> None:
            start = json.dumps(_fields(text), ensure_ascii=False)[:-1]
            line = f'{start}, "vectors": {_json(text.vectors)}}}\n'
            file.write(line.encode())

        yield write


def _fields(text: TextVectors) -> dict[str, Any]:
    """The fields of a text without its vectors, as plain values."""
    fields: dict[str, Any] = {"id": text.row, "text": text.example.first}
    if text.example.second is not None:
        fields["second"] = text.example.second
    if text.tokens is not None:
        starts, ends = text.tokens.starts.tolist(), text.tokens.ends.tolist()
        fields |= {"tokens": text.tokens.pieces, "starts": starts, "ends": ends}
    return fields


def _json(vectors: np.ndarray) -> str:
    # The shortest digits for float32; those of Python's floats would have 17 digits.
    if vectors.ndim == 2:
        return f"[{', '.join(_json(vector) for vector in vectors)}]"
    return f"[{', '.join(vectors.astype(str).tolist())}]"


FORMATS: dict[str, Callable[[Sequence[str], Layout], Any]] = {
    ".npy": _npy,
    ".tfrecord": _tfrecord,
    ".jsonl": _jsonl,
    ".jsonl.gz": _jsonl,
}


def check_new(path: str, of_tokens: bool) -> None:
    """Checks that `open_writer` can create its files.

    Raises:
        ValueError: the name has none of the endings in `FORMATS`, the folder does not
            exist, or it does not support the format.
        FileExistsError: a file exists already.
    """
    is_remote = "://" in path
    if is_remote and _ending(path) == ".npy":
        raise ValueError(
            f"Received output_file={path!r}. Expected a local file for .npy, whose "
            "header is written last: write a local file and copy it, or use .tfrecord."
        )
    for name in _files(path, of_tokens):
        require_new(name)
    folder = posixpath.dirname(path) or "."
    if not is_remote and not tf.io.gfile.isdir(folder):
        raise ValueError(
            f"Received output_file={path!r}, but there is no folder {folder!r}. "
            "Expected an existing folder: create it, or correct the name."
        )


@contextlib.contextmanager
def open_writer(path: str, layout: Layout) -> Iterator[Write]:
    """Yields a function that writes a text; the files appear when the block ends.

    Raises:
        ValueError, FileExistsError: as for `check_new`.
    """
    check_new(path, layout.of_tokens)
    names = _files(path, layout.of_tokens)

    def publish(folder: str, path: str) -> None:
        with contextlib.ExitStack() as undo:
            # The named file comes last: when it exists, all files do.
            for name in reversed(names):
                tf.io.gfile.rename(_inside(folder, name), name)
                undo.callback(remove, name)
            undo.pop_all()

    with new_folder(path, publish) as folder:
        tf.io.gfile.makedirs(folder)
        unfinished = [_inside(folder, name) for name in names]
        with FORMATS[_ending(path)](unfinished, layout) as write:
            yield write


def _inside(folder: str, path: str) -> str:
    return posixpath.join(folder, posixpath.basename(path))


def _ending(path: str) -> str:
    for ending in FORMATS:
        if path.endswith(ending):
            return ending
    raise ValueError(
        f"Received output_file={path!r}. Expected a name ending in one of "
        f"{list(FORMATS)}, which selects the format."
    )


def _files(path: str, of_tokens: bool) -> list[str]:
    """All files that belong to a name, the named one first."""
    if _ending(path) != ".npy" or not of_tokens:
        return [path]
    stem = path.removesuffix(".npy")
    return [path, f"{stem}.offsets.npy", f"{stem}.tokens.npy"]
