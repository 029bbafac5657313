"""All verbs on a file system that only tf.io.gfile knows, as on gs:// or s3://."""

import pytest
import tensorflow as tf

from bert_tf import finetune, predict, pretrain
from bert_tf.finetune import FinetuneOptions
from bert_tf.predict import PredictOptions
from bert_tf.serving import saved_model
from bert_tf.training.run_log import read_metrics
from data_pipelines.files.atomic import write_file
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.pretraining_runs import VOCAB_SIZE, options
from tests.end_to_end.tasks import write_task

pytestmark = pytest.mark.slow

# TensorFlow's own file system in memory.
REMOTE = "ram://bucket"


def upload(source, target):
    tf.io.gfile.copy(str(source), target)
    return target


@pytest.mark.long
def test_from_text_to_predictions(prepared, tmp_path):
    write_corpus(tmp_path / "text")
    tf.io.gfile.makedirs(f"{REMOTE}/text")
    for file in sorted((tmp_path / "text").iterdir()):
        upload(file, f"{REMOTE}/text/{file.name}")
    text, records = f"{REMOTE}/text/*.txt", f"{REMOTE}/records"
    vocabulary = learn_vocabulary(
        input_files=[text], vocab_size=VOCAB_SIZE, num_processes=1
    )
    for name, content in vocabulary.to_files(f"{REMOTE}/vocab.txt").items():
        write_file(name, content)
    write_records(
        [text],
        vocabulary,
        records,
        RecordOptions(holdout_fraction=0.2, num_shards=2),
        num_processes=1,
    )
    settings = options(
        prepared,
        f"{REMOTE}/pretrained",
        records_dir=records,
        vocab_file=f"{REMOTE}/vocab.txt",
        config_file=upload(prepared.config_file, f"{REMOTE}/config.json"),
    )
    pretrain.pretrain(settings)
    assert [r["step"] for r in read_metrics(f"{REMOTE}/pretrained/metrics.jsonl")]
    assert tf.io.gfile.exists(f"{REMOTE}/pretrained/report.html")

    task = write_task("classification", tmp_path / "files")
    finetune.finetune(
        FinetuneOptions(
            model_dir=f"{REMOTE}/pretrained",
            output_dir=f"{REMOTE}/model",
            kind="classification",
            train_file=upload(task.train_file, f"{REMOTE}/train.csv"),
            dev_file=upload(task.dev_file, f"{REMOTE}/dev.csv"),
            num_epochs=1.0,
            max_length=32,
            **task.options,
        )
    )
    assert tf.io.gfile.exists(f"{REMOTE}/model/report.html")
    predict.main(
        PredictOptions(
            model_dir=f"{REMOTE}/model",
            input_file=f"{REMOTE}/dev.csv",
            # This file system takes the beginning of a name for the name of a file,
            # and so the output for one that exists.
            output_file=str(tmp_path / "predictions.jsonl"),
        )
    )
    assert "probabilities" in (tmp_path / "predictions.jsonl").read_text()
    path = saved_model.export(
        f"{REMOTE}/pretrained", "mine", saved_models_dir=f"{REMOTE}/saved_models"
    )
    assert tf.io.gfile.exists(f"{path}/saved_model.pb")
