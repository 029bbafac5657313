"""Reads and writes the vocabulary and the casing of a Hugging Face folder."""

import dataclasses
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import hugging_face_added_tokens as added_tokens
from bert_tf.checkpoints import hugging_face_byte_bpe as byte_bpe
from bert_tf.checkpoints.foreign import differing, is_lower_cased, restored
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json_if_any, write_json
from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.vocabulary import (
    CLS,
    CONTINUATION,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
)

_VOCABULARY, _TOKENIZER = "vocab.txt", "tokenizer.json"
_CONFIG = "tokenizer_config.json"
# The limit of transformers' own WordPiece class, which ignores tokenizer.json.
_THEIR_MAX_WORD_CHARACTERS = 100
# Classes, with their fast variants, whose tokenization the vocabulary determines even
# without a tokenizer.json; BertJapaneseTokenizer, for example, needs MeCab.
_CLASSES = (
    *("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer"),
    *("RobertaTokenizer", "GPT2Tokenizer", "PreTrainedTokenizer", "TokenizersBackend"),
)
# Classes that tokenizer.json defines completely: they ignore the other settings.
_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
# The shortest sequence, a piece between [CLS] and [SEP]; and the limit from which on a
# `model_max_length` means that there is none.
_SHORTEST, _NO_LIMIT = 3, 2**31


def max_length(folder: str) -> int | None:
    """The maximum number of tokens of a text, special ones included; None if unset."""
    found = read_json_if_any(posixpath.join(folder, _CONFIG)).get("model_max_length")
    if isinstance(found, (int, float)) and _SHORTEST <= found < _NO_LIMIT:
        return int(found)
    return None


def read(folder: str) -> Vocabulary:
    """Reads the pieces, the added tokens, and the casing of the texts.

    Raises:
        FileNotFoundError: there is no vocabulary.
        ValueError: it is neither WordPiece nor byte-level BPE, or the tokenizer has an
            unsupported setting that changes the pieces.
    """
    settings = read_json_if_any(posixpath.join(folder, _CONFIG))
    tokenizer = read_json_if_any(posixpath.join(folder, _TOKENIZER))
    _check_class(folder, settings, tokenizer)
    if byte_bpe.is_there(folder, tokenizer):
        return byte_bpe.read(folder, settings, tokenizer)
    vocab_file = posixpath.join(folder, _VOCABULARY)
    has_file = tf.io.gfile.exists(vocab_file)
    model = _wordpiece(tokenizer, folder) if tokenizer else {}
    # The file may lack pieces that Python reads as line separators.
    listed = Vocabulary.from_file(vocab_file) if has_file else None
    pieces = listed
    if model:
        pieces = restored(byte_bpe.in_order(model["vocab"], folder))
    if pieces is None:
        raise FileNotFoundError(
            f"{folder} contains neither {_VOCABULARY} nor {_TOKENIZER}. Expected the "
            "WordPiece vocabulary of the model in one of them, or the vocab.json and "
            "merges.txt of byte-level BPE."
        )
    ids, added = added_tokens.read(
        folder,
        settings,
        tokenizer,
        {token: index for index, token in enumerate(pieces.tokens)},
        SPECIAL_TOKENS,
    )
    tokens = byte_bpe.in_order(ids, folder)
    if listed is not None and listed.tokens not in (pieces.tokens, tokens):
        raise ValueError(
            f"{_VOCABULARY} and {_TOKENIZER} in {folder} have different pieces. "
            "Expected the vocabulary of the model in both: remove the wrong file."
        )
    lower_case, stripped = _casing(folder, settings, tokenizer)
    if lower_case is None:
        lower_case = is_lower_cased(pieces)
    most = model.get("max_input_chars_per_word", _THEIR_MAX_WORD_CHARACTERS)
    return dataclasses.replace(
        pieces.with_casing(bool(lower_case), stripped),
        tokens=tokens,
        added_tokens=added_tokens.marked(added, pieces.tokens),
        max_word_characters=most,
    )


def write(
    folder: str, vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> None:
    """Writes the files of a tokenizer.

    Args:
        folder: the folder to write to.
        vocabulary: the pieces, the added tokens and the casing.
        max_length: the maximum number of tokens of a text.
        has_segments: whether the model takes segment ids.
    """
    if vocabulary.merges is not None:
        byte_bpe.write(folder, vocabulary, max_length, has_segments)
        return
    names = {"unk": UNK, "sep": SEP, "pad": PAD, "cls": CLS, "mask": MASK}
    special = {f"{name}_token": token for name, token in names.items()}
    # Their class for BERT has a fixed limit.
    is_theirs = vocabulary.max_word_characters == _THEIR_MAX_WORD_CHARACTERS
    segments = ["token_type_ids"] if has_segments else []
    settings = {
        "tokenizer_class": "BertTokenizer" if is_theirs else "PreTrainedTokenizerFast",
        "do_lower_case": vocabulary.lower_case,
        "strip_accents": _their_strip_accents(vocabulary),
        "tokenize_chinese_chars": True,
        "model_input_names": ["input_ids", *segments, "attention_mask"],
        "model_max_length": max_length,
        **special,
    }
    ids = {token: index for index, token in enumerate(vocabulary.tokens)}
    for token in vocabulary.added_tokens:
        if not token.is_piece:
            del ids[token.content]
    if list(ids.values()) == list(range(len(ids))):
        lines = "".join(f"{token}\n" for token in ids)
        write_file(posixpath.join(folder, _VOCABULARY), lines.encode())
    write_json(posixpath.join(folder, _TOKENIZER), _their_tokenizer(vocabulary, ids))
    write_json(posixpath.join(folder, _CONFIG), settings)
    write_json(posixpath.join(folder, added_tokens.SPECIAL_TOKENS_MAP), special)


def _their_strip_accents(vocabulary: Vocabulary) -> bool | None:
    follows = vocabulary.strip_accents == vocabulary.lower_case
    return None if follows else vocabulary.strip_accents


def _their_tokenizer(vocabulary: Vocabulary, ids: dict[str, int]) -> dict[str, Any]:
    """The content of a tokenizer.json; `ids` has the ids of the pieces."""
    added = [AddedToken(t, normalized=False, special=True) for t in SPECIAL_TOKENS]
    added += vocabulary.added_tokens
    entries = [added_tokens.to_theirs(t, vocabulary.id_of(t.content)) for t in added]

    def special(token: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": token, "type_id": segment}}

    def sequence(name: str, segment: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special(CLS, 0), sequence("A", 0), special(SEP, 0)]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(entries, key=lambda entry: entry["id"]),
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": _their_strip_accents(vocabulary),
            "lowercase": vocabulary.lower_case,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": single,
            "pair": [*single, sequence("B", 1), special(SEP, 1)],
            "special_tokens": {
                token: {
                    "id": token,
                    "ids": [vocabulary.id_of(token)],
                    "tokens": [token],
                }
                for token in (CLS, SEP)
            },
        },
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": UNK,
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": vocabulary.max_word_characters,
            "vocab": ids,
        },
    }


def _wordpiece(tokenizer: dict[str, Any], folder: str) -> dict[str, Any]:
    """The model of a tokenizer.json.

    Raises:
        ValueError: it is not BERT's WordPiece.
    """
    model = tokenizer.get("model", {})
    if model.get("type") != "WordPiece":
        raise ValueError(
            f"The tokenizer in {folder} is of type {model.get('type')!r}. Expected "
            "WordPiece or byte-level BPE."
        )
    expected = {
        "unk_token": UNK,
        "continuing_subword_prefix": CONTINUATION,
        "normalizer": "BertNormalizer",
        "pre_tokenizer": "BertPreTokenizer",
        "clean_text": True,
    }
    normalizer = tokenizer.get("normalizer") or {}
    found = {
        **model,
        "clean_text": normalizer.get("clean_text", True),
        "normalizer": normalizer.get("type"),
        "pre_tokenizer": (tokenizer.get("pre_tokenizer") or {}).get("type"),
    }
    others = differing(found, expected)
    if others:
        raise ValueError(
            f"The tokenizer in {folder} is WordPiece with {others}. Expected "
            f"{ {name: expected[name] for name in others} }, as in BERT; otherwise "
            "texts would be tokenized differently."
        )
    return model


def _check_class(
    folder: str, settings: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    """Raises ValueError if no file says how the tokenizer finds words."""
    name = settings.get("tokenizer_class")
    is_known = name is None or name.removesuffix("Fast") in _CLASSES
    if not tokenizer and not is_known:
        raise ValueError(
            f"The tokenizer in {folder} is of the class {name}, without {_TOKENIZER}. "
            f"Expected one of {list(_CLASSES)}, or that file; otherwise texts "
            "would be tokenized differently."
        )
    if not settings.get("do_basic_tokenize", True):
        raise ValueError(
            f"The tokenizer in {folder} has do_basic_tokenize=false. Expected one that "
            "splits texts into words itself; otherwise texts would be tokenized "
            "differently."
        )


def _casing(
    folder: str, settings: dict[str, Any], tokenizer: dict[str, Any]
) -> tuple[bool | None, bool | None]:
    """Two flags: texts are lower-cased, and lose accents; None if no file says so."""
    normalizer = tokenizer.get("normalizer") or {}
    if tokenizer and settings.get("tokenizer_class") in _GENERIC:
        settings = {}
    if not settings.get(
        "tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True)
    ):
        raise ValueError(
            f"The tokenizer in {folder} has tokenize_chinese_chars=false. Expected "
            "Chinese characters to be words; otherwise texts would be tokenized "
            "differently."
        )
    lower_case = settings.get("do_lower_case", normalizer.get("lowercase"))
    return lower_case, settings.get("strip_accents", normalizer.get("strip_accents"))
