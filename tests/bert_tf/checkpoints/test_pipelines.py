"""A model fine-tuned here, in transformers' pipelines and back again: one answer."""

import csv
import json

import numpy as np
import pytest

from bert_tf import convert, predict
from bert_tf.checkpoints.model_dir import Description
from bert_tf.convert import ConvertOptions
from bert_tf.predict import PredictOptions
from tests.bert_tf.checkpoints.models import checkpoint_of

transformers = pytest.importorskip(
    "transformers", reason="needs transformers, of requirements-peers.txt"
)
pytest.importorskip("torch", reason="needs torch, of requirements-peers.txt")

TEXT = "the cat sat on a mat"
LABELS = ("no", "yes", "maybe")
TAGS = ("O", "B-X", "I-X")
DESCRIPTIONS = {
    "classification": Description(
        "classification",
        head={"num_outputs": 3},
        encoding={"max_length": 24, "labels": LABELS, "stride": None},
    ),
    "regression": Description(
        "regression",
        head={"num_outputs": 1},
        encoding={"max_length": 24, "labels": None, "stride": None},
    ),
    "token_tagging": Description(
        "token_tagging",
        head={"num_outputs": 3},
        encoding={"max_length": 24, "labels": TAGS, "stride": 12},
    ),
    "span_qa": Description(
        "span_qa",
        encoding={"max_length": 24, "stride": 8, "max_question_length": 8},
    ),
}


def written(kind, folder):
    """The folder for transformers, made by the verb."""
    checkpoint_of(DESCRIPTIONS[kind], folder / "ours", hidden_act="gelu")
    convert.convert(
        ConvertOptions(
            source=str(folder / "ours"),
            output_dir=str(folder / "theirs"),
            output_format="hugging_face",
        )
    )
    return str(folder / "theirs")


def predicted(folder, line=TEXT):
    """The row that `predict` writes, after the way back."""
    again = str(folder / "again")
    convert.convert(ConvertOptions(source=str(folder / "theirs"), output_dir=again))
    (folder / "texts.txt").write_text(f"{line}\n")
    predict.main(
        PredictOptions(
            model_dir=again,
            input_file=str(folder / "texts.txt"),
            output_file=str(folder / "rows.csv"),
        )
    )
    with open(folder / "rows.csv") as file:
        return next(csv.DictReader(file))


def test_classification(tmp_path):
    pipeline = transformers.pipeline(
        "text-classification", written("classification", tmp_path), top_k=None
    )
    best = max(pipeline([TEXT])[0], key=lambda answer: answer["score"])
    row = predicted(tmp_path)
    assert row["prediction"] == best["label"]
    assert float(row["probability"]) == pytest.approx(best["score"], abs=1e-5)


def test_regression(tmp_path):
    pipeline = transformers.pipeline(
        "text-classification",
        written("regression", tmp_path),
        function_to_apply="none",
    )
    (answer,) = pipeline(TEXT)
    row = predicted(tmp_path)
    assert float(row["prediction"]) == pytest.approx(answer["score"], abs=1e-5)


def test_token_tagging(tmp_path):
    pipeline = transformers.pipeline(
        "token-classification", written("token_tagging", tmp_path), ignore_labels=[]
    )
    # Each word of the text is one piece.
    tags = [token["entity"] for token in pipeline(TEXT)]
    assert len(tags) == len(TEXT.split())
    assert json.loads(predicted(tmp_path)["tags"]) == tags


def test_span_qa(tmp_path):
    folder = written("span_qa", tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(folder).eval()
    inputs = tokenizer("who ran", TEXT, return_tensors="pt")
    outputs = model(**inputs)
    start, end = (
        scores[0].detach().numpy()
        for scores in (outputs.start_logits, outputs.end_logits)
    )
    first = int(np.flatnonzero(inputs["token_type_ids"][0].numpy())[0])
    words = TEXT.split()
    spans = {
        (a, b): start[first + a] + end[first + b]
        for a in range(len(words))
        for b in range(a, len(words))
    }
    a, b = max(spans, key=lambda span: spans[span])
    row = predicted(tmp_path, f"who ran\t{TEXT}")
    assert row["prediction"] == " ".join(words[a : b + 1])
