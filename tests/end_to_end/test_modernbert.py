"""A ModernBERT of transformers: trained further, fine-tuned, served, given back."""

import csv
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from bert_tf import convert, finetune, predict, pretrain
from bert_tf.checkpoints import model_dir
from bert_tf.serving import saved_model
from bert_tf.training.run_log import read_metrics
from tests.end_to_end.corpus import write_corpus
from tests.end_to_end.tasks import write_task

tokenizers = pytest.importorskip(
    "tokenizers", reason="needs tokenizers, of requirements.txt"
)
transformers = pytest.importorskip(
    "transformers", reason="needs transformers, of requirements-peers.txt"
)
torch = pytest.importorskip("torch", reason="needs torch, of requirements-peers.txt")
pytestmark = pytest.mark.slow

NAMES = ("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")


def write_tokenizer(folder: pathlib.Path, texts: list[str]) -> int:
    """Learns a byte-level BPE as ModernBERT's; gives the number of its tokens."""
    learned = tokenizers.Tokenizer(tokenizers.models.BPE())
    learned.normalizer = tokenizers.normalizers.NFC()
    level = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.pre_tokenizer = level
    learned.decoder = tokenizers.decoders.ByteLevel()
    names = [
        tokenizers.AddedToken(n, lstrip=n == "[MASK]", special=True) for n in NAMES
    ]
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=names,
        initial_alphabet=level.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator(texts, trainer)
    learned.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(n, learned.token_to_id(n)) for n in ("[CLS]", "[SEP]")],
    )
    saved = transformers.PreTrainedTokenizerFast(
        tokenizer_object=learned,
        model_max_length=64,
        **{f"{name[1:-1].lower()}_token": name for name in NAMES},
    )
    saved.save_pretrained(folder)
    return len(saved)


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> str:
    return write_corpus(tmp_path_factory.mktemp("text"))


@pytest.fixture(scope="module")
def theirs(text, tmp_path_factory) -> pathlib.Path:
    """A folder as transformers saves it, with random weights."""
    folder = tmp_path_factory.mktemp("theirs")
    files = pathlib.Path(text).parent.glob("*.txt")
    size = write_tokenizer(folder, [file.read_text() for file in files])
    torch.manual_seed(0)
    ids = {f"{name}_token_id": number for number, name in enumerate(("unk", "cls"))}
    config = transformers.ModernBertConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=64,
        local_attention=8,
        initializer_range=0.1,
        bos_token_id=1,
        eos_token_id=2,
        sep_token_id=2,
        pad_token_id=3,
        **ids,
    )
    transformers.ModernBertForMaskedLM(config).save_pretrained(folder)
    return folder


def test_all_the_way(text, theirs, tmp_path):
    further = tmp_path / "further"
    pretrain.pretrain(
        pretrain.PretrainOptions(
            initial_model_dir=str(theirs),
            input_files=(text,),
            output_dir=str(further),
            optimizer="adamw",
            learning_rate=3e-3,
            sequence_length=48,
            batch_size=16,
            num_train_steps=60,
            num_warmup_steps=5,
            eval_every=30,
            holdout_fraction=0.1,
            num_processes=1,
            jit_compile="off",
        )
    )
    records = read_metrics(str(further / "metrics.jsonl"))
    heldout = [r["mlm_loss"] for r in records if r["split"] == "heldout"]
    assert heldout[-1] < heldout[0] - 0.3
    config, vocabulary, _ = model_dir.load_description(str(further))
    assert config.first_norm is False and vocabulary.kind == "byte_bpe"

    task = write_task("classification", tmp_path / "files")
    model = tmp_path / "model"
    metrics = finetune.finetune(
        finetune.FinetuneOptions(
            model_dir=str(further),
            output_dir=str(model),
            kind="classification",
            train_file=task.train_file,
            dev_file=task.dev_file,
            learning_rate=5e-3,
            num_epochs=8.0,
            batch_size=16,
            **task.options,
        )
    )
    assert metrics["accuracy"] > 0.9

    answers = tmp_path / "answers.jsonl"
    predict.main(
        predict.PredictOptions(
            model_dir=str(model), input_file=task.dev_file, output_file=str(answers)
        )
    )
    rows = [json.loads(line) for line in answers.read_text().splitlines()]
    expected = [list(row["probabilities"].values()) for row in rows]
    with open(task.dev_file) as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    path = saved_model.export(str(model), "a", saved_models_dir=str(tmp_path / "saved"))
    signature = tf.saved_model.load(path).signatures["serving_default"]
    served = signature(texts=tf.constant(texts))["probabilities"].numpy()
    np.testing.assert_allclose(served, expected, atol=1e-5)

    back = tmp_path / "back"
    convert.convert(
        convert.ConvertOptions(
            source=str(model), output_dir=str(back), output_format="hugging_face"
        )
    )
    pipeline = transformers.pipeline("text-classification", str(back), top_k=None)
    for row, found in zip(rows, pipeline(texts), strict=True):
        scores = {answer["label"]: answer["score"] for answer in found}
        assert scores == pytest.approx(row["probabilities"], abs=1e-5)
