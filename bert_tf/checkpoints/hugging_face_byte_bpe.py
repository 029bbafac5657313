"""Byte-level BPE in Hugging Face folders, both ways: the tokenizer of RoBERTa."""

import json
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from data_pipelines.files.json_files import read_json, read_json_if_any
from data_pipelines.tokenizers.vocabulary import (
    CLS,
    MASK,
    MERGES,
    PAD,
    SEP,
    UNK,
    Vocabulary,
    beside,
    read_merges,
)

_VOCABULARY = "vocab.json"
# Theirs, and what they are called in RoBERTa.
_SPECIAL = {
    CLS: ("cls_token", "<s>"),
    PAD: ("pad_token", "<pad>"),
    SEP: ("sep_token", "</s>"),
    UNK: ("unk_token", "<unk>"),
    MASK: ("mask_token", "<mask>"),
}
# Settings that change the pieces, with the values that are computed here.
_FIXED = {
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
    "byte_fallback": (None, False),
    "ignore_merges": (None, False),
}


def is_there(folder: str, tokenizer: Mapping[str, Any]) -> bool:
    """Whether the tokenizer of a folder is BPE; `tokenizer` is its tokenizer.json."""
    if tokenizer:
        return tokenizer.get("model", {}).get("type") == "BPE"
    return tf.io.gfile.exists(posixpath.join(folder, _VOCABULARY))


def read(
    folder: str, settings: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> Vocabulary:
    """The pieces, with the project's names for the special tokens, and the merges.

    Args:
        folder: where they are.
        settings: of its tokenizer_config.json, empty without one.
        tokenizer: of its tokenizer.json, empty without one.

    Raises:
        FileNotFoundError: there are no merges.
        ValueError: the tokenizer is not GPT-2's, or its ids have gaps.
    """
    if tokenizer:
        _check(folder, tokenizer)
        model = tokenizer["model"]
        ids, lines = dict(model["vocab"]), model["merges"]
        # Pairs today, lines in former versions.
        pairs = (m if isinstance(m, list) else m.split(" ") for m in lines)
        merges = tuple((left, right) for left, right in pairs)
    else:
        vocab_file = posixpath.join(folder, _VOCABULARY)
        ids = read_json(vocab_file)
        merges, _ = read_merges(beside(vocab_file, MERGES))
    for token in tokenizer.get("added_tokens", ()):
        ids[token["content"]] = token["id"]
    ids |= read_json_if_any(posixpath.join(folder, "added_tokens.json"))
    special = read_json_if_any(posixpath.join(folder, "special_tokens_map.json"))
    for ours, (key, usual) in _SPECIAL.items():
        theirs = settings.get(key) or special.get(key) or usual
        theirs = theirs["content"] if isinstance(theirs, dict) else theirs
        if theirs in ids:
            ids[ours] = ids.pop(theirs)
    tokens = sorted(ids, key=lambda token: ids[token])
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(
            f"The ids of the vocabulary in {folder} have gaps. Expected 0 to "
            f"{len(tokens) - 1}, each once."
        )
    pre_tokenizer = tokenizer.get("pre_tokenizer") or {}
    add_prefix_space = settings.get(
        "add_prefix_space", pre_tokenizer.get("add_prefix_space", False)
    )
    return Vocabulary(tuple(tokens), merges, bool(add_prefix_space))


def files(
    vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> dict[str, bytes]:
    """What a folder holds of a tokenizer, by file name.

    Args:
        vocabulary: ours.
        max_length: the most tokens of the model.
        has_segments: whether it takes segment ids.
    """
    names = {ours: theirs for ours, (_, theirs) in _SPECIAL.items()}
    if any(name in vocabulary for name in names.values()):
        names = {ours: ours for ours in names}
    tokens = [names.get(token, token) for token in vocabulary.tokens]
    ids = {token: index for index, token in enumerate(tokens)}
    special = {key: names[ours] for ours, (key, _) in _SPECIAL.items()}
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": vocabulary.add_prefix_space,
        "trim_offsets": True,
        "use_regex": True,
    }
    cls, sep = ({"SpecialToken": {"id": names[of], "type_id": 0}} for of in (CLS, SEP))
    first, second = (
        {"Sequence": {"id": name, "type_id": number}}
        for number, name in enumerate("AB")
    )
    last = {"SpecialToken": {"id": names[SEP], "type_id": 1}}
    added = [
        {
            "id": ids[name],
            "content": name,
            "single_word": False,
            # The space before a mask is of the mask.
            "lstrip": ours == MASK,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for ours, name in sorted(names.items(), key=lambda item: ids[item[1]])
    ]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": byte_level,
        # As `packing.join` has it.
        "post_processor": {
            "type": "Sequence",
            "processors": [
                byte_level,
                {
                    "type": "TemplateProcessing",
                    "single": [cls, first, sep],
                    "pair": [
                        cls,
                        first,
                        *[sep] * vocabulary.num_separators,
                        second,
                        last,
                    ],
                    "special_tokens": {
                        names[of]: {
                            "id": names[of],
                            "ids": [ids[names[of]]],
                            "tokens": [names[of]],
                        }
                        for of in (CLS, SEP)
                    },
                },
            ],
        },
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": ids,
            "merges": vocabulary.merges,
        },
    }
    inputs = ["input_ids", *["token_type_ids"] * has_segments, "attention_mask"]
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_prefix_space": vocabulary.add_prefix_space,
        "model_input_names": inputs,
        "model_max_length": max_length,
        **special,
    }
    return {
        "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False).encode() + b"\n",
        "tokenizer_config.json": json.dumps(settings, indent=2).encode() + b"\n",
        "special_tokens_map.json": json.dumps(special, indent=2).encode() + b"\n",
    }


def _check(folder: str, tokenizer: Mapping[str, Any]) -> None:
    """Raises ValueError where a setting would give other pieces."""
    pre_tokenizer = tokenizer.get("pre_tokenizer") or {}
    others = {
        name: tokenizer["model"].get(name)
        for name, same in _FIXED.items()
        if tokenizer["model"].get(name) not in same
    }
    if pre_tokenizer.get("type") != "ByteLevel" or not pre_tokenizer.get(
        "use_regex", True
    ):
        others["pre_tokenizer"] = pre_tokenizer
    if tokenizer.get("normalizer"):
        others["normalizer"] = tokenizer["normalizer"]
    if others:
        raise ValueError(
            f"The tokenizer in {folder} is BPE with {others}. Expected GPT-2's "
            "byte-level BPE, the only one that this project cuts texts with."
        )
