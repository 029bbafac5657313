"""Reads and writes the tokenizer of a Hugging Face folder, whatever its kind."""

import posixpath
from typing import Any

from bert_tf.checkpoints.hugging_face import byte_bpe, sentencepiece, wordpiece
from data_pipelines.files.json_files import read_json_if_any
from data_pipelines.tokenizers.vocabulary import Vocabulary

TOKENIZER, CONFIG = "tokenizer.json", "tokenizer_config.json"
# Classes, with their fast variants, whose tokenization the vocabulary determines even
# without a tokenizer.json; BertJapaneseTokenizer, for example, needs MeCab.
_CLASSES = (
    *("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer"),
    *("RobertaTokenizer", "GPT2Tokenizer", "PreTrainedTokenizer", "TokenizersBackend"),
    *("XLMRobertaTokenizer", "CamembertTokenizer", "DebertaV2Tokenizer"),
)
# The shortest sequence, a piece between [CLS] and [SEP]; and the limit from which on a
# `model_max_length` means that there is none.
_SHORTEST, _NO_LIMIT = 3, 2**31


def max_length(folder: str) -> int | None:
    """The maximum number of tokens of a text, special ones included; None if unset."""
    found = read_json_if_any(posixpath.join(folder, CONFIG)).get("model_max_length")
    if isinstance(found, (int, float)) and _SHORTEST <= found < _NO_LIMIT:
        return int(found)
    return None


def read(folder: str) -> Vocabulary:
    """Reads the pieces, the added tokens, and the settings of the tokenizer.

    Raises:
        FileNotFoundError: there is no vocabulary.
        ValueError: it is of another kind than ours, or the tokenizer has an unsupported
            setting that changes the pieces.
    """
    settings = read_json_if_any(posixpath.join(folder, CONFIG))
    tokenizer = read_json_if_any(posixpath.join(folder, TOKENIZER))
    _check_class(folder, settings, tokenizer)
    for kind in (byte_bpe, sentencepiece):
        if kind.is_there(folder, tokenizer):
            return kind.read(folder, settings, tokenizer)
    return wordpiece.read(folder, settings, tokenizer)


def write(
    folder: str, vocabulary: Vocabulary, max_length: int, has_segments: bool
) -> None:
    """Writes the files of a tokenizer.

    Args:
        folder: the folder to write to.
        vocabulary: the pieces, the added tokens and the settings.
        max_length: the maximum number of tokens of a text.
        has_segments: whether the model takes segment ids.

    Raises:
        ImportError: a package that the kind needs is not installed.
    """
    kinds: dict[str, Any] = {
        "wordpiece": wordpiece,
        "byte_bpe": byte_bpe,
        "sentencepiece": sentencepiece,
    }
    segments = ["token_type_ids"] if has_segments else []
    settings = {
        "model_input_names": ["input_ids", *segments, "attention_mask"],
        "model_max_length": max_length,
    }
    kinds[vocabulary.kind].write(folder, vocabulary, settings)


def _check_class(
    folder: str, settings: dict[str, Any], tokenizer: dict[str, Any]
) -> None:
    """Raises ValueError if no file says how the tokenizer finds words."""
    name = settings.get("tokenizer_class")
    is_known = name is None or name.removesuffix("Fast") in _CLASSES
    if not tokenizer and not is_known:
        raise ValueError(
            f"The tokenizer in {folder} is of the class {name}, without {TOKENIZER}. "
            f"Expected one of {list(_CLASSES)}, or that file; otherwise texts "
            "would be tokenized differently."
        )
    if not settings.get("do_basic_tokenize", True):
        raise ValueError(
            f"The tokenizer in {folder} has do_basic_tokenize=false. Expected one that "
            "splits texts into words itself; otherwise texts would be tokenized "
            "differently."
        )
