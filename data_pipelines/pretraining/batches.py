"""From documents to masked batches: the whole chain of pre-training.

    records or text -> parts of documents -> groups of parts
        -> sentence_pairs -> packing -> masking (anew in each epoch)
        -> rows -> a block of rows from each stream -> batches

Every choice depends on the seed, the epoch, the stream, and the place of the group
alone. So two runs are equal, and an iterator can be saved amid an epoch. A *stream* has
some of the files to itself, and an equal part of each batch; a replica has whole
streams. So the batches are the same, whatever the number of replicas. The length of the
rows is chosen here, not in the records: the phases of 128 and 512 tokens read the same
ones.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipelines.corpus import documents as corpus
from data_pipelines.corpus.sentences import split_sentences
from data_pipelines.pretraining import masking, sentence_pairs
from data_pipelines.rows import batching, features
from data_pipelines.tokenizers.tokenizer import Tokenizer
from data_pipelines.tokenizers.vocabulary import Vocabulary

# From the numbers of an epoch, of a stream, and of all streams to a dataset of the
# parts (`features.PART`) that the stream has in that epoch.
Documents = Callable[[Any, Any, int], tf.data.Dataset]

# What bounds the memory, whatever a document is: a novel is cut into parts, a
# sentence without a full stop into sentences that fit into the longest row.
MAX_PART_SENTENCES = 256
MAX_PART_TOKENS = 16_384
MAX_SENTENCE_TOKENS = 512
# Texts are cut before they enter the graph, and go through it in batches.
_CHUNK_CHARACTERS = 1 << 18
_BATCH_CHARACTERS = 1 << 19

_OPEN_FILES = 16


def training_batches(
    documents: Documents,
    vocabulary: Vocabulary,
    *,
    batch_size: int,
    sequence_length: int,
    seed: int,
    num_epochs: int | None = None,
    sentences: sentence_pairs.Kind = "next_sentence",
    short_row_rate: float = 0.1,
    masking_kind: masking.Kind = "token",
    mlm_rate: float = 0.15,
    max_predictions: int = 20,
    mask_rate: float = 0.8,
    random_rate: float = 0.1,
    parts_per_group: int = 64,
    shuffle_rows: int = 4096,
    num_streams: int = 1,
    replica: int = 0,
    num_replicas: int = 1,
) -> tf.data.Dataset:
    """Batches to train on, without end unless `num_epochs` is given.

    A batch is a dict as `features.row_features` describes, `(batch, ...)` each. The
    part `{"token_ids": [11, 12, 13, 14], "sentence_lengths": [2, 2], "document_id":
    5}` may become the row

        token_ids   CLS 11 12 SEP 13 MASK SEP PAD     sentence_label 0
        segment_ids   0  0  0   0  1    1   1   0     row_weight 1
        mlm_positions 5, mlm_ids 14, mlm_weights 1

    Args:
        documents: from `documents_from_records` or `documents_from_text`.
        vocabulary: the one the documents were tokenized with.
        batch_size: rows of a batch, of all replicas together.
        sequence_length: tokens of a row.
        seed: two runs with one seed give the same batches, bit for bit.
        num_epochs: how often to go through the documents; None: without end.
        sentences: how rows are made of sentences, see `sentence_pairs`.
        short_row_rate: share of the parts with shorter rows.
        masking_kind: what is chosen as a whole, see `masking`.
        mlm_rate: share of the tokens to predict.
        max_predictions: the most of a row.
        mask_rate: share of these that become `[MASK]`.
        random_rate: share that become another token.
        parts_per_group: parts that rows are made of at once, and the pool in which
            other documents are looked for. More need more memory.
        shuffle_rows: how many rows of all streams are mixed at a time. They are part
            of the checkpoint of an iterator, with about 12 bytes a token.
        num_streams: how many there are; see `streams_of`.
        replica: which replica this is.
        num_replicas: how many there are. Theirs are parts of one batch.

    Returns:
        A dataset of this replica's part of each batch, whose iterator can be saved by
        `tf.train.Checkpoint` (but not if the documents come from text).

    Raises:
        ValueError: an option is wrong, or there is nothing to make rows of.
    """
    if batch_size % num_streams or num_streams % num_replicas:
        raise ValueError(
            f"Received batch_size={batch_size}, num_streams={num_streams} and "
            f"num_replicas={num_replicas}. Expected as many rows from each stream, and "
            "as many streams for each replica."
        )
    num_rows, own = batch_size // num_streams, num_streams // num_replicas

    def rows_of(stream: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.random.fold_in(_seed(seed), epoch, alg="philox")
        stream_seed = tf.random.fold_in(epoch_seed, stream, alg="philox")
        row_seed, order_seed = tf.unstack(tf.random.split(stream_seed, alg="philox"))
        rows = _rows(
            documents(epoch, stream, num_streams),
            vocabulary,
            row_seed,
            sequence_length=sequence_length,
            sentences=sentences,
            short_row_rate=short_row_rate,
            masking_kind=masking_kind,
            mlm_rate=mlm_rate,
            max_predictions=max_predictions,
            mask_rate=mask_rate,
            random_rate=random_rate,
            parts_per_group=parts_per_group,
        )
        window = max(1, shuffle_rows // num_streams)
        return _shuffled(rows, window, order_seed) if shuffle_rows else rows

    def blocks_of(stream: tf.Tensor) -> tf.data.Dataset:
        last = tf.int64.max if num_epochs is None else num_epochs
        epochs = tf.data.Dataset.range(last)
        rows = epochs.flat_map(lambda epoch: rows_of(stream, epoch))
        return rows.batch(num_rows, drop_remainder=True)

    _require_rows(documents)
    streams = tf.data.Dataset.range(replica * own, (replica + 1) * own)
    blocks = streams.interleave(blocks_of, cycle_length=own, block_length=1)
    batches = blocks if own == 1 else _joined_blocks(blocks, own)
    return batching.with_options(batches.prefetch(tf.data.AUTOTUNE))


def streams_of(batch_size: int, num_files: int) -> int:
    """The most streams that a batch and some files can be divided into equally.

    It does not depend on the number of replicas, which has to be a divisor.
    """
    return math.gcd(batch_size, num_files)


def evaluation_batches(
    documents: Documents,
    vocabulary: Vocabulary,
    *,
    batch_size: int,
    sequence_length: int,
    seed: int = 0,
    sentences: sentence_pairs.Kind = "next_sentence",
    short_row_rate: float = 0.1,
    masking_kind: masking.Kind = "token",
    mlm_rate: float = 0.15,
    max_predictions: int = 20,
    mask_rate: float = 0.8,
    random_rate: float = 0.1,
    parts_per_group: int = 64,
) -> tf.data.Dataset:
    """The rows of one epoch, the same in each call; none is lost.

    Arguments and rows are those of `training_batches`. The last batch is filled up
    with rows whose `row_weight` and `mlm_weights` are 0.
    """
    _require_rows(documents)
    first, all_of_it = tf.constant(0, tf.int64), tf.constant(0, tf.int64)
    rows = _rows(
        documents(first, all_of_it, 1),
        vocabulary,
        _seed(seed),
        sequence_length=sequence_length,
        sentences=sentences,
        short_row_rate=short_row_rate,
        masking_kind=masking_kind,
        mlm_rate=mlm_rate,
        max_predictions=max_predictions,
        mask_rate=mask_rate,
        random_rate=random_rate,
        parts_per_group=parts_per_group,
    )
    return batching.evaluation_batches(rows, batch_size=batch_size)


def as_fit_inputs(
    batch: dict[str, tf.Tensor],
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """A batch as `Model.fit` takes it: inputs, labels, weights of the labels.

    `{"token_ids": t, "mlm_ids": m, "mlm_weights": w, ...}` becomes
    `({"token_ids": t, ...}, {"mlm": m, "sentence": s}, {"mlm": w, "sentence": r})`.
    """
    inputs = {name: batch[name] for name in (*features.MODEL_INPUTS, "mlm_positions")}
    labels = {"mlm": batch["mlm_ids"], "sentence": batch["sentence_label"]}
    weights = {"mlm": batch["mlm_weights"], "sentence": batch["row_weight"]}
    return inputs, labels, weights


def documents_from_records(
    files: Sequence[str],
    *,
    seed: int = 0,
    shuffle_parts: int = 1024,
    skip_corrupt: bool = False,
) -> Documents:
    """The parts in files that `create_pretraining_data` wrote.

    Args:
        files: of TFRecords, see `record_folder.record_files`.
        seed: of the order of the files and of the parts, another in each epoch.
        shuffle_parts: how many parts of all streams are mixed at a time; 0: files and
            parts as they are stored.
        skip_corrupt: whether what can not be read is left out.

    Returns:
        See `Documents`. A stream has every n-th file of each epoch.

    Raises:
        ValueError: there are no files.
        FileNotFoundError: one of the files does not exist.
    """
    if not files:
        raise ValueError(
            "Received no record files. Expected some: make them with "
            "data_pipelines.create_pretraining_data."
        )
    for file in files:
        if not tf.io.gfile.exists(file):
            raise FileNotFoundError(f"There is no record file {file!r}.")
    files = list(files)

    def records_of(name: tf.Tensor) -> tf.data.Dataset:
        records = tf.data.TFRecordDataset(name)
        return records.ignore_errors() if skip_corrupt else records

    def parts(epoch: Any, stream: Any, num_streams: int) -> tf.data.Dataset:
        epoch_seed = tf.random.fold_in(
            _seed(seed), tf.cast(epoch, tf.int64), alg="philox"
        )
        stream_seed = tf.random.fold_in(
            epoch_seed, tf.cast(stream, tf.int64), alg="philox"
        )
        window = max(1, shuffle_parts // num_streams)
        names = tf.constant(files)
        if shuffle_parts > 0:
            names = tf.random.experimental.stateless_shuffle(
                names, epoch_seed, alg="philox"
            )
        names = tf.data.Dataset.from_tensor_slices(names[stream::num_streams])
        records = names.interleave(
            records_of,
            cycle_length=max(1, min(_OPEN_FILES, len(files) // num_streams)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if shuffle_parts > 0:
            records = _shuffled(records, window, stream_seed)
        return records.map(
            features.parse_part, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).filter(lambda part: tf.size(part["token_ids"]) > 0)

    return parts


def stored_texts(files: Sequence[str]) -> Iterator[np.ndarray]:
    """The token ids int32 `(tokens,)` of each part in such files, as they are stored.

    Raises:
        ValueError, FileNotFoundError: as `documents_from_records`.
    """
    documents = documents_from_records(files, shuffle_parts=0)
    first, all_of_it = tf.constant(0, tf.int64), tf.constant(0, tf.int64)
    for part in documents(first, all_of_it, 1).as_numpy_iterator():
        yield part["token_ids"]


def documents_from_text(
    sources: Sequence[str],
    tokenizer: Tokenizer,
    *,
    separator: corpus.Separator = "file",
) -> Documents:
    """The parts of the documents in text files, tokenized while they are read.

    The parts are those that `create_pretraining_data` writes, in the order of the
    text. Good for a look at a small corpus: it costs the tokenizing in each epoch,
    and its iterator, being a Python generator, can not be saved.

    Args:
        sources: files, see `corpus.expand_sources`.
        tokenizer: makes ids of sentences.
        separator: what separates the documents of a file, see
            `corpus.read_documents`.
    """
    sources = list(sources)

    def texts() -> Iterator[tuple[list[bytes], list[int]]]:
        for source in sources:
            for batch in batches_of_text(corpus.read_documents(source, separator)):
                document_ids = [document_id for _, document_id, _ in batch]
                yield [text for text, _, _ in batch], document_ids

    def split(tokenized: dict[str, tf.Tensor]) -> tf.data.Dataset:
        numbers = tf.data.Dataset.range(tf.size(tokenized["document_id"], tf.int64))
        return numbers.map(
            lambda number: {name: tokenized[name][number] for name in features.PART}
        )

    def parts(epoch: Any, stream: Any, num_streams: int) -> tf.data.Dataset:
        del epoch, stream  # The text has the same order in each epoch.
        if num_streams > 1:
            raise ValueError(
                f"Received num_streams={num_streams}, but text has one stream. "
                "Expected 1, or records: make them with "
                "data_pipelines.create_pretraining_data."
            )
        batches = tf.data.Dataset.from_generator(
            texts,
            output_signature=(
                tf.TensorSpec([None], tf.string),
                tf.TensorSpec([None], tf.int64),
            ),
        )
        return batches.map(
            lambda texts, ids: tokenize_documents(texts, ids, tokenizer),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        ).flat_map(split)

    return parts


def batches_of_text(
    documents: Iterable[str],
) -> Iterator[list[tuple[bytes, int, bool]]]:
    """Cuts documents and collects them, so that any corpus needs little memory.

    `["One. Two.", "Three."]` becomes the one batch `[(b"One. Two.", 871…, True),
    (b"Three.", -512…, True)]`.

    Yields:
        Lists of about half a million characters. Each entry has the text (UTF-8), the
        id of its document, and whether it is its beginning. A document longer
        than a quarter of a million characters has several entries, in order, cut at
        the last empty line, else line, else space. The id is a hash of the text:
        the same on every machine, and for two copies of one document.
    """
    batch: list[tuple[bytes, int, bool]] = []
    size = 0
    for document in documents:
        encoded = document.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(encoded, digest_size=8).digest()
        document_id = int.from_bytes(digest, "little", signed=True)
        start = 0
        while start < len(document):
            end = _cut(document, start)
            text = document[start:end].encode("utf-8", "surrogatepass")
            batch.append((text, document_id, start == 0))
            size += end - start
            start = end
            if size >= _BATCH_CHARACTERS:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def tokenize_documents(
    texts: tf.Tensor, document_ids: tf.Tensor, tokenizer: Tokenizer
) -> dict[str, tf.Tensor]:
    """Texts to parts of documents, in graph.

    `["One. Two three."]` of the document 5 becomes `{"token_ids": [[id of one, .,
    two, three, .]], "sentence_lengths": [[2, 3]], "document_id": [5], "text": [0]}`.

    A part ends where its document has `MAX_PART_SENTENCES` more sentences, or (the
    last sentence aside) `MAX_PART_TOKENS` more tokens. Sentences longer than
    `MAX_SENTENCE_TOKENS` are cut; those without tokens are left out.

    Args:
        texts: string `(texts,)`.
        document_ids: int64 `(texts,)`.
        tokenizer: makes ids of sentences.

    Returns:
        The features of `PART`, of all parts: `(parts, (...))` ragged and `(parts,)`;
        and `text` int64 `(parts,)`, in which text each part is.
    """
    sentences = split_sentences(texts)  # (texts, (sentences))
    pieces = tokenizer.tokenize_words(sentences.values)  # (sentences, (pieces))
    text = sentences.value_rowids()  # (sentences,)
    lengths = pieces.row_lengths()
    # Cut long sentences; an empty one becomes none.
    longest = tf.constant(MAX_SENTENCE_TOKENS, lengths.dtype)
    num_cuts = (lengths + longest - 1) // longest
    uncut = tf.repeat(tf.range(tf.size(lengths, tf.int64)), num_cuts)
    places = tf.range(tf.size(uncut, tf.int64))
    place = places - tf.gather(tf.cumsum(num_cuts, exclusive=True), uncut)
    lengths = tf.minimum(tf.gather(lengths, uncut) - place * longest, longest)
    text = tf.gather(text, uncut)

    # Which sentence, and from which token on, of its text each sentence is.
    opens_text = tf.concat([[-1], text[:-1]], 0) < text
    text_first = tf.gather(
        tf.boolean_mask(places, opens_text),
        tf.cumsum(tf.cast(opens_text, tf.int64)) - 1,
    )
    sentence = places - text_first
    tokens_before = tf.cumsum(lengths, exclusive=True)
    token = tokens_before - tf.gather(tokens_before, text_first)
    block = tf.stack([text, sentence // MAX_PART_SENTENCES, token // MAX_PART_TOKENS])
    opens_part = tf.reduce_any(
        tf.pad(block[:, :-1], [[0, 0], [1, 0]], constant_values=-1) != block, axis=0
    )
    part = tf.cumsum(tf.cast(opens_part, tf.int64)) - 1  # (sentences,)

    text = tf.boolean_mask(text, opens_part)  # (parts,)
    num_parts = tf.size(text, tf.int64)
    num_tokens = tf.math.unsorted_segment_sum(lengths, part, num_parts)
    return {
        "token_ids": tf.RaggedTensor.from_row_lengths(
            pieces.values, num_tokens, validate=False
        ),
        "sentence_lengths": tf.RaggedTensor.from_value_rowids(
            tf.cast(lengths, tf.int32), part, num_parts, validate=False
        ),
        "document_id": tf.gather(document_ids, text),
        "text": text,
    }


def _rows(
    parts: tf.data.Dataset,
    vocabulary: Vocabulary,
    seed: tf.Tensor,
    *,
    sequence_length: int,
    sentences: sentence_pairs.Kind,
    short_row_rate: float,
    masking_kind: masking.Kind,
    mlm_rate: float,
    max_predictions: int,
    mask_rate: float,
    random_rate: float,
    parts_per_group: int,
) -> tf.data.Dataset:
    """The rows of one epoch."""

    def rows_of(number: tf.Tensor, group: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        group_seed = tf.random.fold_in(seed, number, alg="philox")
        pair_seed, order_seed, mask_seed = tf.unstack(
            tf.random.split(group_seed, 3, alg="philox")
        )
        rows = sentence_pairs.sentence_rows(
            group,
            pair_seed,
            kind=sentences,
            sequence_length=sequence_length,
            vocabulary=vocabulary,
            short_row_rate=short_row_rate,
        )
        rows |= masking.mask_tokens(
            rows["token_ids"],
            rows["padding_mask"],
            mask_seed,
            vocabulary=vocabulary,
            kind=masking_kind,
            mlm_rate=mlm_rate,
            max_predictions=max_predictions,
            mask_rate=mask_rate,
            random_rate=random_rate,
        )
        num_rows = tf.size(rows["sentence_label"])
        rows["row_weight"] = tf.ones([num_rows], tf.float32)
        # The rows of a part stand together; the buffer behind mixes groups.
        order = tf.random.experimental.stateless_shuffle(
            tf.range(num_rows), order_seed, alg="philox"
        )
        specs = features.row_features(sequence_length, max_predictions)
        return {
            name: tf.ensure_shape(tf.gather(rows[name], order), [None, *spec.shape])
            for name, spec in specs.items()
        }

    groups = parts.ragged_batch(parts_per_group).enumerate()
    return groups.map(
        rows_of, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    ).unbatch()


def _shuffled(elements: tf.data.Dataset, size: int, seed: tf.Tensor) -> tf.data.Dataset:
    """The same elements, each window of so many in an order of its own.

    Not `Dataset.shuffle`, which within a flat_map counts as stateful and makes the
    iterator unsaveable.
    """

    def shuffle(number: tf.Tensor, window: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(
            tf.range(tf.shape(tf.nest.flatten(window)[0])[0]),
            tf.random.fold_in(seed, number, alg="philox"),
            alg="philox",
        )
        return tf.nest.map_structure(lambda values: tf.gather(values, order), window)

    return elements.batch(size).enumerate().map(shuffle).unbatch()


def _joined_blocks(blocks: tf.data.Dataset, count: int) -> tf.data.Dataset:
    """So many blocks of rows, one after another, as one."""

    def join(stacked: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: tf.reshape(values, [count * values.shape[1], *values.shape[2:]])
            for name, values in stacked.items()
        }

    return blocks.batch(count, drop_remainder=True).map(join)


def _require_rows(documents: Documents) -> None:
    """Else an endless number of epochs would be searched for the first row."""
    first, all_of_it = tf.constant(0, tf.int64), tf.constant(0, tf.int64)
    parts = documents(first, all_of_it, 1)
    for _ in parts.filter(lambda part: tf.size(part["token_ids"]) > 1).take(1):
        return  # Two tokens can always be made a row.
    raise ValueError(
        "The documents give not a single row. Expected texts with sentences of some "
        "tokens: look at what was read, data_pipelines.create_pretraining_data "
        "counts it in manifest.json."
    )


def _seed(seed: int) -> tf.Tensor:
    return tf.constant([0, seed], tf.int64)


def _cut(document: str, start: int) -> int:
    """Where the piece of a document that begins at `start` ends."""
    end = start + _CHUNK_CHARACTERS
    if end >= len(document):
        return len(document)
    for border in ("\n\n", "\n", " "):
        found = document.rfind(border, start + _CHUNK_CHARACTERS // 2, end)
        if found >= 0:
            return found + len(border)
    return end
