"""The programs that `benchmarks.inference` compares: each turns strings to vectors.

Libraries read the number of cores and their variables when they are imported, so each
side is loaded in a process of its own, by `serve`.
"""

import os
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

# A function of a batch of texts, which returns float32 (texts, hidden).
Embed = Callable[[Sequence[str]], np.ndarray]

# Each side, with the file or folder that it loads, and the variables of its process.
SIDES: dict[str, tuple[str, dict[str, str]]] = {
    "ours": ("ours/float32/1", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    "ours_without_onednn": ("ours/float32/1", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "ours_bfloat16": ("ours/bfloat16/1", {}),
    "ours_int8": ("ours/int8/1", {}),
    "pytorch": ("theirs", {}),
    "onnxruntime": ("float32.onnx", {}),
    "onnxruntime_int8_reduced": ("int8_reduced.onnx", {}),
    "onnxruntime_int8_u8": ("int8_u8.onnx", {}),
    "openvino": ("float32.onnx", {}),
}
MAX_LENGTH = 256


def serve(connection: Connection, side: str, folder: str, one_thread: bool) -> None:
    """Loads a side and answers batches until the connection is closed."""
    if one_thread:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    path, variables = SIDES[side]
    os.environ.update(variables)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    count = len(os.sched_getaffinity(0))
    embed = _loader(side)(os.path.join(folder, path), folder, count)
    connection.send("ready")
    while True:
        try:
            texts = connection.recv()
        except EOFError:
            return
        connection.send(embed(texts))


def _loader(side: str) -> Callable[[str, str, int], Embed]:
    if side.startswith("ours"):
        return _ours
    return {"pytorch": _torch, "openvino": _openvino}.get(side, _onnx_runtime)


def _ours(path: str, folder: str, count: int) -> Embed:
    import tensorflow as tf
    import tensorflow_text  # noqa: F401, the ops of the SavedModel

    model = tf.saved_model.load(path)
    signature = model.signatures["embed"]

    def embed(texts: Sequence[str], _model: Any = model) -> np.ndarray:
        return signature(texts=tf.constant(texts))["sentence"].numpy()

    return embed


def sentence_encoder(folder: str) -> Any:
    """Returns the model of transformers with the mean and the normalization."""
    import torch
    import transformers

    class SentenceEncoder(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = transformers.AutoModel.from_pretrained(
                folder, attn_implementation="sdpa"
            ).eval()

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            found = self.model(input_ids=input_ids, attention_mask=attention_mask)
            states, mask = found.last_hidden_state, attention_mask[:, :, None]
            mean = (states * mask).sum(1) / mask.sum(1)
            return torch.nn.functional.normalize(mean, dim=1)

    return SentenceEncoder().eval()


def _tokenize(folder: str, tensors: str) -> Callable[[Sequence[str]], dict[str, Any]]:
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(
        os.path.join(folder, "theirs")
    )

    def tokenize(texts: Sequence[str]) -> dict[str, Any]:
        found = tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=MAX_LENGTH,
            return_tensors=tensors,
        )
        return {name: found[name] for name in ("input_ids", "attention_mask")}

    return tokenize


def _torch(path: str, folder: str, count: int) -> Embed:
    import torch

    torch.set_num_threads(count)
    model, tokenize = sentence_encoder(path), _tokenize(folder, "pt")

    def embed(texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            return model(**tokenize(texts)).numpy()

    return embed


def _onnx_runtime(path: str, folder: str, count: int) -> Embed:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = count
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    tokenize = _tokenize(folder, "np")

    def embed(texts: Sequence[str]) -> np.ndarray:
        inputs = {name: ids.astype(np.int64) for name, ids in tokenize(texts).items()}
        return session.run(None, inputs)[0]

    return embed


def _openvino(path: str, folder: str, count: int) -> Embed:
    import openvino

    settings = {"INFERENCE_NUM_THREADS": count, "PERFORMANCE_HINT": "LATENCY"}
    settings["INFERENCE_PRECISION_HINT"] = "f32"
    model = openvino.Core().compile_model(path, "CPU", settings)
    tokenize = _tokenize(folder, "np")
    return lambda texts: model(tokenize(texts))[0]
