"""Reads text sources of any size as documents, one at a time.

A document is a string in normal form: one paragraph or heading per line, single
spaces, no empty lines.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence

import tensorflow as tf
from absl import logging

from data_pipelines.corpus import wikipedia
from data_pipelines.corpus.file_formats import format_of
from data_pipelines.corpus.json_lines import json_documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.corpus.markers import divided, without_markers
from data_pipelines.corpus.paragraphs import paragraphs_of
from data_pipelines.corpus.plain_text import extracted_documents, plain_documents
from data_pipelines.corpus.utf8 import decode, split_lines
from data_pipelines.files.fingerprints import present
from data_pipelines.files.paths import exists, matches
from data_pipelines.files.tfds_files import prepared_files

_TFDS = "tfds:"


def expand_sources(patterns: Sequence[str]) -> list[str]:
    """Expands patterns to file names; returns them and `tfds:` names, sorted, unique.

    `["books/*.txt", "tfds:lm1b"]` becomes `["books/a.txt", "books/b.txt",
    "tfds:lm1b"]`. Matching folders are left out.

    Raises:
        FileNotFoundError: a pattern matches no file.
        ValueError: there is no pattern.
    """
    sources: set[str] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if pattern.startswith(_TFDS):
            sources.add(pattern)
            continue
        # A name may itself contain brackets, so it is tried before the pattern.
        names = [pattern] if exists(pattern) else matches(pattern)
        files = [name for name in names if not tf.io.gfile.isdir(name)]
        if not files:
            found = f"only the folders {names[:3]}" if names else "nothing"
            raise FileNotFoundError(
                f"{pattern!r} matches {found}. Expected text files: check the "
                "name, or write 'folder/*' for all files of a folder."
            )
        sources.update(files)
    if not sources:
        raise ValueError(
            "Received no sources. Expected file names, patterns such as "
            "'corpus/*.txt', or dataset names such as 'tfds:lm1b'."
        )
    return sorted(sources)


def files_of(patterns: Sequence[str]) -> list[str]:
    """Returns the files of sources, including the files in which TFDS stores datasets.

    Patterns that match nothing are ignored.
    """
    files: list[str] = []
    for pattern in patterns:
        with contextlib.suppress(FileNotFoundError):
            for source in expand_sources([pattern]):
                if source.startswith(_TFDS):
                    files += prepared_files(source.removeprefix(_TFDS))
                elif "://" in source or present(source):
                    files.append(source)
    return sorted(set(files))


def read_documents(
    source: str, layout: Layout | None = None, counts: Counter | None = None
) -> Iterator[str]:
    r"""Reads the documents of one source, one paragraph per line.

    A file with the lines `["IT WAS", "", "The sky was grey, and the rain came", "down
    on us. We left."]` (and more of this width) gives one document, `"IT WAS\nThe
    sky was grey, and the rain came down on us. We left."`.

    A file may be compressed (`.gz`, `.bz2`, `.xz`). Its format is detected from its
    content and name, see `file_formats.format_of`:

    - JSON lines: one document per line, the field `text` of an object.
    - A Wikipedia dump, see `wikipedia`.
    - The output of WikiExtractor: each `<doc id=...>` is a document.
    - Everything else is plain text. A line ` = Title = ` after an empty line (WikiText)
      always starts a document, and empty lines after it do not.

    `tfds:NAME[/CONFIG][:SPLIT]` reads the feature `text` of a dataset that TFDS has
    prepared, in `TFDS_DATA_DIR` or the default folder of TFDS. Default split: `train`.

    The markers of Wiki-40B (`_START_ARTICLE_`, ...) and `<|endoftext|>` end lines and
    documents in every format.

    Args:
        source: one of the results of `expand_sources`.
        layout: document separator and meaning of lines. Default: `Layout()`.
        counts: updated with the numbers of `sources`, `empty_sources` (without text),
            `documents`, `empty_documents` (skipped), `missing_texts` (JSON objects
            without text, skipped), `invalid_bytes` (not UTF-8, skipped), and
            `divided_documents`: plain-text documents of more than 33 million
            characters, whose parts are yielded as documents.

    Yields:
        Documents that are not empty.

    Raises:
        FileNotFoundError: there is no such file, or the dataset is not prepared.
        ValueError: the layout is unknown, the file is not text or has an unsupported
            format, its compression or JSON is broken, or the text is not in the
            expected field.
    """
    layout = Layout() if layout is None else layout
    layout.check_layout()
    counts = Counter() if counts is None else counts
    before = Counter(counts)
    counts["sources"] += 1
    documents = _lines_of_documents(source, layout, counts)
    for paragraphs in paragraphs_of(documents, layout.lines):
        if paragraphs:
            counts["documents"] += 1
            yield "\n".join(paragraphs)
        else:
            counts["empty_documents"] += 1
    if counts["documents"] == before["documents"]:
        counts["empty_sources"] += 1
        logging.warning("%s has no text.", source)
    invalid = counts["invalid_bytes"] - before["invalid_bytes"]
    if invalid:
        logging.warning("%s: skipped %d bytes that are not UTF-8.", source, invalid)


def _lines_of_documents(
    source: str, layout: Layout, counts: Counter
) -> Iterator[list[str]]:
    if source.startswith(_TFDS):
        return _tfds_documents(source, counts)
    if not exists(source) or tf.io.gfile.isdir(source):
        raise FileNotFoundError(
            f"No file {source!r}. Expected a text file: check the name."
        )
    match format_of(source):
        case "json_lines":
            return json_documents(source, counts)
        case "wikipedia_dump":
            return wikipedia.articles(source)
        case "wikiextractor":
            return extracted_documents(source, counts)
    return plain_documents(source, layout.separator, counts)


def _tfds_documents(source: str, counts: Counter) -> Iterator[list[str]]:
    import tensorflow_datasets as tfds  # Imported here: it takes seconds.

    name, _, split = source.removeprefix(_TFDS).partition(":")
    split = split or "train"
    try:
        builder = tfds.builder(name, data_dir=os.environ.get("TFDS_DATA_DIR"))
        is_prepared = builder.is_prepared()
    except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
        raise FileNotFoundError(
            f"{source!r}: TFDS has no dataset {name!r} ({_one_line(error)}). Expected "
            "tfds:NAME[/CONFIG][:SPLIT]: check the name and TFDS_DATA_DIR."
        ) from None
    if not is_prepared:
        raise FileNotFoundError(
            f"{source!r} is not in {builder.data_dir}. Expected a prepared dataset: "
            f"run tfds build {name}, or set TFDS_DATA_DIR to its folder."
        )
    if split.split("[")[0] not in builder.info.splits:
        raise ValueError(
            f"{source!r}: no split {split!r}. Expected one of "
            f"{sorted(builder.info.splits)}: write tfds:{name}:SPLIT."
        )
    dataset = builder.as_dataset(split=split, shuffle_files=False)
    features = dataset.element_spec
    text = features.get("text") if isinstance(features, dict) else None
    if text != tf.TensorSpec([], tf.string):
        raise ValueError(
            f"{source!r} has the features {_one_line(builder.info.features)}. Expected "
            "one string feature 'text': write its documents to a .jsonl file instead."
        )
    for example in dataset:
        text = without_markers(decode(example["text"].numpy(), counts))
        yield from divided(split_lines(text))


def _one_line(received: object) -> str:
    return " ".join(str(received).split())[:300]
