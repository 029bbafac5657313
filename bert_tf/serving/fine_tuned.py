"""Strings in, answers out, of a fine-tuned model: what a SavedModel of it does.

The way is that of `predict`, op by op: the same encoding, packing, model, decoding and
answers, in one graph.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.serving.entities import entity_tensors
from bert_tf.serving.signatures import (
    Answers,
    Question,
    Rows,
    power_of_two,
    row_length,
    signatures,
    strings,
)
from bert_tf.serving.stored_weights import Precision, StoredWeights
from bert_tf.tasks.answers import NUM_SHOWN
from bert_tf.tasks.edits import Edits, edit_tensors, in_passes
from bert_tf.tasks.kinds import KINDS
from data_pipelines.finetuning import batches
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.words import split_words


class FineTunedModel(tf.Module):
    """A fine-tuned model that takes plain strings.

    Args:
        loaded: of a model folder.
        precision: of the weights.
    """

    def __init__(self, loaded: LoadedModel, precision: Precision = "float32") -> None:
        super().__init__(name="fine_tuned_model")
        description = loaded.description
        self.kind_name = description.kind
        self.kind = KINDS[description.kind]
        self.encoding = loaded.encoding
        self.labels = description.labels
        # Traced once for all signatures: most of an export is tracing.
        self._encode = batches.traced_once(self.encoding.encode)
        self.threshold = description.threshold
        self.has_entities = "entity_f1" in description.metrics
        self.pairs = description.pairs
        # Not the model itself: Keras would add a signature of its own to a SavedModel
        # that tracks it.
        self._model = loaded.model.__call__
        self.weights = StoredWeights(loaded.model, precision)
        self.tokenizer = self.encoding.tokenizer
        if self.kind_name == "token_tagging":
            texts = [strings("texts")]
            self._words_of = tf.function(split_words, input_signature=texts)

    def signatures(self) -> dict[str, Callable]:
        """Functions by the name under which they are served."""
        return signatures(self.questions())

    def questions(self) -> dict[str, Question]:
        """Ways to ask, the default first."""
        texts = strings("texts")
        pair = [strings("first"), strings("second")]
        if self.kind_name == "span_qa":
            return {
                "answer": Question(
                    self.answer, [strings("questions"), strings("contexts")]
                )
            }
        if self.kind_name == "token_tagging":
            words = tf.TensorSpec([None, None], tf.string, name="words")
            return {
                "tag": Question(self.tag, [texts]),
                "tag_words": Question(self.tag_words, [words]),
            }
        if self.kind_name == "correction":
            # How much is written is known when it is answered: nothing to compile.
            return {"correct": Question(self.correct, [texts], ("longest", "fixed"))}
        if self.kind_name == "multiple_choice":
            shape = [None, self.encoding.group_size]
            choices = tf.TensorSpec(shape, tf.string, name="choices")
            return {"choose": Question(self.choose, [texts, choices])}
        serialized = [strings("inputs")]
        if self.kind_name == "regression":
            verb, ask = "score", self.score
            api = {"regress": Question(self.regress, serialized, ("longest",))}
        else:
            verb, ask = "classify", self.classify
            api = {"classify": Question(self.classify_api, serialized, ("longest",))}
        singles = {f"{verb}_texts": Question(ask, [texts])}
        pairs = {f"{verb}_pairs": Question(ask, pair)}
        return {**(pairs | singles if self.pairs else singles | pairs), **api}

    def classify(
        self, first: tf.Tensor, second: tf.Tensor | None = None, *, rows: Rows
    ) -> Answers:
        """The class of each text, or pair of texts.

        Args:
            first: string (texts,).
            second: string (texts,).
            rows: see `Rows`.

        Returns:
            `label` string (texts,); `probability` float32 (texts,), its own;
            `probabilities` float32 (texts, classes), and `labels` string (texts,
            classes), whose they are; `truncated` bool (texts,), whether the end was
            cut off.
        """
        answers, origin = self._answers(_columns(first, second), rows)
        probabilities = answers["probabilities"]
        labels = tf.constant(self.labels)[tf.newaxis, :]
        return {
            "label": answers["label"],
            "probability": tf.reduce_max(probabilities, axis=1),
            "probabilities": probabilities,
            "labels": tf.repeat(labels, tf.shape(probabilities)[0], axis=0),
            "truncated": _truncated(origin),
        }

    def score(
        self, first: tf.Tensor, second: tf.Tensor | None = None, *, rows: Rows
    ) -> Answers:
        """`score` float32 (texts,) and `truncated` bool (texts,); see `classify`."""
        answers, origin = self._answers(_columns(first, second), rows)
        truncated = _truncated(origin)
        return {"score": answers["score"], "truncated": truncated}

    def classify_api(self, serialized: tf.Tensor, *, rows: Rows) -> Answers:
        """What TF Serving's Classify API takes and gives.

        Args:
            serialized: string (texts,), each a `tf.train.Example` with the features
                `first` and `second` of a model of pairs, else `text`.
            rows: see `Rows`.

        Returns:
            `classes` string and `scores` float32 (texts, classes).
        """
        answers = self.classify(*self._parsed(serialized), rows=rows)
        return {"classes": answers["labels"], "scores": answers["probabilities"]}

    def regress(self, serialized: tf.Tensor, *, rows: Rows) -> Answers:
        """`outputs` float32 (texts,): the scores of what `classify_api` takes."""
        return {"outputs": self.score(*self._parsed(serialized), rows=rows)["score"]}

    def _parsed(self, serialized: tf.Tensor) -> list[tf.Tensor]:
        names = ["first", "second"] if self.pairs else ["text"]
        feature = tf.io.FixedLenFeature([], tf.string)
        parsed = tf.io.parse_example(serialized, dict.fromkeys(names, feature))
        return [parsed[name] for name in names]

    def choose(self, first: tf.Tensor, choices: tf.Tensor, *, rows: Rows) -> Answers:
        """The best of several choices.

        Args:
            first: string (texts,).
            choices: string (texts, choices).
            rows: see `Rows`.

        Returns:
            `choice` int32 (texts,), from 0; `text` string (texts,), that choice;
            `probabilities` float32 (texts, choices); `truncated` bool (texts,).
        """
        answers, origin = self._answers({"first": first, "choices": choices}, rows)
        return {
            **answers,
            "text": tf.gather(choices, answers["choice"], batch_dims=1),
            "truncated": _truncated(origin),
        }

    def tag(self, texts: tf.Tensor, *, rows: Rows) -> Answers:
        """A tag for each word of running texts, and the entities that they make.

        Args:
            texts: string (texts,), cut by `data_pipelines.tokenizers.words`.
            rows: see `Rows`.

        Returns:
            `words`, `tags` string and `probabilities` float32 (texts, words), filled up
            with "" and 0. For tags of entities also, (texts, entities), filled up with
            "", -1 and 0: `entities` and `entity_types` string; `entity_starts` and
            `entity_ends` int32, bytes of the text; `entity_first_characters` and
            `entity_last_characters` int32, characters, the last exclusive;
            `entity_probabilities` float32, the mean of its tags'.
        """
        words, starts, ends = self._words_of(texts)
        found = self._tags(words, rows)
        if not self.has_entities:
            return _padded({"words": words, **found})
        entities = entity_tensors(texts, found, starts, ends)
        return _padded({"words": words, **found, **entities})

    def tag_words(self, words: tf.Tensor, *, rows: Rows) -> Answers:
        """`tags` string and `probabilities` float32 (texts, words) of given words.

        Args:
            words: string (texts, words), filled up with "".
            rows: see `Rows`.
        """
        given = tf.ragged.boolean_mask(words, words != "")
        found = self._tags(given, rows)
        width = tf.shape(words)[1]
        return {
            "tags": filled_rows(found["tags"], width, ""),
            "probabilities": filled_rows(found["probabilities"], width, 0.0),
        }

    def correct(self, texts: tf.Tensor, *, rows: Rows) -> Answers:
        """Corrected texts, of any length, and what was changed in them.

        Args:
            texts: string (texts,).
            rows: see `Rows`.

        Returns:
            `corrected` string (texts,); and (texts, edits), filled up with "", -1 and
            0: `originals` and `replacements` string; `edit_starts` and `edit_ends`
            int32, bytes of the text; `edit_first_characters` and
            `edit_last_characters` int32, characters, the last exclusive;
            `edit_probabilities` float32.
        """

        @tf.function(input_signature=[strings("texts")], autograph=False)
        def once(texts: tf.Tensor) -> Edits:
            return self._answers({"text": texts}, rows)[0]

        found = edit_tensors(*in_passes(once(texts), once, self.threshold))
        corrected = found.pop("corrected")
        return {"corrected": corrected, **_padded(found)}

    def answer(self, question: tf.Tensor, context: tf.Tensor, *, rows: Rows) -> Answers:
        """The answers to questions on contexts of any length.

        Args:
            question: string (questions,).
            context: string (questions,).
            rows: see `Rows`.

        Returns:
            `answer` string (questions,), a span of the context, or "" where none is
            better; `start`, `end` int32 (questions,), its characters, and `start_byte`,
            `end_byte`, -1 without answer; `probability` float32 (questions,), of the
            best span among the best and none; `no_answer_probability` and
            `no_answer_score` float32 (questions,), how much better none is than the
            best span; `best_answers` string and `best_probabilities` float32
            (questions, NUM_SHOWN); `truncated` bool (questions,), whether the end of
            the question, not of the context, was cut off.
        """
        answers, origin = self._answers(
            {"question": question, "context": context}, rows
        )

        def best(name: str, missing: Any, count: int = 1) -> tf.Tensor:
            return filled_rows(answers[name], count, missing)

        starts, ends = best("starts", -1, NUM_SHOWN), best("ends", -1, NUM_SHOWN)
        flat = tf.strings.substr(
            tf.repeat(context, NUM_SHOWN),
            tf.reshape(tf.maximum(starts, 0), [-1]),
            tf.reshape(ends - starts, [-1]),
        )
        texts = tf.reshape(flat, tf.shape(starts))
        has_answer = starts[:, 0] >= 0
        if self.threshold is not None:
            has_answer &= answers["no_answer_scores"] <= self.threshold
        start = tf.where(has_answer, starts[:, 0], -1)
        end = tf.where(has_answer, ends[:, 0], -1)
        return {
            "answer": tf.where(has_answer, texts[:, 0], ""),
            "start": _characters_before(context, start),
            "end": _characters_before(context, end),
            "start_byte": start,
            "end_byte": end,
            "probability": best("probabilities", 0.0)[:, 0],
            "no_answer_probability": answers["no_answer_probabilities"],
            "no_answer_score": answers["no_answer_scores"],
            "best_answers": texts,
            "best_probabilities": best("probabilities", 0.0, NUM_SHOWN),
            "truncated": _truncated(origin),
        }

    def _tags(self, words: tf.RaggedTensor, rows: Rows) -> dict[str, tf.RaggedTensor]:
        answers, _ = self._answers({"words": words}, rows)
        return {name: answers[name] for name in ("tags", "probabilities")}

    def _answers(self, columns: dict[str, Any], rows: Rows) -> tuple[Any, Features]:
        features, origin = self._encode(columns)
        decoded = self._decoded(features, rows)
        return self.kind.answers(decoded, origin, self.encoding), origin

    def _decoded(self, features: Features, rows: Rows) -> dict[str, Any]:
        lengths = tf.cast(features["token_ids"].row_lengths(), tf.int32)
        longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        if rows == "compiled":
            features = _filled_up(features, self.encoding)
        batch = batches.pack_batch(
            features,
            self.tokenizer.vocabulary,
            row_length=row_length(longest, self.encoding.max_length, rows),
            pad_to_bucket=rows == "compiled",
        )
        if rows != "compiled":
            return self.kind.decode(self._run(batch), batch)
        outputs = tf.function(self._run, jit_compile=True)(batch)
        decoded = self.kind.decode(outputs, batch)
        count = tf.size(lengths)
        if self.kind_name == "multiple_choice":
            count = count // self.encoding.group_size
        return {name: values[:count] for name, values in decoded.items()}

    def _run(self, batch: dict[str, tf.Tensor]) -> Any:
        # What is written is chosen from the whole vocabulary.
        looks_up_only = self.kind_name != "correction"
        with self.weights.in_use(batch["token_ids"], looks_up_only) as token_ids:
            return self._model({**batch, "token_ids": token_ids}, training=False)


def _columns(first: tf.Tensor, second: tf.Tensor | None) -> dict[str, tf.Tensor]:
    return {"first": first} if second is None else {"first": first, "second": second}


def _truncated(origin: Features) -> tf.Tensor:
    """Of each text, whether a sequence of it was cut off."""
    flags = tf.cast(origin["truncated"], tf.int32)
    return tf.math.segment_max(flags, origin["example"]) > 0


def _characters_before(texts: tf.Tensor, ends: tf.Tensor) -> tf.Tensor:
    """How many characters a text has before a byte; -1 for -1."""
    beginnings = tf.strings.substr(texts, tf.zeros_like(ends), tf.maximum(ends, 0))
    count = tf.strings.length(beginnings, unit="UTF8_CHAR")
    return tf.where(ends >= 0, count, -1)


def _padded(values: dict[str, tf.RaggedTensor]) -> Answers:
    missing = {tf.string: "", tf.float32: 0.0, tf.int32: -1}
    return {name: v.to_tensor(missing[v.dtype]) for name, v in values.items()}


def _filled_up(features: Features, encoding: Any) -> Features:
    """As many sequences as the next power of two, by some without text."""
    vocabulary, group_size = encoding.tokenizer.vocabulary, encoding.group_size
    count = features["token_ids"].nrows(tf.int32)
    missing = power_of_two(count // group_size) * group_size - count
    empty = tf.constant([[vocabulary.cls_id, vocabulary.sep_id]])
    filled = {
        "token_ids": tf.RaggedTensor.from_tensor(tf.repeat(empty, missing, axis=0)),
        "second_starts": tf.fill([missing], 2),
    }
    return {
        name: tf.concat([values, filled.get(name, _nothing(values, missing))], axis=0)
        for name, values in features.items()
    }


def _nothing(values: Any, count: tf.Tensor) -> Any:
    if isinstance(values, tf.RaggedTensor):
        nothing = tf.zeros([0], values.dtype)
        return tf.RaggedTensor.from_row_lengths(nothing, tf.zeros([count], tf.int64))
    return tf.zeros([count], values.dtype)
