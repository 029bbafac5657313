"""Text as lists of words, which is what static vectors are learned from."""

import re
from collections.abc import Iterator, Sequence

from data_pipelines.corpus import documents
from data_pipelines.programs import processes

# Letters, with an apostrophe inside: what the lists of word pairs are made of.
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
# gensim cuts off what is longer than 10,000.
_WORDS_AT_ONCE = 1000


class Words:
    """Lists of words of documents, lower-cased, from the start in each iteration.

    `"It isn't 3 o'clock."` becomes `["it", "isn't", "o'clock"]`.

    Args:
        sources: files, see `corpus.expand_sources`.
        separator: what separates the documents of a file.
    """

    def __init__(
        self, sources: Sequence[str], separator: documents.Separator = "file"
    ) -> None:
        self.sources = documents.expand_sources(sources)
        self.separator = separator

    def __iter__(self) -> Iterator[list[str]]:
        sources = processes.show_progress("read", self.sources, len(self.sources))
        for source in sources:
            for document in documents.read_documents(source, self.separator):
                words = words_of(document)
                for start in range(0, len(words), _WORDS_AT_ONCE):
                    yield words[start : start + _WORDS_AT_ONCE]


def words_of(text: str) -> list[str]:
    """The words of a text."""
    return _WORD.findall(text.lower())
