"""Reads tagged sentences from JSON of common tools, one object per sentence.

Formats: lists of tokens and tags (Hugging Face datasets), with tags as names or
numbers; texts with spans from doccano, Prodigy and Label Studio (JSON and JSON-MIN).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from data_pipelines.datasets.json_objects import read_objects
from data_pipelines.datasets.sources import Reading
from data_pipelines.datasets.tagged_reader import Sentence
from data_pipelines.datasets.tagged_spans import (
    UNSPACED,
    Place,
    Span,
    in_characters,
    places_of_words,
    tag_words,
)

ENDINGS = ("jsonl", "json", "ndjson")
# Number of texts that are split into words at a time.
_CHUNK = 256
_WORDS = ("tokens", "words")
_TEXTS = ("text", "data", "sentence")
_TAGS = ("ner_tags", "tags", "labels", "label", "ner", "tag", "pos_tags", "upos")
_SPANS = ("spans", "entities", "label", "labels", "annotations")
_STARTS = ("start", "start_offset", "begin", "startOffset")
_ENDS = ("end", "end_offset", "endOffset")
_TYPES = ("label", "labels", "type", "tag", "entity", "entity_group", "hypertextlabels")


@dataclasses.dataclass(frozen=True)
class Keys:
    """Keys of the objects to read.

    Attributes:
        words: key of words, or of running text; None for one of the usual keys.
        tags: key of tags or spans; None for one of the usual keys.
        text: key of running text.
        tag_names: names of tags that are numbers.
    """

    words: str | None = None
    tags: str | None = None
    text: str = "text"
    tag_names: tuple[str, ...] = ()


def _words_or_text(
    values: Mapping[str, Any], where: str, keys: Keys
) -> list[str] | str:
    """Returns the list of words of an object, or its running text."""
    own = () if keys.text in _TEXTS else (keys.text,)
    usual = (*own, *_WORDS, *_TEXTS)
    for key in usual if keys.words is None else (keys.words,):
        value = values.get(key)
        if value is None and key in values:
            return ""
        if isinstance(value, dict):
            # Label Studio puts the text, under any name, into a nested object.
            texts = [text for text in value.values() if isinstance(text, str)]
            value = value.get("text", texts[0] if len(texts) == 1 else None)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and key in (*_WORDS, keys.words):
            value = [t.get("text") if isinstance(t, dict) else t for t in value]
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return value
    raise ValueError(
        f"{where}: no words or text in {_summary(values)}. Expected a list of "
        "'tokens', or a 'text': name its key with --word_column."
    )


def sentences(path: str, reading: Reading, keys: Keys) -> Iterator[Sentence]:
    """Reads the sentences of a file lazily.

    Raises:
        ValueError: the file is not JSON, or an object has another format.
    """
    objects = read_objects(path)
    single = UNSPACED if reading.reads_labels else ()
    while chunk := list(itertools.islice(objects, _CHUNK)):
        found = [
            _words_or_text(values, f"{path}, {place}", keys) for place, values in chunk
        ]
        texts = [text for text in found if isinstance(text, str)]
        places = iter(places_of_words(texts, single) if texts else ())
        for (place, values), given in zip(chunk, found, strict=True):
            reader = _Object(values, f"{path}, {place}", place, reading, keys)
            if isinstance(given, str):
                sentence = reader.of_text(given, next(places))
            else:
                sentence = reader.of_words(given)
            yield sentence


class _Object:
    """Converts an object of a file to a sentence."""

    def __init__(
        self,
        values: dict[str, Any],
        where: str,
        place: str,
        reading: Reading,
        keys: Keys,
    ) -> None:
        self.values, self.where, self.place = values, where, place
        self.reading, self.log = reading, reading.log
        self.tag_column, self.tag_names = keys.tags, keys.tag_names

    def of_text(self, text: str, words: Sequence[Place]) -> Sentence:
        """Returns the sentence of a running text, with the given places of words."""
        if not self.reading.reads_labels:
            sentence = self._sentence([text[a:b] for a, b in words], None, "no tags")
            sentence.running = True
            return sentence
        try:
            spans, missing, is_utf16 = self._spans()
        except ValueError as error:
            spans, missing, is_utf16 = None, self._unread(error), False
        return self._tagged(text, words, spans, missing, is_utf16)

    def of_words(self, words: list[str]) -> Sentence:
        """Returns the sentence of a list of words."""
        tokens: Any = self.values.get("tokens")
        has_places = isinstance(tokens, list) and tokens and isinstance(tokens[0], dict)
        if has_places and self.reading.reads_labels:
            text = self.values.get("text")
            return self.of_text(str(text), self._places(tokens, text))
        if not self.reading.reads_labels:
            return self._sentence(words, None, "no tags")
        try:
            tags, missing = self._tags(len(words)), "no tags"
        except ValueError as error:
            tags, missing = None, self._unread(error)
        return self._sentence(list(words), tags, missing)

    def _unread(self, error: ValueError) -> str:
        """Returns a reason for missing tags in a test; else raises the error."""
        if self.reading.needs_labels:
            raise error
        reason = "invalid tags"
        if not self.log.warnings[reason]:
            self.log.note(f"first invalid tags: {error}")
        return reason

    def _places(self, tokens: Sequence[dict[str, Any]], text: Any) -> list[Place]:
        """Returns the places of Prodigy's tokens in their text."""
        places = []
        for token in tokens:
            start, end = _number(token.get("start")), _number(token.get("end"))
            is_there = isinstance(text, str) and start is not None and end is not None
            if not is_there or text[start:end] != token["text"]:
                raise ValueError(
                    f"{self.where}: the token {token} is not at its offsets in the "
                    "text. Expected text[start:end]: correct or remove the tokens."
                )
            places.append((start or 0, end or 0))
        return places

    def _tagged(
        self,
        text: str,
        words: Sequence[Place],
        spans: Sequence[Span] | None,
        missing: str,
        is_utf16: bool,
    ) -> Sentence:
        if spans is not None:
            spans, wrong = in_characters(text, spans, is_utf16)
            if wrong is None:
                found = tag_words(text, words, spans, self.log, self.place)
                return self._sentence(*found)
            missing = wrong
        return self._sentence([text[a:b] for a, b in words], None, missing)

    def _sentence(
        self, words: list[str], tags: list[str] | None, missing: str
    ) -> Sentence:
        # In a test set, wrong tags give a warning; if tags are needed, the sentence is
        # skipped and counted.
        if tags is None and self.reading.role == "test" and missing != "no tags":
            self.log.warn(missing, self.place)
        name = self.values.get("id")
        is_name = isinstance(name, str | int) and not isinstance(name, bool)
        return Sentence(
            place=self.place,
            words=words,
            tags=tags,
            opens_document=True,
            name=str(name) if is_name and name != "" else None,
            missing=missing,
            columns=self.values,
        )

    def _tags(self, count: int) -> list[str]:
        keys = (self.tag_column,) if self.tag_column is not None else _TAGS
        lists = [key for key in keys if isinstance(self.values.get(key), list)]
        if not lists:
            raise ValueError(
                f"{self.where}: no tags in {_summary(self.values)}. Expected a list "
                f"{self.tag_column or 'ner_tags'!r} with one tag per word: name its "
                "key with --tag_column."
            )
        key = lists[0]
        tags = self.values[key]
        if len(lists) > 1:
            self.log.note(
                f"tags are read from {key!r}, one of {lists} (--tag_column to change)"
            )
        if len(tags) != count:
            raise ValueError(
                f"{self.where}: received {count} words and {len(tags)} of {key!r}. "
                "Expected one tag per word: correct them, or set another --tag_column."
            )
        if all(isinstance(tag, str) for tag in tags):
            return list(tags)
        if not all(isinstance(tag, int) and not isinstance(tag, bool) for tag in tags):
            raise ValueError(
                f"{self.where}: received {str(tags)[:100]} for {key!r}. Expected tag "
                "names or numbers: correct them, or set another --tag_column."
            )
        wrong = [tag for tag in tags if not 0 <= tag < len(self.tag_names)]
        if wrong:
            raise ValueError(
                f"{self.where}: received the number {wrong[0]} in {key!r} and "
                f"{len(self.tag_names)} tag_names. Expected a name for each number: "
                "set --tag_names=O,B-PER,... in the order of the numbers from 0."
            )
        return [self.tag_names[tag] for tag in tags]

    def _spans(self) -> tuple[list[Span] | None, str, bool]:
        """Returns spans or None, why they are unknown, and if they may be in UTF-16."""
        answer = self.values.get("answer")
        if answer in ("reject", "ignore"):
            return None, f"answer is {answer!r}", False
        if isinstance(self.values.get("data"), dict):
            return self._label_studio()
        keys = (self.tag_column,) if self.tag_column is not None else _SPANS
        lists = [key for key in keys if isinstance(self.values.get(key), list)]
        lists = [key for key in lists if self.values[key]] or lists
        if not lists:
            given = [k for k in keys if self.values.get(k) is not None]
            if given:
                raise self._not_spans(self.values[given[0]])
            # Prodigy and Label Studio omit empty lists.
            is_done = answer == "accept" or "annotation_id" in self.values
            return ([] if is_done else None), "no tags", False
        is_utf16 = "annotation_id" in self.values or "annotator" in self.values
        spans = [self._span(value) for value in self.values[lists[0]]]
        return [s for s in spans if s is not None], "", is_utf16

    def _label_studio(self) -> tuple[list[Span] | None, str, bool]:
        found = self.values.get("annotations", self.values.get("completions"))
        if not isinstance(found, list):
            return None, "no annotation", True
        done = [
            annotation
            for annotation in found
            if isinstance(annotation, dict) and not annotation.get("was_cancelled")
        ]
        if not done:
            return None, "no annotation" if not found else "cancelled annotation", True
        if len(done) > 1:
            self.log.warn("several annotations; the first is read", self.place)
        done.sort(key=lambda annotation: not annotation.get("ground_truth"))
        results = [
            result["value"]
            for result in done[0].get("result") or ()
            if isinstance(result, dict) and isinstance(result.get("value"), dict)
        ]
        marked = [value for value in results if "start" in value or "end" in value]
        spans = [self._span(value) for value in marked]
        return [s for s in spans if s is not None], "", True

    def _span(self, value: Any) -> Span | None:
        text = None
        if isinstance(value, list) and len(value) == 3:
            start, end, kind = value
        elif isinstance(value, dict):
            start, end, kind = (_first(value, k) for k in (_STARTS, _ENDS, _TYPES))
            text = _first(value, ("text", "value", "word"))
        else:
            raise self._not_spans(value)
        if isinstance(kind, list):
            if not kind:
                self.log.warn("span without a label skipped", self.place)
                return None
            if len(kind) > 1:
                self.log.warn("span with several labels; the first is read", self.place)
            kind = kind[0]
        first, last = _number(start), _number(end)
        is_named = isinstance(kind, str) and kind.strip()
        if first is None or last is None or not is_named:
            raise self._not_spans(value)
        return Span(first, last, kind, text if isinstance(text, str) else None)

    def _not_spans(self, value: Any) -> ValueError:
        return ValueError(
            f"{self.where}: received {str(value)[:150]} as a span. Expected "
            "[start, end, type], or an object with start, end and label: correct it, "
            "or set another --tag_column."
        )


def _first(value: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((value[name] for name in names if name in value), None)


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return value if is_whole else None


def _summary(values: Mapping[str, Any]) -> str:
    return f"the keys {str(list(values))[:300]}"
