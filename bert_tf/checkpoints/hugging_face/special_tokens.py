"""Names of the special tokens in a Hugging Face folder, and ours for them."""

import posixpath
from collections.abc import Mapping
from typing import Any

from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers.casing import TokenizerKind
from data_pipelines.tokenizers.vocabulary import (
    CLS,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    Vocabulary,
)

SPECIAL_TOKENS_MAP = "special_tokens_map.json"
# Their key of each special token.
KEYS = {
    PAD: "pad_token",
    UNK: "unk_token",
    CLS: "cls_token",
    SEP: "sep_token",
    MASK: "mask_token",
}
BERT = dict(zip(SPECIAL_TOKENS, SPECIAL_TOKENS, strict=True))
ROBERTA = {PAD: "<pad>", UNK: "<unk>", CLS: "<s>", SEP: "</s>", MASK: "<mask>"}
MPNET = {**ROBERTA, UNK: UNK}


def read_names(
    folder: str, settings: Mapping[str, Any], usual: Mapping[str, str]
) -> dict[str, str]:
    """Reads their name of each special token.

    Args:
        folder: the Hugging Face folder.
        settings: the contents of its tokenizer_config.json.
        usual: the names, where no file has them.
    """
    listed = read_json_if_any(posixpath.join(folder, SPECIAL_TOKENS_MAP))
    names = {}
    for ours, key in KEYS.items():
        theirs = settings.get(key) or listed.get(key) or usual[ours]
        names[ours] = theirs["content"] if isinstance(theirs, dict) else theirs
    return names


def renamings(names: Mapping[str, str]) -> dict[str, str]:
    """The new name of each token that changes it, given names by new names.

    A piece that happens to have the new name of another gets its former name.
    """
    forward = {theirs: ours for ours, theirs in names.items()}
    back = {ours: theirs for ours, theirs in names.items() if ours not in forward}
    return {**back, **forward}


def with_our_names(ids: Mapping[str, int], names: Mapping[str, str]) -> dict[str, int]:
    """The ids of tokens by our names, given their names by ours."""
    changed = renamings(names)
    return {changed.get(token, token): number for token, number in ids.items()}


def usual_names(kind: TokenizerKind) -> dict[str, str]:
    """The names that `Vocabulary.special_names=None` stands for."""
    return dict(ROBERTA if kind == "byte_bpe" else BERT)


def kept_names(names: Mapping[str, str], kind: TokenizerKind) -> tuple[str, ...] | None:
    """The value of `Vocabulary.special_names` for these names."""
    if dict(names) == usual_names(kind):
        return None
    return tuple(names[token] for token in SPECIAL_TOKENS)


def names_of(vocabulary: Vocabulary) -> dict[str, str]:
    """The names of the special tokens of a vocabulary in a Hugging Face folder."""
    if vocabulary.special_names is not None:
        return dict(zip(SPECIAL_TOKENS, vocabulary.special_names, strict=True))
    names = usual_names(vocabulary.kind)
    if any(name in vocabulary for name in {*names.values()} - {*SPECIAL_TOKENS}):
        return dict(BERT)
    return names


def ids_with_their_names(
    vocabulary: Vocabulary, names: Mapping[str, str]
) -> dict[str, int]:
    """The ids of all tokens by their names in a Hugging Face folder."""
    changed = renamings({theirs: ours for ours, theirs in names.items()})
    return {changed.get(t, t): index for index, t in enumerate(vocabulary.tokens)}


def template(
    names: Mapping[str, str], ids: Mapping[str, int], num_separators: int
) -> dict[str, Any]:
    """The post-processor of a tokenizer.json, which adds special tokens.

    Args:
        names, ids: their names, and the ids of all tokens by these.
        num_separators: the number of separators between two texts.
    """

    def special(ours: str, segment: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": names[ours], "type_id": segment}}

    def sequence(name: str, segment: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": segment}}

    single = [special(CLS, 0), sequence("A", 0), special(SEP, 0)]
    between = [special(SEP, 0)] * (num_separators - 1)
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, *between, sequence("B", 1), special(SEP, 1)],
        "special_tokens": {
            name: {"id": name, "ids": [ids[name]], "tokens": [name]}
            for name in (names[CLS], names[SEP])
        },
    }


def read_num_separators(tokenizer: Mapping[str, Any], usual: int) -> int:
    """Reads the number of separators between two texts in a tokenizer.json.

    Args:
        tokenizer: the contents of the file; empty if there is none.
        usual: the number, if the file does not say it.
    """
    processor = tokenizer.get("post_processor") or {}
    for part in (processor, *processor.get("processors", ())):
        if part.get("type") == "RobertaProcessing":
            return 2
        if part.get("type") == "BertProcessing":
            return 1
        if part.get("type") == "TemplateProcessing":
            names = [next(iter(piece)) for piece in part["pair"]]
            texts = [n for n, name in enumerate(names) if name == "Sequence"]
            if len(texts) == 2:
                return texts[1] - texts[0] - 1
    return usual
