"""Reads text as lists of words or pieces, from which static vectors are learned."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from data_pipelines.corpus import documents
from data_pipelines.corpus.layout import Layout
from data_pipelines.pretraining import record_folder
from data_pipelines.pretraining.documents import stored_texts
from data_pipelines.programs import processes
from data_pipelines.tokenizers.vocabulary import Vocabulary

# Letters, with apostrophes inside, as in the lists of word pairs.
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# gensim truncates lists longer than 10,000.
_LIST_LENGTH = 1000


class Words:
    """Lists of lower-cased words of documents; each iteration starts again.

    `"It isn't 3 o'clock."` becomes `["it", "isn't", "o'clock"]`.
    """

    def __init__(self, sources: Sequence[str], layout: Layout | None = None) -> None:
        self.sources = documents.expand_sources(sources)
        self.layout = layout

    def __iter__(self) -> Iterator[list[str]]:
        for source in processes.show_progress("read", self.sources, len(self.sources)):
            texts = documents.read_documents(source, self.layout)
            yield from _lists(map(words_of, texts))


class Pieces:
    """Lists of pieces of the training part of records; each iteration starts again.

    Raises:
        FileNotFoundError: there are no records.
        ValueError: the records have another vocabulary.
    """

    def __init__(self, records_dir: str, vocabulary: Vocabulary) -> None:
        manifest = record_folder.read_manifest(records_dir)
        record_folder.check_vocabulary(manifest, vocabulary)
        self.files = record_folder.record_files(records_dir)
        self.tokens = np.array(vocabulary.tokens, dtype=object)
        self.num_parts = manifest["counts"]["parts"]

    def __iter__(self) -> Iterator[list[str]]:
        texts = stored_texts(self.files)
        parts = processes.show_progress("read", texts, self.num_parts)
        yield from _lists(self.tokens[token_ids].tolist() for token_ids in parts)


def words_of(text: str) -> list[str]:
    """The words of a text; see `Words`."""
    return _WORD.findall(text.lower())


def _lists(texts: Iterable[list[str]]) -> Iterator[list[str]]:
    for words in texts:
        for start in range(0, len(words), _LIST_LENGTH):
            yield words[start : start + _LIST_LENGTH]
