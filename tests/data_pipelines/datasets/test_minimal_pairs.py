"""Minimal pairs in BLiMP's format."""

import gzip
import json

import pytest

from data_pipelines.datasets.minimal_pairs import MinimalPair, read_minimal_pairs


def line(number=0, **changes):
    values = {
        "sentence_good": f"She knows herself {number}.",
        "sentence_bad": f"She knows himself {number}.",
        "field": "morphology",
        "linguistics_term": "anaphor_agreement",
        "UID": "anaphor_gender_agreement",
        "pairID": str(number),
        **changes,
    }
    return json.dumps(values) + "\n"


def test_pairs_of_all_files_in_their_order(tmp_path):
    (tmp_path / "b.jsonl").write_text(line(0) + line(1) + line(2))
    with gzip.open(tmp_path / "a.jsonl.gz", "wt") as file:
        file.write(line(7, UID="a", linguistics_term="binding", field="syntax/x"))
    (tmp_path / "README.md").write_text("Not a set.")
    pairs = read_minimal_pairs(str(tmp_path), max_pairs=2)
    anaphora = ("anaphor_gender_agreement", "anaphor_agreement", "morphology")
    assert pairs == [
        MinimalPair(
            "She knows herself 7.", "She knows himself 7.", "a", "binding", "syntax_x"
        ),
        MinimalPair("She knows herself 0.", "She knows himself 0.", *anaphora),
        MinimalPair("She knows herself 1.", "She knows himself 1.", *anaphora),
    ]
    assert len(read_minimal_pairs(str(tmp_path))) == 4


def test_the_folder_of_all_datasets(tmp_path):
    (tmp_path / "blimp").mkdir()
    (tmp_path / "blimp" / "a.jsonl").write_text(line())
    assert len(read_minimal_pairs(str(tmp_path))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (line(sentence_bad=""), "line 1: received sentence_bad=''. Expected a text"),
        (line(sentence_good=3), "line 1: received sentence_good=3. Expected a text"),
        (line() + line(UID=None), "line 2: received UID=None. Expected a text"),
        ('{"text": "a"}\n' * 2, "received sentence_good=None"),
        (line() + '{"sentence_good": "She kn', "line 2: not JSON"),
        ("", "a.jsonl is empty. Expected text"),
        ("\n\n", "a.jsonl is empty. Expected"),
    ],
)
def test_malformed_files(tmp_path, content, message):
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(ValueError, match=message):
        read_minimal_pairs(str(tmp_path))


def test_missing_folders_and_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No \*.jsonl .*Expected the folder"):
        read_minimal_pairs(str(tmp_path))
    with pytest.raises(ValueError, match="without data_dir"):
        read_minimal_pairs(None)
    with pytest.raises(ValueError, match="Received max_pairs=0"):
        read_minimal_pairs(str(tmp_path), max_pairs=0)
