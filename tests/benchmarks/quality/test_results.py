"""The results file of the benchmark survives a killed program."""

import pytest

from benchmarks.quality.results import Point, Result, append_result, read_results


def result(seed=0, **values):
    point = Point("bert", 5.0, seed)
    return Result(point, "blimp", 1.5, values, {"cores": 2}, "2026-11-30T00:00:00")


def test_results_are_read_as_they_were_written(tmp_path):
    path = str(tmp_path / "new" / "results.jsonl")
    assert read_results(path) == []
    written = [result(0, accuracy=0.5), result(1, accuracy=0.25)]
    for each in written:
        append_result(path, each)
    assert read_results(path) == written


def test_half_a_line_is_told_and_replaced(tmp_path, capsys):
    path = tmp_path / "results.jsonl"
    append_result(str(path), result(0))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert read_results(str(path)) == [result(0)]
    assert "ends with half a line, which is left out: '{" in capsys.readouterr().err
    append_result(str(path), result(1))
    assert read_results(str(path)) == [result(0), result(1)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"version": 2, "point": {}}', r"line 2: received version 2. Expected 1"),
        ('{"version": 1, "point": {"side": "bert"}}', "line 2: received .*delete the"),
        ("[]", "line 2: received .*Expected a result of this benchmark"),
        ("nonsense", "line 2: received 'nonsense'"),
    ],
)
def test_other_files(tmp_path, line, message):
    path = tmp_path / "results.jsonl"
    append_result(str(path), result(0))
    before = path.read_text()
    path.write_text(before + line + "\n")
    with pytest.raises(ValueError, match=message):
        read_results(str(path))
    assert path.read_text() == before + line + "\n"
