"""A class for each kind of task."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bert_tf.api.inputs import Inputs, text_at, texts_at
from bert_tf.api.predictions import (
    ChoicePrediction,
    ClassPrediction,
    CorrectionPrediction,
    Entity,
    ScorePrediction,
    SpanPrediction,
    TagPrediction,
)
from bert_tf.api.task_model import TaskModel
from bert_tf.finetuning.heads import balanced_weights
from bert_tf.models.objective import sequence_weights
from bert_tf.tasks.kind import Columns
from bert_tf.tasks.token_tagging import words_of_line
from data_pipelines.datasets.examples import (
    Answer,
    ChoiceExample,
    CorrectionExample,
    Question,
    TaggedSentence,
    TextExample,
)
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.tagging_schemes import find_scheme
from data_pipelines.rows.features import Features


class TextClassifier(TaskModel[ClassPrediction]):
    """Classes of texts, or of pairs of texts.

    Inputs are strings or pairs of strings (a list of pairs, two columns `(firsts,
    seconds)`, a data frame of two columns); targets are names of classes, or their
    numbers if `labels` are given. For the arguments see `TaskModel`.

    Example:

    >>> model = bert_tf.TextClassifier("models/mine", labels=["bad", "good"])
    >>> history = model.fit(["I loved it.", "What a bore."], ["good", "bad"], verbose=0)
    >>> prediction = model.predict(["I loved it."])[0]
    >>> prediction.label in model.labels
    True
    >>> sorted(prediction.probabilities)
    ['bad', 'good']
    """

    kind_name = "classification"
    _paired = True

    def _examples(self, inputs: Inputs) -> list[TextExample]:
        labels = None
        if inputs.y is not None:
            names = self.labels if self._loaded else self._labels
            labels = [_name_at(place, y, names) for place, y in enumerate(inputs.y)]
        return _text_examples(inputs, labels)

    def _prediction(self, example: TextExample, columns: Columns) -> ClassPrediction:
        return ClassPrediction(
            columns["prediction"],
            columns["probability"],
            columns["probabilities"],
            _text_of(example),
        )

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        return batch["label"], sequence_weights(batch, batch["label"])

    def _weigh_classes(self, features: Features, class_weight: Any) -> None:
        labels, classes = self.labels or (), features["label"].numpy()
        if class_weight == "balanced":
            weights = balanced_weights(classes, len(labels))
        else:
            weights = np.array(_class_weights(class_weight, labels), np.float32)
        own = features.get("weight", tf.ones(len(classes)))
        features["weight"] = own * weights[classes]


class TextRegressor(TaskModel[ScorePrediction]):
    """Scores of texts, or of pairs of texts.

    Inputs are as for `TextClassifier`, targets are numbers. For the arguments see
    `TaskModel`; `labels` are left out.

    Example:

    >>> model = bert_tf.TextRegressor("models/mine")
    >>> pairs = [("A plane lands.", "An aircraft lands."), ("A dog.", "Rates fell.")]
    >>> history = model.fit(pairs, [5.0, 0.2], verbose=0)
    >>> model.predict(pairs).as_numpy().shape
    (2,)
    """

    kind_name = "regression"
    _paired = True

    def _examples(self, inputs: Inputs) -> list[TextExample]:
        labels = None
        if inputs.y is not None:
            labels = [_number_at(place, y) for place, y in enumerate(inputs.y)]
        return _text_examples(inputs, labels)

    def _prediction(self, example: TextExample, columns: Columns) -> ScorePrediction:
        return ScorePrediction(columns["prediction"], _text_of(example))

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        return batch["label"], sequence_weights(batch, batch["label"])


class TokenTagger(TaskModel[TagPrediction]):
    """A tag for each word, such as those of entities.

    Inputs are lists of words, or running texts, whose words `predict` finds; targets
    are lists of tags. Tags of entities may be spelled in any of the usual ways (BIO,
    BIOES, ...) and become IOB2; they are scored as entities. For the arguments see
    `TaskModel`; `labels` are all tags.

    Example:

    >>> model = bert_tf.TokenTagger("models/mine")
    >>> words = [["Ada", "lives", "in", "London"], ["London", "sleeps"]]
    >>> tags = [["B-PER", "O", "O", "B-LOC"], ["B-LOC", "O"]]
    >>> history = model.fit(words, tags, verbose=0)
    >>> model.labels
    ('O', 'B-LOC', 'B-PER')
    >>> model.predict(["Ada sleeps"])[0].words
    ('Ada', 'sleeps')
    """

    kind_name = "token_tagging"
    _rank = 1

    def _examples(self, inputs: Inputs) -> list[TaggedSentence]:
        scheme = self._scheme(inputs.y)
        found = []
        for place, x in enumerate(inputs.x):
            if isinstance(x, str):
                if inputs.y is not None:
                    raise ValueError(
                        f"Received the text {x[:40]!r} as input {place}, with tags. "
                        "Expected a list of its words, to which the tags belong."
                    )
                words = words_of_line(x)
                found.append(
                    TaggedSentence(str(place), words, None, place, running=True)
                )
                continue
            words = tuple(texts_at(place, x, "a list of words"))
            tags = None
            if inputs.y is not None:
                tags = tuple(texts_at(place, inputs.y[place], "a list of tags"))
                tags = scheme.to_iob2(tags) if scheme else tags
            found.append(TaggedSentence(str(place), words, tags, place))
        return found

    def _scheme(self, targets: list[Any] | None) -> Any:
        if targets is None:
            return None
        if self._loaded is not None and self._compares_entities is False:
            return None
        scheme, odd = find_scheme(
            {tag for tags in targets if isinstance(tags, list | tuple) for tag in tags}
        )
        if odd:
            raise ValueError(
                f"Received the tags {sorted(odd)} among tags of entities. Expected "
                "tags of one spelling: correct them."
            )
        return scheme

    @property
    def _compares_entities(self) -> bool:
        return "entity_f1" in self._known.description.metrics

    def _dataset(self, examples: Sequence[TaggedSentence]) -> Dataset:
        dataset = super()._dataset(examples)
        scheme, odd = find_scheme(dataset.labels or ())
        if scheme is None or odd:
            return dataset
        return dataclasses.replace(dataset, metrics=("entity_f1", *dataset.metrics))

    def _prediction(self, example: TaggedSentence, columns: Columns) -> TagPrediction:
        entities = tuple(Entity(**entity) for entity in columns.get("entities", ()))
        return TagPrediction(tuple(columns["words"]), tuple(columns["tags"]), entities)

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        is_word = tf.cast(batch["tags"] >= 0, tf.float32)
        weights = sequence_weights(batch, batch["tags"])[:, None]
        return tf.maximum(batch["tags"], 0), is_word * weights


class QuestionAnswerer(TaskModel[SpanPrediction]):
    """Answers to questions, which are spans of a context of any length.

    Inputs are pairs (question, context); a target is the text of the answer, or (text,
    start) with its first character in the context, or a list of these; "" or an empty
    list where the context has no answer. For the arguments see `TaskModel`; `labels`
    are left out.

    Example:

    >>> context = "The mill was built in 1786 and burned down in 1901."
    >>> model = bert_tf.QuestionAnswerer("models/mine")
    >>> history = model.fit([("When was it built?", context)], ["1786"], verbose=0)
    >>> prediction = model.predict([("When did it burn?", context)])[0]
    >>> prediction.text == context[prediction.start : prediction.end]
    True
    """

    kind_name = "span_qa"

    def _examples(self, inputs: Inputs) -> list[Question]:
        found = []
        for place, x in enumerate(inputs.x):
            question, context = texts_at(place, x, "(question, context)", 2)
            answers: tuple[Answer, ...] = ()
            if inputs.y is not None:
                answers = _answers_at(place, inputs.y[place], context)
            impossible = inputs.y is not None and not answers
            found.append(
                Question(str(place), "", question, context, answers, impossible)
            )
        return found

    def _prediction(self, example: Question, columns: Columns) -> SpanPrediction:
        best = tuple((guess["text"], guess["probability"]) for guess in columns["best"])
        return SpanPrediction(
            columns["prediction"],
            columns["start"],
            columns["end"],
            columns["probability"],
            columns["no_answer_score"],
            best,
            example.context,
        )

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        weights = sequence_weights(batch, batch["start"])
        names = ("start", "end")
        return {n: batch[n] for n in names}, dict.fromkeys(names, weights)


class MultipleChoice(TaskModel[ChoicePrediction]):
    """The choice that goes best with a text.

    Inputs are (text, [choice, choice, ...]), all with the same number of choices;
    targets are the places of the right ones, from 0. For the arguments see `TaskModel`;
    `labels` are left out.

    Example:

    >>> model = bert_tf.MultipleChoice("models/mine")
    >>> inputs = [("She opened the umbrella because", ["it rained.", "it was red."])]
    >>> history = model.fit(inputs, [0], verbose=0)
    >>> prediction = model.predict(inputs)[0]
    >>> prediction.text in ["it rained.", "it was red."]
    True
    """

    kind_name = "multiple_choice"

    def _examples(self, inputs: Inputs) -> list[ChoiceExample]:
        found = []
        for place, x in enumerate(inputs.x):
            if not isinstance(x, list | tuple) or len(x) != 2 or isinstance(x[1], str):
                raise ValueError(
                    f"Received {x!r} as input {place}. Expected (text, [choices])."
                )
            choices = texts_at(place, x[1], "a list of choices")
            label = None
            if inputs.y is not None:
                label = inputs.y[place]
                if not isinstance(label, int) or not 0 <= label < len(choices):
                    raise ValueError(
                        f"Received the target {label!r} for input {place}. Expected "
                        f"the place of one of its {len(choices)} choices, from 0."
                    )
            found.append(
                ChoiceExample(str(place), text_at(place, x[0]), tuple(choices), label)
            )
        return found

    def _dataset(self, examples: Sequence[ChoiceExample]) -> Dataset:
        count = len(examples[0].choices) if examples else 0
        return dataclasses.replace(super()._dataset(examples), num_choices=count)

    def _prediction(self, example: ChoiceExample, columns: Columns) -> ChoicePrediction:
        return ChoicePrediction(
            columns["prediction"],
            columns["choice"],
            tuple(columns["probabilities"]),
            example.choices,
        )

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        size = self.keras_model.num_choices
        return batch["label"][::size], sequence_weights(batch, batch["label"], size)


class TextCorrector(TaskModel[CorrectionPrediction]):
    """Texts without their mistakes.

    Inputs are strings; a target is the corrected text, equal to the input where nothing
    is wrong, or a list of corrections by several people. The model has to have a
    WordPiece vocabulary. For the arguments see `TaskModel`; `labels` are left out.

    Example:

    >>> model = bert_tf.TextCorrector("models/mine")
    >>> history = model.fit(["He go home."], ["He goes home."], verbose=0)
    >>> isinstance(model.predict(["She go away."])[0].corrected, str)
    True
    """

    kind_name = "correction"

    def _examples(self, inputs: Inputs) -> list[CorrectionExample]:
        found = []
        for place, x in enumerate(inputs.x):
            corrected: tuple[str, ...] = ()
            if inputs.y is not None:
                y = inputs.y[place]
                texts = [y] if isinstance(y, str) else y
                corrected = tuple(texts_at(place, texts, "corrections of a text"))
            found.append(CorrectionExample(str(place), text_at(place, x), corrected))
        return found

    def _prediction(
        self, example: CorrectionExample, columns: Columns
    ) -> CorrectionPrediction:
        edits = tuple(columns["edits"])
        return CorrectionPrediction(columns["prediction"], edits, example.text)


def _text_examples(inputs: Inputs, labels: Sequence[Any] | None) -> list[TextExample]:
    found = []
    for place, x in enumerate(inputs.x):
        label = None if labels is None else labels[place]
        if isinstance(x, str):
            found.append(TextExample(str(place), x, None, label))
        else:
            first, second = texts_at(place, x, "a text or a pair of texts", 2)
            found.append(TextExample(str(place), first, second, label))
    return found


def _text_of(example: TextExample) -> str | tuple[str, str]:
    if example.second is None:
        return example.first
    return example.first, example.second


def _name_at(place: int, label: Any, names: Sequence[str] | None) -> str:
    """The name of a class, from its name or its number."""
    if isinstance(label, float) and label.is_integer():
        label = int(label)  # A column of whole numbers that pandas made floats.
    if not isinstance(label, str | int):
        raise ValueError(
            f"Received the target {label!r} for input {place}. Expected the name or "
            "the number of a class."
        )
    name = str(label)
    if names is None or name in names:
        return name
    if isinstance(label, int) and 0 <= label < len(names):
        return names[label]
    raise ValueError(
        f"Received the target {label!r} for input {place}. Expected one of "
        f"{list(names)}, or its number from 0."
    )


def _number_at(place: int, score: Any) -> float:
    if isinstance(score, bool | str) or not isinstance(score, int | float):
        raise ValueError(
            f"Received the target {score!r} for input {place}. Expected a number."
        )
    if not math.isfinite(score):
        raise ValueError(
            f"Received the target {score} for input {place}. Expected a finite number."
        )
    return float(score)


def _answers_at(place: int, target: Any, context: str) -> tuple[Answer, ...]:
    """The answers of a target: those that occur in the context come first."""
    if isinstance(target, str) or target is None:
        target = [target] if target else []
    if not isinstance(target, list | tuple):
        raise ValueError(
            f"Received the target {target!r} for input {place}. Expected the text of "
            "an answer, (text, start), or a list of these."
        )
    is_pair = len(target) == 2 and isinstance(target[1], int)
    answers = []
    for answer in [target] if is_pair else target:
        text, start = (answer, None) if isinstance(answer, str) else answer
        if start is None:
            start = context.find(text)
        elif context[start : start + len(text)] != text:
            raise ValueError(
                f"Received the answer {text!r} at character {start} for input {place}. "
                f"Expected it to be there, not {context[start : start + len(text)]!r}."
            )
        if start < 0:
            raise ValueError(
                f"Received the answer {text!r} for input {place}. Expected a span of "
                "its context."
            )
        answers.append(Answer(text, start))
    return tuple(answers)


def _class_weights(weights: Mapping[Any, float], labels: Sequence[str]) -> list[float]:
    """A weight for each class, from weights by name or number; 1 for others."""
    by_name = {
        labels[key] if isinstance(key, int) and str(key) not in labels else str(key): w
        for key, w in weights.items()
    }
    unknown = sorted(set(by_name) - set(labels))
    if unknown:
        raise ValueError(
            f"Received class_weight for {unknown}. Expected some of {list(labels)}."
        )
    return [by_name.get(label, 1.0) for label in labels]
