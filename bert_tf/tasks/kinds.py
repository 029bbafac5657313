"""The table of the kinds of tasks that a model can be fine-tuned for."""

from bert_tf.tasks.classification import CLASSIFICATION, REGRESSION
from bert_tf.tasks.correction import CORRECTION
from bert_tf.tasks.kind import Kind
from bert_tf.tasks.multiple_choice import MULTIPLE_CHOICE
from bert_tf.tasks.span_qa import SPAN_QA
from bert_tf.tasks.token_tagging import TOKEN_TAGGING

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        CLASSIFICATION,
        REGRESSION,
        TOKEN_TAGGING,
        SPAN_QA,
        MULTIPLE_CHOICE,
        CORRECTION,
    )
}
