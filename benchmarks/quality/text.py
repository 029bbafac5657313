"""The text of the benchmark: what all sides train on, and what is held out."""

import contextlib
import json
import posixpath
import sys

import tensorflow as tf
import tqdm

from data_pipelines.corpus.documents import expand_sources, read_documents
from data_pipelines.files.atomic import new_folder

# Each of this many documents is held out.
_HELDOUT_EVERY = 50
# Files that several processes read at the same time.
_NUM_SHARDS = 16
_SOURCES = ("books/*.txt.gz", "enwiki/*.jsonl.gz")
_HELDOUT = "heldout.jsonl"


def prepare(data_dir: str, folder: str) -> None:
    """Divides the novels and Wikipedia into training text and held-out documents.

    Args:
        data_dir: the folder with `books` and `enwiki`.
        folder: gets JSON lines; nothing is done if it is there.

    Raises:
        FileNotFoundError: the data is not there.
    """
    if tf.io.gfile.exists(folder):
        return
    sources = expand_sources([posixpath.join(data_dir, name) for name in _SOURCES])
    names = [_HELDOUT, *(f"train-{number:02}.jsonl" for number in range(_NUM_SHARDS))]
    with new_folder(folder) as temporary, contextlib.ExitStack() as opened:
        heldout, *shards = (
            opened.enter_context(open(posixpath.join(temporary, name), "w"))
            for name in names
        )
        number = 0
        for source in tqdm.tqdm(
            sources, "text", unit=" files", disable=not sys.stderr.isatty()
        ):
            for text in read_documents(source):
                is_heldout = number % _HELDOUT_EVERY == 0
                file = heldout if is_heldout else shards[number % _NUM_SHARDS]
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                number += 1


def training_files(folder: str) -> str:
    """Returns the pattern of the files to train on."""
    return posixpath.join(folder, "train-*.jsonl")


def heldout_documents(folder: str) -> list[str]:
    """Returns the held-out documents, one paragraph a line."""
    return list(read_documents(posixpath.join(folder, _HELDOUT)))
