"""What all training programs of the benchmark have in common."""

import dataclasses
import itertools
import posixpath
import random
from collections.abc import Iterator

from bert_tf.models.config import BertConfig, preset
from bert_tf.models.size import pretraining_step_flops
from bert_tf.training.budget import Budget, process_clock, seconds_of
from data_pipelines.corpus.documents import expand_sources, read_documents
from data_pipelines.files.atomic import write_file
from data_pipelines.files.json_files import write_json
from data_pipelines.learn_vocabulary import learn_vocabulary
from data_pipelines.programs import cli
from data_pipelines.tokenizers.vocabulary import Vocabulary

VOCAB_SIZE = 20_000
# The learning rate of models of this size; the paper's is for base and large.
LEARNING_RATE = 1e-3
BATCH_SIZE = 32
SEQUENCE_LENGTH = 128
MASKED_SHARE = 0.15
# Where a peer leaves its model, in its own format, and the work of its training.
PEER_MODEL = "peer"
TRAINING = "training.json"
# Documents whose order is drawn together.
_SHUFFLED = 2000


@dataclasses.dataclass(frozen=True)
class SideOptions:
    """Options of a training program of the benchmark."""

    input_files: str = cli.option(cli.REQUIRED, "The text: a pattern of files.")
    output_dir: str = cli.option(cli.REQUIRED, "Folder of the model.")
    budget: str = cli.option(cli.REQUIRED, "The time of the program, such as 5m.")
    seed: int = cli.option(0, "The random seed.")

    def start(self) -> Budget:
        """Returns the budget of this program, which began with its process."""
        return Budget(seconds_of(self.budget), process_clock())

    def learned_vocabulary(self) -> Vocabulary:
        """Learns a WordPiece vocabulary from the text, and writes `vocab.txt`."""
        vocabulary = learn_vocabulary(
            input_files=[self.input_files], vocab_size=VOCAB_SIZE
        )
        for name, content in vocabulary.to_files(
            posixpath.join(self.output_dir, "vocab.txt")
        ).items():
            write_file(name, content)
        return vocabulary

    def documents(self) -> Iterator[str]:
        """Yields documents again and again, in a random order within blocks."""
        draw = random.Random(self.seed)
        for _ in itertools.count():
            sources = expand_sources([self.input_files])
            draw.shuffle(sources)
            texts = (text for source in sources for text in read_documents(source))
            while block := list(itertools.islice(texts, _SHUFFLED)):
                draw.shuffle(block)
                yield from block


def mini_config() -> BertConfig:
    """Returns the config of the peers' models: BERT Mini of Turc et al. (2019)."""
    return preset("mini", VOCAB_SIZE)


def write_training(folder: str, steps: int, predictions_per_row: int) -> None:
    """Writes the work of a peer's training: steps, tokens, and operations."""
    flops = pretraining_step_flops(
        mini_config(), BATCH_SIZE, SEQUENCE_LENGTH, predictions_per_row
    )
    values = {
        "steps": steps,
        "tokens": steps * BATCH_SIZE * SEQUENCE_LENGTH,
        "flop": steps * flops,
    }
    write_json(posixpath.join(folder, TRAINING), values)
