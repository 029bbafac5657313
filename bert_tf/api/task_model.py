"""The part that the classes of all tasks share: strings in, answers out."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeVar

import keras
import tensorflow as tf

from bert_tf.api import folders
from bert_tf.api.folders import Dtype, ModelFolder, Path, policy_of
from bert_tf.api.inputs import Inputs, label_names, read_inputs
from bert_tf.api.predictions import Predictions
from bert_tf.api.validation import DevMetrics, check_loss
from bert_tf.checkpoints import model_dir
from bert_tf.checkpoints.model_dir import LoadedModel
from bert_tf.finetuning.dev_scores import DevScores
from bert_tf.finetuning.heads import assign_encoder, reused_heads
from bert_tf.finetuning.start import describe, encoder_config, training_features
from bert_tf.optim.warmed_up import warmed_up_adamw
from bert_tf.prediction.answers import predict_rows
from bert_tf.prediction.predictor import Predictor
from bert_tf.prediction.rows import AnswerColumns
from bert_tf.tasks.kind import Columns, Kind
from bert_tf.tasks.kinds import KINDS
from bert_tf.training.keras_fit import FitModel
from bert_tf.training.seeds import data_seed, initial_weights
from data_pipelines.datasets.examples import labels_in, missing_text
from data_pipelines.datasets.own_files import metrics_of
from data_pipelines.datasets.sources import Dataset, TaskKind
from data_pipelines.finetuning import batches
from data_pipelines.programs import cli
from data_pipelines.rows.features import Features

PredictionT = TypeVar("PredictionT")

_LEARNING_RATE = 5e-5


class TaskModel(ModelFolder, Generic[PredictionT]):
    """A model of one task, which is trained, asked, saved and exported.

    Args:
        source: a model folder, or a folder of any format that `bert_tf.convert` reads.
            A model of this task is loaded as it is; of any other one the encoder is
            taken, below a new head.
        labels: names of the classes or tags, in the order of their numbers. None: those
            of the model, or else of the targets that `fit` is given, in alphabetical
            order.
        max_length: tokens of a sequence, to which texts are cut. None: 128 (384 for
            questions), or the positions of the model if these are fewer.
        stride: tokens between the windows of a long input. None: 128 for questions (or
            less, so that windows touch), half of max_length for tags and corrections.
        dropout: rate in the encoder and before a new head. The default is the paper's
            (appendix A.3).
        dtype: the dtype of the computation; the weights stay float32.
        seed: the seed of a new head, the order of the examples and the dropout masks.

    Raises:
        FileNotFoundError: there is no model.
        ValueError: the model is broken, or does not fit the arguments.
    """

    kind_name: ClassVar[TaskKind]
    # The axes of an input, and whether it may be two texts; see `read_inputs`.
    _rank: ClassVar[int] = 0
    _paired: ClassVar[bool] = False

    def __init__(
        self,
        source: Path,
        labels: Sequence[Any] | None = None,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        dropout: float = 0.1,
        dtype: Dtype = "float32",
        seed: int = 0,
    ) -> None:
        self._source, self._policy, self._seed = str(source), policy_of(dtype), seed
        self._max_length, self._stride, self._dropout = max_length, stride, dropout
        self._compiled: dict[str, Any] = {}
        self._fit_model: FitModel | None = None
        self._loaded: LoadedModel | None = None
        self._predictor: Predictor | None = None
        # Whether `fit`, or whoever wrote the folder, has described it by examples.
        self._is_trained = False
        self._labels = None if labels is None else label_names(labels)
        self._origin = folders.read(source)
        description = self._origin.description
        is_own = description.kind == self.kind_name
        if is_own and self._labels in (None, description.labels):
            known = folders.make(self._origin, self._policy)
            self._use(known if max_length is None else self._relengthened(known))
            self._is_trained = True
        elif self._labels is not None:
            self._make([])

    @property
    def kind(self) -> Kind:
        """The kind of task, with everything that depends on it."""
        return KINDS[self.kind_name]

    @property
    def keras_model(self) -> Any:
        """The `keras.Model` below: batches in, logits out.

        Raises:
            ValueError: the labels are not known yet.
        """
        return self._known.model

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The names of the classes or tags; None: the task has none."""
        return self._known.description.labels

    @property
    def threshold(self) -> float | None:
        """The threshold that the last validation chose, if the task has one."""
        return self._known.description.threshold

    @property
    def _known(self) -> LoadedModel:
        if self._loaded is None:
            raise ValueError(
                f"This {type(self).__name__} does not know its labels yet. Expected "
                f"{type(self).__name__}({self._source!r}, labels=[...]), or fit first."
            )
        return self._loaded

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        *,
        learning_rate: float = _LEARNING_RATE,
        **kwargs: Any,
    ) -> None:
        """Chooses how `fit` trains; it need not be called.

        Args:
            optimizer: any of Keras. None: AdamW whose rate rises for a tenth of the
                steps of each `fit` and then falls to 0, with gradients clipped to the
                norm 1: that of `python -m bert_tf.finetune`.
            loss: a loss of Keras on the outputs of `keras_model`, which are logits.
                None: that of the task.
            metrics: metrics of Keras on the same outputs, in addition to the task's.
            learning_rate: the peak, if there is no optimizer.
            kwargs: others of `keras.Model.compile`.

        Raises:
            ValueError: the loss takes the outputs for probabilities.
        """
        check_loss(loss)
        self._compiled = {"optimizer": optimizer, "loss": loss, "metrics": metrics}
        self._compiled |= {"learning_rate": learning_rate, **kwargs}
        self._fit_model = None

    def fit(
        self,
        x: Any,
        y: Any = None,
        batch_size: int = 32,
        epochs: int = 3,
        verbose: Any = "auto",
        callbacks: Sequence[keras.callbacks.Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Trains, as `keras.Model.fit` does.

        With the same data, options and seed it trains as `python -m bert_tf.finetune`
        does. Short texts share rows, so that little is computed on padding.

        Args:
            x: inputs of the task in a list, an array, a column, or a `tf.data.Dataset`
                of (inputs, targets), which is read once, into memory.
            y: a target for each input.
            batch_size: inputs of a step. (Of texts that are cut into windows: windows.)
            epochs: passes through the inputs.
            verbose, callbacks: see Keras.
            validation_split: share of the inputs, the last ones, to validate on.
            validation_data: (x, y), (x, y, sample_weight) or a dataset. After each
                epoch the loss and the metrics of the task are in the logs, as
                `val_loss`, `val_accuracy`, `val_f1`, ...
            class_weight: factors of the losses of classes, by name or number;
                "balanced": all classes have the same total.
            sample_weight: a factor of the loss of each input.
            kwargs: others of `keras.Model.fit`.

        Returns:
            The history of losses and metrics.

        Raises:
            ValueError: inputs, targets or weights are not as the task needs them.
        """
        cli.require_positive(batch_size=batch_size, epochs=epochs)
        inputs = self._read(x, y, sample_weight)
        validation = self._validation(validation_data)
        if validation_split:
            inputs, validation = inputs.split(validation_split)
        examples = self._labelled(inputs)
        dev = None if validation is None else self._labelled(validation)
        if not examples:
            raise ValueError("Received no inputs. Expected some to train on.")
        self._make(examples)
        self._is_trained = True
        features = self._features(examples, inputs.weights)
        if class_weight is not None:
            self._weigh_classes(features, class_weight)
        model, group_size = self._known, self._known.encoding.group_size
        count = batches.num_groups(features, group_size)
        steps = -(-count // batch_size)
        arguments = {
            "batch_size": batch_size,
            "row_length": batches.row_length_of(features, model.encoding.max_length),
            "group_size": group_size,
        }
        train = batches.training_batches(
            features,
            model.vocabulary,
            seed=data_seed(self._seed, attempt=0),
            **arguments,
        )
        fit_model = self._ready(train, steps * epochs)
        callbacks = list(callbacks or ())
        if dev is not None:
            scores = DevScores(Predictor.of(model, 64), model.description.task, dev)
            callbacks.insert(0, DevMetrics(scores, self._keep_threshold))
            features = self._features(dev, validation.weights if validation else None)
            kwargs["validation_data"] = batches.batches_in_order(
                features, model.vocabulary, **arguments
            )
        return fit_model.fit(
            train,
            epochs=epochs,
            steps_per_epoch=steps,
            verbose=verbose,
            callbacks=callbacks,
            shuffle=False,  # The batches are in an order of their own already.
            **kwargs,
        )

    def predict(self, x: Any, batch_size: int = 64) -> Predictions[PredictionT]:
        """Answers inputs.

        Args:
            x: inputs as `fit` takes them.
            batch_size: inputs that are run at once.

        Returns:
            A prediction for each input, in order; None where a text is blank.
        """
        examples = self._examples(read_inputs(x, rank=self._rank, paired=self._paired))
        self._check_pairs(examples)
        rows = predict_rows(
            self._predictor_of(batch_size),
            self._known.description,
            (({}, example) for example in examples),
            AnswerColumns(()),
        )
        found = Predictions[PredictionT](
            None if missing_text(example) else self._prediction(example, row)
            for example, row in rows
        )
        if num_blank := found.count(None):
            warnings.warn(
                f"{num_blank:,} of {len(found):,} inputs are blank: their prediction "
                "is None.",
                stacklevel=2,
            )
        return found

    def evaluate(self, x: Any, y: Any = None, batch_size: int = 64) -> dict[str, float]:
        """The metrics of the task, the most important first.

        Args:
            x, y: as for `fit`.
            batch_size: inputs that are run at once.
        """
        examples = self._labelled(self._read(x, y, None))
        self._check_pairs(examples)
        task = self._known.description.task
        answers = self._predictor_of(batch_size).answers(examples, task.threshold)
        return self.kind.score(examples, [answer for _, answer in answers], task)

    def __repr__(self) -> str:
        known = "not fitted" if self._loaded is None else f"labels={self.labels}"
        return f"{type(self).__name__}({self._source!r}, {known})"

    # What the classes of the tasks say.

    def _examples(self, inputs: Inputs) -> list[Any]:
        """The examples of the inputs, whose ids are their places."""
        raise NotImplementedError

    def _prediction(self, example: Any, columns: Columns) -> PredictionT:
        """The prediction from the columns that `predict` writes."""
        raise NotImplementedError

    def _targets(self, batch: Any) -> tuple[Any, Any]:
        """Targets for losses and metrics of Keras, and their weights."""
        raise ValueError(
            f"Received a loss or metrics of Keras for a {type(self).__name__}. "
            "Expected none: its outputs are not those of one loss."
        )

    def _dataset(self, examples: Sequence[Any]) -> Dataset:
        """The properties of the examples that a description has."""
        labels = self._labels
        if self.kind.has_labels and labels is None:
            labels = labels_in(examples)
        return Dataset(
            name="own",
            kind=self.kind_name,
            metrics=metrics_of(self.kind_name),
            splits={},
            reader=None,
            labels=labels,
        )

    # The rest is the same for all.

    def _read(self, x: Any, y: Any, weights: Any) -> Inputs:
        inputs = read_inputs(x, y, weights, rank=self._rank, paired=self._paired)
        if inputs.y is None:
            raise ValueError(
                "Received inputs without targets. Expected a target for each."
            )
        return inputs

    def _validation(self, data: Any) -> Inputs | None:
        if data is None:
            return None
        if isinstance(data, tf.data.Dataset):
            return self._read(data, None, None)
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            raise ValueError(
                f"Received {type(data).__name__} as validation_data. Expected (x, y), "
                "(x, y, sample_weight) or a tf.data.Dataset."
            )
        return self._read(*data, *[None] * (3 - len(data)))

    def _labelled(self, inputs: Inputs) -> list[Any]:
        """The examples with text; a warning says how many have none."""
        examples = self._examples(inputs)
        found = [example for example in examples if missing_text(example) is None]
        if len(found) < len(examples):
            warnings.warn(
                f"{len(examples) - len(found):,} of {len(examples):,} inputs are "
                "blank: they are left out.",
                stacklevel=3,
            )
        return found

    def _check_pairs(self, examples: Sequence[Any]) -> None:
        """Raises ValueError for pairs, if trained on single texts, and vice versa."""
        pairs = self._known.description.task.pairs if self._is_trained else None
        if not self._paired or pairs is None:
            return
        names = {True: "a pair of texts", False: "a single text"}
        for example in examples:
            if (example.second is not None) != pairs:
                raise ValueError(
                    f"Input {example.id} is {names[not pairs]}. Expected "
                    f"{names[pairs]}, as the model was trained on."
                )

    def _make(self, examples: Sequence[Any]) -> None:
        """Makes the model, with a head for these examples, unless it exists.

        What the first training examples tell (whether texts are pairs, which characters
        are words) is added to the description of a model that was made before them.
        """
        if self._is_trained:
            return
        origin, dataset = self._origin, self._dataset(examples)
        config = encoder_config(origin.config, self.kind, self._dropout)
        lengths = self.kind.lengths(
            config.max_sequence_length, self._max_length, self._stride
        )
        description = describe(dataset, config, origin.description, lengths, examples)
        if self._loaded is not None:
            self._use(dataclasses.replace(self._loaded, description=description))
            return
        with initial_weights(self._seed):
            model = model_dir.make_model(config, description, self._policy)
        prefixes = (
            model_dir.ENCODER,
            *reused_heads(self.kind, origin.description),
        )
        names = [name for name in origin.weights.shapes if name.startswith(prefixes)]
        assign_encoder(model, {name: origin.weights.read(name) for name in names})
        self._use(LoadedModel(model, origin.vocabulary, description))

    def _use(self, model: LoadedModel) -> None:
        self._loaded, self._predictor = model, None

    def _keep_threshold(self, threshold: float) -> None:
        description = self._known.description
        description = dataclasses.replace(description, threshold=threshold)
        self._use(dataclasses.replace(self._known, description=description))

    def _relengthened(self, model: LoadedModel) -> LoadedModel:
        most = model.model.encoder.config.max_sequence_length
        lengths = self.kind.lengths(most, self._max_length)
        encoding = {**model.description.encoding, "max_length": lengths.max_length}
        description = dataclasses.replace(model.description, encoding=encoding)
        return dataclasses.replace(model, description=description)

    def _predictor_of(self, batch_size: int) -> Predictor:
        if self._predictor is None or self._predictor.batch_size != batch_size:
            self._predictor = Predictor.of(self._known, batch_size)
        return self._predictor

    def _features(
        self, examples: Sequence[Any], weights: Sequence[float] | None
    ) -> Features:
        model = self._known
        by_id = None
        if weights is not None:
            by_id = {str(place): weight for place, weight in enumerate(weights)}
        return training_features(model.description, model.encoding, examples, by_id)

    def _weigh_classes(self, features: Features, class_weight: Any) -> None:
        raise ValueError(
            f"Received class_weight for a {type(self).__name__}. Expected it for a "
            "TextClassifier alone: give sample_weight."
        )

    def _ready(self, train: tf.data.Dataset, num_steps: int) -> FitModel:
        """The model that `fit` trains, compiled."""
        compiled = dict(self._compiled)
        learning_rate = compiled.pop("learning_rate", _LEARNING_RATE)
        optimizer = compiled.pop("optimizer", None)
        if self._fit_model is not None and optimizer is not None:
            return self._fit_model
        objective = self.kind.objective(self.keras_model)
        names = list(objective.weights(next(iter(train))))
        needs_targets = compiled.get("loss") or compiled.get("metrics")
        self._fit_model = FitModel(
            self.keras_model,
            objective,
            names,
            self._targets if needs_targets else None,
            self._seed,
        )
        if optimizer is None:
            optimizer = warmed_up_adamw(learning_rate, num_steps)
        self._fit_model.compile(optimizer, **compiled)
        return self._fit_model

    def _record(self) -> dict[str, Any]:
        return {"source": self._source, "seed": self._seed, "dropout": self._dropout}
