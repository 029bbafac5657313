import pytest
import tensorflow as tf

from bert_tf.checkpoints import hub, model_dir
from bert_tf.serving.versions import versions
from bert_tf.training.run_checkpoints import RunCheckpoints
from data_pipelines.corpus.documents import expand_sources
from data_pipelines.files.atomic import require_new
from data_pipelines.files.json_files import read_json
from data_pipelines.files.paths import exists, is_folder, matches
from data_pipelines.pretraining.record_folder import read_manifest


def test_local_paths(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert is_folder(str(tmp_path)) and exists(str(tmp_path))
    for name in ("file", "none", "file/none"):
        assert not is_folder(str(tmp_path / name))
        assert exists(str(tmp_path / name)) == (name == "file")
    assert matches(f"{tmp_path}/f*") == [str(tmp_path / "file")]
    assert matches(f"{tmp_path}/none/*") == []


def test_remote_paths_that_can_be_reached():
    tf.io.gfile.makedirs("ram://paths/folder")
    assert is_folder("ram://paths/folder") and exists("ram://paths/folder")
    assert not is_folder("ram://paths/none")
    assert not exists("ram://paths/none")


def checkpoints_of(path):
    variables = {"step": tf.Variable(0)}
    strategy = tf.distribute.get_strategy()
    return RunCheckpoints(path, variables, strategy, print).restore()


@pytest.mark.parametrize(
    "look",
    [
        *(exists, is_folder, matches, require_new, read_json, versions),
        *(read_manifest, checkpoints_of, model_dir.load_description),
        lambda path: expand_sources([path]),
    ],
)
def test_what_can_not_be_reached_is_not_taken_for_missing(monkeypatch, look):
    """As without a network, where `isdir` and `listdir` find nothing."""

    def fail(*_):
        raise tf.errors.FailedPreconditionError(None, None, "Could not\n resolve host")

    monkeypatch.setattr(tf.io.gfile, "exists", fail)
    monkeypatch.setattr(tf.io.gfile, "glob", fail)
    monkeypatch.setattr(tf.io.gfile, "isdir", lambda path: False)
    with pytest.raises(
        OSError, match=r"^Cannot reach gs://b.*: Could not resolve host\."
    ):
        look("gs://bucket/folder")


def test_a_scheme_that_tensorflow_does_not_know():
    with pytest.raises(OSError, match=r"Cannot reach s4://bucket: .*'s4' not impl"):
        is_folder("s4://bucket")
    # A name of the Hugging Face Hub is no path.
    assert hub.is_there("hf://user/model")
