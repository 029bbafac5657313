"""Reads and writes WordPiece in Hugging Face folders: the tokenizer of BERT."""

import dataclasses
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.foreign import differing, is_lower_cased, restored
from bert_tf.checkpoints.hugging_face import added_tokens, special_tokens
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json_if_any, write_json
from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.spelling import CONTINUATION
from data_pipelines.tokenizers.vocabulary import UNK, Vocabulary
from data_pipelines.tokenizers.vocabulary_files import read_pieces

_VOCABULARY, _TOKENIZER = "vocab.txt", "tokenizer.json"
_CONFIG = "tokenizer_config.json"
# The limit of transformers' own WordPiece class, which ignores tokenizer.json.
_THEIR_MAX_WORD_CHARACTERS = 100
# Classes that tokenizer.json defines completely: they ignore the other settings.
_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")


def read(
    folder: str, settings: dict[str, Any], tokenizer: dict[str, Any]
) -> Vocabulary:
    """Reads the pieces, with our names for the special tokens, and the casing.

    Args:
        folder: the Hugging Face folder.
        settings, tokenizer: the contents of its tokenizer_config.json and
            tokenizer.json; empty if there is no such file.

    Raises:
        FileNotFoundError: there is no vocabulary.
        ValueError: the tokenizer has an unsupported setting.
    """
    is_mpnet = _model_type(folder) == "mpnet"
    usual = special_tokens.MPNET if is_mpnet else special_tokens.BERT
    names = special_tokens.read_names(folder, settings, usual)
    ours = special_tokens.renamings(names)
    vocab_file = posixpath.join(folder, _VOCABULARY)
    model = _model(tokenizer, folder, names[UNK]) if tokenizer else {}
    listed = None
    if tf.io.gfile.exists(vocab_file):
        try:
            listed = Vocabulary(
                tuple(ours.get(token, token) for token in read_pieces(vocab_file))
            )
        except ValueError as error:
            raise ValueError(f"{vocab_file}: {error}") from None
    # The file may lack pieces that Python reads as line separators.
    pieces = listed
    if model:
        tokens = added_tokens.in_order(model["vocab"], folder)
        pieces = restored(ours.get(token, token) for token in tokens)
    if pieces is None:
        raise FileNotFoundError(
            f"{folder} contains neither {_VOCABULARY} nor {_TOKENIZER}. Expected the "
            "WordPiece vocabulary of the model in one of them, the vocab.json and "
            "merges.txt of byte-level BPE, or a model of SentencePiece."
        )
    ids, added = added_tokens.read(
        folder,
        settings,
        tokenizer,
        special_tokens.ids_with_their_names(pieces, names),
        names.values(),
    )
    ids = special_tokens.with_our_names(ids, names)
    tokens = added_tokens.in_order(ids, folder)
    if listed is not None and listed.tokens not in (pieces.tokens, tokens):
        raise ValueError(
            f"{_VOCABULARY} and {_TOKENIZER} in {folder} have different pieces. "
            "Expected the vocabulary of the model in both: remove the wrong file."
        )
    lower_case, stripped = _casing(folder, settings, tokenizer)
    if lower_case is None:
        lower_case = is_lower_cased(pieces)
    most = model.get("max_input_chars_per_word", _THEIR_MAX_WORD_CHARACTERS)
    separators = 2 if is_mpnet else 1
    return dataclasses.replace(
        pieces.with_casing(bool(lower_case), stripped),
        tokens=tokens,
        added_tokens=added_tokens.marked(added, pieces.tokens),
        max_word_characters=most,
        num_separators=special_tokens.read_num_separators(tokenizer, separators),
        special_names=special_tokens.kept_names(names, "wordpiece"),
    )


def write(folder: str, vocabulary: Vocabulary, settings: dict[str, Any]) -> None:
    """Writes the files of a tokenizer; see `tokenizer.write`."""
    names = special_tokens.names_of(vocabulary)
    special = {key: names[ours] for ours, key in special_tokens.KEYS.items()}
    # Their class for BERT has a fixed limit, and separates texts by one token.
    is_theirs = vocabulary.max_word_characters == _THEIR_MAX_WORD_CHARACTERS
    is_theirs &= vocabulary.num_separators == 1
    settings = {
        "tokenizer_class": "BertTokenizer" if is_theirs else "PreTrainedTokenizerFast",
        "do_lower_case": vocabulary.lower_case,
        "strip_accents": _their_strip_accents(vocabulary),
        "tokenize_chinese_chars": True,
        **settings,
        **special,
    }
    all_ids = special_tokens.ids_with_their_names(vocabulary, names)
    ids = dict(all_ids)
    for token in vocabulary.added_tokens:
        if not token.is_piece:
            del ids[token.content]
    if list(ids.values()) == list(range(len(ids))):
        lines = "".join(f"{token}\n" for token in ids)
        write_file(posixpath.join(folder, _VOCABULARY), lines.encode())
    content = _their_tokenizer(vocabulary, names, all_ids, ids)
    write_json(posixpath.join(folder, _TOKENIZER), content)
    write_json(posixpath.join(folder, _CONFIG), settings)
    write_json(posixpath.join(folder, special_tokens.SPECIAL_TOKENS_MAP), special)


def _model_type(folder: str) -> str | None:
    return read_json_if_any(posixpath.join(folder, "config.json")).get("model_type")


def _their_strip_accents(vocabulary: Vocabulary) -> bool | None:
    follows = vocabulary.strip_accents == vocabulary.lower_case
    return None if follows else vocabulary.strip_accents


def _their_tokenizer(
    vocabulary: Vocabulary,
    names: dict[str, str],
    all_ids: dict[str, int],
    ids: dict[str, int],
) -> dict[str, Any]:
    """The content of a tokenizer.json.

    Args:
        vocabulary: the pieces, the added tokens and the settings.
        names: their names of the special tokens.
        all_ids, ids: the ids of all tokens, and those of the pieces.
    """
    added = [AddedToken(t, normalized=False, special=True) for t in names.values()]
    added += vocabulary.added_tokens
    entries = [added_tokens.to_theirs(t, all_ids[t.content]) for t in added]
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
        "post_processor": special_tokens.template(
            names, all_ids, vocabulary.num_separators
        ),
        "decoder": {"type": "WordPiece", "prefix": CONTINUATION, "cleanup": True},
        "model": {
            "type": "WordPiece",
            "unk_token": names[UNK],
            "continuing_subword_prefix": CONTINUATION,
            "max_input_chars_per_word": vocabulary.max_word_characters,
            "vocab": ids,
        },
    }


def _model(tokenizer: dict[str, Any], folder: str, unknown: str) -> dict[str, Any]:
    """The model of a tokenizer.json.

    Raises:
        ValueError: it is not BERT's WordPiece.
    """
    model = tokenizer.get("model", {})
    if model.get("type") != "WordPiece":
        raise ValueError(
            f"The tokenizer in {folder} is of type {model.get('type')!r}. Expected "
            "WordPiece, byte-level BPE, or the Unigram of SentencePiece."
        )
    expected = {
        "unk_token": unknown,
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
