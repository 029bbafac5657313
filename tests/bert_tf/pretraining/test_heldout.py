"""Figures of pre-trained models on held-out text, beside a loop over rows."""

import json
import math

import numpy as np
import pytest

from bert_tf import evaluate
from bert_tf.checkpoints import model_dir
from bert_tf.models.objectives import make_pretrainer
from bert_tf.pretraining import heldout
from bert_tf.pretraining.heldout import cloze_batches, heldout_scores
from data_pipelines.pretraining.batches import evaluation_batches
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary
from tests.bert_tf.small_models import randomize, small_config

WORDS = ("the", "cat", "dog", "sat", "ran", "on", "mat", "a", "home", ".")
VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *WORDS))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heldout")
    draw = np.random.default_rng(0)
    texts = [
        " ".join([*draw.choice(WORDS[:-1], draw.integers(3, 9)), "."])
        for _ in range(30)
    ]
    (folder / "text.txt").write_text("\n\n".join(texts))
    (folder / "vocab.txt").write_bytes(VOCABULARY.to_bytes())
    write_records(
        [str(folder / "text.txt")],
        VOCABULARY,
        str(folder / "records"),
        RecordOptions(separator="blank_line", holdout_fraction=0.5, num_shards=1),
        num_processes=1,
    )
    return str(folder / "records")


@pytest.fixture(scope="module")
def made():
    """The batches of these records that were asked for, by what was asked."""
    return {}


@pytest.fixture(autouse=True)
def _equal_batches_are_made_once(made, monkeypatch):
    def remembered(documents, vocabulary, rows, **sizes):
        key = repr((rows, sizes))
        if key not in made:
            made[key] = evaluation_batches(documents, vocabulary, rows, **sizes)
        return made[key]

    monkeypatch.setattr(heldout, "evaluation_batches", remembered)


def member(objective, **changes):
    config = small_config(
        vocab_size=len(VOCABULARY), num_hidden_layers=1, pooler=False, **changes
    )
    model = make_pretrainer(objective, config, sentence_head=False)
    randomize(model)
    if objective == "both_directions":
        model.encoder.embeddings.set_vocabulary(VOCABULARY.tokens)
    description = model_dir.Description(model_dir.PRETRAINING, objective=objective)
    return model_dir.LoadedModel(model, VOCABULARY, description)


MEMBERS = {
    "masked_lm": {},
    "next_token": {"causal": True},
    "both_directions": {"architecture": "elmo", "tie_word_embeddings": False},
    "replaced_tokens": {},
}


@pytest.mark.parametrize("objective", MEMBERS)
def test_one_place_of_each_row(records, objective):
    loaded = member(objective, **MEMBERS[objective])
    sizes = {"sequence_length": 16, "batch_size": 8}
    scores = heldout_scores(loaded, records, **sizes)
    right, losses = [], []
    for batch in cloze_batches(records, VOCABULARY, **sizes).as_numpy_iterator():
        for row in np.flatnonzero(batch["mlm_weights"][:, 0]):
            # The row alone, without its padding.
            length = batch["padding_mask"][row].sum()
            ids = batch["token_ids"][row : row + 1, :length].copy()
            place = batch["mlm_positions"][row, 0]
            assert ids[0, place] == VOCABULARY.mask_id
            assert (ids == VOCABULARY.mask_id).sum() == 1
            if objective == "next_token":
                ids, place = ids[:, :place], place - 1
            logits = loaded.model(
                {
                    "token_ids": ids,
                    "padding_mask": np.ones(ids.shape, bool),
                    "mlm_positions": np.array([[place]], np.int32),
                }
            )["mlm"]
            logits = np.asarray(logits, np.float64)[0, 0]
            answer = batch["mlm_ids"][row, 0]
            right.append(logits.argmax() == answer)
            losses.append(np.log(np.exp(logits).sum()) - logits[answer])
    assert len(right) > 4
    assert scores["cloze_accuracy"] == pytest.approx(np.mean(right))
    assert scores["cloze_loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert scores["rows_per_second"] > 0
    is_language_model = objective in ("next_token", "both_directions")
    assert ("perplexity" in scores) == is_language_model


def test_perplexity_of_a_model_that_knows_nothing(records):
    """All pieces alike: as many as there are."""
    loaded = member("next_token", causal=True)
    for variable in loaded.model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    scores = heldout_scores(loaded, records, sequence_length=16, batch_size=8)
    assert scores["perplexity"] == pytest.approx(len(VOCABULARY), rel=1e-4)
    assert scores["cloze_loss"] == pytest.approx(math.log(len(VOCABULARY)), rel=1e-4)


def test_the_verb(records, tmp_path, capsys):
    loaded = member("masked_lm")
    folder = str(tmp_path / "model")
    model_dir.save(folder, loaded.model, VOCABULARY, loaded.description, {})
    output_dir = tmp_path / "scores"
    options = evaluate.EvaluateOptions(
        model_dir=folder,
        records_dir=records,
        sequence_length=16,
        batch_size=8,
        output_dir=str(output_dir),
    )
    evaluate.main(options)
    printed = capsys.readouterr().out
    scores = json.loads((output_dir / "metrics.json").read_text())
    assert f"cloze_accuracy {scores['cloze_accuracy']:.4f}" in printed
    with pytest.raises(FileExistsError, match="exists already"):
        evaluate.evaluate(options)
    with pytest.raises(ValueError, match="Expected one of --records_dir"):
        evaluate.evaluate(evaluate.EvaluateOptions(model_dir=folder))


def test_an_encoder_without_a_head(records):
    loaded = member("masked_lm")
    description = model_dir.Description(model_dir.PRETRAINING, head={"mlm_head": False})
    loaded = model_dir.LoadedModel(loaded.model, VOCABULARY, description)
    with pytest.raises(ValueError, match="no language-model head"):
        heldout_scores(loaded, records)


@pytest.mark.parametrize("scale", [1e4, 3e38])
def test_figures_that_are_not_finite(records, scale):
    loaded = member("next_token", causal=True)
    for variable in loaded.model.mlm_head.norm.weights:
        variable.assign(np.full(variable.shape, scale))
    with pytest.raises(ValueError, match=r"Received .*perplexity=(inf|nan) of the"):
        heldout_scores(loaded, records, sequence_length=16, batch_size=8)
