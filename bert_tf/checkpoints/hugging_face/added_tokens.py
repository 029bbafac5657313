"""Reads and writes tokens added to the vocabulary of a Hugging Face folder."""

import dataclasses
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from bert_tf.checkpoints.hugging_face.special_tokens import SPECIAL_TOKENS_MAP
from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers.added_tokens import AddedToken

# The former and the current key of special tokens besides those of BERT.
_MORE_SPECIAL = ("additional_special_tokens", "extra_special_tokens")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def read(
    folder: str,
    settings: Mapping[str, Any],
    tokenizer: Mapping[str, Any],
    ids: Mapping[str, int],
    usual: Collection[str],
) -> tuple[dict[str, int], tuple[AddedToken, ...]]:
    """Reads the ids of all tokens, and the added tokens, as transformers does.

    Args:
        folder: the Hugging Face folder.
        settings, tokenizer: the contents of its tokenizer_config.json and
            tokenizer.json; empty if there is no such file.
        ids: the ids of the pieces.
        usual: the names of the special tokens of BERT, which are plain text if a text
            has them.

    Raises:
        ValueError: a token has two ids, or cannot be searched for in texts.
    """
    all_ids, found = dict(ids), dict[str, AddedToken]()

    def add(values: Any, token_id: int | None, **flags: bool) -> None:
        values = values if isinstance(values, dict) else {"content": values}
        content = values.get("content")
        token_id = all_ids.get(content, len(all_ids)) if token_id is None else token_id
        if all_ids.setdefault(content, token_id) != token_id:
            raise ValueError(
                f"The token {content!r} in {folder} has the ids {all_ids[content]} and "
                f"{token_id}. Expected one id: restore the files of the tokenizer."
            )
        if content in usual or content in found:
            return
        flags |= {name: values[name] for name in _FLAGS if name in values}
        found[content] = AddedToken(content, **flags)

    try:
        for token in tokenizer.get("added_tokens") or ():
            add(token, token["id"])
        for key, token in (settings.get("added_tokens_decoder") or {}).items():
            add(token, int(key))
        listed = read_json_if_any(posixpath.join(folder, "added_tokens.json"))
        for content in sorted(listed, key=lambda content: listed[content]):
            add(content, listed[content])
        special = read_json_if_any(posixpath.join(folder, SPECIAL_TOKENS_MAP))
        for values in (special, settings):
            for name in _MORE_SPECIAL:
                # A list, or an object with a name for each.
                tokens = values.get(name) or ()
                tokens = tokens.values() if isinstance(tokens, dict) else tokens
                for token in tokens:
                    add(token, None, normalized=False, special=True)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"The added tokens in {folder} are malformed ({error!r}). Expected the "
            "files that transformers wrote: restore them."
        ) from None
    return all_ids, tuple(found.values())


def in_order(ids: Mapping[str, int], folder: str) -> tuple[str, ...]:
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


def marked(
    added: tuple[AddedToken, ...], pieces: Collection[str]
) -> tuple[AddedToken, ...]:
    """The same tokens, with `is_piece` set for those among the pieces of words."""
    return tuple(
        dataclasses.replace(token, is_piece=token.content in pieces) for token in added
    )


def to_theirs(token: AddedToken, token_id: int) -> dict[str, Any]:
    """An entry of `added_tokens` in a tokenizer.json."""
    flags = {name: getattr(token, name) for name in _FLAGS}
    return {"id": token_id, "content": token.content, **flags}
