"""Reads and writes byte-level BPE in Hugging Face folders: the tokenizer of RoBERTa."""

import dataclasses
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import hugging_face_added_tokens as added_tokens
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json, read_json_if_any, write_json
from data_pipelines.programs.extras import extra
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, UNK, Vocabulary
from data_pipelines.tokenizers.vocabulary_files import MERGES, beside, read_merges

_VOCABULARY = "vocab.json"
# By our special token: its key in their settings, and RoBERTa's name for it.
_SPECIAL = {
    CLS: ("cls_token", "<s>"),
    PAD: ("pad_token", "<pad>"),
    SEP: ("sep_token", "</s>"),
    UNK: ("unk_token", "<unk>"),
    MASK: ("mask_token", "<mask>"),
}
# Settings that change the pieces and are not supported.
_SETTINGS = (
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "byte_fallback",
    "ignore_merges",
)


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
    special = read_json_if_any(posixpath.join(folder, added_tokens.SPECIAL_TOKENS_MAP))
    names = {}
    for ours, (key, usual) in _SPECIAL.items():
        theirs = settings.get(key) or special.get(key) or usual
        names[ours] = theirs["content"] if isinstance(theirs, dict) else theirs
    ids, added = added_tokens.read(folder, settings, tokenizer, ids, names.values())
    for ours, theirs in names.items():
        if theirs in ids:
            ids[ours] = ids.pop(theirs)
    pre_tokenizer = tokenizer.get("pre_tokenizer") or {}
    add_prefix_space = settings.get(
        "add_prefix_space", pre_tokenizer.get("add_prefix_space", False)
    )
    return Vocabulary(
        in_order(ids, folder), merges, bool(add_prefix_space), added_tokens=added
    )


def in_order(ids: dict[str, int], folder: str) -> tuple[str, ...]:
    """The tokens in the order of their ids.

    Raises:
        ValueError: the ids have gaps; `folder` is named.
    """
    tokens = sorted(ids, key=lambda token: ids[token])
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(
            f"The ids of the vocabulary in {folder} have gaps. Expected 0 to "
            f"{len(tokens) - 1}, each once."
        )
    return tuple(tokens)


def write(
    folder: str, vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> None:
    """Writes the files of a tokenizer; see `hugging_face_tokenizer.write`.

    Raises:
        ImportError: the package tokenizers is not installed.
    """
    names = {ours: theirs for ours, (_, theirs) in _SPECIAL.items()}
    if any(name in vocabulary for name in names.values()):
        names = {ours: ours for ours in names}
    special = {key: names[ours] for ours, (key, _) in _SPECIAL.items()}
    segments = ["token_type_ids"] if has_segments else []
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": vocabulary.add_prefix_space,
        "model_input_names": ["input_ids", *segments, "attention_mask"],
        "model_max_length": max_length,
        **special,
    }
    content = _their_tokenizer(vocabulary, names).to_str().encode() + b"\n"
    write_file(posixpath.join(folder, "tokenizer.json"), content)
    write_json(posixpath.join(folder, "tokenizer_config.json"), settings)
    write_json(posixpath.join(folder, added_tokens.SPECIAL_TOKENS_MAP), special)


def _their_tokenizer(vocabulary: Vocabulary, names: Mapping[str, str]) -> Any:
    """Makes our tokenizer in their library; `names` has their special tokens."""
    with extra("byte_bpe"):
        import tokenizers
    ids = {names.get(token, token): i for i, token in enumerate(vocabulary.tokens)}
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
    others = {name: model[name] for name in _SETTINGS if model.get(name)}
    if pre_tokenizer.get("type") != "ByteLevel" or not pre_tokenizer.get(
        "use_regex", True
    ):
        others["pre_tokenizer"] = pre_tokenizer
    if tokenizer.get("normalizer"):
        others["normalizer"] = tokenizer["normalizer"]
    if others:
        raise ValueError(
            f"The tokenizer in {folder} is BPE with {others}. Expected GPT-2's "
            "byte-level BPE, the only BPE that is supported."
        )
