"""The training program as its users run it: whole, killed, stopped, misused."""

import dataclasses
import json
import pathlib
import random
import re
import resource
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.optim.optimizers import AdamW, Lamb
from bert_tf.pretrain import PretrainOptions
from bert_tf.training.run_log import read_metrics
from bert_tf.word_vectors.keyed_vectors import read_token_vectors
from data_pipelines import create_pretraining_data as create_data
from data_pipelines import learn_vocabulary
from data_pipelines.pretraining.record_folder import read_manifest
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from data_pipelines.tokenizers.vocabulary import Vocabulary
from tests.end_to_end.pretraining_runs import (
    VOCAB_SIZE,
    assert_same_weights,
    command,
    curve,
    finish,
    options,
    run_until,
    weights,
)


def test_text_to_model_and_report(prepared, tmp_path, capfd):
    output_dir = tmp_path / "model"
    pretrain.pretrain(
        options(
            prepared,
            output_dir,
            records_dir=None,
            vocab_file=None,
            input_files=(prepared.text,),
            vocab_size=VOCAB_SIZE,
            holdout_fraction=0.2,
            num_train_steps=150,
            num_warmup_steps=15,
            learning_rate=5e-3,
            optimizer="adamw",
            eval_every=50,
            checkpoint_every=75,
            log_every=10,
        )
    )
    printed = capfd.readouterr().err
    assert "held-out, unigram baseline:  loss" in printed
    assert "held-out at step 50:  loss" in printed
    loaded = model_dir.load(str(output_dir))
    assert len(loaded.vocabulary) == VOCAB_SIZE
    assert loaded.description == model_dir.Description(
        kind="pretraining", sentence_task="next_sentence"
    )
    report = (output_dir / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 1
    assert "unigram baseline" in report
    # No server, no network: nothing is loaded from elsewhere. With the colon, which no
    # picture in base64 has.
    assert not re.search("https?:", report)
    records = read_metrics(str(output_dir / "metrics.jsonl"))
    heldout = [record for record in records if record["split"] == "heldout"]
    assert [record["step"] for record in heldout] == [50, 100, 150]
    assert heldout[-1]["mlm_loss"] < heldout[0]["mlm_loss"]
    training = [record for record in records if record["split"] == "train"]
    assert training[-1]["learning_rate"] < training[2]["learning_rate"]
    assert list((output_dir / "tensorboard" / "heldout").iterdir())
    # Again: nothing to do, and nothing is written.
    before = (output_dir / model_dir.WEIGHTS).stat().st_mtime_ns
    pretrain.pretrain(
        PretrainOptions(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in json.loads(
                    (output_dir / model_dir.OPTIONS).read_text()
                ).items()
            }
        )
    )
    assert (output_dir / model_dir.WEIGHTS).stat().st_mtime_ns == before


@pytest.mark.slow
@pytest.mark.long
def test_killed_and_stopped_runs_end_as_an_undisturbed_one(prepared, tmp_path):
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    # The long phase begins at step 18: the second stop lies in it.
    changes = {"long_sequence_length": 48}
    pretrain.pretrain(options(prepared, undisturbed, **changes))

    program = command(options(prepared, disturbed, **changes))
    run_until(program, disturbed, step=11, number=signal.SIGKILL)
    assert not (disturbed / model_dir.WEIGHTS).exists()
    process = run_until(program, disturbed, step=18, number=signal.SIGTERM)
    assert process.returncode == 143
    assert not (disturbed / model_dir.WEIGHTS).exists()
    finish(program)

    assert_same_weights(undisturbed, disturbed)
    assert curve(disturbed) == curve(undisturbed)


@pytest.mark.slow
@pytest.mark.long
def test_twenty_kills(prepared, tmp_path):
    """At random moments, amid steps, logs and checkpoints alike."""
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    changes = {
        "num_train_steps": 600,
        "long_sequence_length": 48,
        "checkpoint_every": 7,
        "eval_every": 50,
    }
    pretrain.pretrain(options(prepared, undisturbed, **changes))
    program = command(options(prepared, disturbed, **changes))
    generator = random.Random(0)
    for kill in range(20):
        step = 25 * (kill + 1) + generator.randrange(20)
        run_until(program, disturbed, step, signal.SIGKILL)
        assert not (disturbed / model_dir.WEIGHTS).exists()
    finish(program)
    assert_same_weights(undisturbed, disturbed)
    assert curve(disturbed) == curve(undisturbed)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_files": ("x",)}, "Expected one of the two"),
        ({"records_dir": None}, "Expected one of the two"),
        ({"vocab_file": None}, "records_dir without vocab_file"),
        (
            {"records_dir": None, "input_files": ("x",), "vocab_file": None}
            | {"token_vectors": "vectors.bin"},
            "token_vectors without vocab_file",
        ),
        (
            {"learn_vectors": True, "token_vectors": "vectors.bin"},
            "learn_vectors and token_vectors. Expected one of them",
        ),
        (
            {"learn_vectors": True, "initial_model_dir": "other", "config_file": None},
            "learn_vectors and initial_model_dir. Expected one of them",
        ),
        (
            {"num_train_steps": None, "num_warmup_steps": None}
            | {"learn_vectors": True, "plan_file": "plan.json"},
            "give its token_vectors.bin as --token_vectors",
        ),
        ({"batch_size": 0}, "Expected numbers above 0"),
        ({"learning_rate": -1.0}, "Expected numbers above 0"),
        ({"mlm_rate": 1.5}, "Expected shares between 0 and 1"),
        ({"beta_2": 1.0}, "Received beta_2=1.0"),
        ({"batch_size": 8, "accumulation_steps": 3}, "equal slices"),
        ({"num_warmup_steps": 20}, "less than num_train_steps=20"),
        ({"budget": "4m"}, "num_train_steps=20, budget=4m. Expected one of them"),
        ({"plan_file": "plan.json"}, "Expected one of them"),
        ({"num_train_steps": None, "budget": "4"}, r"Expected a number above 0 with"),
        ({"num_train_steps": None, "budget": "4m"}, "num_warmup_steps=2 with budget"),
        ({"num_train_steps": 0}, "Expected numbers above 0"),
    ],
)
def test_options_that_do_not_fit(prepared, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        options(prepared, tmp_path / "model", **changes)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"vocab_file": "missing.txt"}, FileNotFoundError, "No vocabulary file"),
        ({"config_file": "missing.json"}, FileNotFoundError, "no model config"),
        ({"records_dir": "missing"}, FileNotFoundError, "manifest.json"),
        ({"sequence_length": 65}, ValueError, "rows of 65 tokens. Expected at most 64"),
        ({"long_sequence_length": 512}, ValueError, "rows of 512 tokens"),
        ({"lower_case": False}, ValueError, "Expected lower_case=True"),
    ],
)
def test_files_that_do_not_fit(prepared, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        pretrain.pretrain(options(prepared, tmp_path / "model", **changes))
    assert not (tmp_path / "model" / model_dir.WEIGHTS).exists()


@pytest.mark.long
@pytest.mark.slow
def test_the_token_table_starts_from_vectors(prepared, tmp_path):
    pytest.importorskip("gensim", reason="the extra word_vectors is not installed")
    vocabulary = Vocabulary.from_file(prepared.vocab_file)
    path = tmp_path / "vectors.txt"
    vectors = np.random.default_rng(0).normal(size=(VOCAB_SIZE, 32))
    rows = [
        f"{token} {' '.join(map(str, row))}\n"
        for token, row in zip(vocabulary.tokens, vectors, strict=True)
    ]
    path.write_text("".join([f"{VOCAB_SIZE} 32\n", *rows]))
    pretrain.pretrain(
        options(
            prepared,
            tmp_path / "model",
            token_vectors=str(path),
            num_train_steps=2,
            num_warmup_steps=1,
            learning_rate=1e-5,
        )
    )
    table = weights(tmp_path / "model")["encoder/embeddings/token_table"]
    centred = vectors - vectors.mean(axis=0)
    cosines = (table * centred).sum(axis=1) / (
        np.linalg.norm(table, axis=1) * np.linalg.norm(centred, axis=1)
    )
    assert cosines.min() > 0.999
    path.write_text("1 2\ncat 0.5 0.5\n")
    with pytest.raises(ValueError, match=r"2 numbers. Expected 32.*--vector_size=32"):
        pretrain.pretrain(
            options(prepared, tmp_path / "other", token_vectors=str(path))
        )
    assert not (tmp_path / "other").exists()


@pytest.mark.long
@pytest.mark.slow
def test_the_token_table_starts_from_vectors_of_the_text(prepared, tmp_path):
    pytest.importorskip("gensim", reason="the extra word_vectors is not installed")
    folder = tmp_path / "model"
    settings = options(
        prepared,
        folder,
        learn_vectors=True,
        num_train_steps=2,
        num_warmup_steps=1,
        learning_rate=1e-5,
    )
    pretrain.pretrain(settings)
    path = folder / "token_vectors.bin"
    vocabulary = Vocabulary.from_file(prepared.vocab_file)
    vectors, is_found = read_token_vectors(str(path), vocabulary)
    assert is_found.sum() > 5
    centred = vectors[is_found] - vectors[is_found].mean(axis=0)
    table = weights(folder)["encoder/embeddings/token_table"][is_found]
    cosines = (table * centred).sum(axis=1) / (
        np.linalg.norm(table, axis=1) * np.linalg.norm(centred, axis=1)
    )
    assert cosines.min() > 0.99
    # A resumed run starts from the same ones.
    (folder / model_dir.WEIGHTS).unlink()
    written = path.stat().st_mtime_ns
    pretrain.pretrain(settings)
    assert path.stat().st_mtime_ns == written
    assert (folder / model_dir.WEIGHTS).exists()


def test_another_vocabulary(prepared, tmp_path):
    tokens = Vocabulary.from_file(prepared.vocab_file).tokens
    other = tmp_path / "vocab.txt"
    other.write_bytes(Vocabulary((*tokens[:-1], "other")).to_bytes())
    with pytest.raises(ValueError, match=r"vocabulary of .* that of the records"):
        pretrain.pretrain(options(prepared, tmp_path / "model", vocab_file=str(other)))
    larger = tmp_path / "larger.txt"
    larger.write_bytes(Vocabulary((*tokens, "more")).to_bytes())
    with pytest.raises(ValueError, match=f"vocab_size={VOCAB_SIZE}"):
        pretrain.pretrain(
            options(prepared, tmp_path / "model2", vocab_file=str(larger))
        )
    assert not (tmp_path / "model2").exists()


def test_an_output_folder_of_something_else_is_left_alone(prepared, tmp_path):
    output_dir = tmp_path / "model"
    output_dir.mkdir()
    (output_dir / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and not of this program"):
        pretrain.pretrain(options(prepared, output_dir))
    assert [path.name for path in output_dir.iterdir()] == ["thesis.txt"]


def test_a_run_of_other_options_is_left_alone(prepared, tmp_path):
    output_dir = tmp_path / "model"
    output_dir.mkdir()
    values = dataclasses.asdict(options(prepared, output_dir)) | {"seed": 7}
    (output_dir / model_dir.OPTIONS).write_text(json.dumps(values))
    (output_dir / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="seed was 7, received 0"):
        pretrain.pretrain(options(prepared, output_dir))


@pytest.mark.long
@pytest.mark.slow
def test_a_run_that_failed_at_once_can_be_put_right(prepared, tmp_path):
    output_dir = tmp_path / "model"
    with pytest.raises(ValueError, match="Expected lower_case=True"):
        pretrain.pretrain(options(prepared, output_dir, lower_case=False))
    right = options(prepared, output_dir, num_train_steps=2, num_warmup_steps=1)
    pretrain.pretrain(right)
    assert model_dir.load_description(str(output_dir))[1].lower_case


@pytest.mark.long
@pytest.mark.slow
def test_a_cased_vocabulary_is_cased_in_every_step(prepared, tmp_path):
    """Said once, where it is learned."""
    vocab_file, records_dir = str(tmp_path / "vocab.txt"), str(tmp_path / "records")
    text = {"input_files": (prepared.text,), "vocab_file": vocab_file}
    learning = learn_vocabulary.LearnVocabularyOptions(
        **text, vocab_size=VOCAB_SIZE, num_processes=1, lower_case=False
    )
    learn_vocabulary.main(learning)
    records = create_data.CreatePretrainingDataOptions(
        **text, output_dir=records_dir, num_processes=1, holdout_fraction=0.2
    )
    create_data.main(records)
    with pytest.raises(ValueError, match="Expected lower_case=False"):
        create_data.main(dataclasses.replace(records, lower_case=True))
    manifest = read_manifest(records_dir)
    assert not manifest["lower_case"] and not manifest["strip_accents"]

    output_dir = tmp_path / "model"
    steps = {"num_train_steps": 2, "num_warmup_steps": 1}
    right = options(
        prepared, output_dir, vocab_file=vocab_file, records_dir=records_dir, **steps
    )
    with pytest.raises(ValueError, match="Expected lower_case=False"):
        pretrain.pretrain(dataclasses.replace(right, lower_case=True))
    pretrain.pretrain(right)
    found = model_dir.load(str(output_dir))
    assert found.vocabulary == Vocabulary.from_file(vocab_file)
    assert not found.tokenizer.vocabulary.lower_case
    assert "The" in found.vocabulary
    ids = found.tokenizer.tokenize(tf.constant(["The"])).to_list()
    assert ids == [[found.vocabulary.id_of("The")]]


@pytest.mark.slow
def test_nothing_held_out(prepared, tmp_path, caplog):
    """Few documents and a small fraction: a model without held-out figures."""
    records_dir, output_dir = tmp_path / "records", tmp_path / "model"
    write_records(
        [prepared.text],
        Vocabulary.from_file(prepared.vocab_file),
        str(records_dir),
        RecordOptions(holdout_fraction=1e-9, num_shards=1),
        num_processes=1,
    )
    steps = {"num_train_steps": 2, "num_warmup_steps": 1, "eval_every": 1}
    pretrain.pretrain(
        options(prepared, output_dir, records_dir=str(records_dir), **steps)
    )
    assert "None of 60 documents was held out with holdout_fraction=1e-09" in (
        caplog.text
    )
    splits = {r["split"] for r in read_metrics(str(output_dir / "metrics.jsonl"))}
    assert splits == {"train"}
    assert (output_dir / model_dir.WEIGHTS).exists()


@pytest.mark.long
@pytest.mark.slow
def test_divergence_names_step_and_checkpoint(prepared, tmp_path):
    message = r"not finite in 10 steps from step \d+ on.*checkpoint"
    with pytest.raises(ValueError, match=message):
        pretrain.pretrain(
            options(prepared, tmp_path / "model", learning_rate=1e30, seed=3)
        )
    assert not (tmp_path / "model" / model_dir.WEIGHTS).exists()


@pytest.mark.parametrize(
    ("optimizer", "expected", "bias_correction"),
    [("adamw_bert", AdamW, False), ("adamw", AdamW, True), ("lamb", Lamb, True)],
)
def test_the_optimizer_is_the_one_asked_for(
    prepared, tmp_path, monkeypatch, optimizer, expected, bias_correction
):
    class Stopped(Exception):
        pass

    def trainer(model, optimizer, *_, **__):
        raise Stopped(optimizer)

    monkeypatch.setattr(pretrain, "Trainer", trainer)
    changes = {"optimizer": optimizer, "beta_2": 0.98, "weight_decay": 0.03}
    with pytest.raises(Stopped) as stopped:
        pretrain.pretrain(options(prepared, tmp_path / "model", **changes))
    (found,) = stopped.value.args
    assert type(found) is expected
    assert (found.beta_2, found.decay) == (0.98, 0.03)
    assert found.bias_correction == bias_correction
    # One of two steps of warming up.
    found.iterations.assign(1)
    assert float(found.learning_rate) == pytest.approx(1e-3 * 0.5)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "dtype"), [("adamw", "float16"), ("lamb", "bfloat16")]
)
def test_optimizers_and_dtypes(prepared, tmp_path, optimizer, dtype):
    pretrain.pretrain(
        options(
            prepared,
            tmp_path / "model",
            optimizer=optimizer,
            dtype=dtype,
            num_train_steps=4,
            num_warmup_steps=1,
            accumulation_steps=2,
            sentences="full_sentences",
            masking_kind="whole_word",
        )
    )
    for name, value in weights(tmp_path / "model").items():
        assert value.dtype == np.float32, name
        assert np.isfinite(value).all(), name


def test_the_program_answers_an_error_in_one_line(prepared, tmp_path):
    program = command(options(prepared, tmp_path / "model", vocab_file="missing.txt"))
    done = finish(program, 1)
    assert "error: No vocabulary file at 'missing.txt'" in done.stderr
    assert "Traceback" not in done.stderr


def damaged_records(prepared, folder, how):
    """A copy of the records, one of whose shards is broken."""
    copied = pathlib.Path(shutil.copytree(prepared.records_dir, folder / "records"))
    shard = copied / "train-00001-of-00002.tfrecord"
    content = shard.read_bytes()
    if how == "changed":
        middle = len(content) // 2
        content = content[:middle] + b"\xff\x00\xff\x00" + content[middle + 4 :]
    else:
        content = content[: len(content) // 2]
    shard.write_bytes(content)
    return dataclasses.replace(prepared, records_dir=str(copied))


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("changed", r"train-00001-of-00002\.tfrecord is damaged: \d+ of \d+ records"),
        pytest.param(
            "cut off",
            r"train-00001-of-00002\.tfrecord has \d+ bytes\. Expected \d+",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_damaged_shard_is_named_or_left_out(prepared, tmp_path, capfd, how, message):
    damaged = damaged_records(prepared, tmp_path, how)
    folder = tmp_path / "model"
    with pytest.raises(ValueError, match=message):
        pretrain.pretrain(options(damaged, folder))
    # The same run goes on without it.
    pretrain.pretrain(options(damaged, folder, skip_corrupt_records=True))
    assert re.search(
        r"tfrecord is damaged: [1-9]\d* of \d+ records cannot be read: left out",
        capfd.readouterr().err,
    )
    assert weights(folder)


@pytest.mark.slow
@pytest.mark.long
def test_a_full_disk_leaves_what_was_there(prepared, tmp_path):
    """No file can grow beyond some kilobytes, as on a disk that is full."""
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "model"
    pretrain.pretrain(options(prepared, undisturbed))
    program = command(options(prepared, folder))
    run_until(program, folder, step=7, number=signal.SIGTERM)
    checkpoints = folder / "checkpoints"
    before = {path.name: path.read_bytes() for path in checkpoints.glob("step-*")}
    assert before
    full = finish(
        program,
        1,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
    )
    last = full.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "File too large" in last, last
    for name, content in before.items():
        assert (checkpoints / name).read_bytes() == content
    finish(program)
    assert_same_weights(undisturbed, folder)
