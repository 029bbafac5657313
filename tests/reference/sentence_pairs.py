"""Sentence pairs as described by BERT's authors: slow and short, in Python.

Written from the description of the task in Devlin et al. (2019), appendix A.2, and
from the behaviour of `create_instances_from_document` in google-research/bert, to
compare distributions with. Documents are lists of sentences, lists of ids.
"""

import random


def walk(
    documents: list[list[list[int]]],
    max_tokens: int,
    short_row_rate: float,
    generator: random.Random,
) -> list[tuple[list[int], list[int], int]]:
    """Returns all pairs of all documents: first segment, second segment, label."""
    rows = []
    for own, document in enumerate(documents):
        target = max_tokens
        if generator.random() < short_row_rate:
            target = generator.randint(2, max_tokens)
        place = 0
        while place < len(document):
            end, length = place, 0
            while end < len(document) and length < target:
                length += len(document[end])
                end += 1
            size = end - place
            first_size = generator.randint(1, size - 1) if size > 1 else 1
            first = _join(document[place : place + first_size])
            if size == 1 or generator.random() < 0.5:
                second, label = (
                    _elsewhere(documents, own, target - len(first), generator),
                    1,
                )
                place += first_size
            else:
                second, label = _join(document[place + first_size : end]), 0
                place = end
            while len(first) + len(second) > max_tokens:
                longer = first if len(first) > len(second) else second
                longer.pop(0 if generator.random() < 0.5 else -1)
            rows.append((first, second, label))
    return rows


def _join(sentences: list[list[int]]) -> list[int]:
    return [token for sentence in sentences for token in sentence]


def _elsewhere(
    documents: list[list[list[int]]], own: int, wanted: int, generator: random.Random
) -> list[int]:
    for _ in range(10):
        other = generator.randrange(len(documents))
        if other != own:
            break
    start = generator.randrange(len(documents[other]))
    tokens: list[int] = []
    for sentence in documents[other][start:]:
        tokens = tokens + sentence
        if len(tokens) >= wanted:
            break
    return tokens
