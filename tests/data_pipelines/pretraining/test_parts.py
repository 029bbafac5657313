import tensorflow as tf

from data_pipelines.pretraining import parts as module
from data_pipelines.tokenizers.wordpiece import WordPieceTokenizer
from tests.data_pipelines.pretraining.pretraining_data import LETTERS


def test_tokenize_documents_cuts_what_is_long(monkeypatch):
    monkeypatch.setattr(module, "MAX_PART_SENTENCES", 3)
    monkeypatch.setattr(module, "MAX_PART_TOKENS", 12)
    monkeypatch.setattr(module, "MAX_SENTENCE_TOKENS", 5)
    tokenizer = WordPieceTokenizer(LETTERS)
    long = "Ab cd. Ef. Gh. Ij. Kl. " + "Mn " * 6 + "."
    parts = module.tokenize_documents(
        tf.constant([long, "", "Ab.", " \n "]),
        tf.constant([7, 8, 9, 10], tf.int64),
        tokenizer,
    )
    assert parts["document_id"].numpy()[-1] == 9
    assert set(parts["document_id"].numpy().tolist()) == {7, 9}
    assert parts["text"].numpy().tolist()[-1] == 2
    lengths = parts["sentence_lengths"].to_list()
    assert max(len(part) for part in lengths) <= 3
    assert max(length for part in lengths for length in part) == 5
    assert min(length for part in lengths for length in part) >= 1
    assert [sum(part) for part in lengths] == [
        len(part) for part in parts["token_ids"].to_list()
    ]
    whole = tokenizer.tokenize(tf.constant([long])).values.numpy().tolist()
    assert parts["token_ids"][:-1].values.numpy().tolist() == whole
