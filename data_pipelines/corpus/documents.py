"""Reads sources of text, of any size, as documents, one at a time.

A document is a string in one normal form: a paragraph or heading a line, single
spaces, no empty lines.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import tensorflow as tf
from absl import logging

from data_pipelines.corpus import wikipedia
from data_pipelines.corpus.paragraphs import paragraphs
from data_pipelines.corpus.utf8 import decode, lines_of_text

Separator = Literal["file", "blank_line"]

_TFDS = "tfds:"
_JSON = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
# A larger document is yielded in parts. Only damaged or wrongly separated files have
# such ones: the longest novel has a tenth of it.
_MAX_DOCUMENT_CHARACTERS = 1 << 25

# ` = Title = ` opens an article of WikiText.
_TITLE = re.compile(r"= (?![= ])(.*[^= ]) =")
# A return alone ends lines of old systems, a form feed those of a page.
_LINE_END = re.compile(r"\r?\n|[\r\f]")


def expand_sources(patterns: Sequence[str]) -> list[str]:
    """Sorts names of files, those that patterns match, and `tfds:` names; each is once.

    `["books/*.txt", "tfds:lm1b"]` becomes `["books/a.txt", "books/b.txt",
    "tfds:lm1b"]`. Folders that match are left out.

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
        names = [pattern] if tf.io.gfile.exists(pattern) else _glob(pattern)
        files = [name for name in names if not tf.io.gfile.isdir(name)]
        if not files:
            found = f"only the folders {names[:3]}" if names else "nothing"
            raise FileNotFoundError(
                f"{pattern!r} matches {found}. Expected files of text: check the "
                "name, and write 'folder/*' for all files of a folder."
            )
        sources.update(files)
    if not sources:
        raise ValueError(
            "Received no sources. Expected names of files, patterns such as "
            "'corpus/*.txt', or names such as 'tfds:lm1b'."
        )
    return sorted(sources)


def read_documents(
    source: str, separator: Separator = "file", counts: Counter | None = None
) -> Iterator[str]:
    r"""Reads the documents of one source, one paragraph a line.

    A file with the lines `["IT WAS", "", "The sky was grey, and the rain came", "down
    on us. We left."]` (and more of this width) gives the one document `"IT WAS\nThe
    sky was grey, and the rain came down on us. We left."`.

    The name tells the format, and each file may be compressed (`.gz`):

    - `.json`, `.jsonl`: a document a line, the field `text` of an object.
    - `tfds:NAME[/CONFIG][:SPLIT]`: the feature `text` of a dataset that TFDS has
      prepared, in `TFDS_DATA_DIR` or where TFDS looks by itself. Split: `train`.
    - `.xml`, `.xml.bz2`: a dump of a Wikipedia, see `wikipedia`.
    - any other: plain text. Hard-wrapped lines are joined to paragraphs, other lines
      are paragraphs. A line ` = Title = ` after an empty line (WikiText) always
      opens a document, and empty lines after it open none.

    Args:
        source: one of `expand_sources`.
        separator: of plain text. `"file"`: the file is one document. `"blank_line"`:
            empty lines separate documents, as in the input of google-research/bert,
            where each line is a sentence.
        counts: counts what was read: `sources`, `empty_sources` (without any text),
            `documents`, `empty_documents` (skipped), `invalid_bytes` (not UTF-8,
            skipped), and `divided_documents`, those of plain text with more than
            33 million characters. Their parts are yielded as documents.

    Yields:
        Documents that are not empty.

    Raises:
        FileNotFoundError: no such file, or a dataset that is not prepared.
        ValueError: the separator is unknown, the file is not text, its compression
            or JSON is broken, or the text is not where it is expected.
    """
    if separator not in get_args(Separator):
        raise ValueError(
            f"Received separator={separator!r}, expected one of "
            f"{list(get_args(Separator))}."
        )
    counts = Counter() if counts is None else counts
    before = Counter(counts)
    if source.startswith(_TFDS):
        documents = _read_tfds(source, counts)
    else:
        if not tf.io.gfile.exists(source) or tf.io.gfile.isdir(source):
            raise FileNotFoundError(
                f"No file {source!r}. Expected a file of text: check the name."
            )
        if source.lower().endswith(_JSON):
            documents = _read_json_lines(source, counts)
        elif source.lower().endswith(wikipedia.DUMPS):
            documents = wikipedia.articles(source)
        else:
            documents = _read_text(source, separator, counts)
    counts["sources"] += 1
    for lines in documents:
        document = "\n".join(paragraphs(lines))
        if document:
            counts["documents"] += 1
            yield document
        else:
            counts["empty_documents"] += 1
    if counts["documents"] == before["documents"]:
        counts["empty_sources"] += 1
        logging.warning("%s has no text.", source)
    invalid = counts["invalid_bytes"] - before["invalid_bytes"]
    if invalid:
        logging.warning("%s: skipped %d bytes that are not UTF-8.", source, invalid)


def _glob(pattern: str) -> list[str]:
    try:
        return tf.io.gfile.glob(pattern)
    except tf.errors.NotFoundError:
        return []


# --- Formats: each yields the lines of one document after another.


def _read_text(
    source: str, separator: Separator, counts: Counter
) -> Iterator[list[str]]:
    lines: list[str] = []
    size = 0
    is_divided = in_article = False
    after_blank = True
    for line in _text_lines(source, counts):
        stripped = line.strip()
        is_title = after_blank and bool(_TITLE.fullmatch(stripped))
        in_article |= is_title
        is_border = separator == "blank_line" and not stripped and not in_article
        ends = is_title or is_border
        # Only where more of the document follows is it divided.
        is_long = (
            not ends
            and bool(stripped)
            and size > _MAX_DOCUMENT_CHARACTERS
            and (after_blank or size > 2 * _MAX_DOCUMENT_CHARACTERS)
        )
        if is_long and not is_divided:
            counts["divided_documents"] += 1
            logging.warning(
                "%s: a document of more than %d characters is divided; "
                "separator='blank_line' may suit this file better.",
                source,
                _MAX_DOCUMENT_CHARACTERS,
            )
        if ends or is_long:
            if lines:
                yield lines
            lines, size = [], 0
            is_divided = is_long
        # Empty lines tell paragraphs apart; before the first and in a row, nothing.
        if stripped or (lines and not after_blank):
            lines.append(line)
            size += len(line)
        after_blank = not stripped
    if lines:
        yield lines


def _read_json_lines(source: str, counts: Counter) -> Iterator[list[str]]:
    for number, line in enumerate(lines_of_text(source), start=1):
        text = decode(line, counts).strip()
        if not text:
            continue
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(
                f"{source}, line {number}: not JSON ({error}). Expected an object "
                'a line, such as {"text": "…"}.'
            ) from None
        document = entry.get("text") if isinstance(entry, dict) else None
        if not isinstance(document, str):
            found = sorted(entry) if isinstance(entry, dict) else type(entry).__name__
            raise ValueError(
                f"{source}, line {number}: no string 'text' but {str(found)[:200]}. "
                'Expected an object a line, such as {"text": "…"}.'
            )
        # JSON can spell halves of surrogate pairs, which are no characters.
        text = decode(document.encode("utf-8", "surrogatepass"), counts)
        yield _split_lines(text)


def _read_tfds(source: str, counts: Counter) -> Iterator[list[str]]:
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
            f"{source!r} is not in {builder.data_dir}. Prepare it first: "
            f"tfds build {name}, or set TFDS_DATA_DIR to where it is."
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
            "one string called 'text': write its documents to a .jsonl file instead."
        )
    for example in dataset:
        yield _split_lines(decode(example["text"].numpy(), counts))


def _one_line(received: object) -> str:
    return " ".join(str(received).split())[:300]


def _text_lines(source: str, counts: Counter) -> Iterator[str]:
    for line in lines_of_text(source, _MAX_DOCUMENT_CHARACTERS):
        text = decode(line, counts)
        yield from _split_lines(text.removesuffix("\r"))


def _split_lines(text: str) -> list[str]:
    # The regular expression, being slow, is for few texts.
    if "\r" in text or "\f" in text:
        return _LINE_END.split(text)
    return text.split("\n")
