"""A causal model from text to its continuations, and to a fine-tuned classifier."""

import json
import pathlib

import pytest

from bert_tf import finetune, predict, pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.training.run_log import read_metrics
from tests.end_to_end.pretraining_runs import options
from tests.end_to_end.tasks import write_model, write_task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(prepared, tmp_path_factory) -> pathlib.Path:
    output_dir = tmp_path_factory.mktemp("causal") / "model"
    pretrain.pretrain(
        options(
            prepared,
            output_dir,
            family="gpt",
            num_train_steps=200,
            num_warmup_steps=20,
            learning_rate=5e-3,
            optimizer="adamw",
            eval_every=100,
        )
    )
    return output_dir


@pytest.mark.long
def test_it_learns_and_goes_on(folder, tmp_path):
    records = read_metrics(str(folder / "metrics.jsonl"))
    losses = [r["mlm_loss"] for r in records if r["split"] == "train"]
    assert losses[-1] < 0.8 * losses[0]
    config = model_dir.load_description(str(folder))[0]
    assert config.causal and not config.pooler
    texts, answers = tmp_path / "texts", tmp_path / "answers.jsonl"
    texts.write_text("the\n\nthe man\n")
    predict.main(
        predict.PredictOptions(
            model_dir=str(folder),
            input_file=str(texts),
            output_file=str(answers),
            num_tokens=6,
        )
    )
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    assert [row["text"] for row in rows] == ["the", "", "the man"]
    assert all(len(row["probabilities"]) == 6 for row in rows)
    assert any(row["continuations"] for row in rows)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["classification", "multiple_choice"])
def test_it_can_be_fine_tuned(tmp_path, kind):
    """The last token, which sees the whole text, is what the head reads."""
    task = write_task(kind, tmp_path / "files")
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=write_model(tmp_path / "causal", causal=True),
            output_dir=str(tmp_path / "model"),
            kind=task.kind,
            train_file=task.train_file,
            dev_file=task.dev_file,
            learning_rate=5e-3,
            dropout=0.0,
            num_epochs=8.0,
            batch_size=16,
            **task.options,
        )
    )
    assert metrics["accuracy"] > 0.85


def test_the_language_model_goes_on_beside_the_task(folder, tmp_path):
    """GPT's auxiliary loss: what is saved is the model of the task alone."""
    task = write_task("classification", tmp_path / "files")
    values = {
        "kind": task.kind,
        "train_file": task.train_file,
        "dev_file": task.dev_file,
        "learning_rate": 5e-3,
        "dropout": 0.0,
        "num_epochs": 6.0,
        "batch_size": 16,
        "lm_weight": 0.5,
        **task.options,
    }
    output_dir = tmp_path / "model"
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=str(folder), output_dir=str(output_dir), **values
        )
    )
    assert metrics["accuracy"] > 0.85
    (run,) = (output_dir / "runs").iterdir()
    losses = [
        r["lm_loss"]
        for r in read_metrics(str(run / "metrics.jsonl"))
        if r["split"] == "train"
    ]
    assert losses[-1] < losses[0]
    names = model_dir.weights_of(model_dir.load(str(output_dir)).model)
    assert not any("mlm_head" in name for name in names)
    with pytest.raises(ValueError, match="Expected a causal model"):
        finetune.finetune(
            finetune.FinetuneOptions(
                model_dir=write_model(tmp_path / "other"),
                output_dir=str(tmp_path / "none"),
                **values,
            )
        )
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "next_token"}, "Expected full_sentences"),
        ({"config": {"causal": True}}, "Expected objective=next_token"),
    ],
)
def test_what_does_not_fit(prepared, tmp_path, changes, message):
    if "config" in changes:
        vocabulary = pathlib.Path(prepared.vocab_file).read_text().split("\n")
        config = {"vocab_size": len(vocabulary), **changes["config"]}
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        changes = {"config_file": str(path)}
    with pytest.raises(ValueError, match=message):
        pretrain.pretrain(options(prepared, tmp_path / "model", **changes))
    assert not (tmp_path / "model").exists()
