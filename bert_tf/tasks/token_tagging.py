"""Token tagging: predicts a tag for each word (paper, section 5.3)."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from bert_tf.layers import elementwise
from bert_tf.layers.gather import first_tokens_and_lengths, gather_tokens
from bert_tf.metrics import entities
from bert_tf.models.objective import sequence_weights
from bert_tf.tasks.endpoints import (
    MISSING,
    Answers,
    Endpoint,
    Served,
    from_windows,
    padded,
    strings,
)
from bert_tf.tasks.entities import entity_tensors
from bert_tf.tasks.heads import EncoderWithHead
from bert_tf.tasks.kind import Columns, Kind, Lengths, Task, Tensors
from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.datasets.sources import Dataset
from data_pipelines.datasets.tagged_files import has_columns
from data_pipelines.finetuning.token_tagging import (
    Document,
    TokenTaggingEncoding,
    documents,
)
from data_pipelines.rows.features import Features
from data_pipelines.rows.packing import filled_rows
from data_pipelines.tokenizers.words import (
    single_characters,
    split_characters,
    split_words,
)


@keras.saving.register_keras_serializable("bert_tf")
class BertTagger(EncoderWithHead):
    """Computes logits from the first piece of each word.

    A BiLSTM on features of a frozen encoder has one step per word.

    Call arguments:
        inputs: the inputs of the encoder, as packed rows, and `word_positions` int32
            (sequences, words): the position of each word in its sequence, -1 for
            padding.
        training: whether dropout is on.

    Output:
        float32 logits (sequences, words, tags).
    """

    def _head_inputs(self) -> dict[str, str]:
        return {"word_positions": "int32"}

    def answer(
        self, encoded: dict[str, Any], inputs: dict[str, Any], training: bool
    ) -> Any:
        """Applies the head."""
        positions = inputs["word_positions"]
        first_tokens, _ = first_tokens_and_lengths(inputs)
        tokens = first_tokens[:, None] + ops.maximum(positions, 0)
        vectors = gather_tokens(encoded["sequence_output"], tokens)
        vectors = self.through_lstm(vectors, positions >= 0)
        return self.scores(vectors, training)


class TokenTaggingObjective:
    """Mean cross-entropy over the words, each with the weight of its sentence."""

    losses = ("loss_per_word",)

    def weights(self, batch: Any) -> dict[str, Any]:
        """Total weight of the words, and their number; float32 scalars."""
        is_word = ops.cast(batch["tags"] >= 0, "float32")
        total = ops.sum(is_word * self._weights(batch)) + 1e-5
        return {"loss_per_word": total, "accuracy": ops.sum(is_word) + 1e-5}

    def sums(self, logits: Any, batch: Any) -> dict[str, Any]:
        """The sums of losses and of right tags; float32 scalars."""
        tags = batch["tags"]
        is_word = ops.cast(tags >= 0, "float32")
        losses, right = elementwise.cross_entropy(logits, tags)
        return {
            "loss_per_word": ops.sum(losses * is_word * self._weights(batch)),
            "accuracy": ops.sum(right * is_word),
        }

    def _weights(self, batch: Any) -> Any:
        return sequence_weights(batch, batch["tags"])[:, None]


def decode_tags(logits: Any, batch: Any) -> dict[str, Any]:
    """Finds the best tag of each word; in graph.

    Returns:
        Ragged (sequences, (words)): `tags` int32 and `probabilities` float32; words are
        the `word_positions` of the batch that are not padding.
    """
    is_word = batch["word_positions"] >= 0
    probabilities = tf.nn.softmax(logits, axis=-1)
    decoded = {
        "tags": tf.argmax(logits, axis=-1, output_type=tf.int32),
        "probabilities": tf.reduce_max(probabilities, axis=-1),
    }
    return {k: tf.ragged.boolean_mask(v, is_word) for k, v in decoded.items()}


@dataclasses.dataclass(frozen=True)
class TagsAnswer:
    """A tag and its probability for each word of a sentence."""

    tags: tuple[str, ...]
    probabilities: tuple[float, ...]


def tag_tensors(
    decoded: Tensors, origin: Features, encoding: TokenTaggingEncoding
) -> Tensors:
    """Collects the tags of each sentence from its windows.

    Returns:
        `tags` string and `probabilities` float32, ragged (sentences, (words)).
    """
    places, example = origin["words"], origin["example"]
    sentence = tf.gather(example, places.value_rowids())
    num_sentences = tf.reduce_max(tf.pad(example + 1, [[0, 1]]))
    counts = tf.math.bincount(sentence, minlength=num_sentences, dtype=tf.int32)
    tags, probabilities = (
        from_windows(decoded[name], places, example, counts)
        for name in ("tags", "probabilities")
    )
    names = tf.gather(tf.constant(encoding.labels), tags.values)
    return {"tags": tags.with_values(names), "probabilities": probabilities}


def read_tags(answers: Tensors, examples: Sequence[Any]) -> list[TagsAnswer]:
    """Reads the answers of `tag_tensors`."""
    rows = (answers[name].to_list() for name in ("tags", "probabilities"))
    return [
        TagsAnswer(tuple(tag.decode() for tag in tags), tuple(probabilities))
        for tags, probabilities in zip(*rows, strict=True)
    ]


def _columns(example: TaggedSentence, answer: TagsAnswer, task: Task) -> Columns:
    row: Columns = {"words": list(example.words), "tags": list(answer.tags)}
    if "entity_f1" in task.metrics:
        row["entities"] = [
            {
                "type": kind,
                "text": " ".join(example.words[start:end]),
                "start": start,
                "end": end,
            }
            for kind, start, end in entities.entities(answer.tags)
        ]
    return row


def _unanswered(task: Task) -> Columns:
    row: Columns = {"words": [], "tags": []}
    return {**row, "entities": []} if "entity_f1" in task.metrics else row


def _metrics(
    examples: Sequence[TaggedSentence], answers: Sequence[TagsAnswer], task: Task
) -> dict[str, float]:
    right = [example.tags or () for example in examples]
    given = [answer.tags for answer in answers]
    if "entity_f1" not in task.metrics:
        return {"accuracy": entities.token_accuracy(right, given)}
    found = entities.entity_scores(right, given)
    return {
        "entity_f1": found["f1"],
        "entity_precision": found["precision"],
        "entity_recall": found["recall"],
        "accuracy": found["token_accuracy"],
    }


def words_of_line(line: str) -> tuple[str, ...]:
    """The words of running text, split as by a served model."""
    words, _, _ = _split(tf.constant([line]))
    return tuple(word.decode("utf-8", "replace") for word in words.values.numpy())


_split = tf.function(split_words, input_signature=[strings("texts")], autograph=False)


def _read_line(name: str, line: str, task: Task) -> tuple[Columns, TaggedSentence]:
    words = words_of_line(line)
    return {}, TaggedSentence(name, words, None, int(name), running=True)


def _prepare(encoding: TokenTaggingEncoding, example: TaggedSentence) -> TaggedSentence:
    if not example.running:
        return example
    words = split_characters(example.words, encoding.single)
    return dataclasses.replace(example, words=words)


def _split_document(
    document: Document, answer: TagsAnswer
) -> Iterator[tuple[TaggedSentence, TagsAnswer]]:
    end = 0
    for sentence in document.sentences:
        words = slice(end, end := end + len(sentence.words))
        yield sentence, TagsAnswer(answer.tags[words], answer.probabilities[words])


def _encoding_arguments(lengths: Lengths, dataset: Dataset) -> dict[str, Any]:
    stride = lengths.stride or lengths.max_length // 2
    # Converted models tag each piece, and there ideographs are pieces.
    return {"labels": dataset.labels, "stride": stride, "single": ["Han"]}


def _learned_arguments(examples: Sequence[TaggedSentence]) -> dict[str, Any]:
    words = (word for example in examples for word in example.words)
    return {"single": list(single_characters(words))}


def _split_texts(texts: tf.Tensor, single: Sequence[str]) -> dict[str, Any]:
    """The columns of running texts, split by `data_pipelines.tokenizers.words`."""
    words, starts, ends = split_words(texts, single)
    return {"words": words, "texts": texts, "starts": starts, "ends": ends}


def _outputs(answers: Tensors, columns: dict[str, Any], task: Task) -> Answers:
    """The tag of each word of running texts, and their entities, for clients.

    Returns:
        `words`, `tags` string and `probabilities` float32 (texts, words), padded with
        "" and 0. For tags of entities also, (texts, entities), padded with "", -1 and
        0: `entities` and `entity_types` string; `entity_starts` and `entity_ends`
        int32, byte offsets; `entity_first_characters` and `entity_last_characters`
        int32, character offsets, the last exclusive; `entity_probabilities` float32,
        the mean over its tags.
    """
    spans = {}
    if "entity_f1" in task.metrics:
        places = (columns[name] for name in ("starts", "ends"))
        spans = entity_tensors(columns["texts"], answers, *places)
    return padded({"words": columns["words"], **answers, **spans})


def _word_columns(words: tf.Tensor) -> dict[str, Any]:
    """The columns of given words, string (texts, words), padded with ""."""
    return {"words": tf.ragged.boolean_mask(words, words != ""), "given": words}


def _word_outputs(answers: Tensors, columns: dict[str, Any]) -> Answers:
    """The `tags` and `probabilities` (texts, words), as wide as the input."""
    width = tf.shape(columns["given"])[1]
    return {
        name: filled_rows(v, width, MISSING[v.dtype]) for name, v in answers.items()
    }


def _endpoints(served: Served) -> dict[str, Endpoint]:
    words = tf.TensorSpec([None, None], tf.string, name="words")
    return {
        "tag": served.endpoint(
            [strings("texts")],
            lambda texts: _split_texts(texts, served.encoding.single),
            lambda answers, columns: _outputs(answers, columns, served.task),
        ),
        "tag_words": served.endpoint([words], _word_columns, _word_outputs),
    }


TOKEN_TAGGING = Kind(
    name="token_tagging",
    encoding=TokenTaggingEncoding,
    encoding_arguments=_encoding_arguments,
    model=BertTagger,
    head_arguments=lambda dataset, start: {"num_outputs": len(dataset.labels or ())},
    objective=lambda model: TokenTaggingObjective(),
    decode=decode_tags,
    answers=tag_tensors,
    read=read_tags,
    columns=_columns,
    unanswered=_unanswered,
    measure=_metrics,
    endpoints=_endpoints,
    read_line=_read_line,
    recognises=has_columns,
    prepare=_prepare,
    learned_arguments=_learned_arguments,
    label_of=lambda example: example.tags,
    classes=lambda example, answer: (example.tags, answer.tags),
    has_labels=True,
    join_documents=documents,
    split_document=_split_document,
)
