"""The layout of files of text: where documents and sentences end, as options."""

import dataclasses
from typing import Any, Literal, get_args

import tensorflow as tf

from data_pipelines.corpus.sentences import split_sentences
from data_pipelines.programs import cli

Separator = Literal["file", "blank_line"]
Lines = Literal["auto", "wrapped", "sentences"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Options of every program that reads documents, which hands on itself.

    Attributes:
        separator: of the documents of plain text. `"file"`: the file is one document.
            `"blank_line"`: empty lines separate documents, as in the input of
            google-research/bert.
        lines: what a line is, in every format. `"wrapped"`: a part of a paragraph,
            which ends at an empty or an indented line, and where a document has no
            empty lines at a short one. `"sentences"`: one
            sentence, which is not divided further. `"auto"`: a part of a paragraph
            where the file gives evidence of it, see `paragraphs.wrap_width`, else a
            paragraph.
    """

    separator: Separator = cli.option(
        "file", "file: a file is one document. blank_line: empty lines separate them."
    )
    lines: Lines = cli.option(
        "auto",
        "What a line of text is. wrapped: a part of a paragraph, to be joined. "
        "sentences: one sentence, never joined nor divided. auto: wrapped where the "
        "text shows it, else a paragraph.",
    )

    def check_layout(self) -> None:
        """Raises ValueError if a value is unknown."""
        expected: dict[str, Any] = {"separator": Separator, "lines": Lines}
        for name, values in expected.items():
            if getattr(self, name) not in get_args(values):
                raise ValueError(
                    f"Received {name}={getattr(self, name)!r}, expected one of "
                    f"{list(get_args(values))}."
                )

    def sentences_of(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Divides texts, string `(texts,)`, into sentences `(texts, (sentences))`.

        The texts are documents of `read_documents` with this layout, or parts of them.
        """
        if self.lines != "sentences":
            return split_sentences(texts)
        lines = tf.strings.split(texts, "\n")
        return tf.ragged.boolean_mask(lines, lines.with_values(lines.values != ""))
