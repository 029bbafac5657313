"""Tagged sentences from JSON, as the usual tools write it: an object is a sentence.

Formats: lists of tokens and tags (Hugging Face's datasets), tags by name or by number;
texts with spans of doccano, Prodigy and Label Studio (JSON and JSON-MIN).
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
# Texts that are split into words at once.
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
    """The keys of objects that are read.

    Attributes:
        words: of words, or of a running text; None: one of the usual ones.
        tags: of tags or spans; None: one of the usual ones.
        text: of a running text.
        tag_names: of tags that are numbers.
    """

    words: str | None = None
    tags: str | None = None
    text: str = "text"
    tag_names: tuple[str, ...] = ()


def _words_or_text(
    values: Mapping[str, Any], where: str, keys: Keys
) -> list[str] | str:
    """The words of an object, given as such, or its running text."""
    own = () if keys.text in _TEXTS else (keys.text,)
    usual = (*own, *_WORDS, *_TEXTS)
    for key in usual if keys.words is None else (keys.words,):
        value = values.get(key)
        if value is None and key in values:
            return ""
        if isinstance(value, dict):
            # Label Studio has the text, under any name, in an object of its own.
            texts = [text for text in value.values() if isinstance(text, str)]
            value = value.get("text", texts[0] if len(texts) == 1 else None)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and key in (*_WORDS, keys.words):
            value = [t.get("text") if isinstance(t, dict) else t for t in value]
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return value
    raise ValueError(
        f"{where}: no words and no text, but {_summary(values)}. Expected a list of "
        "'tokens', or a 'text': name it with --word_column."
    )


def sentences(path: str, reading: Reading, keys: Keys) -> Iterator[Sentence]:
    """The sentences of a file, read lazily.

    Raises:
        ValueError: it is not JSON, or an object has another form.
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
    """An object of a file, which becomes a sentence."""

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
        """The sentence of a running text, whose words are given."""
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
        """The sentence of given words."""
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
        """Why a test has no tags; where tags are needed, the error is raised."""
        if self.reading.needs_labels:
            raise error
        reason = "tags that are not as expected"
        if not self.log.warnings[reason]:
            self.log.note(f"such as: {error}")
        return reason

    def _places(self, tokens: Sequence[dict[str, Any]], text: Any) -> list[Place]:
        """The places of Prodigy's tokens in their text."""
        places = []
        for token in tokens:
            start, end = _number(token.get("start")), _number(token.get("end"))
            is_there = isinstance(text, str) and start is not None and end is not None
            if not is_there or text[start:end] != token["text"]:
                raise ValueError(
                    f"{self.where}: the token {token} is not where it is said to be in "
                    "the text. Expected text[start:end]: correct or remove the tokens."
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
        # Of a test, what is wrong with tags is told; where they are needed, the
        # sentence is left out and counted.
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
                f"{self.where}: no tags, but {_summary(self.values)}. Expected a list "
                f"{self.tag_column or 'ner_tags'!r} with a tag for each word: name it "
                "with --tag_column."
            )
        key = lists[0]
        tags = self.values[key]
        if len(lists) > 1:
            self.log.note(
                f"tags are read from {key!r}, of {lists} (--tag_column names another)"
            )
        if len(tags) != count:
            raise ValueError(
                f"{self.where}: received {count} words and {len(tags)} of {key!r}. "
                "Expected one for each word: correct it, or name another --tag_column."
            )
        if all(isinstance(tag, str) for tag in tags):
            return list(tags)
        if not all(isinstance(tag, int) and not isinstance(tag, bool) for tag in tags):
            raise ValueError(
                f"{self.where}: received {str(tags)[:100]} for {key!r}. Expected names "
                "of tags, or numbers: correct it, or name another --tag_column."
            )
        wrong = [tag for tag in tags if not 0 <= tag < len(self.tag_names)]
        if wrong:
            raise ValueError(
                f"{self.where}: received the number {wrong[0]} in {key!r} and "
                f"{len(self.tag_names)} tag_names. Expected --tag_names=O,B-PER,..., "
                "the names of all tags in the order of their numbers from 0."
            )
        return [self.tag_names[tag] for tag in tags]

    def _spans(self) -> tuple[list[Span] | None, str, bool]:
        """Spans (None: unknown), why there are none, and if they may be in UTF-16."""
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
            # Prodigy and Label Studio leave out what would be empty.
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
            self.log.warn("several annotations, of which the first is read", self.place)
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
                self.log.warn("span without a label left out", self.place)
                return None
            if len(kind) > 1:
                self.log.warn("span of several labels, the first is read", self.place)
            kind = kind[0]
        first, last = _number(start), _number(end)
        is_named = isinstance(kind, str) and kind.strip()
        if first is None or last is None or not is_named:
            raise self._not_spans(value)
        return Span(first, last, kind, text if isinstance(text, str) else None)

    def _not_spans(self, value: Any) -> ValueError:
        return ValueError(
            f"{self.where}: received {str(value)[:150]} for a span. Expected "
            "[start, end, type], or an object with start, end and label by name: "
            "correct it, or name another --tag_column."
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
