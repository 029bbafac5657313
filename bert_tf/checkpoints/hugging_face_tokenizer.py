"""The vocabulary and the casing of a Hugging Face folder, both ways."""

import posixpath
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints import hugging_face_byte_bpe as byte_bpe
from bert_tf.checkpoints.foreign import is_lower_cased, restored
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import read_json_if_any, write_json
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
    normalizer = tokenizer.get("normalizer") or {}
    if not settings.get(
        "tokenize_chinese_chars", normalizer.get("handle_chinese_chars", True)
    ):
        raise ValueError(
            f"The tokenizer in {folder} has tokenize_chinese_chars=false. Expected "
            "Chinese characters to stand alone: other texts would become other pieces."
        )
    lower_case = settings.get("do_lower_case", normalizer.get("lowercase"))
    if lower_case is None:
        lower_case = is_lower_cased(vocabulary)
    stripped = settings.get("strip_accents", normalizer.get("strip_accents"))
    return vocabulary.with_casing(bool(lower_case), stripped)


def write(
    folder: str, vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> None:
    """Writes the files of a tokenizer.

    Args:
        folder, vocabulary: where they are written, and what.
        max_length: the most tokens of the model.
        has_segments: whether it takes segment ids.
    """
    if vocabulary.merges is not None:
        byte_bpe.write(folder, vocabulary, max_length, has_segments)
        return
    names = {"unk": UNK, "sep": SEP, "pad": PAD, "cls": CLS, "mask": MASK}
    special = {f"{name}_token": token for name, token in names.items()}
    follows = vocabulary.strip_accents == vocabulary.lower_case
    settings = {
        "tokenizer_class": "BertTokenizer",
        "do_lower_case": vocabulary.lower_case,
        "strip_accents": None if follows else vocabulary.strip_accents,
        "tokenize_chinese_chars": True,
        "model_max_length": max_length,
        **special,
    }
    write_file(posixpath.join(folder, _VOCABULARY), vocabulary.to_bytes())
    write_json(posixpath.join(folder, _CONFIG), settings)
    write_json(posixpath.join(folder, "special_tokens_map.json"), special)


def _vocabulary(tokenizer: dict[str, Any], folder: str) -> Vocabulary:
    model = tokenizer.get("model", {})
    if model.get("type") != "WordPiece":
        raise ValueError(
            f"The tokenizer in {folder} is of the type {model.get('type')!r}. Expected "
            "WordPiece or byte-level BPE, which this project cuts texts with."
        )
    added = {t["content"]: t["id"] for t in tokenizer.get("added_tokens", ())}
    return restored(byte_bpe.in_order({**model["vocab"], **added}, folder))
