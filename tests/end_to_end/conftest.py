"""What the tests of whole programs share."""

import pytest

from bert_tf.models import config
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.pretraining.work_units import RecordOptions
from data_pipelines.pretraining.write_records import write_records
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.pretraining_runs import VOCAB_SIZE, Prepared


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Prepared:
    """Text, vocabulary, records and a very small config."""
    folder = tmp_path_factory.mktemp("prepared")
    text = write_corpus(folder / "text")
    vocabulary = learn_vocabulary(
        input_files=[text], vocab_size=VOCAB_SIZE, num_processes=1
    )
    vocab_file = folder / "vocab.txt"
    vocab_file.write_bytes(vocabulary.to_bytes())
    write_records(
        [text],
        vocabulary,
        str(folder / "records"),
        RecordOptions(holdout_fraction=0.2, num_shards=2),
        num_processes=1,
    )
    config_file = folder / "config.json"
    config_file.write_text(
        config.preset(
            "tiny",
            VOCAB_SIZE,
            hidden_size=32,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        ).to_json()
    )
    return Prepared(text, str(vocab_file), str(folder / "records"), str(config_file))
