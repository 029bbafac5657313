import json
import os
import subprocess
import sys

import pytest

from data_pipelines.create_pretraining_data import CreatePretrainingDataOptions, main
from tests.data_pipelines.pretraining.pretraining_data import LETTERS, text


def test_no_vocabulary(tmp_path):
    with pytest.raises(FileNotFoundError, match="No vocabulary"):
        main(
            CreatePretrainingDataOptions(
                input_files=(str(tmp_path / "text"),),
                vocab_file="none",
                output_dir=str(tmp_path / "out"),
            )
        )


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["A b.", "C d.", "E f."], "documents have one sentence each"),
        (["A b. C d. E f."], "the text is one document"),
        (["A b. C d.", "E f. G h."], None),
    ],
)
def test_text_without_sentence_pairs_is_told(tmp_path, caplog, capsys, texts, said):
    rows = [{"text": text} for text in texts]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "vocab.txt").write_bytes(LETTERS.to_bytes())
    main(
        CreatePretrainingDataOptions(
            input_files=(str(tmp_path / "a.jsonl"),),
            vocab_file=str(tmp_path / "vocab.txt"),
            output_dir=str(tmp_path / "out"),
            num_processes=1,
            num_shards=1,
        )
    )
    assert f"reading: {len(texts)} documents, 1 sources" in capsys.readouterr().out
    assert (said in caplog.text) if said else not caplog.text


@pytest.mark.slow
def test_as_a_program(tmp_path):
    (tmp_path / "text").write_text("\n\n".join(text(seed, 10) for seed in range(40)))
    (tmp_path / "vocab.txt").write_bytes(LETTERS.to_bytes())
    command = [sys.executable, "-m", "data_pipelines.create_pretraining_data"]
    flags = [
        "--input_files=text",
        "--vocab_file=vocab.txt",
        "--output_dir=out",
        "--separator=blank_line",
        "--num_shards=2",
        "--num_processes=1",
    ]
    run = subprocess.run(
        [*command, *flags],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert run.returncode == 0, run.stderr
    assert "40 documents" in run.stdout
    assert len(list((tmp_path / "out").glob("train-*"))) == 2
