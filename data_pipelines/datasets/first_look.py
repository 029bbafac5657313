"""Plausibility checks of tagged sentences: do words and tags look like such?"""

import re
from collections.abc import Iterator, Sequence

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tagged_reader import Sentence
from data_pipelines.datasets.tagging_schemes import find_scheme

# Minimum numbers of words for the checks. Real part-of-speech tags (with all features)
# are fewer than the different words that have them: in UD English EWT, 20 (14) tags for
# 34 words in the first 50 words, and 49 (230) for 19,674 in all 204,577.
_FEW, _SOME, _MANY = 8, 50, 200
_NUMBER = re.compile(r"\d+([.,:/-]\d+)*")


def look_at(
    path: str,
    sentences: Sequence[Sentence],
    log: ReadLog,
    *,
    is_start: bool,
    trusts_words: bool,
    trusts_tags: bool,
    are_entities: bool,
) -> None:
    """Warns about implausible words and tags, or raises an error.

    Args:
        path: path of the file, for messages.
        sentences: first sentences of the file.
        log: receives the warnings.
        is_start: whether the file has more sentences than these.
        trusts_words, trusts_tags: accept any words or tags: the user specified them.
        are_entities: whether tags are read as entity tags.

    Raises:
        ValueError: words look like numbers or tags, or tags like words.
    """
    words = [word for sentence in sentences for word in sentence.words]
    pairs = list(_pairs(sentences))
    tags = {tag for _, _, tag in pairs}
    different = {word for _, word, _ in pairs}
    two = " and ".join(f"{place}: {word!r} {tag!r}" for place, word, tag in pairs[:2])
    if not trusts_words:
        numbers = sum(_NUMBER.fullmatch(word) is not None for word in words)
        if len(words) >= 4 and numbers > 0.9 * len(words):
            raise ValueError(
                f"{path}: {numbers} of {len(words)} words are numbers, such as "
                f"{two or words[:2]}. Expected words: name their column with "
                "--word_column."
            )
        scheme, odd = find_scheme(set(words))
        tag_scheme, _ = find_scheme(tags)
        if scheme is not None and not odd and tag_scheme is None and "O" in words:
            raise ValueError(
                f"{path}: the words look like tags ({two}). Expected words: name the "
                "columns with --word_column and --tag_column."
            )
    if not trusts_tags and _look_like_words(len(tags), len(different), len(pairs)):
        raise ValueError(
            f"{path}: {len(pairs):,} words, {len(different):,} of them different, have "
            f"{len(tags):,} different tags ({two}). Expected few tags: name their "
            "column with --tag_column, or accept them with --tags=labels."
        )
    if not trusts_tags and tags and all(re.fullmatch('".+"', tag) for tag in tags):
        raise ValueError(
            f"{path}: all tags are in quotes ({two}). Expected tags without quotes: "
            "remove the quotes from the file."
        )
    if not trusts_tags and tags and all(" " in tag for tag in tags):
        raise ValueError(
            f"{path}: all tags contain spaces ({two}). Expected tags without spaces: "
            "separate all columns by tabs, or all by spaces."
        )
    others = tags - {"O"}
    if not trusts_tags and not are_entities and others and "O" in tags:
        log.note(
            f"{path}: tags such as {min(others)!r} have no B- or I-, and are scored "
            "one by one (--tags=entities: adjacent equal tags are one entity; "
            "--tags=labels: they are not)"
        )
    if not trusts_tags and len(tags) > 1 and all(tag.isdecimal() for tag in tags):
        log.note(f"{path}: all tags are numbers ({two}); --tag_names=O,... names them")
    if tags == {"O"}:
        log.note(f"{path}: all tags are O{' so far' if is_start else ''} ({two})")
    if len(sentences) == 1 and not is_start and len(words) >= _MANY:
        log.note(
            f"{path}: all {len(words):,} words are one sentence ({two}); an empty line "
            "between sentences is missing"
        )
    if len(sentences) >= _FEW and len(words) == len(sentences):
        log.note(
            f"{path}: every sentence has one word ({two}); there should be empty lines "
            "only between sentences"
        )


def _look_like_words(tags: int, different: int, words: int) -> bool:
    return (
        (words >= _FEW and tags > 1.25 * different)
        or (words >= _SOME and tags > max(words / 3, 0.8 * different))
        or (tags > _MANY and tags > 0.4 * different)
    )


def _pairs(sentences: Sequence[Sentence]) -> Iterator[tuple[str, str, str]]:
    for sentence in sentences:
        if sentence.tags is not None:
            columns = zip(sentence.words, sentence.tags, strict=True)
            for number, (word, tag) in enumerate(columns):
                yield sentence.place_of(number), word, tag
