import itertools
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import textwrap
import threading
import time

import pytest

from data_pipelines.programs import stderr_filter

START_LINES = [
    b"WARNING: All log messages before absl::InitializeLog() is called are written to "
    b"STDERR",
    b"I0000 00:00:1796061972.383003    7127 port.cc:153] oneDNN custom operations are "
    b"on. You may see slightly different numerical results",
    b"I0000 00:00:1796061972.447894    7127 cpu_feature_guard.cc:227] This TensorFlow "
    b"binary is optimized to use available CPU instructions",
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild "
    b"TensorFlow with the appropriate compiler flags.",
    b"E0000 00:00:1796061975.894425    7127 cuda_platform.cc:52] failed call to cuInit:"
    b" INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)",
    b"E0000 00:00:1796061975.894425    7127 cuda_platform.cc:52] failed call to cuInit:"
    b" INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-"
    b"capable device is detected",
    b"E0000 00:00:1796066121.999375   18488 util.cc:131] oneDNN supports DT_INT64 only "
    b"on platforms with AVX-512. Falling back to the default Eigen-based code",
]
OTHER_LINES = [
    b"I1130 19:15:22.162101 139733942180736 data.py:88] A note of Python.",
    b"error: No model folder at 'none'.",
    b"Information: I0000 port.cc:153] oneDNN",
    b"E0000 00:00:1796061975.894425    7127 cuda_platform.cc:52] failed call to cuInit:"
    b" INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_UNKNOWN: unknown error",
    b"W0000 00:00:1796061975.9    7127 gpu_device.cc:2365] Cannot dlopen some GPU "
    b"libraries.",
    b"F0000 00:00:1796061975.9    7127 tensor.cc:12] Check failed: 1 == 2",
    b"*** Check failure stack trace: ***",
    b"    @     0x7f1c8a0  (unknown)",
    b"",
    b"\xff\x00 Text that is not UTF-8.",
    b"To enable the following: read the manual.",
]


@pytest.fixture
def filtered():
    """Yields a descriptor to write to, one to read from, and one of the acks."""
    source, given = os.pipe()
    shown, sink = os.pipe()
    acks, tell = os.pipe()

    def copy():
        stderr_filter.copy(source, sink, tell)
        for each in (source, sink, tell):
            os.close(each)

    thread = threading.Thread(target=copy)
    thread.start()
    yield given, shown, acks
    thread.join(10)
    assert not thread.is_alive()
    os.close(shown)
    os.close(acks)


def read_all(descriptor):
    found = b""
    while data := os.read(descriptor, 1 << 16):
        found += data
    return found


def test_known_lines_are_dropped_and_no_others(filtered):
    given, shown, _ = filtered
    lines = itertools.chain(*itertools.zip_longest(OTHER_LINES, START_LINES))
    os.write(given, b"\n".join(line for line in lines if line is not None) + b"\n")
    os.close(given)
    assert read_all(shown) == b"\n".join(OTHER_LINES) + b"\n"


def test_lines_that_come_in_parts(filtered):
    given, shown, _ = filtered
    for line in (START_LINES[1], b"Invalid value", START_LINES[4]):
        os.write(given, line[:7])
        time.sleep(0.01)
        os.write(given, line[7:] + b"\n")
    os.close(given)
    assert read_all(shown) == b"Invalid value\n"


@pytest.mark.parametrize("text", [b"50%", b"\r 3/10", b"E", START_LINES[1][:20]])
def test_what_has_no_end_is_shown_soon(filtered, text):
    given, shown, _ = filtered
    os.write(given, text)
    assert select.select([shown], [], [], 5)[0]
    assert os.read(shown, 100) == text
    os.write(given, b" more")
    assert select.select([shown], [], [], 5)[0]
    assert os.read(shown, 100) == b" more"
    os.write(given, b"\n" + START_LINES[1] + b"\nnext\n")
    os.close(given)
    assert read_all(shown) == b"\nnext\n"


def test_a_mark_is_answered_once_all_before_it_is_written(filtered):
    given, shown, acks = filtered
    os.write(given, b"one\nI0" + stderr_filter._MARK + b"\n")
    assert os.read(acks, 10) == b"."
    assert os.read(shown, 100) == b"one\nI0"
    os.close(given)


def program(code, level="2", **arguments):
    """Runs Python code in a process that has started as our programs do."""
    beginning = "from data_pipelines.programs import start\nstart.start()\n"
    return subprocess.run(
        [sys.executable, "-c", beginning + textwrap.dedent(code)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": level},
        capture_output=True,
        text=True,
        timeout=120,
        **arguments,
    )


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("os.abort()", -signal.SIGABRT),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT),
        # As a terminal does: all processes of its group.
        ("os.killpg(0, signal.SIGINT)", -signal.SIGINT),
        ("os.killpg(0, signal.SIGTERM)", -signal.SIGTERM),
        ("os.killpg(0, signal.SIGHUP)", -signal.SIGHUP),
    ],
)
def test_the_last_words_are_shown_however_it_ends(end, code):
    run = program(
        f"""
        import os, signal, sys, time
        time.sleep(0.1)
        print("of Python", file=sys.stderr)
        os.write(2, b"I0000 00:00:1.5 7 port.cc:1] A note.\\nof C++\\nlast words")
        {end}
        """,
        start_new_session=True,
    )
    assert run.returncode == code
    assert sorted(run.stderr.splitlines()) == ["last words", "of C++", "of Python"]
    assert run.stdout == ""


@pytest.mark.slow
def test_a_failed_check_of_tensorflow_is_shown():
    run = program(
        """
        import tensorflow as tf
        tf.raw_ops.PrintV2(input="a note", output_stream="log(info)")
        tf.raw_ops.PrintV2(input="an error", output_stream="log(error)")
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            abort = tf.raw_ops.Abort(error_msg="message", exit_without_error=False)
            session.run(abort)
        """
    )
    assert run.returncode == -signal.SIGABRT
    lines = [line for line in run.stderr.splitlines() if line[1:5].isdigit()]
    (error, failure) = lines
    assert error.startswith("E0") and error.endswith("an error")
    assert failure.startswith("F0") and failure.endswith("failure; message")


def test_nothing_is_filtered_for_who_wants_to_see_all():
    code = """
        import os, sys
        os.write(2, b"I0000 00:00:1.5 7 port.cc:1] A note.\\n")
        print(sys.stderr.fileno())
        """
    run = program(code, level="0")
    assert run.stderr == "I0000 00:00:1.5 7 port.cc:1] A note.\n"
    assert run.stdout == "2\n"


def test_a_program_without_stderr():
    run = subprocess.run(
        ["sh", "-c", f"{sys.executable} -c '{_WITHOUT}' 2>&-"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stdout) == (0, "None\n")


_WITHOUT = (
    "import sys; from data_pipelines.programs import start; start.start(); "
    "print(sys.stderr)"
)


def test_it_is_nobodys_child_and_ends_with_the_program():
    run = program(
        """
        import os
        from multiprocessing import active_children
        children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
        print(children, active_children())
        """
    )
    assert run.stdout == "[] []\n"


def test_a_bar_on_a_terminal_is_drawn_as_it_grows():
    """And is known to be on one: tqdm asks."""
    ours, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    code = """
        import sys, tqdm
        from data_pipelines.programs import start
        start.start()
        assert sys.stderr.isatty()
        for _ in tqdm.tqdm(range(2), mininterval=0, miniters=1, disable=None):
            input()
        """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stderr=terminal,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
    ) as process:
        os.close(terminal)
        seen = b""
        for expected in (b"0/2", b"1/2", b"2/2"):
            while expected not in seen:
                assert select.select([ours], [], [], 20)[0]
                seen += os.read(ours, 1000)
            if expected != b"2/2":
                process.stdin.write(b"\n")
                process.stdin.flush()
    assert process.returncode == 0
    os.close(ours)
