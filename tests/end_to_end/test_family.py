"""Each member of the family from text to a fine-tuned model that is served."""

import dataclasses
import json
import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import extract_features, finetune, predict, pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.models.config import BertConfig
from bert_tf.models.families import FAMILIES
from bert_tf.serving import saved_model
from bert_tf.training.run_log import RunLog, read_metrics
from tests.end_to_end.pretraining_runs import assert_same_weights, options
from tests.end_to_end.tasks import write_task

pytestmark = [pytest.mark.slow, pytest.mark.long]

# Of the held-out rows, what is to become less.
_TEXTS = ("first", "second")
LOSSES = {"elmo": "forward_loss", "electra": "replaced_loss"}


def member_config(name, prepared, folder) -> str:
    """A tiny config with what the family changes, as a file."""
    tiny = BertConfig.from_file(prepared.config_file)
    changes = {**FAMILIES[name].config}
    if "embedding_size" in changes:
        changes["embedding_size"] = 8
    if "local_attention" in changes:
        changes["local_attention"] = 4
    config = dataclasses.replace(
        tiny,
        **{
            **changes,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
            "initializer_range": 0.1,
            "pooler": FAMILIES[name].recipe.sentences != "full_sentences",
        },
    )
    path = folder / "config.json"
    path.write_text(config.to_json())
    return str(path)


def train(name, prepared, folder, **changes):
    output_dir = folder / "model"
    values = {
        "family": name,
        "config_file": member_config(name, prepared, folder),
        "num_train_steps": 150,
        "num_warmup_steps": 15,
        "learning_rate": 5e-3,
        "optimizer": "adamw",
        "eval_every": 75,
        "checkpoint_every": 50,
    }
    if name == "compact":
        pytest.importorskip("gensim", reason="the extra word_vectors is not installed")
        values["long_sequence_length"] = 48
    pretrain.pretrain(options(prepared, output_dir, **(values | changes)))
    return output_dir


@pytest.fixture(scope="module", params=FAMILIES)
def member(request, prepared, tmp_path_factory) -> tuple[str, pathlib.Path]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, train(request.param, prepared, folder)


def test_it_learns(member):
    name, folder = member
    records = read_metrics(str(folder / "metrics.jsonl"))
    loss = LOSSES.get(name, "mlm_loss")
    values = [r[loss] for r in records if r["split"] == "train"]
    assert np.mean(values[-10:]) < 0.9 * np.mean(values[:10])
    assert any("mlm_accuracy" in r for r in records if r["split"] == "heldout")
    loaded = model_dir.load(str(folder))
    assert loaded.description.objective == FAMILIES[name].recipe.objective
    report = (folder / "report.html").read_text()
    assert "data:image/png;base64," in report


def test_what_is_saved_answers_alike(member, tmp_path):
    """`predict` and the SavedModel, whatever the model's head is for."""
    name, folder = member
    texts = tmp_path / "texts"
    texts.write_text("the [MASK] sat\n[MASK] dog and the [MASK]\n")
    answers = tmp_path / "answers.jsonl"
    predict.main(
        predict.PredictOptions(
            model_dir=str(folder), input_file=str(texts), output_file=str(answers)
        )
    )
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert len(rows) == 2
    path = saved_model.export(
        str(folder), name, saved_models_dir=str(tmp_path / "saved")
    )
    served = tf.saved_model.load(path).signatures["serving_default"]
    found = served(tf.constant([row["text"] for row in rows]))
    if name == "gpt":
        assert found["continuations"].numpy()[0].decode() == rows[0]["continuations"]
        return
    for index, row in enumerate(rows):
        count = len(row["tokens"])
        assert count == row["text"].count("[MASK]")
        np.testing.assert_allclose(
            found["probabilities"][index, :count], row["probabilities"], rtol=1e-5
        )


def test_it_can_be_fine_tuned(member, tmp_path):
    name, folder = member
    task = write_task("classification", tmp_path / "files")
    # As its paper has it: frozen below what is learned.
    values = {"features": "weighted_states"} if name == "elmo" else {}
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=str(folder),
            output_dir=str(tmp_path / "model"),
            kind=task.kind,
            train_file=task.train_file,
            dev_file=task.dev_file,
            learning_rate=1e-2,
            dropout=0.0,
            num_epochs=8.0,
            batch_size=16,
            **task.options,
            **values,
        )
    )
    assert metrics["accuracy"] > 0.8


def test_compact_learns_whether_two_texts_have_a_word_in_common(
    prepared, tmp_path_factory, tmp_path
):
    """`predict` and the SavedModel read the pairs alike."""
    folder = train("compact", prepared, tmp_path_factory.mktemp("compact"))
    words = [w for w in model_dir.load(str(folder)).vocabulary.tokens if w.isalpha()]
    draw = random.Random(0)
    files = {"train": 600, "dev": 100}
    for name, count in files.items():
        with (tmp_path / f"{name}.tsv").open("w") as file:
            file.write("first\tsecond\tlabel\n")
            for number in range(count):
                first, second = draw.sample(words, 3), draw.sample(words, 3)
                second = [word for word in second if word not in first]
                if number % 2:
                    second[0] = first[1]
                label = "shared" if number % 2 else "none"
                file.write(f"{' '.join(first)}\t{' '.join(second)}\t{label}\n")
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=str(folder),
            output_dir=str(tmp_path / "model"),
            kind="classification",
            train_file=str(tmp_path / "train.tsv"),
            dev_file=str(tmp_path / "dev.tsv"),
            second_column="second",
            first_column="first",
            learning_rate=3e-3,
            num_epochs=8.0,
            batch_size=16,
        )
    )
    assert metrics["accuracy"] > 0.9
    loaded = model_dir.load(str(tmp_path / "model"))
    assert loaded.description.head["compares_texts"]
    lines = (tmp_path / "dev.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines[1:]]
    predict.main(
        predict.PredictOptions(
            model_dir=str(tmp_path / "model"),
            input_file=str(tmp_path / "dev.tsv"),
            first_column="first",
            second_column="second",
            output_file=str(tmp_path / "answers.jsonl"),
        )
    )
    answers = map(json.loads, (tmp_path / "answers.jsonl").read_text().splitlines())
    expected = [answer["probability"] for answer in answers]
    path = saved_model.export(
        str(tmp_path / "model"), "pairs", saved_models_dir=str(tmp_path / "saved")
    )
    served = tf.saved_model.load(path).signatures["classify_pairs"]
    texts = {n: tf.constant([row[i] for row in rows]) for i, n in enumerate(_TEXTS)}
    found = served(**texts)["probability"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_features_are_extracted(member, tmp_path):
    _, folder = member

    def vectors(*lines: str) -> np.ndarray:
        texts, path = tmp_path / "texts", tmp_path / f"vectors{len(lines)}.npy"
        texts.write_text("".join(f"{line}\n" for line in lines))
        extract_features.main(
            extract_features.ExtractOptions(
                model_dir=str(folder),
                input_file=str(texts),
                output_file=str(path),
                vectors="mean",
            )
        )
        return np.load(path)

    found = vectors("the cat sat", "the dog")
    hidden_size = model_dir.load_description(str(folder))[0].hidden_size
    assert found.shape == (2, hidden_size)
    assert np.abs(found[0] - found[1]).max() > 0.01
    # The padding beside a longer text changes nothing.
    np.testing.assert_allclose(vectors("the dog")[0], found[1], atol=1e-5)


@pytest.mark.parametrize("name", ["electra", "elmo"])
def test_a_stopped_run_goes_on_as_if_nothing_had_been(prepared, tmp_path, name):
    """What the generator draws, and LSTMs, to the bit."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    changes = {"num_train_steps": 20, "checkpoint_every": 10, "eval_every": 20}
    whole = train(name, prepared, one, **changes)

    class Stopped(Exception):
        pass

    def stop(*_):
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunLog, "evaluation", stop)
        with pytest.raises(Stopped):
            train(name, prepared, two, **changes | {"eval_every": 15})
    steps = [
        record["step"] for record in read_metrics(str(two / "model/metrics.jsonl"))
    ]
    assert steps[-1] == 15
    assert_same_weights(whole, train(name, prepared, two, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "electra", "sentences": "next_sentence"}, "only masked_lm has"),
        ({"objective": "both_directions", "sentences": "full_sentences"}, "--family"),
        ({"mask_rate": 0.8, "random_rate": 0.3}, "Expected rates from 0 to 1"),
    ],
)
def test_what_does_not_fit(prepared, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        pretrain.pretrain(options(prepared, tmp_path / "model", **changes))
    assert not (tmp_path / "model").exists()
