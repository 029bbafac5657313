"""From documents to masked batches: the whole chain of pre-training.

    records or text -> parts of documents -> groups of parts
        -> sentence_pairs -> packing -> masking (anew in each epoch)
        -> rows -> batches

Every choice depends on the seed, the epoch, and the place of the group alone. So two
runs are equal, and an iterator can be saved amid an epoch. The length of the rows is
chosen here, not in the records: the phases of 128 and 512 tokens read the same ones.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import tensorflow as tf

from data_pipelines import batching, corpus, features, masking, sentence_pairs
from data_pipelines.sentences import split_sentences
from data_pipelines.vocabulary import Vocabulary
from data_pipelines.wordpiece import WordPieceTokenizer

# From the number of an epoch to a dataset of the parts (`features.PART`) in it.
Documents = Callable[[Any], tf.data.Dataset]

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
    parts_per_group: int = 64,
    shuffle_rows: int = 4096,
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
        batch_size: rows of a batch, of this worker.
        sequence_length: tokens of a row.
        seed: two runs with one seed, and one `tf.random.set_seed`, give the same
            batches, bit for bit.
        num_epochs: how often to go through the documents; None: without end.
        sentences: how rows are made of sentences, see `sentence_pairs`.
        short_row_rate: share of the parts with shorter rows.
        masking_kind: what is chosen as a whole, see `masking`.
        mlm_rate: share of the tokens to predict.
        max_predictions: the most of a row.
        parts_per_group: parts that rows are made of at once, and the pool in which
            other documents are looked for. More need more memory.
        shuffle_rows: size of the buffer that rows are drawn from. It is part of the
            checkpoint of an iterator, with about 12 bytes a token.

    Returns:
        A dataset whose iterator can be saved by `tf.train.Checkpoint` (but not if
        the documents come from text).

    Raises:
        ValueError: an option is wrong, or there is nothing to make rows of.
    """

    def rows_of(epoch: tf.Tensor) -> tf.data.Dataset:
        return _rows(
            documents(epoch),
            vocabulary,
            tf.random.fold_in(_seed(seed), tf.cast(epoch, tf.int64), alg="philox"),
            sequence_length=sequence_length,
            sentences=sentences,
            short_row_rate=short_row_rate,
            masking_kind=masking_kind,
            mlm_rate=mlm_rate,
            max_predictions=max_predictions,
            parts_per_group=parts_per_group,
        )

    _require_rows(documents)
    epochs = tf.data.Dataset.range(tf.int64.max if num_epochs is None else num_epochs)
    return batching.training_batches(
        epochs.flat_map(rows_of),
        batch_size=batch_size,
        seed=seed,
        shuffle_rows=shuffle_rows,
    )


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
    parts_per_group: int = 64,
) -> tf.data.Dataset:
    """The rows of one epoch, the same in each call; none is lost.

    Arguments and rows are those of `training_batches`. The last batch is filled up
    with rows whose `row_weight` and `mlm_weights` are 0.
    """
    _require_rows(documents)
    rows = _rows(
        documents(tf.constant(0, tf.int64)),
        vocabulary,
        _seed(seed),
        sequence_length=sequence_length,
        sentences=sentences,
        short_row_rate=short_row_rate,
        masking_kind=masking_kind,
        mlm_rate=mlm_rate,
        max_predictions=max_predictions,
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
    shard_index: int = 0,
    num_shards: int = 1,
) -> Documents:
    """The parts in files that `create_pretraining_data` wrote.

    Args:
        files: of TFRecords, see `create_pretraining_data.record_files`.
        seed: of the order of the files and of the parts, another in each epoch.
        shuffle_parts: how many parts are mixed at a time; 0: files and parts as
            they are stored.
        shard_index: which worker this is.
        num_shards: how many workers share the parts: whole files where each gets as
            many, else every `num_shards`-th part.

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

    def parts(epoch: tf.Tensor) -> tf.data.Dataset:
        epoch_seed = tf.random.fold_in(
            _seed(seed), tf.cast(epoch, tf.int64), alg="philox"
        )
        names = tf.constant(files)
        if shuffle_parts > 0:
            names = tf.random.experimental.stateless_shuffle(
                names, epoch_seed, alg="philox"
            )
        names = tf.data.Dataset.from_tensor_slices(names)
        by_file = len(files) % num_shards == 0
        if by_file:
            names = names.shard(num_shards, shard_index)
        records = names.interleave(
            tf.data.TFRecordDataset,
            cycle_length=min(_OPEN_FILES, len(files)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        if not by_file:
            records = records.shard(num_shards, shard_index)
        if shuffle_parts > 0:
            # Window after window instead of `Dataset.shuffle`, which within a
            # flat_map counts as stateful and makes the iterator unsaveable.
            def shuffle(window: tf.Tensor, records: tf.Tensor) -> tf.Tensor:
                return tf.random.experimental.stateless_shuffle(
                    records,
                    tf.random.fold_in(epoch_seed, window, alg="philox"),
                    alg="philox",
                )

            records = records.batch(shuffle_parts).enumerate().map(shuffle).unbatch()
        return records.map(
            features.parse_part, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        ).filter(lambda part: tf.size(part["token_ids"]) > 0)

    return parts


def documents_from_text(
    sources: Sequence[str],
    tokenizer: WordPieceTokenizer,
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

    def parts(epoch: tf.Tensor) -> tf.data.Dataset:
        del epoch  # The text has the same order in each epoch.
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
    texts: tf.Tensor, document_ids: tf.Tensor, tokenizer: WordPieceTokenizer
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
    pieces = tokenizer.tokenize(sentences.values)  # (sentences, (pieces))
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
    parts_per_group: int,
) -> tf.data.Dataset:
    """The rows of one epoch."""

    def rows_of(number: tf.Tensor, group: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        group_seed = tf.random.fold_in(seed, number, alg="philox")
        # Workers number their groups alike; their documents differ.
        group_seed = tf.random.fold_in(
            group_seed, group["document_id"][0], alg="philox"
        )
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


def _require_rows(documents: Documents) -> None:
    """Else an endless number of epochs would be searched for the first row."""
    parts = documents(tf.constant(0, tf.int64))
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
