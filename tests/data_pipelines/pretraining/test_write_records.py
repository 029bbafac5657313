import concurrent.futures
import hashlib
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.pretraining import record_folder, work_units
from data_pipelines.pretraining import write_records as module
from data_pipelines.pretraining.batches import training_batches
from data_pipelines.pretraining.documents import documents_from_records
from data_pipelines.pretraining.row_options import RowOptions
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.rows import features
from data_pipelines.tokenizers.vocabulary import SPECIAL_TOKENS, Vocabulary

LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = Vocabulary(
    (*SPECIAL_TOKENS, ".", *LETTERS, *(f"##{letter}" for letter in LETTERS))
)


def write(output_dir, *, input_files, vocabulary, num_processes, **options):
    return module.write_records(
        input_files,
        vocabulary,
        output_dir,
        RecordOptions(**options),
        num_processes=num_processes,
    )


def document(seed):
    generator = np.random.default_rng(seed)
    sentences = []
    for _ in range(generator.integers(5, 20)):
        words = [
            "".join(generator.choice(list("abcdefgh"), generator.integers(1, 5)))
            for _ in range(generator.integers(3, 9))
        ]
        sentences.append(" ".join(words).capitalize() + ".")
    return " ".join(sentences)


@pytest.fixture
def corpus(tmp_path):
    """Eight files of five documents, and the arguments to read them with."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for file in range(8):
        documents = [document(10 * file + number) for number in range(5)]
        (folder / f"{file}.txt").write_text("\n\n".join(documents), encoding="utf-8")
    return {
        "input_files": [str(folder / "*.txt")],
        "vocabulary": VOCABULARY,
        "num_shards": 3,
        "num_processes": 1,
        "holdout_fraction": 0.2,
        "separator": "blank_line",
    }


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def parts(files):
    return [
        {name: value.numpy() for name, value in features.parse_part(record).items()}
        for record in tf.data.TFRecordDataset(files)
    ]


def test_records_hold_every_document_once(corpus, tmp_path):
    out = tmp_path / "out"
    manifest = write(output_dir=str(out), **corpus)
    train = parts(record_folder.record_files(str(out)))
    heldout = parts(record_folder.record_files(str(out), "heldout"))
    ids = [int(part["document_id"]) for part in train + heldout]
    assert len(set(ids)) == 40
    assert not {int(part["document_id"]) for part in train} & {
        int(part["document_id"]) for part in heldout
    }
    counts, heldout_counts = manifest["counts"], manifest["heldout_counts"]
    assert counts["documents"] + heldout_counts["documents"] == 40
    assert 1 <= heldout_counts["documents"] <= 18
    assert counts["tokens"] == sum(len(part["token_ids"]) for part in train)
    assert counts["sentences"] == sum(len(part["sentence_lengths"]) for part in train)
    assert counts["unknown_tokens"] == 0
    assert sum(shard["records"] for shard in manifest["shards"]) == len(ids)
    assert sum(shard["tokens"] for shard in manifest["shards"]) == (
        counts["tokens"] + heldout_counts["tokens"]
    )
    assert sorted(contents(out)) == [
        "heldout-00000-of-00001.tfrecord",
        "manifest.json",
        *(f"train-{i:05d}-of-00003.tfrecord" for i in range(3)),
    ]
    # The files of the corpus are mixed in each shard.
    assert all(shard["records"] > 3 for shard in manifest["shards"][:3])
    assert record_folder.read_manifest(str(out)) == json.loads(json.dumps(manifest))


def test_the_ids_are_those_of_the_text(corpus, tmp_path):
    out = tmp_path / "out"
    write(output_dir=str(out), **{**corpus, "holdout_fraction": 0.0})
    spelled = set()
    for part in parts(record_folder.record_files(str(out))):
        pieces = [VOCABULARY.tokens[token] for token in part["token_ids"]]
        spelled.add("".join(pieces).replace("##", ""))
    assert spelled == {
        document(10 * file + number).lower().replace(" ", "")
        for file in range(8)
        for number in range(5)
    }


class LastFirst:
    """In place of a pool of processes: does its work backwards, from pickled tasks."""

    def __init__(self, *_):
        pass

    def map(self, verb, tasks):
        made = []
        for task in reversed(tasks):
            do, given = pickle.loads(pickle.dumps((verb, task)))
            made.insert(0, pickle.loads(pickle.dumps(do(given))))
        return made

    def shutdown(self, **_):
        pass


@pytest.mark.parametrize(
    "executor",
    [LastFirst, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)],
)
def test_same_bytes_whoever_does_the_work_when(corpus, tmp_path, monkeypatch, executor):
    monkeypatch.setattr(module, "_MIN_UNIT_BYTES", 1000)
    write(output_dir=str(tmp_path / "out1"), **corpus)
    monkeypatch.setattr(concurrent.futures, "ProcessPoolExecutor", executor)
    write(output_dir=str(tmp_path / "out2"), **{**corpus, "num_processes": 2})
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


def test_same_records_however_the_sources_are_divided(corpus, tmp_path, monkeypatch):
    write(output_dir=str(tmp_path / "out1"), **corpus)
    # Now every file is read by several workers, each for some of its documents.
    monkeypatch.setattr(module, "_MIN_UNIT_BYTES", 300)
    write(output_dir=str(tmp_path / "out2"), **corpus)
    assert contents(tmp_path / "out1") == contents(tmp_path / "out2")


def test_a_complete_folder_is_left_alone(corpus, tmp_path):
    out = tmp_path / "out"
    first = write(output_dir=str(out), **corpus)
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    again = write(output_dir=str(out), **corpus)
    assert again == json.loads(json.dumps(first))
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("seed", {"seed": 1}),
        ("lower_case", {"vocabulary": VOCABULARY.with_casing(False)}),
        ("num_shards", {"num_shards": 4}),
    ],
)
def test_other_options_overwrite_nothing(corpus, tmp_path, name, change):
    out = tmp_path / "out"
    write(output_dir=str(out), **corpus)
    before = contents(out)
    with pytest.raises(ValueError, match=f"other options: {name} was"):
        write(output_dir=str(out), **{**corpus, **change})
    assert contents(out) == before


def test_foreign_records_are_not_overwritten(corpus, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "train-00000-of-00003.tfrecord").write_bytes(b"mine")
    with pytest.raises(ValueError, match="contains records without"):
        write(output_dir=str(out), **corpus)
    assert contents(out) == {"train-00000-of-00003.tfrecord": b"mine"}


STEPS = [("work_units", "write_unit"), ("write_records", "_write_shard")]


@pytest.fixture
def interrupted(corpus, tmp_path, monkeypatch):
    """The arguments of a run in small units, its folder, and what it should write."""
    monkeypatch.setattr(module, "_MIN_UNIT_BYTES", 1000)
    undisturbed = tmp_path / "undisturbed"
    write(output_dir=str(undisturbed), **corpus)
    out = tmp_path / "out"
    return {**corpus, "output_dir": str(out)}, out, contents(undisturbed)


def assert_goes_on(arguments, out, expected, step, monkeypatch):
    """Of the run that was stopped two steps are kept, and another does the rest."""
    assert not (out / "manifest.json").exists()
    with pytest.raises(FileNotFoundError, match="has completed: run it"):
        record_folder.read_manifest(str(out))
    units = sorted(out.glob("unfinished/piece-*.json"))
    shards = {path.name: path.read_bytes() for path in out.glob("*.tfrecord")}
    num_units, num_shards = len(units), len(shards)
    if step == "write_unit":
        assert (num_units, num_shards) == (2, 0)
    else:
        assert num_units > 2 and num_shards == 2
    # What lies under a final name is whole; what was being written is not kept.
    assert shards == {name: expected[name] for name in shards}
    (out / "unfinished" / "piece-00003.records.123").write_bytes(b"half a fi")
    kept = [*units, *out.glob("*.tfrecord")]
    before = {path: path.stat().st_mtime_ns for path in kept}
    remove, untouched = tf.io.gfile.rmtree, []

    def note_and_remove(path):
        untouched.extend(p for p, t in before.items() if p.stat().st_mtime_ns == t)
        remove(path)

    monkeypatch.setattr(tf.io.gfile, "rmtree", note_and_remove)
    write(**arguments)
    assert contents(out) == expected
    assert untouched == kept  # Not made again.


def stop_at_the_third(place, step, arguments, monkeypatch):
    """Writes records, and is interrupted where a step would be done a third time."""
    do, done = getattr(place, step), []

    def do_two(task, **values):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(do(task, **values))
        return done[-1]

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(place, step, do_two)
        write(**arguments)


@pytest.mark.parametrize(("where", "step"), STEPS)
def test_an_interrupted_run_goes_on(interrupted, monkeypatch, where, step):
    arguments, *_ = interrupted
    place = {"work_units": work_units, "write_records": module}[where]
    stop_at_the_third(place, step, arguments, monkeypatch)
    assert_goes_on(*interrupted, step, monkeypatch)


@pytest.fixture
def stopped(interrupted, monkeypatch):
    """A run that was stopped amid its shards: its arguments, its folder, its end."""
    arguments, *_ = interrupted
    stop_at_the_third(module, "_write_shard", arguments, monkeypatch)
    return interrupted


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-30]), id="cut"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-28]), id="row"),
        pytest.param(lambda path: path.write_bytes(b"{}"), id="nothing"),
        pytest.param(lambda path: path.unlink(), id="lost"),
    ],
)
@pytest.mark.parametrize("ending", ["json", "index", "records", "tfrecord"])
def test_a_damaged_file_of_an_unfinished_run_is_made_again(stopped, ending, damage):
    arguments, out, expected = stopped
    damage(sorted(out.rglob(f"*.{ending}"))[0])
    write(**arguments)
    assert contents(out) == expected


@pytest.mark.parametrize("content", [b"", b'{"format": 5, ', b"\xff\xfe", None])
def test_an_unfinished_run_without_its_plan_is_refused(stopped, content):
    arguments, out, _ = stopped
    plan = out / "unfinished" / "plan.json"
    for shard in out.glob("*.tfrecord"):
        shard.unlink()
    if content is None:
        plan.unlink()
    else:
        plan.write_bytes(content)
    before = sorted(out.rglob("*"))
    with pytest.raises(ValueError, match=r"plan\.json.* restore"):
        write(**arguments)
    assert sorted(out.rglob("*")) == before


RUN_TO_KILL = """
import json, sys
from data_pipelines.pretraining import work_units, write_records
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.tokenizers.vocabulary import Vocabulary

write_records._MIN_UNIT_BYTES = 1000
step = {where}.{step}
done = 0

def {step}(task, **values):
    global done
    if done == 2:
        print("two are done", flush=True)
        sys.stdin.read()  # Until it is killed.
    done += 1
    return step(task, **values)

{where}.{step} = {step}
options = json.loads(sys.argv[1])
names = ("input_files", "vocab_file", "output_dir", "num_processes")
input_files, vocab_file, output_dir, num_processes = map(options.pop, names)
write_records.write_records(
    input_files,
    Vocabulary.from_file(vocab_file),
    output_dir,
    RecordOptions(**options),
    num_processes=num_processes,
)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("where", "step"), STEPS)
def test_a_killed_run_goes_on(interrupted, tmp_path, monkeypatch, where, step):
    arguments, *_ = interrupted
    (tmp_path / "vocab.txt").write_bytes(VOCABULARY.to_bytes())
    passed = {**arguments, "vocab_file": str(tmp_path / "vocab.txt")}
    del passed["vocabulary"]
    program = RUN_TO_KILL.format(where=where, step=step)
    with (
        open(tmp_path / "stderr", "w") as stderr,
        subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(passed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ) as process,
    ):
        said = process.stdout.readline()
        process.kill()
    assert said == "two are done\n", (tmp_path / "stderr").read_text()
    assert_goes_on(*interrupted, step, monkeypatch)


def test_a_full_disk_leaves_no_half_shard(corpus, tmp_path, monkeypatch):
    out = tmp_path / "out"
    gfile = tf.io.gfile.GFile

    class Full(gfile):
        def write(self, content):
            if "train-00001" in str(self.name):
                raise OSError(28, "No space left on device")
            return super().write(content)

    monkeypatch.setattr(module.tf.io.gfile, "GFile", Full)
    with pytest.raises(OSError, match="No space left"):
        write(output_dir=str(out), **corpus)
    monkeypatch.undo()
    assert [path.name for path in out.glob("*.tfrecord")] == [
        "train-00000-of-00003.tfrecord"
    ]
    assert not list(out.rglob("train-00001*"))
    write(output_dir=str(out), **corpus)
    assert len(list(out.glob("*.tfrecord"))) == 4


# --- The text is another one.


@pytest.fixture(params=["unfinished", "complete"])
def begun(request, corpus, tmp_path, monkeypatch):
    """The arguments and the folder of records, or of a part of them; and the text."""
    out = tmp_path / "out"
    text = tmp_path / "corpus"
    # Longer than what earlier versions compared.
    (text / "0.txt").write_text("A b c d. " * 10_000 + "The end.")

    def stop(*_, **__):
        raise KeyboardInterrupt

    if request.param == "complete":
        write(output_dir=str(out), **corpus)
    else:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(module, "_write_shard", stop)
            write(output_dir=str(out), **corpus)
    return {**corpus, "output_dir": str(out)}, out, text


CHANGES = {
    "changed": (
        lambda text: (text / "0.txt").write_text("A b c d. " * 10_000 + "An ant e."),
        "0.txt has changed",
    ),
    "changed, of the same size": (
        lambda text: (text / "0.txt").write_text("A b c d. " * 10_000 + "The ant."),
        "0.txt has changed",
    ),
    "new": (lambda text: (text / "new.txt").write_text("More."), "new.txt is new"),
    "gone": (lambda text: (text / "3.txt").unlink(), "3.txt is gone"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_other_text_is_named(begun, change):
    arguments, out, text = begun
    do, expected = CHANGES[change]
    before = contents(out)
    do(text)
    message = (
        f"{out} contains records of other text: {expected}. Nothing is overwritten"
    )
    with pytest.raises(ValueError, match=message):
        write(**arguments)
    assert contents(out) == before


def test_text_that_was_touched_or_moved_is_the_same(begun, tmp_path):
    arguments, out, text = begun
    os.utime(text / "0.txt", (1, 1))
    text.rename(tmp_path / "moved")
    moved = {**arguments, "input_files": [str(tmp_path / "moved" / "*.txt")]}
    write(**moved)
    assert record_folder.read_manifest(str(out))["counts"]["documents"]


def test_text_that_is_gone(begun, tmp_path):
    arguments, out, text = begun
    text.rename(tmp_path / "gone")
    if (out / "manifest.json").exists():
        assert write(**arguments) == record_folder.read_manifest(str(out))
    else:
        with pytest.raises(FileNotFoundError, match="matches nothing"):
            write(**arguments)


def test_another_vocabulary_is_refused(begun):
    arguments, out, _ = begun
    tokens = (*VOCABULARY.tokens[:-2], *reversed(VOCABULARY.tokens[-2:]))
    before = contents(out)
    with pytest.raises(ValueError, match="other options: vocabulary_fingerprint was"):
        write(**{**arguments, "vocabulary": Vocabulary(tokens)})
    assert contents(out) == before


def test_files_of_one_name(corpus, tmp_path):
    for folder in "ab":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.txt").write_text(f"This is {folder}.")
    arguments = {**corpus, "holdout_fraction": 0.0, "output_dir": str(tmp_path / "out")}
    arguments["input_files"] = [str(tmp_path / "[ab]" / "x.txt")]
    manifest = write(**arguments)
    assert [entry["name"] for entry in manifest["inputs"]] == ["x.txt", "x.txt"]
    assert write(**arguments) == manifest
    (tmp_path / "b" / "x.txt").write_text("This is c.")
    with pytest.raises(ValueError, match=r"other text: x\.txt \(2\) has changed"):
        write(**arguments)


def test_fingerprints_of_earlier_versions(begun):
    """They are of the first 64 KiB, and there are none of datasets of TFDS."""
    arguments, out, text = begun
    complete = (out / "manifest.json").exists()
    path = out / ("manifest.json" if complete else "unfinished/plan.json")
    plan = json.loads(path.read_text())
    for entry in plan["inputs"]:
        content = (text / entry["name"]).read_bytes()[: 1 << 16]
        entry["begins"] = hashlib.sha256(content).hexdigest()[:16]
        del entry["read"], entry["digest"]
    path.write_text(json.dumps(plan))
    changed = (text / "1.txt").read_text()
    (text / "1.txt").write_text(changed[::-1])
    with pytest.raises(ValueError, match=r"other text: 1\.txt has changed\."):
        write(**arguments)
    (text / "1.txt").write_text(changed)
    write(**arguments)
    if complete:
        plan["inputs"].append({"name": "lm1b", "bytes": 0, "begins": ""})
        path.write_text(json.dumps(plan))
        write(**arguments)


def test_copies_of_a_document_stay_together(tmp_path, corpus):
    folder = tmp_path / "copies"
    folder.mkdir()
    for file in range(2):
        documents = [document(number) for number in range(20)]
        (folder / f"{file}.txt").write_text("\n\n".join(documents), encoding="utf-8")
    out = tmp_path / "out"
    arguments = {**corpus, "input_files": [str(folder / "*.txt")]}
    manifest = write(output_dir=str(out), **arguments)
    assert manifest["heldout_counts"]["documents"] % 2 == 0
    assert manifest["heldout_counts"]["documents"] > 0


def test_a_damaged_folder_is_noticed(corpus, tmp_path):
    out = tmp_path / "out"
    write(output_dir=str(out), **corpus)
    shard = out / "train-00001-of-00003.tfrecord"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"train-00001.*Expected"):
        record_folder.record_files(str(out))
    shard.unlink()
    with pytest.raises(ValueError, match="is missing"):
        write(output_dir=str(out), **corpus)
    (out / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"manifest\.json is not JSON .* is damaged"):
        record_folder.read_manifest(str(out))
    (out / "manifest.json").write_text('{"format": 0}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"the format 0\. Expected 1"):
        record_folder.read_manifest(str(out))


def test_check_vocabulary(corpus, tmp_path):
    manifest = write(output_dir=str(tmp_path / "out"), **corpus)
    record_folder.check_vocabulary(manifest, VOCABULARY)
    other = Vocabulary((*VOCABULARY.tokens, "the"))
    with pytest.raises(ValueError, match="Expected that of the records, of 58 pieces"):
        record_folder.check_vocabulary(manifest, other)
    with pytest.raises(ValueError, match="Received lower_case=False"):
        record_folder.check_casing(manifest, VOCABULARY.with_casing(False))


def test_accents_stay_if_asked(corpus, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("Été\n", encoding="utf-8")
    vocabulary = Vocabulary((*VOCABULARY.tokens, "été", "ete"))
    arguments = {**corpus, "input_files": [str(text)], "holdout_fraction": 0.0}
    for strip_accents, piece in ((False, "été"), (None, "ete")):
        out = str(tmp_path / f"records_{strip_accents}")
        received = vocabulary.with_casing(True, strip_accents)
        manifest = write(output_dir=out, **{**arguments, "vocabulary": received})
        (record,) = tf.data.TFRecordDataset(record_folder.record_files(out))
        ids = tf.train.Example.FromString(record.numpy()).features.feature["token_ids"]
        assert list(ids.int64_list.value) == [vocabulary.tokens.index(piece)]
        record_folder.check_casing(manifest, received)
        other = vocabulary.with_casing(True, strip_accents is False)
        with pytest.raises(ValueError, match="Expected lower_case=True and strip_acc"):
            record_folder.check_casing(manifest, other)


def test_records_of_before_accents_could_stay(corpus, tmp_path):
    out = tmp_path / "out"
    manifest = write(output_dir=str(out), **corpus)
    older = {name: v for name, v in manifest.items() if name != "strip_accents"}
    (out / "manifest.json").write_text(json.dumps(older))
    record_folder.check_casing(record_folder.read_manifest(str(out)), VOCABULARY)


def test_bad_input(corpus, tmp_path):
    out = str(tmp_path / "out")
    empty = tmp_path / "empty.txt"
    empty.write_text("\n\n \n", encoding="utf-8")
    with pytest.raises(ValueError, match="Found no words"):
        write(output_dir=out, **{**corpus, "input_files": [str(empty)]})
    assert not os.listdir(out)  # So that other text can be written there.
    with pytest.raises((ValueError, FileNotFoundError)):
        write(output_dir=out, **{**corpus, "input_files": [str(tmp_path / "none*")]})
    with pytest.raises(ValueError, match=r"holdout_fraction=1\.5"):
        write(output_dir=out, **{**corpus, "holdout_fraction": 1.5})
    with pytest.raises(ValueError, match=r"All 40 documents are held out"):
        write(
            output_dir=str(tmp_path / "held"),
            **{**corpus, "holdout_fraction": 1 - 1e-12},
        )
    occupied = tmp_path / "file"
    occupied.write_bytes(b"")
    with pytest.raises((OSError, tf.errors.OpError)):
        write(output_dir=str(occupied / "out"), **corpus)
    complete = str(tmp_path / "complete")
    write(output_dir=complete, **{**corpus, "holdout_fraction": 0.0})
    with pytest.raises(ValueError, match="no records of the split 'heldout'"):
        record_folder.record_files(complete, "heldout")


def test_records_are_what_pretraining_reads(corpus, tmp_path):
    out = str(tmp_path / "out")
    write(output_dir=out, **corpus)
    batches = training_batches(
        documents_from_records(record_folder.record_files(out)),
        VOCABULARY,
        RowOptions(64),
        batch_size=4,
        seed=1,
        num_epochs=1,
    )
    texts = [document(10 * f + n) for f in range(8) for n in range(5)]
    texts = [text.lower().replace(" ", "") for text in texts]
    labels = []
    for batch in batches.as_numpy_iterator():
        place = np.nonzero(batch["mlm_weights"])
        at = batch["mlm_positions"][place]
        assert len(at) > 0
        token_ids = batch["token_ids"].copy()
        token_ids[place[0], at] = batch["mlm_ids"][place]
        for ids, segments, is_real, label in zip(
            token_ids,
            *(batch[n] for n in ("segment_ids", "padding_mask", "sentence_label")),
            strict=True,
        ):
            assert not {VOCABULARY.mask_id, VOCABULARY.unk_id} & set(ids)
            first, second = (
                "".join(VOCABULARY.tokens[i] for i in ids[is_real & (segments == n)])
                for n in (0, 1)
            )
            first = first.removeprefix("[CLS]").removesuffix("[SEP]").replace("##", "")
            second = second.removesuffix("[SEP]").replace("##", "")
            own, other = (
                {number for number, text in enumerate(texts) if piece in text}
                for piece in (first, second)
            )
            assert own and other, (first, second)
            # A few letters may stand in several documents.
            if label:
                assert own != other or len(own) > 1, (first, second)
            else:
                assert own & other, (first, second)
            labels.append(label)
    assert set(labels) == {0, 1}


# --- What a line is.


@pytest.fixture
def lines_of_sentences(tmp_path):
    """Three sentences a document, one a line; two of them have a stop within."""
    path = tmp_path / "lines.txt"
    lines = ["A b c. D e f.", "G h.", "I j. K l."]
    path.write_text("\n\n".join(["\n".join(lines)] * 3))
    return {
        "input_files": [str(path)],
        "vocabulary": VOCABULARY,
        "num_shards": 1,
        "num_processes": 1,
        "separator": "blank_line",
    }


@pytest.mark.parametrize(("lines", "sentences"), [("auto", 5), ("sentences", 3)])
def test_a_line_is_a_sentence_if_it_is_said(
    lines_of_sentences, tmp_path, lines, sentences
):
    out = str(tmp_path / "out")
    manifest = write(out, **lines_of_sentences, lines=lines)
    assert manifest["lines"] == lines
    assert manifest["counts"]["sentences"] == 3 * sentences
    assert len(parts(record_folder.record_files(out))[0]["sentence_lengths"]) == (
        sentences
    )


def test_records_of_other_lines_are_not_resumed(lines_of_sentences, tmp_path):
    out = tmp_path / "out"
    write(str(out), **lines_of_sentences, lines="sentences")
    with pytest.raises(ValueError, match="lines was sentences, received auto"):
        write(str(out), **lines_of_sentences)


def test_records_from_before_there_was_a_choice(lines_of_sentences, tmp_path):
    out = tmp_path / "out"
    manifest = write(str(out), **lines_of_sentences)
    path = out / "manifest.json"
    path.write_text(json.dumps({k: v for k, v in manifest.items() if k != "lines"}))
    assert write(str(out), **lines_of_sentences) == manifest
    with pytest.raises(ValueError, match="lines was auto, received wrapped"):
        write(str(out), **lines_of_sentences, lines="wrapped")


def test_missing_texts_are_in_the_manifest(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "A b. C d."}\n{"text": null}\n')
    manifest = write(
        str(tmp_path / "out"),
        input_files=[str(path)],
        vocabulary=VOCABULARY,
        num_processes=1,
    )
    assert manifest["reading"] == {"documents": 1, "missing_texts": 1, "sources": 1}
