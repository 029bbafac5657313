"""The benchmark of domain adaptation: its texts, its steps and its table."""

import gzip
import json
import os

import pytest

from benchmarks import domain_adaptation
from benchmarks.domain_adaptation import (
    AdaptationOptions,
    is_medical,
    steps,
    table,
    task_texts,
    write_texts,
)
from benchmarks.quality import runner
from benchmarks.quality.results import Point, Result, read_results
from bert_tf.comparison import programs


@pytest.mark.parametrize(
    ("article", "expected"),
    [
        (
            "Naloxone\nNaloxone is a drug that reverses the effects of toxic doses.",
            True,
        ),
        ("Ludlow\nLudlow is a town. Its hospital treats patients.", False),
        ("Disease\nA disease.\nNothing else is read: virus, vaccine.", False),
        ("Symptom\nSymptoms of a disease are listed here.", True),
        ("", False),
    ],
)
def test_medical_articles(article, expected):
    assert is_medical(article) is expected


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for task in ("NCBI-disease", "bc5cdr", "chemprot"):
        (folder / "biomedical" / task).mkdir(parents=True)
    rows = "-DOCSTART- (1)\n\nNaloxone\tN\tO\tI-Entity\nhelps\tV\tO\tO\n\nA\tN\tO\tO\n"
    for task in ("NCBI-disease", "bc5cdr"):
        path = folder / "biomedical" / task / "train.txt.gz"
        path.write_bytes(gzip.compress(rows.encode()))
    line = {"text": "<< EGFR >> binds [[ gefitinib ]].", "label": "INHIBITOR"}
    path = folder / "biomedical" / "chemprot" / "train.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(line).encode() + b"\n"))
    (folder / "enwiki").mkdir()
    articles = [f"Town {n}\nA town.\nIts history." for n in range(24)]
    articles += ["Measles\nMeasles is a disease caused by a virus.\nMore."]
    content = "".join(json.dumps({"id": "1", "text": text}) + "\n" for text in articles)
    path = folder / "enwiki" / "part.jsonl.gz"
    path.write_bytes(gzip.compress(content.encode()))
    return folder


def test_texts(data, tmp_path):
    sentences = ["Naloxone helps", "A"]
    assert list(task_texts(str(data))) == [
        *sentences,
        *sentences,
        "EGFR binds gefitinib.",
    ]
    options = AdaptationOptions(data_dir=str(data), work_dir=str(tmp_path / "work"))
    write_texts(options)
    texts = {
        name: [
            json.loads(line)["text"]
            for path in sorted((tmp_path / "work" / "text").glob(f"{name}*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        for name in ("general", "medical")
    }
    # Two of 25 articles are held out.
    assert len(texts["general"]) == 23
    assert texts["medical"][0].startswith("Measles") and len(texts["medical"]) == 6


def test_each_step_once(data, tmp_path, monkeypatch, capsys):
    ran = []

    def fine_tuned(options, name, task, seed):
        ran.append((name, task))
        return {"test": (0.5, 0.6, 0.7)[seed], "dev": 0.6}

    def pretrained(options, name, *_):
        ran.append((name, "pretrain"))
        return {"command_seconds": 1.0}

    monkeypatch.setattr(domain_adaptation, "_fine_tuned", fine_tuned)
    monkeypatch.setattr(domain_adaptation, "_pretrained", pretrained)
    # It measures the speed of the machine for a second.
    monkeypatch.setattr(runner, "description", dict)
    options = AdaptationOptions(
        data_dir=str(data),
        work_dir=str(tmp_path / "work"),
        results_file=str(tmp_path / "results.jsonl"),
        minilm_dir="minilm",
    )
    assert len(list(steps(options))) == 5 + 5 * 3 * 3
    domain_adaptation.main(options)
    assert len(ran) == 50
    # What others start from comes first, and no task between the trainings.
    assert ran[:3] == [(n, "pretrain") for n in ("general", "longer", "adapted")]
    assert ran[5] == ("general", "NCBI-disease")
    assert "| adapted | 60.0 ± 8.2 |" in capsys.readouterr().out
    ran.clear()
    domain_adaptation.main(options)
    assert not ran
    assert len(read_results(options.results_file)) == 50


def test_a_table_of_what_is_finished():
    results = [
        Result(Point("general", 30, 0), task, 1.0, {"test": 0.5}, {}, "")
        for task in ("NCBI-disease", "bc5cdr", "chemprot")
    ]
    assert "| general | 50.0 ± 0.0 |" in table(results)
    assert "general" not in table(results[:2])


def test_the_commands_are_valid(data, tmp_path, monkeypatch):
    """What is mocked above: the options themselves."""
    ran = []
    monkeypatch.setattr(programs, "run", lambda *a: ran.append(a[1]) or 1.0)
    monkeypatch.setattr(domain_adaptation, "convert", lambda options: None)
    monkeypatch.setattr(domain_adaptation, "read_metrics", lambda path: [{"step": 7}])
    options = AdaptationOptions(
        data_dir=str(data), work_dir=str(tmp_path), minilm_dir="minilm"
    )
    for _, step, run in steps(options):
        if step == "pretrain":
            run()
    starts = [os.path.relpath(run.initial_model_dir, tmp_path) for run in ran[1:]]
    assert starts == ["general/model", "general/model", "minilm"]
    assert [run.budget for run in ran] == ["30m", "20m", "20m", "20m"]
    assert ran[0].output_dir == str(tmp_path / "general")
