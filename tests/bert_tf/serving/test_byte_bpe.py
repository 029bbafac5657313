"""Texts in and out of models with byte-level BPE: masks, spaces and continuations."""

import dataclasses
import functools

import pytest
import tensorflow as tf

from bert_tf.checkpoints import model_dir
from bert_tf.serving.generate import join_pieces
from bert_tf.serving.pretrained import TextModel
from bert_tf.serving.warmup import warmup_inputs
from data_pipelines.datasets.examples import TaggedSentence
from data_pipelines.finetuning.token_tagging import TokenTaggingEncoding
from data_pipelines.pretraining.masking import mask_tokens
from data_pipelines.pretraining.parts import tokenize_documents
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.tokenizers.byte_bpe import ByteBPETokenizer
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import (
    SPECIAL_TOKENS,
    Vocabulary,
)
from tests.bert_tf.small_models import small_pretrainer

MERGES = (("Ġ", "c"), ("a", "t"), ("Ġc", "at"), ("c", "at"), ("Ġ", "s"), ("Ã", "©"))
MERGED = tuple("".join(pair) for pair in MERGES)
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *BYTE_SYMBOLS, *MERGED), MERGES)
PREFIXED = dataclasses.replace(VOCABULARY, add_prefix_space=True)
DESCRIPTION = model_dir.Description("pretraining")


@functools.cache
def text_model(vocabulary=VOCABULARY):
    model = small_pretrainer(sentence_head=False, vocab_size=len(vocabulary))
    return TextModel(model, ByteBPETokenizer(vocabulary), num_tokens=8)


@pytest.mark.parametrize(
    ("vocabulary", "pieces_of_texts"),
    [
        # The space before a mask is the mask's, that behind it is the next word's.
        (
            VOCABULARY,
            {
                "cat [MASK] cat": "cat [MASK] Ġcat",
                "cat \n [MASK]cat.": "cat [MASK] cat .",
                "[MASK][MASK]  cat ": "[MASK] [MASK] Ġ Ġcat Ġ",
            },
        ),
        (
            PREFIXED,
            {
                "cat [MASK]": "Ġcat [MASK]",
                "[MASK]. cat": "[MASK] . Ġcat",
                " [MASK] s": "[MASK] Ġs",
                "": "",
            },
        ),
    ],
)
def test_masks_in_texts(vocabulary, pieces_of_texts):
    features = text_model(vocabulary).features(tf.constant([*pieces_of_texts]))
    tokens = dict(zip(vocabulary.names, vocabulary.tokens, strict=True))
    for row, (text, expected) in enumerate(pieces_of_texts.items()):
        names = [tokens[n.decode()] for n in features["tokens"].numpy()[row] if n]
        assert names == ["[CLS]", *expected.split(), "[SEP]"]
        places = zip(
            features["starts"].numpy()[row], features["ends"].numpy()[row], strict=True
        )
        for name, (start, end) in zip(names[1:-1], [*places][1:], strict=False):
            assert text.encode()[start:end].decode() == name.replace("Ġ", "")


@pytest.mark.slow
def test_guesses_are_shown_as_text():
    found = text_model().fill_mask(tf.constant(["a [MASK]"]))
    tokens = {token.decode() for token in found["tokens"].numpy().flatten()}
    assert len(tokens) == 5 and tokens <= set(VOCABULARY.names)


def test_pieces_are_joined_to_the_byte():
    pieces = ("Ġcat", "s", "Ã", "©", "Ġ")
    found = join_pieces(
        tf.constant([[VOCABULARY.id_of(piece) for piece in pieces]] * 2),
        tf.constant([[True] * 5, [True, True] + [False] * 3]),
        VOCABULARY,
    )
    assert found.numpy().tolist() == [" catsé ".encode(), b" cats"]


@pytest.mark.slow
def test_a_causal_model_goes_on():
    model = small_pretrainer(
        sentence_head=False,
        vocab_size=len(VOCABULARY),
        causal=True,
        pooler=False,
        max_position_embeddings=32,
    )
    served = TextModel(model, ByteBPETokenizer(VOCABULARY), num_tokens=8)
    answers = served.generate(tf.constant(["cat", ""]))
    counts = (answers["probabilities"].numpy() > 0).sum(axis=1)
    for text, count in zip(answers["continuations"].numpy(), counts, strict=True):
        assert (len(text) > 0) == (count > 0)


def test_words_of_a_sentence_have_spaces_before_them():
    encoding = TokenTaggingEncoding(ByteBPETokenizer(VOCABULARY), 12, ("O",), 4)
    sentence = TaggedSentence("0", ("cat", "é", "cat"), ("O",) * 3, 0)
    features, _ = encoding.encode(encoding.columns([sentence]))
    names = [VOCABULARY.tokens[i] for i in features["token_ids"].to_list()[0]]
    assert names == ["[CLS]", "Ġcat", "Ġ", "Ã©", "Ġcat", "[SEP]"]
    assert features["word_positions"].to_list() == [[1, 2, 4]]


def test_sentences_of_a_document_have_spaces_before_them():
    parts = tokenize_documents(
        tf.constant(["At cat. Cat."]),
        tf.constant([5], tf.int64),
        ByteBPETokenizer(VOCABULARY),
    )
    names = [VOCABULARY.tokens[i] for i in parts["token_ids"].to_list()[0]]
    assert names == ["Ġ", "A", "t", "Ġcat", ".", "Ġ", "C", "at", "."]
    assert parts["sentence_lengths"].to_list() == [[5, 4]]


def test_whole_words_are_masked():
    """A piece without a space is of the word before it."""
    names = ["[CLS]", "Ġcat", "s", ".", "Ġc", "at", "Ġs", "[SEP]"]
    token_ids = tf.constant([[VOCABULARY.id_of(name) for name in names]] * 200)
    masked = mask_tokens(
        token_ids,
        tf.ones_like(token_ids, tf.bool),
        tf.constant([1, 0], tf.int64),
        VOCABULARY,
        RowOptions(len(names), masking="whole_word", mlm_rate=0.4),
    )
    rows = zip(
        masked["mlm_positions"].numpy(), masked["mlm_weights"].numpy(), strict=True
    )
    found = {tuple(places[weights > 0]) for places, weights in rows}
    # Three of eight tokens at most, of the words 1 to 3, 4 and 5, and 6.
    assert found == {(1, 2, 3), (4, 5, 6)}


def test_warm_up_requests_have_words():
    specs = [tf.TensorSpec([None], tf.string, name="texts")]
    found = warmup_inputs(specs, VOCABULARY)
    texts = [inputs["texts"].numpy()[0].decode() for inputs in found]
    assert all(text.startswith("[MASK] cat") for text in texts)


def test_the_model_folder_holds_the_merges(tmp_path):
    model = small_pretrainer(sentence_head=False, vocab_size=len(VOCABULARY))
    folder = str(tmp_path / "model")
    model_dir.save(folder, model, PREFIXED, DESCRIPTION, {})
    loaded = model_dir.load(folder)
    assert loaded.vocabulary == PREFIXED
    texts = tf.constant(["a cat"])
    expected = ByteBPETokenizer(PREFIXED).tokenize(texts).to_list()
    assert loaded.tokenizer.tokenize(texts).to_list() == expected
    (tmp_path / "model" / "merges.txt").unlink()
    with pytest.raises(FileNotFoundError, match="No merges at"):
        model_dir.load(folder)
