"""What was made anew at the same path is not taken for what a run began with."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

from bert_tf import compare, finetune, pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.finetune import FinetuneOptions
from bert_tf.training import output_dir
from data_pipelines.datasets import catalog
from data_pipelines.files.fingerprints import present
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.pretraining_runs import (
    VOCAB_SIZE,
    Prepared,
    command,
    finish,
    options,
    run_until,
)
from tests.end_to_end.tasks import write_model, write_task


class Stopped(Exception):
    """In place of the training: the run has claimed its folder, and goes no further."""


def changed(path):
    """The same size and the same name, and other contents."""
    path = pathlib.Path(path)
    content = path.read_bytes()
    for one, other in ((b"e", b"a"), (b"0", b"1"), (b"a", b"e")):
        if one in content:
            path.write_bytes(content.replace(one, other, 1))
            return
    raise AssertionError(path)


def touched(path):
    os.utime(path, (1, 1))


def as_finished(folder):
    (folder / model_dir.WEIGHTS).touch()


def as_unfinished(folder):
    (folder / "metrics.jsonl").touch()


STATES = pytest.mark.parametrize(
    ("state", "what"),
    [(as_finished, "model trained on"), (as_unfinished, "run on")],
    ids=["finished", "unfinished"],
)


def assert_refused(verb, folder, what, name, change):
    """In one line with the input, and without a trace in the folder."""
    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    expected = rf"^{re.escape(str(folder))} holds a {what} other inputs\. {name}: "
    with pytest.raises(ValueError, match=expected) as raised:
        verb()
    message = str(raised.value)
    assert re.search(change, message), message
    assert "Nothing is overwritten: restore" in message and "\n" not in message
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before


# --- Pre-training.


@pytest.fixture
def own(prepared, tmp_path) -> Prepared:
    """Copies of the files, to be changed."""
    folder = tmp_path / "own"
    folder.mkdir()
    shutil.copytree(pathlib.Path(prepared.text).parent, folder / "text")
    shutil.copytree(prepared.records_dir, folder / "records")
    for path in (prepared.vocab_file, prepared.config_file):
        shutil.copy(path, folder)
    (folder / "vectors.txt").write_text("vectors")
    names = ("text/*.txt", "vocab.txt", "records", "config.json")
    return Prepared(*(str(folder / name) for name in names))


@pytest.fixture
def run(own, tmp_path, monkeypatch):
    """Pre-trains on the files until the model is made, or the text is read."""

    def stop(*_, **__):
        raise Stopped

    monkeypatch.setattr(pretrain, "_run", stop)
    monkeypatch.setattr(pretrain, "_learned_vocabulary", stop)
    monkeypatch.setattr(pretrain.data, "possible_sentences", lambda *_, **__: None)
    monkeypatch.setattr(pretrain.token_vectors, "initial_vectors", lambda *_: None)

    def run(**changes):
        settings = options(own, tmp_path / "model", **changes)
        pretrain.pretrain(settings)

    return run


FROM_RECORDS = {"token_vectors": "own/vectors.txt"}
FROM_TEXT = {
    "records_dir": None,
    "vocab_file": None,
    "vocab_size": VOCAB_SIZE,
    "input_files": ("own/text/*.txt", "own/vocab.txt"),
}
PRETRAINING = {
    "vocab_file": ("own/vocab.txt", FROM_RECORDS),
    "records_dir": ("own/records/manifest.json", FROM_RECORDS),
    "config_file": ("own/config.json", FROM_RECORDS),
    "token_vectors": ("own/vectors.txt", FROM_RECORDS),
    "input_files": ("own/text/007.txt", FROM_TEXT),
}
of_pretraining = pytest.mark.parametrize("name", PRETRAINING)


def change_input(name, path):
    if name == "vocab_file":
        # Pieces in another order: a vocabulary of the same size.
        lines = path.read_text().splitlines()
        lines[-1], lines[-2] = lines[-2], lines[-1]
        path.write_text("\n".join(lines) + "\n")
    elif name == "records_dir":
        manifest = json.loads(path.read_text())
        manifest["inputs"][0]["digest"] = "0123456789abcdef"
        path.write_text(json.dumps(manifest, indent=2) + "\n")
    elif name == "config_file":
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"intermediate_size": 96}))
    else:
        changed(path)


@STATES
@of_pretraining
def test_pretraining(run, tmp_path, monkeypatch, name, state, what):
    monkeypatch.chdir(tmp_path)
    path, changes = PRETRAINING[name]
    folder = tmp_path / "model"
    with pytest.raises(Stopped):
        run(**changes)
    state(folder)
    # Touched and unchanged.
    touched(path)
    with pytest.raises(Stopped) if state is as_unfinished else contextlib.nullcontext():
        run(**changes)
    content = pathlib.Path(path).read_bytes()
    change_input(name, pathlib.Path(path))
    change = rf"{pathlib.Path(path).name} has changed"
    assert_refused(lambda: run(**changes), folder, what, name, change)
    # Restored.
    pathlib.Path(path).write_bytes(content)
    with pytest.raises(Stopped) if state is as_unfinished else contextlib.nullcontext():
        run(**changes)


@STATES
def test_text_that_is_new_or_gone(run, tmp_path, monkeypatch, state, what):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    with pytest.raises(Stopped):
        run(**FROM_TEXT)
    state(folder)
    (tmp_path / "own" / "text" / "new.txt").write_text("More.")
    (tmp_path / "own" / "text" / "008.txt").unlink()
    change = r"new\.txt is new, own/text/008\.txt is gone"
    assert_refused(lambda: run(**FROM_TEXT), folder, what, "input_files", change)


@of_pretraining
def test_a_finished_model_needs_no_inputs(run, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    path, changes = PRETRAINING[name]
    with pytest.raises(Stopped):
        run(**changes)
    as_finished(tmp_path / "model")
    if name == "input_files":
        shutil.rmtree("own/text")
        os.remove("own/vocab.txt")
    else:
        os.remove(path)
    run(**changes)
    assert (
        "holds the finished model of these options already" in capsys.readouterr().out
    )


def test_an_unfinished_run_whose_text_is_gone(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Stopped):
        run(**FROM_RECORDS)
    as_unfinished(tmp_path / "model")
    os.remove("own/vocab.txt")
    with pytest.raises(FileNotFoundError, match=r"No vocabulary file at 'own/vocab"):
        run(**FROM_RECORDS, vocab_file="own/vocab.txt")


@STATES
def test_a_folder_from_before_there_were_fingerprints(
    run, tmp_path, monkeypatch, state, what
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    with pytest.raises(Stopped):
        run(**FROM_RECORDS)
    state(folder)
    (folder / output_dir.INPUTS).unlink()
    changed("own/vectors.txt")
    if state is as_finished:
        run(**FROM_RECORDS)
        assert not (folder / output_dir.INPUTS).exists()
        return
    # It goes on, and from now on its inputs are known.
    with pytest.raises(Stopped):
        run(**FROM_RECORDS)
    changed("own/vectors.txt")
    assert_refused(
        lambda: run(**FROM_RECORDS), folder, what, "token_vectors", "has changed"
    )


@pytest.mark.long
@pytest.mark.slow
def test_a_killed_run_is_not_resumed_on_other_text(own, tmp_path):
    folder = tmp_path / "model"
    settings = options(
        own,
        folder,
        records_dir=None,
        vocab_file=None,
        vocab_size=VOCAB_SIZE,
        input_files=(own.text,),
        holdout_fraction=0.2,
        num_processes=2,
        num_train_steps=400,
    )
    program = command(settings)
    run_until(program, folder, step=7, number=signal.SIGKILL)
    text = pathlib.Path(own.text).parent / "011.txt"
    content = text.read_bytes()
    changed(text)
    done = finish(program, 1)
    last = done.stderr.strip().splitlines()[-1]
    expected = f"error: {folder} holds a run on other inputs. input_files: {text} has "
    assert last.startswith(expected), last
    text.write_bytes(content)
    done = finish(program)
    assert "Resuming from the checkpoint" in done.stderr
    # And now that it is finished.
    changed(text)
    done = finish(program, 1)
    assert f"{folder} holds a model trained on other inputs. input_files" in done.stderr
    shutil.rmtree(text.parent)
    assert "holds the finished model" in finish(program).stdout


# --- Fine-tuning.


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model and files to fine-tune it on, of several kinds and forms."""
    folder = tmp_path_factory.mktemp("made")
    write_model(folder / "pretrained")
    task = write_task("classification", folder / "own", num_train=32, num_dev=8)
    sst = folder / "data" / "SST-2"
    sst.mkdir(parents=True)
    for split in ("train", "dev"):
        rows = "".join(f"film {w}\t{n}\n" for n, w in enumerate(("bad", "good")))
        (sst / f"{split}.tsv").write_text(f"sentence\tlabel\n{rows}")
    brat = folder / "brat"
    brat.mkdir()
    for name in ("one", "two"):
        (brat / f"{name}.txt").write_text("anna lives in rome\n")
        (brat / f"{name}.ann").write_text("T1\tPER 0 4\tanna\nT2\tLOC 14 18\trome\n")
    return folder, task


@pytest.fixture
def fine_tuning(made, tmp_path, monkeypatch):
    """Fine-tunes on copies of these files until the first run begins."""
    folder, task = made
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)

    def stop(*_, **__):
        raise Stopped

    monkeypatch.setattr(finetune.model_dir, "make_encoding", stop)
    own = pathlib.Path(task.train_file).parent.relative_to(folder)
    files = {
        "kind": "classification",
        "train_file": str(own / pathlib.Path(task.train_file).name),
        "dev_file": str(own / pathlib.Path(task.dev_file).name),
        **task.options,
    }
    shutil.copy(files["dev_file"], "test.csv")
    forms = {
        "own": {**files, "test_file": "test.csv"},
        "data": {"dataset": "glue/sst2", "data_dir": "data"},
        "brat": {"kind": "token_tagging", "train_file": "brat", "dev_file": "brat"},
    }

    def run(form, **changes):
        values = {
            "model_dir": "pretrained",
            "output_dir": str(tmp_path / "model"),
            "max_length": 16,
            **forms[form],
            **changes,
        }
        return finetune.finetune(FinetuneOptions(**values))

    run.files = forms["own"]
    return run


FINE_TUNING = {
    "weights": ("own", "model_dir", "pretrained/model.safetensors"),
    "vocabulary": ("own", "model_dir", "pretrained/vocab.txt"),
    "train_file": ("own", "train_file", None),
    "dev_file": ("own", "dev_file", None),
    "test_file": ("own", "test_file", None),
    "data_dir": ("data", r"glue/sst2 \(train\)", "data/SST-2/train.tsv"),
    "data_dir_dev": ("data", r"glue/sst2 \(dev\)", "data/SST-2/dev.tsv"),
    "brat_spans": ("brat", "train_file", "brat/two.ann"),
    "brat_text": ("brat", "train_file", "brat/one.txt"),
}


@STATES
@pytest.mark.parametrize("case", FINE_TUNING)
def test_fine_tuning(fine_tuning, tmp_path, case, state, what):
    form, name, path = FINE_TUNING[case]
    path = path or fine_tuning.files[name]
    folder = tmp_path / "model"
    with pytest.raises(Stopped):
        fine_tuning(form)
    state(folder)
    (folder / model_dir.DEV_METRICS).write_text('{"accuracy": 0.5}')
    touched(path)
    if state is as_finished:
        assert fine_tuning(form) == {"accuracy": 0.5}
    else:
        with pytest.raises(Stopped):
            fine_tuning(form)
    if case == "weights":
        content = bytearray(pathlib.Path(path).read_bytes())
        content[-1] ^= 1
        pathlib.Path(path).write_bytes(content)
    elif case.startswith("brat"):
        # Spans are looked up in their texts before anything else.
        for file in sorted(pathlib.Path("brat").iterdir()):
            if file.stem == pathlib.Path(path).stem:
                file.write_text(file.read_text().replace("anna", "dora"))
    elif case == "vocabulary":
        change_input("vocab_file", pathlib.Path(path))
    else:
        text = pathlib.Path(path).read_text()
        word = next(w for w in ("film", "lives", "was", "is") if w in text)
        pathlib.Path(path).write_text(text.replace(word, word[::-1], 1))
    change = rf"{re.escape(path)} has changed"
    assert_refused(lambda: fine_tuning(form), folder, what, name, change)


def test_a_finished_fine_tuning_needs_no_inputs(fine_tuning, tmp_path):
    folder = tmp_path / "model"
    for form, paths in (("own", ("own", "pretrained")), ("data", ("data",))):
        with pytest.raises(Stopped):
            fine_tuning(form, output_dir=str(folder / form))
        as_finished(folder / form)
        (folder / form / model_dir.DEV_METRICS).write_text('{"accuracy": 0.5}')
        for path in paths:
            shutil.move(path, f"{path}.gone")
        found = fine_tuning(form, output_dir=str(folder / form))
        assert found == {"accuracy": 0.5}
        shutil.move(f"{paths[-1]}.gone", paths[-1])


def test_random_weights_do_not_depend_on_weights(fine_tuning, tmp_path):
    with pytest.raises(Stopped):
        fine_tuning("own", random_weights=True)
    as_unfinished(tmp_path / "model")
    weights = pathlib.Path("pretrained/model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(Stopped):
        fine_tuning("own", random_weights=True)


def test_a_dataset_that_tfds_prepares_when_it_is_read(
    fine_tuning, tmp_path, monkeypatch
):
    """Its files are not there before."""
    prepared = tmp_path / "prepared.tfrecord"
    read_data = finetune.read_data

    def prepare(dataset, data_dir, *more):
        prepared.touch()
        return read_data(dataset, "data", *more)

    monkeypatch.setattr(finetune, "read_data", prepare)
    monkeypatch.setattr(catalog, "prepared_files", lambda _: present(str(prepared)))
    with pytest.raises(Stopped):
        fine_tuning("data", data_dir=None)
    as_unfinished(tmp_path / "model")
    prepared.write_text("changed")
    assert_refused(
        lambda: fine_tuning("data", data_dir=None),
        tmp_path / "model",
        "run on",
        r"glue/sst2 \(train\)",
        "prepared.tfrecord has changed",
    )


# --- Comparisons.


@pytest.fixture
def comparison(made, tmp_path, monkeypatch):
    """Compares until the first system is trained."""
    folder, _ = made
    shutil.copytree(folder / "data", tmp_path / "data")
    write_corpus(tmp_path / "text", 3)
    (tmp_path / "pairs.txt").write_text("cat\tdog\t7.0\n")
    (tmp_path / "questions.txt").write_text(": animals\ncat dog bird horse\n")
    monkeypatch.chdir(tmp_path)

    def stop(*_):
        raise Stopped

    monkeypatch.setattr(compare, "_best_baselines", stop)

    def run(**changes):
        values = {
            "corpus": ("text/*.txt",),
            "output_dir": str(tmp_path / "out"),
            "datasets": ("glue/sst2=data",),
            "pairs_files": ("pairs.txt",),
            "questions_file": "questions.txt",
        }
        compare.compare(compare.CompareOptions(**(values | changes)))

    return run


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("corpus", "text/001.txt"),
        ("pairs_files", "pairs.txt"),
        ("questions_file", "questions.txt"),
        (r"glue/sst2 \(train\)", "data/SST-2/train.tsv"),
        (r"glue/sst2 \(dev\)", "data/SST-2/dev.tsv"),
    ],
)
def test_comparisons(comparison, tmp_path, name, path):
    folder = tmp_path / "out"
    with pytest.raises(Stopped):
        comparison()
    (folder / "text").mkdir()
    touched(path)
    with pytest.raises(Stopped):
        comparison()
    text = pathlib.Path(path).read_text()
    pathlib.Path(path).write_text(text.replace("bad", "dab").replace("at", "ta"))
    assert_refused(comparison, folder, "run on", name, rf"{path} has changed")


def test_a_dataset_that_joins_a_comparison(comparison, tmp_path):
    with pytest.raises(Stopped):
        comparison(datasets=())
    (tmp_path / "out" / "text").mkdir()
    with pytest.raises(Stopped):
        comparison()
    path = tmp_path / "data" / "SST-2" / "train.tsv"
    path.write_text(path.read_text().replace("bad", "dab"))
    name = r"glue/sst2 \(train\)"
    assert_refused(comparison, tmp_path / "out", "run on", name, "has changed")
    # Without it nothing is different.
    with pytest.raises(Stopped):
        comparison(datasets=())
