"""Reads and writes SentencePiece in Hugging Face folders: XLM-RoBERTa's, DeBERTa's.

The model is that of `sentencepiece.bpe.model` or `spm.model`, or it is made from the
pieces, their scores and the normalization in a tokenizer.json.
"""

import base64
import posixpath
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from bert_tf.checkpoints.hugging_face import added_tokens, special_tokens
from data_pipelines.files.json_files import read_json_if_any, write_json
from data_pipelines.tokenizers.added_tokens import AddedToken
from data_pipelines.tokenizers.sentencepiece_model import (
    Piece,
    charsmap_of,
    read_model,
    unigram_model,
)
from data_pipelines.tokenizers.spelling import SPACE
from data_pipelines.tokenizers.vocabulary import MASK, UNK, Vocabulary

_MODELS = ("sentencepiece.bpe.model", "spm.model", "sentencepiece.model")
_UNIGRAM = 1
# Before the pieces of the model that follow its own special tokens, by model type.
_FIRST_TOKENS = {
    "xlm-roberta": (["<s>", "<pad>", "</s>", "<unk>"], 3),
    "camembert": (["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED"], 1),
}
# Their kinds of pre-tokenizers, each of which gives every word a space in front.
_PRE_TOKENIZERS = ("WhitespaceSplit", "Metaspace")
_SPACES_ONLY = ("Replace", "Strip")


def is_there(folder: str, tokenizer: Mapping[str, Any]) -> bool:
    """True if the tokenizer of a folder, which has this tokenizer.json, is Unigram."""
    if tokenizer:
        return tokenizer.get("model", {}).get("type") == "Unigram"
    return _model_file(folder) is not None


def read(
    folder: str, settings: Mapping[str, Any], tokenizer: Mapping[str, Any]
) -> Vocabulary:
    """Reads the pieces, with our names for the special tokens, and the model.

    Args:
        folder: the Hugging Face folder.
        settings, tokenizer: the contents of its tokenizer_config.json and
            tokenizer.json; empty if there is no such file.

    Raises:
        ValueError: the tokenizer has an unsupported setting.
    """
    model_type = read_json_if_any(posixpath.join(folder, "config.json")).get(
        "model_type"
    )
    is_roberta = model_type in _FIRST_TOKENS
    usual = special_tokens.ROBERTA if is_roberta else special_tokens.BERT
    names = special_tokens.read_names(folder, settings, usual)
    others = {
        name: True for name in ("do_lower_case", "split_by_punct") if settings.get(name)
    }
    if others:
        raise ValueError(
            f"The tokenizer in {folder} has {others}. Expected false; otherwise texts "
            "would be tokenized differently."
        )
    if tokenizer:
        pieces, unknown, charsmap, form = _unigram(folder, tokenizer)
        ids = {token: number for number, (token, _) in enumerate(pieces)}
    else:
        ids, pieces, charsmap = _from_file(folder, model_type)
        unknown, form = names[UNK], None
    ids, added = added_tokens.read(folder, settings, tokenizer, ids, names.values())
    if names[MASK] not in ids:
        ids[names[MASK]] = len(ids)
    known = {token for token, _ in pieces}
    pieces += [(token, 0.0) for token in ids if token not in known]
    special = {*names.values(), *(token.content for token in added)}
    model = unigram_model(
        [
            Piece(token, score, _type_of(token, unknown, special))
            for token, score in pieces
        ],
        charsmap,
    )
    return Vocabulary(
        added_tokens.in_order(special_tokens.with_our_names(ids, names), folder),
        added_tokens=added,
        sentencepiece=model,
        unicode_form=form,
        num_separators=special_tokens.read_num_separators(
            tokenizer, 2 if is_roberta else 1
        ),
        special_names=special_tokens.kept_names(names, "sentencepiece"),
    )


def write(folder: str, vocabulary: Vocabulary, settings: dict[str, Any]) -> None:
    """Writes the files of a tokenizer; see `tokenizer.write`."""
    names = special_tokens.names_of(vocabulary)
    special = {key: names[ours] for ours, key in special_tokens.KEYS.items()}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **settings, **special}
    ids = special_tokens.ids_with_their_names(vocabulary, names)
    content = _their_tokenizer(vocabulary, names, ids)
    write_json(posixpath.join(folder, "tokenizer.json"), content)
    write_json(posixpath.join(folder, "tokenizer_config.json"), settings)
    write_json(posixpath.join(folder, special_tokens.SPECIAL_TOKENS_MAP), special)


def _model_file(folder: str) -> str | None:
    paths = (posixpath.join(folder, name) for name in _MODELS)
    return next((path for path in paths if tf.io.gfile.exists(path)), None)


def _type_of(token: str, unknown: str, special: set[str]) -> Any:
    if token == unknown:
        return "unknown"
    return "control" if token in special else "normal"


def _from_file(
    folder: str, model_type: str | None
) -> tuple[dict[str, int], list[tuple[str, float]], bytes]:
    """Reads a model file; returns ids, pieces with scores, and the normalization."""
    path = _model_file(folder) or ""
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    found, kind = read_model(content, path)
    if kind != _UNIGRAM or any(piece.type == "byte" for piece in found):
        raise ValueError(
            f"{path} is not a unigram model without bytes. Expected one, as of "
            "XLM-RoBERTa: others are not supported."
        )
    first, skipped = _FIRST_TOKENS.get(model_type or "", ([], 0))
    last = ["<mask>"] if first else []
    tokens = [*first, *(piece.text for piece in found[skipped:]), *last]
    scores = {piece.text: piece.score for piece in found}
    pieces = [(token, scores.get(token, 0.0)) for token in tokens]
    return {t: n for n, t in enumerate(tokens)}, pieces, charsmap_of(content)


def _unigram(
    folder: str, tokenizer: Mapping[str, Any]
) -> tuple[list[tuple[str, float]], str, bytes, Any]:
    """Reads a tokenizer.json.

    Returns:
        The pieces with their scores, the unknown token, the compiled table of
        normalization, and the `unicode_form`.

    Raises:
        ValueError: a setting would give different pieces; it is named.
    """
    model = tokenizer["model"]
    others: dict[str, Any] = {}
    if model.get("byte_fallback"):
        others["byte_fallback"] = True
    charsmap, form = b"", None
    for part in _parts(tokenizer.get("normalizer"), "normalizers"):
        kind = part.get("type")
        if kind == "Precompiled":
            charsmap = base64.b64decode(part["precompiled_charsmap"] or "")
        elif kind == "NFC":
            form = "NFC"
        elif kind not in _SPACES_ONLY:
            others["normalizer"] = part
    parts = _parts(tokenizer.get("pre_tokenizer"), "pretokenizers")
    kinds = [part.get("type") for part in parts]
    prefixes = [
        part.get("prepend_scheme", "always")
        for part in parts
        if part.get("type") == "Metaspace"
    ]
    if prefixes != ["always"] or not set(kinds) <= set(_PRE_TOKENIZERS):
        others["pre_tokenizer"] = tokenizer.get("pre_tokenizer")
    if others:
        raise ValueError(
            f"The tokenizer in {folder} is Unigram with {others}. Expected that of "
            "XLM-RoBERTa or DeBERTa; otherwise texts would be tokenized differently."
        )
    pieces = [(token, float(score)) for token, score in model["vocab"]]
    return pieces, pieces[model["unk_id"]][0], charsmap, form


def _parts(found: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """The parts of a sequence, or the only part, in their order."""
    if found is None:
        return []
    if found.get("type") != "Sequence":
        return [found]
    return [part for inner in found[key] for part in _parts(inner, key)]


def _their_tokenizer(
    vocabulary: Vocabulary, names: Mapping[str, str], ids: Mapping[str, int]
) -> dict[str, Any]:
    """The content of a tokenizer.json; `names` and `ids` are theirs."""
    model = vocabulary.sentencepiece or b""
    pieces, _ = read_model(model, "sentencepiece.model")
    scores = {piece.text: piece.score for piece in pieces}
    added = [AddedToken(t, normalized=False, special=True) for t in names.values()]
    added += vocabulary.added_tokens
    entries = [added_tokens.to_theirs(t, ids[t.content]) for t in added]
    normalizers: list[dict[str, Any]] = []
    if vocabulary.unicode_form is not None:
        normalizers.append({"type": "NFC"})
    charsmap = charsmap_of(model)
    if charsmap:
        encoded = base64.b64encode(charsmap).decode()
        normalizers.append({"type": "Precompiled", "precompiled_charsmap": encoded})
    metaspace = {
        "type": "Metaspace",
        "replacement": SPACE,
        "prepend_scheme": "always",
        "split": True,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(entries, key=lambda entry: entry["id"]),
        "normalizer": (
            {"type": "Sequence", "normalizers": normalizers} if normalizers else None
        ),
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        "post_processor": special_tokens.template(
            names, ids, vocabulary.num_separators
        ),
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": ids[names[UNK]],
            "vocab": [[token, scores.get(token, 0.0)] for token in ids],
            "byte_fallback": False,
        },
    }
