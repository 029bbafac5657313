"""Model folders of every kind, and what may be asked of them."""

from bert_tf.checkpoints import model_dir
from bert_tf.models.config import BertConfig
from bert_tf.prediction.answers import predict_rows
from bert_tf.prediction.predictor import Predictor
from bert_tf.prediction.rows import AnswerColumns
from bert_tf.tasks.kinds import KINDS
from bert_tf.tasks.token_tagging import words_of_line
from data_pipelines.datasets.examples import (
    ChoiceExample,
    CorrectionExample,
    Question,
    TaggedSentence,
    TextExample,
)
from data_pipelines.tokenizers.vocabulary import Vocabulary
from tests.bert_tf.small_models import (
    VOCABULARY,
    randomize,
    small_config,
    small_pretrainer,
)
from tests.seeds import set_seed

TEXTS = (
    "the cat sat on the mat.",
    "",
    "A running dog, " + "the cats ran to the mat " * 6,
    "中 home (ran) zebra",
    "dog",
)
# Kind: arguments of the encoding and the model, and metrics.
KIND_ARGUMENTS = {
    "classification": (
        {"max_length": 12, "labels": ["no", "yes", "maybe"]},
        {"num_outputs": 3},
        ("accuracy",),
    ),
    "regression": ({"max_length": 16, "labels": None}, {"num_outputs": 1}, ()),
    "token_tagging": (
        {
            "max_length": 10,
            "labels": ["O", "B-X", "I-X", "B-YZ", "I-YZ"],
            "stride": 4,
        },
        {"num_outputs": 5},
        ("entity_f1",),
    ),
    "span_qa": ({"max_length": 16, "stride": 4, "max_question_length": 3}, {}, ()),
    "multiple_choice": ({"max_length": 16, "group_size": 2}, {"num_choices": 2}, ()),
    "correction": ({"max_length": 10, "stride": 4}, {}, ()),
}


def write_model(
    folder,
    kind,
    config: BertConfig | None = None,
    vocabulary: Vocabulary = VOCABULARY,
    **description,
) -> str:
    """A model folder of random weights."""
    encoding, head, metrics = KIND_ARGUMENTS[kind]
    set_seed(0)
    config = config or small_config(num_hidden_layers=1, vocab_size=len(vocabulary))
    made = model_dir.make_model(config, model_dir.Description(kind, head=head))
    randomize(made, scale=0.5)
    described = model_dir.Description(
        **{
            "kind": kind,
            "metrics": metrics,
            "head": head,
            "encoding": encoding,
            **description,
        }
    )
    model_dir.save(str(folder), made, vocabulary, described, {"seed": 0})
    return str(folder)


def write_pretrained(folder, kind="pretraining", seed=0) -> str:
    """A model folder of random weights, with both heads."""
    model = small_pretrainer(seed)
    randomize(model, scale=0.5)
    described = model_dir.Description(kind, sentence_task="next_sentence")
    model_dir.save(str(folder), model, VOCABULARY, described, {"seed": seed})
    return str(folder)


def examples_of(kind, texts=TEXTS):
    """What `predict` would be asked, and the arguments of the same signature."""
    others = texts[::-1]
    if kind == "token_tagging":
        words = [words_of_line(text) for text in texts]
        sentences = [
            TaggedSentence(str(i), row, None, i) for i, row in enumerate(words) if row
        ]
        return sentences, {"texts": texts}
    if kind == "span_qa":
        return (
            [
                Question("", "", question, context, (), False)
                for question, context in zip(others, texts, strict=True)
            ],
            {"questions": others, "contexts": texts},
        )
    if kind == "multiple_choice":
        choices = [(other, "on") for other in others]
        examples = [
            ChoiceExample("", text, pair, None)
            for text, pair in zip(texts, choices, strict=True)
        ]
        return examples, {"texts": texts, "choices": choices}
    if kind == "correction":
        return [CorrectionExample("", text, ()) for text in texts], {"texts": texts}
    return [TextExample("", text, None, None) for text in texts], {"texts": texts}


def predictor_of(folder) -> Predictor:
    loaded = model_dir.load(folder)
    assert loaded.description.kind in KINDS
    return Predictor.of(loaded, batch_size=3)


def predicted_rows(folder, examples) -> list[dict]:
    """The rows that `predict` would write."""
    description = model_dir.load_description(folder)[2]
    rows = predict_rows(
        predictor_of(folder),
        description,
        (({}, e) for e in examples),
        AnswerColumns(()),
    )
    return [row for _, row in rows]
