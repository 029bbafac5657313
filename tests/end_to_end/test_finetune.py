"""Fine-tuning, evaluation and prediction of every kind, as their users run them."""

import csv
import dataclasses
import json
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from bert_tf import evaluate, finetune, predict
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.tensors import Tensors
from bert_tf.evaluate import EvaluateOptions
from bert_tf.finetune import FinetuneOptions
from bert_tf.predict import PredictOptions
from bert_tf.training.run_log import read_metrics
from tests.end_to_end.tasks import KINDS, Task, write_model, write_task

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> str:
    return write_model(tmp_path_factory.mktemp("pretrained") / "model")


def options(
    pretrained: str, task: Task, output_dir: pathlib.Path, **changes
) -> FinetuneOptions:
    values = {
        "model_dir": pretrained,
        "output_dir": str(output_dir),
        "kind": task.kind,
        "train_file": task.train_file,
        "dev_file": task.dev_file,
        "learning_rate": 5e-3,
        "dropout": 0.0,
        "num_epochs": 8.0,
        "batch_size": 16,
        # Compiling takes longer than such a run.
        "jit_compile": "off",
        **task.options,
    }
    return FinetuneOptions(**{**values, **changes})


@dataclasses.dataclass(frozen=True)
class Trained:
    task: Task
    folder: pathlib.Path
    metrics: dict[str, float]


# The default tests look at one kind, the slow ones at all.
OF_EACH = [
    pytest.param(kind, marks=[] if kind == "classification" else pytest.mark.slow)
    for kind in KINDS
]


@pytest.fixture(scope="module", params=OF_EACH)
def trained(request, pretrained, tmp_path_factory) -> Trained:
    folder = tmp_path_factory.mktemp(request.param)
    task = write_task(request.param, folder / "files")
    metrics = finetune.finetune(options(pretrained, task, folder / "model"))
    return Trained(task, folder, metrics)


def data_options(trained: Trained) -> dict:
    return {
        "model_dir": str(trained.folder / "model"),
        "dev_file": trained.task.dev_file,
        **{k: v for k, v in trained.task.options.items() if k.endswith("column")},
        **{k: v for k, v in trained.task.options.items() if k == "choice_columns"},
    }


@pytest.mark.long
def test_every_kind_is_learned_and_evaluated_alike(trained, tmp_path):
    assert trained.metrics[trained.task.metric] >= trained.task.goal
    folder = tmp_path / "evaluation"
    again = evaluate.evaluate(
        EvaluateOptions(**data_options(trained), output_dir=str(folder))
    )
    assert again == pytest.approx(trained.metrics, abs=1e-9)
    assert json.loads((folder / "metrics.json").read_text()) == again
    assert (folder / "report.html").stat().st_size > 1000
    if trained.task.kind == "span_qa":
        answers = json.loads((folder / "predictions.json").read_text())
        assert len(answers) == 48 and "" in answers.values()
        assert {"NoAns_f1", "HasAns_f1", "threshold"} <= set(again)


def test_what_a_run_leaves(trained):
    files = {path.name for path in (trained.folder / "model").iterdir()}
    assert {"model.safetensors", "model.json", "report.html", "vocab.txt"} <= files
    (run,) = (trained.folder / "model" / "runs").iterdir()
    assert not (run / "checkpoints").exists()
    records = read_metrics(str(run / "metrics.jsonl"))
    dev = [r for r in records if r["split"] == "heldout"]
    assert len(dev) == 8
    # The best checkpoint is the model, not the last.
    best = max(record[trained.task.metric] for record in dev)
    assert best == trained.metrics[trained.task.metric]
    assert (trained.folder / "model" / "report.html").stat().st_size > 10_000


@pytest.mark.long
def test_predict_keeps_columns_and_equals_evaluation(trained, tmp_path):
    output = tmp_path / "answers.jsonl"
    predict.main(
        PredictOptions(
            **{**data_options(trained), "dev_file": None},
            input_file=trained.task.dev_file,
            output_file=str(output),
            batch_size=7,
        )
    )
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(rows) == 48
    if trained.task.kind == "classification":
        with open(trained.task.dev_file) as file:
            asked = list(csv.DictReader(file))
        for row, columns in zip(rows, asked, strict=True):
            assert {name: row[name] for name in columns} == columns
            assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        right = np.mean([row["prediction"] == row["label"] for row in rows])
        assert right == pytest.approx(trained.metrics["accuracy"])
    elif trained.task.kind == "multiple_choice":
        right = np.mean([str(row["prediction"]) == row["label"] for row in rows])
        assert right == pytest.approx(trained.metrics["accuracy"])
    elif trained.task.kind == "token_tagging":
        assert all(len(row["words"]) == len(row["tags"]) for row in rows)
        assert {e["type"] for row in rows for e in row["entities"]} == {"PER", "LOC"}
    elif trained.task.kind == "span_qa":
        for row in rows:
            assert row["prediction"] == "" or row["start"] >= 0
    elif trained.task.kind == "correction":
        assert all(bool(r["edits"]) == (r["prediction"] != r["text"]) for r in rows)
        changed = [row for row in rows if row["edits"]]
        assert len(changed) > 20
        for row in changed:
            text = row["text"]
            for edit in row["edits"][::-1]:
                assert text[edit["start"] : edit["end"]] == edit["original"]
                text = text[: edit["start"]] + edit["replacement"] + text[edit["end"] :]
            assert text == row["prediction"]


def test_predict_writes_tables_and_reads_lines(trained, tmp_path):
    lines = {
        "classification": "the film was good\n",
        "regression": "the film was good\n",
        "token_tagging": "anna lives in rome\n",
        "span_qa": "where is anna ?\tAnna lives in Rome.\n",
        "multiple_choice": "the film\twas bad .\twas good .\twas dull .\n",
        "correction": "anna lives lives in rome .\n",
    }[trained.task.kind]
    source, output = tmp_path / "asked.txt", tmp_path / "answers.csv"
    source.write_text(lines * 2)
    predict.main(
        PredictOptions(
            model_dir=str(trained.folder / "model"),
            input_file=str(source),
            output_file=str(output),
        )
    )
    with output.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    if trained.task.kind == "classification":
        assert set(rows[0]) == {"text", "prediction", "probability", "probabilities"}
    if trained.task.kind == "multiple_choice":
        assert rows[0]["choice"] == "was good ."
    if trained.task.kind == "correction":
        assert rows[0]["prediction"] == "anna lives in rome ."


def run(*flags: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "bert_tf.finetune", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def flags_of(chosen: FinetuneOptions) -> list[str]:
    values = {
        k: v for k, v in dataclasses.asdict(chosen).items() if v not in (None, ())
    }
    return [f"--{name}={value}" for name, value in values.items()]


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_run_goes_on_exactly(pretrained, tmp_path):
    task = write_task("classification", tmp_path / "files")
    # The default of the program; the pre-trained model has none.
    dropout = FinetuneOptions(model_dir="", output_dir="").dropout
    assert dropout == 0.1
    changes = {"baselines": False, "num_epochs": 4.0, "dropout": dropout}
    whole = options(pretrained, task, tmp_path / "whole", **changes)
    killed = options(pretrained, task, tmp_path / "killed", **changes)
    command = [sys.executable, "-m", "bert_tf.finetune", *flags_of(killed)]
    log = tmp_path / "killed.log"
    # Before the other begins, which would be finished by then on a busy machine.
    finetune.finetune(whole)
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=file, stderr=file)
    try:
        (folder,) = (tmp_path / "whole" / "runs").iterdir()
        checkpoints = tmp_path / "killed" / "runs" / folder.name / "checkpoints"
        deadline = time.monotonic() + 120
        while not list(checkpoints.glob("*.index")):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    # Otherwise it was killed too late to test anything.
    assert process.returncode == -signal.SIGKILL, log.read_text()
    finetune.finetune(killed)
    weights = [
        load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed")
    ]
    for name, values in weights[0].items():
        np.testing.assert_array_equal(weights[1][name], values, err_msg=name)
    config, _, _ = model_dir.load_description(str(tmp_path / "whole"))
    assert config.hidden_dropout_prob == config.attention_probs_dropout_prob == dropout


@pytest.mark.long
@pytest.mark.slow
def test_seeds_are_summed_up_and_finished_runs_kept(pretrained, tmp_path, capsys):
    task = write_task("classification", tmp_path / "files")
    chosen = options(pretrained, task, tmp_path / "model", num_seeds=2, num_epochs=1.0)
    metrics = finetune.finetune(chosen)
    printed = capsys.readouterr().out
    assert "± " in printed and "2 runs" in printed and "TF-IDF + linear" in printed
    runs = sorted(path.name for path in (tmp_path / "model" / "runs").iterdir())
    assert [name.rpartition("_")[2] for name in runs] == ["seed0", "seed1"]
    assert finetune.finetune(chosen) == metrics
    assert "holds the finished model" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"features": "weighted_last_4", "lstm_units": 8},
        {"layer_decay": 0.8, "reinit_layers": 1, "gradual_unfreezing": True},
        pytest.param(
            {"class_weights": "balanced", "long_texts": "windows", "max_length": 12},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"random_weights": True, "dtype": "bfloat16"}, marks=pytest.mark.slow
        ),
    ],
    ids=lambda changes: ",".join(changes),
)
def test_ways_to_train(pretrained, tmp_path, changes):
    task = write_task("classification", tmp_path / "files")
    chosen = options(
        pretrained, task, tmp_path / "model", baselines=False, num_epochs=1.0, **changes
    )
    assert finetune.finetune(chosen)["accuracy"] > 0.4
    before = model_dir.load_encoder_weights(pretrained)
    after = model_dir.load_encoder_weights(chosen.output_dir)
    same = all(np.array_equal(before[name], after[name]) for name in before)
    assert same == ("features" in changes)


@pytest.mark.long
@pytest.mark.slow
def test_corrections_start_from_the_heads_there_are(pretrained, tmp_path):
    task = write_task("correction", tmp_path / "files")
    before = load_file(f"{pretrained}/model.safetensors")
    folder = pretrained
    for name in ("first", "second"):
        # Nothing is learned: what there is comes from where it starts.
        chosen = options(
            folder,
            task,
            tmp_path / name,
            baselines=False,
            num_epochs=0.1,
            learning_rate=1e-30,
            seed=len(name),
        )
        finetune.finetune(chosen)
        folder = chosen.output_dir
        after = load_file(f"{folder}/model.safetensors")
        taken = [n for n in after if n.startswith(("encoder/", "mlm_head/"))]
        assert any(n.startswith("mlm_head/") for n in taken)
        assert name == "first" or {"head/kernel", "tag_table"} <= set(after)
        # The tags of a corrector go on, too.
        others = [] if name == "first" else ["head/kernel", "head/bias", "tag_table"]
        for weight in (*taken, *others):
            np.testing.assert_allclose(
                after[weight], before[weight], rtol=0, atol=1e-20, err_msg=weight
            )
        before = after


@pytest.mark.slow
def test_a_pooler_that_is_missing_starts_from_chance(pretrained, tmp_path, capsys):
    checkpoint = model_dir.read(pretrained)
    shapes = {
        name: shape
        for name, shape in checkpoint.weights.shapes.items()
        if "pooler" not in name and "sentence" not in name
    }
    without = dataclasses.replace(
        checkpoint,
        config=dataclasses.replace(checkpoint.config, pooler=False),
        description=model_dir.Description("pretraining"),
        weights=Tensors(shapes, checkpoint.weights.read),
    )
    model_dir.write(without, str(tmp_path / "without"))
    task = write_task("classification", tmp_path / "files")
    chosen = options(
        str(tmp_path / "without"), task, tmp_path / "model", baselines=False
    )
    assert finetune.finetune(chosen)["accuracy"] >= task.goal
    assert "has no pooler" in capsys.readouterr().out


@pytest.mark.slow
def test_a_report_without_baselines_says_why(pretrained, tmp_path, monkeypatch, capsys):
    def missing(*_):
        raise ImportError("The package sklearn is not installed.")

    monkeypatch.setattr(finetune, "baseline_scores", missing)
    task = write_task("classification", tmp_path / "files")
    chosen = options(pretrained, task, tmp_path / "model", num_epochs=1.0)
    assert finetune.finetune(chosen)
    report = (tmp_path / "model" / "report.html").read_text()
    assert "none: The package sklearn is not installed." in report
    assert "The package sklearn is not installed." in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.slow
def test_document_context(pretrained, tmp_path):
    task = write_task("token_tagging", tmp_path / "files")
    chosen = options(
        pretrained,
        task,
        tmp_path / "model",
        baselines=False,
        num_epochs=2.0,
        document_context=True,
    )
    metrics = finetune.finetune(chosen)
    again = evaluate.evaluate(
        EvaluateOptions(model_dir=chosen.output_dir, dev_file=task.dev_file)
    )
    assert again == pytest.approx(metrics, abs=1e-9)


@pytest.mark.slow
def test_a_users_error_is_one_clear_line(pretrained, tmp_path):
    task = write_task("classification", tmp_path / "files")
    good = flags_of(options(pretrained, task, tmp_path / "model"))
    done = run(*good, "--label_column=mood")
    errors = [x for x in done.stderr.splitlines() if x.startswith("error: ")]
    assert done.returncode == 1
    assert len(errors) == 1 and "no column 'mood'" in errors[0]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_file": "nowhere.csv"}, "nowhere.csv"),
        ({"label_column": "mood"}, "no column 'mood'"),
        ({"model_dir": "nowhere"}, "No model folder at 'nowhere'"),
        ({"max_length": 4000}, "Expected 8 to 48"),
        ({"document_context": True}, "Expected it only for token_tagging"),
        ({"kind": None}, "Expected --kind"),
        ({"dataset": "glue/sst2"}, "Expected one of the two"),
    ],
)
def test_wrong_options(pretrained, tmp_path, changes, message):
    task = write_task("classification", tmp_path / "files")
    chosen = options(pretrained, task, tmp_path / "model", **changes)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        finetune.finetune(chosen)
    assert not (tmp_path / "model").exists()


def test_a_model_of_another_kind_or_other_labels(pretrained, tmp_path):
    with pytest.raises(ValueError, match="of kind pretraining"):
        evaluate.evaluate(
            EvaluateOptions(model_dir=pretrained, dataset="glue/sst2", data_dir="x")
        )
