"""Options for the layout of text files: where documents and sentences end."""

import dataclasses
from typing import Any, Literal, get_args

import tensorflow as tf

from data_pipelines.corpus.sentences import split_sentences
from data_pipelines.programs import cli

Separator = Literal["file", "blank_line"]
Lines = Literal["auto", "wrapped", "sentences"]


@dataclasses.dataclass(frozen=True)
class Layout:
    """Layout options of every program that reads documents.

    Attributes:
        separator: separator of documents in plain text. `"file"`: the file is one
            document. `"blank_line"`: empty lines separate documents, as in the input
            of google-research/bert.
        lines: meaning of a line, in every format. `"wrapped"`: part of a paragraph,
            which ends at an empty or indented line, or, in a document without empty
            lines, at a short line. `"sentences"`: one sentence, which is not split
            further. `"auto"`: wrapped if the text looks wrapped, see
            `paragraphs.wrap_width`, else a paragraph.
    """

    separator: Separator = cli.option(
        "file",
        "Document separator of plain text. file: each file is one document. "
        "blank_line: empty lines separate documents.",
    )
    lines: Lines = cli.option(
        "auto",
        "Meaning of a line of text. wrapped: part of a paragraph; lines are joined. "
        "sentences: one sentence, never joined or split. auto: wrapped if the text "
        "looks wrapped, else one paragraph.",
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
        """Splits texts, string `(texts,)`, into sentences `(texts, (sentences))`.

        The texts are documents from `read_documents` with this layout, or chunks of
        them.
        """
        if self.lines != "sentences":
            return split_sentences(texts)
        lines = tf.strings.split(texts, "\n")
        return tf.ragged.boolean_mask(lines, lines.with_values(lines.values != ""))
