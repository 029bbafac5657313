"""From records to a model, its figures and its guesses."""

import io
import json
import math
import sys

import numpy as np
import pytest

from bert_tf.ngram import evaluate, model_file, predict, show_classes
from bert_tf.ngram.class_model import MixedModel
from bert_tf.ngram.model import NgramModel
from bert_tf.ngram.scoring import guesses, score_cloze, score_text
from bert_tf.ngram.train import TrainOptions, main, train
from data_pipelines.pretraining.documents import stored_texts
from data_pipelines.pretraining.record_folder import read_manifest, record_files
from data_pipelines.tokenizers.byte_symbols import BYTE_SYMBOLS
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.bert_tf.ngram.perplexity import perplexity_of
from tests.end_to_end.corpus import write_records


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder of records, their vocabulary, and a model of them."""
    folder = write_records(tmp_path_factory.mktemp("prepared"))
    main(options(folder))
    return folder


def options(folder, **changes):
    arguments = {
        "records_dir": str(folder / "records"),
        "vocab_file": str(folder / "vocab.txt"),
        "model_file": str(folder / "trigrams.npz"),
    }
    return TrainOptions(**(arguments | changes))


def test_a_file_is_the_model(prepared):
    loaded = model_file.load(str(prepared / "trigrams.npz"))
    vocabulary = Vocabulary.from_file(str(prepared / "vocab.txt"))
    assert loaded.vocabulary == vocabulary
    assert loaded.vocabulary.lower_case and loaded.vocabulary.strip_accents
    fitted = train(str(prepared / "records"), vocabulary).model
    for name in ("trigrams", "trigram_rest", "bigrams"):
        found, expected = getattr(loaded.model, name), getattr(fitted, name)
        np.testing.assert_array_equal(found.keys, expected.keys)
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.default == expected.default
    np.testing.assert_array_equal(loaded.model.unigrams, fitted.unigrams)
    np.testing.assert_array_equal(loaded.model.bigram_rest, fitted.bigram_rest)
    with pytest.raises(FileExistsError):
        main(options(prepared))


def test_a_file_keeps_the_merges(prepared):
    pieces = ("Ġc", "at", "Ġcat")
    merges = (("Ġ", "c"), ("a", "t"), ("Ġc", "at"))
    tokens = (*SPECIAL_TOKENS, *BYTE_SYMBOLS, *pieces)
    vocabulary = Vocabulary(tokens, merges, add_prefix_space=True)
    model = NgramModel.fit([np.array([261, 262, 263])], len(tokens))
    path = prepared / "byte_bpe.npz"
    path.write_bytes(model_file.to_bytes(model_file.TrigramFile(model, vocabulary)))
    assert model_file.load(str(path)).vocabulary == vocabulary


def test_evaluate(prepared, capsys):
    evaluate.main(
        evaluate.EvaluateOptions(
            model_file=str(prepared / "trigrams.npz"),
            records_dir=str(prepared / "records"),
            batch_size=8,
            num_eval_batches=2,
        )
    )
    lines = capsys.readouterr().out.replace(",", "").splitlines()
    printed = dict(line.rsplit(" ", 1) for line in lines)
    loaded = model_file.load(str(prepared / "trigrams.npz"))
    files = record_files(str(prepared / "records"), "heldout")
    texts = list(stored_texts(files))
    perplexity = perplexity_of(loaded.model, texts)
    assert float(printed["perplexity"]) == pytest.approx(perplexity, abs=0.01)
    assert 1 < perplexity < 10
    counts = read_manifest(str(prepared / "records"))["heldout_counts"]
    assert int(printed["pieces"]) == counts["tokens"] == sum(map(len, texts))
    bits = counts["tokens"] * math.log2(perplexity) / counts["bytes"]
    assert float(printed["bits_per_byte"]) == pytest.approx(bits, abs=1e-3)
    # The most frequent piece is a fifth of them; the patterns are learned.
    assert float(printed["mlm_accuracy"]) > 0.6
    assert float(printed["mlm_loss"]) < 2
    assert int(printed["masked pieces"]) > 100


def test_classes(prepared, tmp_path, capsys):
    path = str(tmp_path / "classes.npz")
    main(options(prepared, model_file=path, num_classes=12))
    assert "12 classes, " in capsys.readouterr().out
    loaded = model_file.load(path)
    texts = list(stored_texts(record_files(str(prepared / "records"))))
    fitted = MixedModel.fit(texts, len(loaded.vocabulary), 12)
    assert loaded.model.weight == fitted.weight
    text = texts[0][:200]
    np.testing.assert_array_equal(
        loaded.model.log_probabilities(text), fitted.log_probabilities(text)
    )
    show_classes.main(show_classes.ShowOptions(model_file=path, num_pieces=30))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(lines) <= 12
    pieces = [piece for line in lines for piece in line]
    assert len(set(pieces)) == len(pieces) and "##" not in pieces
    # What is interchangeable in the text's patterns.
    of_cat = next(line for line in lines if "cat" in line)
    assert "dog" in of_cat
    plain = str(prepared / "trigrams.npz")
    with pytest.raises(ValueError, match="has no classes"):
        show_classes.main(show_classes.ShowOptions(model_file=plain))
    with pytest.raises(ValueError, match=r"num_classes=1\. Expected 2 to"):
        main(options(prepared, model_file=str(tmp_path / "no.npz"), num_classes=1))
    assert not (tmp_path / "no.npz").exists()


def test_scores_by_hand():
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "a", "b", "c"))
    a, b, c = 5, 6, 7
    model = NgramModel.fit([np.array([a, b, c] * 20)], len(vocabulary))
    mask, cls, sep = vocabulary.mask_id, vocabulary.cls_id, vocabulary.sep_id
    rows = np.array([[cls, a, mask, c, a, sep, 0], [cls, mask, c, mask, b, sep, 0]])
    batch = {
        "token_ids": rows,
        "mlm_positions": np.array([[2, 0], [1, 3]]),
        "mlm_ids": np.array([[b, 0], [b, c]]),
        "mlm_weights": np.array([[1.0, 0], [1, 1]]),
    }
    places = [
        (model.cloze([a], [c, a]), b),
        (model.cloze([], [c]), b),
        (model.cloze([c], [b]), c),
    ]
    found = score_cloze(model, vocabulary, [batch])
    # What stands between c and b is a, not c.
    assert found.mlm_accuracy == pytest.approx(2 / 3) and found.predictions == 3
    loss = -np.mean([math.log(guess[piece]) for guess, piece in places])
    assert found.mlm_loss == pytest.approx(loss)
    text = score_text(model, [np.array([a, b]), np.array([c])], 10)
    nats = -model.log_probabilities([a, b]).sum() - model.log_probabilities([c]).sum()
    assert text.pieces == 3 and text.perplexity == pytest.approx(math.exp(nats / 3))
    assert text.bits_per_byte == pytest.approx(nats / math.log(2) / 10)


def test_neighbours_that_say_nothing():
    vocabulary = Vocabulary((*SPECIAL_TOKENS, "a", "b", "c"))
    a, b, c = 5, 6, 7
    model = NgramModel.fit([np.array([a, b, c, c] * 20)], len(vocabulary))
    mask, sep = vocabulary.mask_id, vocabulary.sep_id
    for row, position, before, after in [
        ([a, b, c, a, b], 2, [a, b], [a, b]),
        ([mask, b, c, a, mask], 2, [b], [a]),
        ([a, mask, c, sep, b], 2, [], []),
        ([c, a, b], 0, [], [a, b]),
        ([c, a, vocabulary.unk_id], 2, [c, a], []),
    ]:
        found = guesses(model, vocabulary, row, position)
        np.testing.assert_array_equal(found, model.cloze(before, after))


def test_predict(prepared, capsys, monkeypatch):
    lines = (
        "The [MASK] ate the mouse.\nIt ate the bone in the [MASK].\nnone\n[MASK][MASK]"
    )
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode() + b"\n"))
    )
    predict.main(
        predict.PredictOptions(model_file=str(prepared / "trigrams.npz"), top_k=6)
    )
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["text"] for answer in answers] == lines.split("\n")
    assert set(answers[1]["tokens"][0]) & {"garden", "kitchen", "barn", "street"}
    assert answers[2]["tokens"] == answers[2]["probabilities"] == []
    assert np.shape(answers[3]["tokens"]) == (2, 6)
    for answer in answers:
        for found in answer["probabilities"]:
            assert found == sorted(found, reverse=True) and 0 < sum(found) <= 1


def test_a_table_that_is_not_finite(prepared, tmp_path):
    with np.load(prepared / "trigrams.npz") as arrays:
        tables = dict(arrays)
    tables["unigrams"][0] = np.nan
    np.savez(tmp_path / "model.npz", **tables)
    with pytest.raises(ValueError, match=r"the table unigrams has 1 of"):
        model_file.load(str(tmp_path / "model.npz"))


def test_what_does_not_fit(prepared, tmp_path):
    path = str(tmp_path / "model.npz")
    with pytest.raises(
        FileNotFoundError, match=r"Expected a file written by bert_tf\.ngram"
    ):
        model_file.load(path)
    whole = (prepared / "trigrams.npz").read_bytes()
    other = io.BytesIO()
    np.savez(other, something=np.zeros(3))
    for content in (b"", b"text", whole[:5000], other.getvalue()):
        (tmp_path / "model.npz").write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.npz is not an n-gram model"):
            model_file.load(path)
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL_TOKENS, "a"]))
    with pytest.raises(ValueError, match="Expected that of the records"):
        main(
            options(
                prepared,
                vocab_file=str(tmp_path / "vocab.txt"),
                model_file=str(tmp_path / "new.npz"),
            )
        )
    assert not (tmp_path / "new.npz").exists()
    with pytest.raises(ValueError, match="top_k=0"):
        predict.PredictOptions(model_file=path, top_k=0)
    with pytest.raises(ValueError, match=r"mlm_rate=1\.5"):
        evaluate.EvaluateOptions(model_file=path, records_dir="", mlm_rate=1.5)
    with pytest.raises(ValueError, match="batch_size=0"):
        evaluate.EvaluateOptions(model_file=path, records_dir="", batch_size=0)
