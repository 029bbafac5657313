import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from bert_tf.comparison import programs


def test_a_command_as_a_user_writes_it():
    found = programs.command(
        "bert_tf.pretrain", {"files": ("a", "b"), "seed": 0, "dtype": None, "x": True}
    )
    assert found == [
        "python",
        "-m",
        "bert_tf.pretrain",
        "--files=a,b",
        "--seed=0",
        "--x=True",
    ]


def test_output_is_kept_and_a_failure_is_told(tmp_path, monkeypatch):
    (tmp_path / "hello.py").write_text(
        "import sys\nprint('one')\nprint('two', file=sys.stderr)\n"
        "sys.exit(3 if '--fail=1' in sys.argv else 0)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    log = tmp_path / "log.txt"
    assert programs.run("hello", {}, str(log)) > 0
    with pytest.raises(programs.Failed, match=r"hello ended with 3: (one|two)"):
        programs.run("hello", {"fail": 1}, str(log))
    lines = log.read_text().split("\n")
    assert "$ python -m hello" in lines and "$ python -m hello --fail=1" in lines
    assert lines.count("one") == lines.count("two") == 2


_PARENT = """
import signal, sys
from bert_tf.comparison import programs
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
programs.run("child", {}, sys.argv[1])
"""


@pytest.mark.slow
def test_who_is_stopped_stops_its_program_and_waits(tmp_path):
    (tmp_path / "child.py").write_text(
        "import signal, sys, time, pathlib\n"
        "here = pathlib.Path(__file__).parent\n"
        "def stop(*_):\n"
        "    time.sleep(0.5)\n"
        "    (here / 'saved').write_text('')\n"
        "    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "(here / 'started').write_text('')\n"
        "time.sleep(60)\n"
    )
    root = pathlib.Path(__file__).parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "log.txt")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"},
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not (tmp_path / "started").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    assert (tmp_path / "saved").exists()
