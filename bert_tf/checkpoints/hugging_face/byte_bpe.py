"""Reads and writes byte-level BPE in Hugging Face folders: RoBERTa's tokenizer."""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Any, Literal

import tensorflow as tf

from bert_tf.checkpoints.hugging_face import added_tokens, special_tokens
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json, write_json
from data_pipelines.programs.extras import extra
from data_pipelines.tokenizers.vocabulary import CLS, MASK, SEP, Vocabulary
from data_pipelines.tokenizers.vocabulary_files import MERGES, beside, read_merges

_VOCABULARY = "vocab.json"
# Settings that change the pieces and are not supported.
_SETTINGS = (
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "byte_fallback",
    "ignore_merges",
)
# Normalizations that are supported.
_NORMALIZERS: dict[str | None, Literal["NFC"] | None] = {None: None, "NFC": "NFC"}


def is_there(folder: str, tokenizer: Mapping[str, Any]) -> bool:
    """True if the tokenizer of a folder, which has this tokenizer.json, is BPE."""
    if tokenizer:
        return tokenizer.get("model", {}).get("type") == "BPE"
    return tf.io.gfile.exists(posixpath.join(folder, _VOCABULARY))


def read(
    folder: str, settings: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> Vocabulary:
    """Reads the pieces, with our names for the special tokens, and the merges.

    Args:
        folder: the Hugging Face folder.
        settings, tokenizer: the contents of its tokenizer_config.json and
            tokenizer.json; empty if there is no such file.

    Raises:
        FileNotFoundError: there are no merges.
        ValueError: the tokenizer is not GPT-2's, or its ids have gaps.
    """
    if tokenizer:
        _check(folder, tokenizer)
        model = tokenizer["model"]
        ids, lines = dict(model["vocab"]), model["merges"]
        # Current versions write pairs, former versions lines.
        pairs = (m if isinstance(m, list) else m.split(" ") for m in lines)
        merges = tuple((left, right) for left, right in pairs)
    else:
        vocab_file = posixpath.join(folder, _VOCABULARY)
        ids = read_json(vocab_file)
        merges, _ = read_merges(beside(vocab_file, MERGES))
    names = special_tokens.read_names(folder, settings, special_tokens.ROBERTA)
    ids, added = added_tokens.read(folder, settings, tokenizer, ids, names.values())
    ids = special_tokens.with_our_names(ids, names)
    pre_tokenizer = tokenizer.get("pre_tokenizer") or {}
    add_prefix_space = settings.get(
        "add_prefix_space", pre_tokenizer.get("add_prefix_space", False)
    )
    normalizer = (tokenizer.get("normalizer") or {}).get("type")
    return Vocabulary(
        added_tokens.in_order(ids, folder),
        merges,
        bool(add_prefix_space),
        added_tokens=added,
        unicode_form=_NORMALIZERS[normalizer],
        num_separators=special_tokens.read_num_separators(tokenizer, 2),
        special_names=special_tokens.kept_names(names, "byte_bpe"),
    )


def write(folder: str, vocabulary: Vocabulary, settings: dict[str, Any]) -> None:
    """Writes the files of a tokenizer; see `tokenizer.write`.

    Raises:
        ImportError: the package tokenizers is not installed.
    """
    names = special_tokens.names_of(vocabulary)
    special = {key: names[ours] for ours, key in special_tokens.KEYS.items()}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": vocabulary.add_prefix_space,
        **settings,
        **special,
    }
    content = _their_tokenizer(vocabulary, names).to_str().encode() + b"\n"
    write_file(posixpath.join(folder, "tokenizer.json"), content)
    write_json(posixpath.join(folder, "tokenizer_config.json"), settings)
    write_json(posixpath.join(folder, special_tokens.SPECIAL_TOKENS_MAP), special)


def _their_tokenizer(vocabulary: Vocabulary, names: Mapping[str, str]) -> Any:
    """Makes our tokenizer in their library; `names` has their special tokens."""
    with extra("byte_bpe"):
        import tokenizers
    ids = special_tokens.ids_with_their_names(vocabulary, names)
    cls, sep = names[CLS], names[SEP]
    between = " ".join([sep] * vocabulary.num_separators)
    prefix = vocabulary.add_prefix_space
    theirs = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            ids,
            list(vocabulary.merges or ()),
            continuing_subword_prefix="",
            end_of_word_suffix="",
        )
    )
    if vocabulary.unicode_form is not None:
        theirs.normalizer = tokenizers.normalizers.NFC()
    theirs.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    # The same sequence as in `packing.join`.
    template = tokenizers.processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {between} $B:1 {sep}:1",
        special_tokens=[(cls, ids[cls]), (sep, ids[sep])],
    )
    theirs.post_processor = tokenizers.processors.Sequence(
        [tokenizers.processors.ByteLevel(add_prefix_space=prefix), template]
    )
    theirs.decoder = tokenizers.decoders.ByteLevel()
    for token in vocabulary.added_tokens:
        add = theirs.add_special_tokens if token.special else theirs.add_tokens
        values = dataclasses.asdict(token)
        del values["special"], values["is_piece"]
        add([tokenizers.AddedToken(values.pop("content"), **values)])
    theirs.add_special_tokens(
        [
            # The space before a mask is part of the mask.
            tokenizers.AddedToken(name, lstrip=ours == MASK, normalized=False)
            for ours, name in sorted(names.items(), key=lambda item: ids[item[1]])
        ]
    )
    return theirs


def _check(folder: str, tokenizer: Mapping[str, Any]) -> None:
    """Raises ValueError if a setting would give different pieces."""
    model, pre_tokenizer = tokenizer["model"], tokenizer.get("pre_tokenizer") or {}
    if model.get("byte_fallback"):
        raise ValueError(
            f"The tokenizer in {folder} is the BPE of SentencePiece, as in Gemma and "
            "mmBERT. Expected the byte-level BPE of GPT-2 or the Unigram of "
            "SentencePiece: models with this tokenizer are not supported."
        )
    others = {name: model[name] for name in _SETTINGS if model.get(name)}
    if pre_tokenizer.get("type") != "ByteLevel" or not pre_tokenizer.get(
        "use_regex", True
    ):
        others["pre_tokenizer"] = pre_tokenizer
    normalizer = tokenizer.get("normalizer") or {}
    if normalizer.get("type") not in _NORMALIZERS:
        others["normalizer"] = normalizer
    if others:
        raise ValueError(
            f"The tokenizer in {folder} is BPE with {others}. Expected GPT-2's "
            "byte-level BPE, the only BPE that is supported."
        )
