import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from data_pipelines.files.atomic import new_file, new_folder
from data_pipelines.programs import interruption


@pytest.fixture(autouse=True)
def interrupts_come():
    """In a test run that was started with `&` they are ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def on_interrupt():
    """Sets the handler of Ctrl-C, which is restored."""
    before = signal.getsignal(signal.SIGINT)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "error: Interrupted. Nothing was written.\n"),
        (signal.SIGTERM, 143, "error: Stopped by SIGTERM. Nothing was written.\n"),
        (signal.SIGHUP, 129, "error: Stopped by SIGHUP. Nothing was written.\n"),
    ],
)
def test_signals_leave_nothing_half_written(
    tmp_path, monkeypatch, capfd, number, code, message
):
    before = signal.getsignal(number)

    class Exited(BaseException):
        """Instead of the end of the process, after which nothing is cleared up."""

    def leave(received):
        assert (received, list(tmp_path.iterdir())) == (code, [])
        raise Exited

    monkeypatch.setattr(os, "_exit", leave)
    with (
        pytest.raises(Exited),
        interruption.handled("Nothing was written."),
        new_file(str(tmp_path / "other")),
        new_folder(str(tmp_path / "folder")) as folder,
    ):
        assert len(list(tmp_path.iterdir())) == 2
        (tmp_path / folder / "file").write_bytes(b"half")
        os.kill(os.getpid(), number)
    assert capfd.readouterr().err == message
    assert signal.getsignal(number) == before


def test_an_ignored_signal_stays_ignored(on_interrupt):
    on_interrupt(signal.SIG_IGN)
    with interruption.handled("Nothing."):
        os.kill(os.getpid(), signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.slow
@pytest.mark.parametrize(
    "library", ["/numpy/", "libtensorflow_framework", "_pywrap_tensorflow", "_text/"]
)
@pytest.mark.parametrize("verb", ["bert_tf.predict", "data_pipelines.tokenize"])
def test_an_interrupt_while_all_is_imported(verb, library):
    with subprocess.Popen(
        [sys.executable, "-m", verb],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        maps = pathlib.Path(f"/proc/{process.pid}/maps")
        while library not in maps.read_text():
            assert process.poll() is None, "It was never loaded."
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) in (130, -signal.SIGINT)
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize("number", interruption.SIGNALS)
def test_signals_wait_for_the_end_of_a_block(number):
    came = []
    before = signal.signal(number, lambda number, _: came.append(number))
    try:
        with interruption.held_back():
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert came == []
        assert came == [number, number]
        with pytest.raises(ValueError), interruption.held_back():
            signal.raise_signal(number)
            raise ValueError
        assert len(came) == 3
        signal.raise_signal(number)
        assert len(came) == 4
    finally:
        signal.signal(number, before)


def test_other_threads_hold_nothing_back():
    with concurrent.futures.ThreadPoolExecutor() as threads, interruption.held_back():
        handler = signal.getsignal(signal.SIGTERM)

        def inside():
            with interruption.held_back():
                return signal.getsignal(signal.SIGTERM)

        assert threads.submit(inside).result() is handler
