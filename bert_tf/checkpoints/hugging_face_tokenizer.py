"""The vocabulary and the casing of a Hugging Face folder, both ways."""

import json
import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import hugging_face_byte_bpe as byte_bpe
from bert_tf.checkpoints.foreign_vocabulary import is_lower_cased, restored
from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers.vocabulary import CLS, MASK, PAD, SEP, UNK, Vocabulary

_VOCABULARY, _TOKENIZER = "vocab.txt", "tokenizer.json"
_CONFIG = "tokenizer_config.json"


def read(folder: str) -> Vocabulary:
    """The pieces, and the casing of the texts.

    Raises:
        FileNotFoundError: there is no vocabulary.
        ValueError: it is neither WordPiece nor byte-level BPE, or the tokenizer has a
            setting that changes the pieces and is not known here.
    """
    settings = read_json_if_any(posixpath.join(folder, _CONFIG))
    tokenizer = read_json_if_any(posixpath.join(folder, _TOKENIZER))
    normalizer = tokenizer.get("normalizer") or {}
    if byte_bpe.is_there(folder, tokenizer):
        return byte_bpe.read(folder, settings, tokenizer)
    vocab_file = posixpath.join(folder, _VOCABULARY)
    if tf.io.gfile.exists(vocab_file):
        vocabulary = Vocabulary.from_file(vocab_file)
    elif tokenizer:
        vocabulary = _vocabulary(tokenizer, folder)
    else:
        raise FileNotFoundError(
            f"{folder} holds neither {_VOCABULARY} nor {_TOKENIZER}. Expected the "
            "WordPiece vocabulary of the model in one of them, or vocab.json and "
            "merges.txt of byte-level BPE."
        )
    lower_case = settings.get("do_lower_case", normalizer.get("lowercase"))
    if lower_case is None:
        lower_case = is_lower_cased(vocabulary)
    stripped = settings.get("strip_accents", normalizer.get("strip_accents"))
    chinese = settings.get(
        "tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True)
    )
    if not chinese:
        raise ValueError(
            f"The tokenizer in {folder} has tokenize_chinese_chars=false. Expected "
            "Chinese characters to stand alone: other texts would become other pieces."
        )
    added = list(read_json_if_any(posixpath.join(folder, "added_tokens.json")))
    added += [token["content"] for token in tokenizer.get("added_tokens", ())]
    unknown = sorted({token for token in added if token not in vocabulary})
    if unknown:
        raise ValueError(
            f"{folder} adds the tokens {unknown[:5]} to its vocabulary. Expected all "
            f"of them in {_VOCABULARY}: write them there, at their ids."
        )
    if tokenizer and _vocabulary(tokenizer, folder).tokens != vocabulary.tokens:
        raise ValueError(
            f"{_VOCABULARY} and {_TOKENIZER} in {folder} do not hold the same pieces. "
            "Expected the vocabulary of the model in both: remove the one that is not."
        )
    return vocabulary.with_casing(bool(lower_case), stripped)


def files(
    vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> dict[str, bytes]:
    """What a folder holds of a tokenizer, by file name."""
    if vocabulary.merges is not None:
        return byte_bpe.files(vocabulary, max_length, has_segments)
    names = {"unk": UNK, "sep": SEP, "pad": PAD, "cls": CLS, "mask": MASK}
    special = {f"{name}_token": token for name, token in names.items()}
    stripped: bool | None = vocabulary.strip_accents
    if stripped == vocabulary.lower_case:
        stripped = None
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": vocabulary.lower_case,
        "strip_accents": stripped,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **special,
    }
    return {
        _VOCABULARY: vocabulary.to_bytes(),
        _CONFIG: json.dumps(settings, indent=2).encode() + b"\n",
        "special_tokens_map.json": json.dumps(special, indent=2).encode() + b"\n",
    }


def _vocabulary(tokenizer: dict[str, Any], folder: str) -> Vocabulary:
    model = tokenizer.get("model", {})
    if model.get("type") != "WordPiece":
        raise ValueError(
            f"The tokenizer in {folder} is of the type {model.get('type')!r}. Expected "
            "WordPiece or byte-level BPE, which this project cuts texts with."
        )
    ids = dict(model["vocab"])
    for token in tokenizer.get("added_tokens", ()):
        ids[token["content"]] = token["id"]
    tokens = sorted(ids, key=lambda token: ids[token])
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(
            f"The ids of the vocabulary in {folder} have gaps. Expected 0 to "
            f"{len(tokens) - 1}, each once."
        )
    return restored(tokens)
