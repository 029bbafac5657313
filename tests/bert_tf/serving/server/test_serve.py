"""The server as a program: both APIs, new versions, faults."""

import concurrent.futures
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf

from bert_tf import serve
from bert_tf.serving import saved_model
from bert_tf.serving.client import GrpcClient, RestClient
from tests.bert_tf.serving.fine_tuned_models import write_pretrained
from tests.bert_tf.serving.server.running import (
    base_paths,
    running,
    until,
)

KINDS = ("pretraining", "classification", "regression", "span_qa")
PAGE = pathlib.Path(serve.__file__).parent / "serving" / "server" / "page"


@pytest.fixture(scope="module")
def server(exported):
    with running(base_paths(exported, *KINDS)) as running_server:
        yield running_server


def metrics(server) -> str:
    return requests.get(f"{server.url}/monitoring/prometheus/metrics").text


def clients(server, model):
    return RestClient(server.url, model), GrpcClient(server.address, model)


@pytest.mark.slow
def test_first_line(server):
    assert "In production, run TF Serving" in server.first_line


INPUTS = {
    "pretraining": {"texts": ["The [MASK] sat.", "the cat [MASK] [MASK]"]},
    "classification": {"texts": ["the cat", "中 home"]},
    "regression": {"texts": ["the cat", ""]},
    "span_qa": {"questions": ["cat", "dog"], "contexts": ["the cat sat", "é a dog"]},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_both_apis_give_the_answers_of_the_saved_model(server, exported, kind):
    inputs = INPUTS[kind]
    signature = tf.saved_model.load(exported(kind)[1]).signatures["serving_default"]
    tensors = {name: tf.constant(values) for name, values in inputs.items()}
    expected = {name: value.numpy() for name, value in signature(**tensors).items()}
    rest, rpc = clients(server, kind)
    by_rest, by_rpc = rest.predict(**inputs), rpc.predict(**inputs)
    assert set(by_rest) == set(by_rpc) == set(expected)
    for name, values in expected.items():
        if values.dtype == object:
            assert by_rpc[name].astype(bytes).tolist() == values.astype(bytes).tolist()
            texts = np.char.decode(values.astype(bytes), "utf-8")
            assert by_rest[name] == texts.tolist()
        else:
            for found in (by_rpc[name], by_rest[name]):
                np.testing.assert_allclose(found, values, atol=1e-6, err_msg=name)


@pytest.mark.slow
def test_rows(server):
    url = f"{server.url}/v1/models/span_qa:predict"
    rows = [{"questions": "cat", "contexts": "the cat sat"}] * 2
    found = requests.post(url, json={"instances": rows}).json()["predictions"]
    assert len(found) == 2 and found[0] == found[1]
    assert {"answer", "start", "end", "no_answer_probability"} <= set(found[0])
    # An input alone needs no name.
    url = f"{server.url}/v1/models/regression/versions/1:predict"
    content = {"instances": ["the cat", {"b64": "dGhlIGNhdA=="}]}
    found = requests.post(url, json=content).json()["predictions"]
    # Their places in a row of the batch differ.
    assert found[0] == pytest.approx(found[1], abs=1e-6)


@pytest.mark.slow
def test_classify_and_regress(server):
    rest, rpc = clients(server, "classification")
    by_rest, by_rpc = (
        client.classify({"text": "the cat"}, {"text": "dog"}) for client in (rest, rpc)
    )
    expected = rest.predict(texts=["the cat", "dog"])
    assert [label for label, _ in by_rest[0]] == ["no", "yes", "maybe"]
    for found in (by_rest, by_rpc):
        for row, probabilities in zip(found, expected["probabilities"], strict=True):
            assert [s for _, s in row] == pytest.approx(probabilities, abs=1e-6)
    url = f"{server.url}/v1/models/regression:regress"
    found = requests.post(url, json={"examples": [{"text": "the cat"}]}).json()
    score = RestClient(server.url, "regression").predict(texts=["the cat"])["score"]
    assert found["result"] == pytest.approx(score, abs=1e-6)


@pytest.mark.slow
def test_status_and_metadata(server):
    for client in clients(server, "pretraining"):
        assert client.status() == {1: "AVAILABLE"}
    signatures = RestClient(server.url, "pretraining").metadata()
    texts = signatures["fill_mask"]["inputs"]["texts"]
    assert texts["dtype"] == "DT_STRING"
    assert [dim["size"] for dim in texts["tensor_shape"]["dim"]] == ["-1"]
    assert signatures["fill_mask"]["method_name"] == "tensorflow/serving/predict"


@pytest.mark.slow
def test_an_answer_does_not_wait_for_an_acknowledgement(server):
    """Nagle's algorithm would make each answer 40 ms late."""
    client = RestClient(server.url, "regression")
    times = []
    for _ in range(15):
        begin = time.monotonic()
        client.status()
        times.append(time.monotonic() - begin)
    assert min(times) < 0.03


@pytest.mark.slow
def test_metrics(server):
    RestClient(server.url, "pretraining").predict(texts=["[MASK]"])
    page = metrics(server)
    line = 'bert_tf_requests_total{api="rest",method="predict",status="200"}'
    assert [row for row in page.split("\n") if row.startswith(line)]
    for name in ("bert_tf_request_seconds_bucket", "bert_tf_queued_requests 0.0"):
        assert name in page


@pytest.mark.slow
def test_page_is_served(server):
    for name in ("", "page.css", "page.js"):
        response = requests.get(f"{server.url}/{name}")
        assert response.status_code == 200, name
        file = PAGE / (name or "index.html")
        assert response.text == file.read_text(), name
    models = requests.get(f"{server.url}/models").json()
    assert [model["name"] for model in models] == list(KINDS)


@pytest.mark.slow
def test_refusals(server):
    with pytest.raises(
        RuntimeError, match=r"404: Received the model 'none'\. Expected"
    ):
        RestClient(server.url, "none").predict(texts=["a"])
    with pytest.raises(grpc.RpcError) as raised:
        GrpcClient(server.address, "pretraining", version=9).predict(texts=["a"])
    assert raised.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(
        RuntimeError, match=r"400: \[Expected layers from 1 to 2\. Received\] \[3\]"
    ):
        RestClient(server.url, "pretraining").predict(
            "attention", texts=["a"], layers=[3], heads=[1]
        )


# --- Options.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_batch_size": 0}, "max_batch_size=0. Expected numbers above 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros=-1"),
        ({"model_base_path": ("a/x", "b/x")}, "each with a distinct name"),
        ({"model_base_path": ("=",)}, "Expected FOLDER or NAME=FOLDER"),
        ({"model_base_path": ("x=",)}, "Expected FOLDER or NAME=FOLDER"),
        ({"model_base_path": ("my model",)}, "'my model'. Expected up to 100 of A-Z"),
        ({"model_base_path": ("saved/a#1",)}, r"Use NAME=saved/a#1 to"),
        ({"model_base_path": ("a:b=saved/a",)}, "name 'a:b'. Expected up to 100"),
        (
            {"port": 8501},
            "8501 as port and as rest_api_port. Expected two different ports",
        ),
    ],
)
def test_bad_options(arguments, message):
    with pytest.raises(ValueError, match=message):
        options = serve.ServeOptions(**{"model_base_path": ("x",), **arguments})
        options.base_paths(), options.limits()


def test_names_of_models():
    folders = ("saved/one/", "two=gs://x/y", "x/day=1/three", "four=x/day=1 #/four")
    options = serve.ServeOptions(model_base_path=folders)
    assert options.base_paths() == {
        "one": "saved/one",
        "two": "gs://x/y",
        "three": "x/day=1/three",
        "four": "x/day=1 #/four",
    }


def run_program(*flags):
    command = [sys.executable, "-m", "bert_tf.serve", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.long
def test_mistakes_are_one_line(exported):
    run = run_program("--model_base_path=none")
    assert run.returncode == 1 and "Traceback" not in run.stderr, run.stderr
    assert "error: There is no folder none for the model none" in run.stderr
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for one, other in (("rest_api_port", "port"), ("port", "rest_api_port")):
            ports = (f"--{one}={taken.getsockname()[1]}", f"--{other}=0")
            run = run_program(base_paths(exported, "regression"), *ports)
            assert run.returncode == 1 and "Traceback" not in run.stderr, run.stderr
            assert "error: Cannot listen on 127.0.0.1:" in run.stderr, one


# --- Versions and faults.


class Load:
    """Clients that ask without end, and count what they are told."""

    def __init__(self, server, model, num_clients=4) -> None:
        self.server, self.model = server, model
        self.answers, self.errors = 0, []
        self._stopped = threading.Event()
        self._pool = concurrent.futures.ThreadPoolExecutor(num_clients)
        self._futures = [self._pool.submit(self._ask, n) for n in range(num_clients)]

    def _ask(self, number):
        client = clients(self.server, self.model)[number % 2]
        while not self._stopped.is_set():
            try:
                client.predict(texts=["The [MASK] sat on the mat."])
                self.answers += 1
            except Exception as error:  # each is counted
                self.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stopped.set()
        for future in self._futures:
            future.result()
        self._pool.shutdown()


@pytest.mark.slow
@pytest.mark.long
def test_a_new_version_under_load_loses_no_request(exported, tmp_path):
    saved = f"{tmp_path}/saved"
    base = pathlib.Path(saved, "pretraining")
    shutil.copytree(exported("pretraining")[1], base / "1")
    other = write_pretrained(tmp_path / "other", seed=1)
    with (
        running(f"--model_base_path={base}") as server,
        Load(server, "pretraining") as load,
    ):
        client = RestClient(server.url, "pretraining")

        def more_answers():
            before = load.answers
            until(lambda: load.answers > before + 20, "20 more answers")

        def has_state(version, state):
            until(lambda: client.status().get(version) == state, f"{version}: {state}")

        more_answers()
        for version in (2, 3):
            if version == 2:
                saved_model.export(
                    other, "pretraining", version, saved_models_dir=saved
                )
            else:
                copied(base / "1", base / "3")
            has_state(version, "AVAILABLE")
            more_answers()
            has_state(version - 1, "END")
        load.stop()
        assert load.errors == []
        assert client.status() == {1: "END", 2: "END", 3: "AVAILABLE"}
        # A version that is broken changes nothing.
        copied(base / "3", base / "4", broken=True)
        has_state(4, "END")
        assert client.predict(texts=["[MASK]"])
        assert client.status()[3] == "AVAILABLE"


def copied(version, new, broken=False):
    """A version that appears at once."""
    unfinished = shutil.copytree(version, new.with_name("copy"))
    if broken:
        (unfinished / "saved_model.pb").write_bytes(b"x")
    unfinished.rename(new)


@pytest.mark.slow
@pytest.mark.long
def test_kill_and_start_again(exported):
    flag = base_paths(exported, "pretraining")
    with running(flag) as server:
        expected = RestClient(server.url, "pretraining").predict(texts=["[MASK]"])
        port = int(server.url.rsplit(":", 1)[1])
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    with running(flag, rest_port=port) as again:
        found = RestClient(again.url, "pretraining").predict(texts=["[MASK]"])
        assert found == expected


@pytest.mark.slow
@pytest.mark.long
def test_sigterm_answers_what_was_asked(exported):
    # A batch waits for some seconds: the requests are on their way at the signal.
    flags = (base_paths(exported, "pretraining"), "--batch_timeout_micros=5000000")
    with running(*flags) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [
            pool.submit(client.predict, texts=["[MASK]"])
            for client in clients(server, "pretraining")
        ]
        until(lambda: "bert_tf_queued_requests 2.0" in metrics(server), "two requests")
        assert server.stop() == 0
        for future in asked:
            assert future.result()["tokens"] is not None
    assert "Shutting down.\n" in server.lines
