"""A first look at tagged sentences: are words words, and tags tags?"""

import re
from collections.abc import Iterator, Sequence

from data_pipelines.datasets.read_log import ReadLog
from data_pipelines.datasets.tagged_reader import Sentence
from data_pipelines.datasets.tagging_schemes import find_scheme

# Numbers of words from which on something can be said. Real tags of parts of speech,
# and of all their features, are fewer than the words that have them: in the first 50
# words of UD English EWT, 20 (14) tags to 34 words; in all 204,577, 49 (230) to 19,674.
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
    """Warns of sentences, or refuses them, if they look like something else.

    Args:
        path: for messages.
        sentences: of the file.
        log: takes the warnings.
        is_start: whether the file has more sentences than these.
        trusts_words, trusts_tags: the user says what they are, so that any are taken.
        are_entities: whether tags are read as those of entities.

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
                f"{path}: {numbers} of {len(words)} words are numbers, such as those "
                f"of {two or words[:2]}. Expected words: name their column with "
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
            f"{path}: {len(pairs):,} words, of which {len(different):,} are different, "
            f"have {len(tags):,} different tags ({two}). Expected few tags: name their "
            "column with --tag_column, or say what they are with --tags=labels."
        )
    if not trusts_tags and tags and all(re.fullmatch('".+"', tag) for tag in tags):
        raise ValueError(
            f"{path}: all tags stand in quotes ({two}). Expected none: write the file "
            "without quotes."
        )
    if not trusts_tags and tags and all(" " in tag for tag in tags):
        raise ValueError(
            f"{path}: all tags have spaces ({two}). Expected none: put tabs, or "
            "spaces, between all columns."
        )
    others = tags - {"O"}
    if not trusts_tags and not are_entities and others and "O" in tags:
        log.note(
            f"{path}: tags such as {min(others)!r} have no B- or I-, and are scored "
            "one by one (--tags=entities: neighbours with one tag are an entity; "
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
            f"{path}: every sentence has one word ({two}); empty lines should stand "
            "between sentences alone"
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
