"""Learning rates that depend on the depth of a layer."""

import dataclasses
import re
from typing import Any

from keras import ops

_BLOCK = re.compile(r"encoder/block_(\d+)/")


@dataclasses.dataclass(frozen=True)
class LayerRates:
    """Factors of the learning rate, by the depth of a variable.

    Attributes:
        num_layers: the number of blocks of the encoder.
        decay: factor from each layer to the one below; 1 for equal rates (Howard and
            Ruder 2018, section 3.2: discriminative fine-tuning).
        unfreeze_every: the number of steps after which the next layer below begins to
            learn, beginning with the head; 0 to train all from the start (section 3.3:
            gradual unfreezing).
    """

    num_layers: int
    decay: float = 1.0
    unfreeze_every: int = 0

    def depth(self, path: str) -> int:
        """Returns 0 for the head and the pooler, 1 for the top block, and so on."""
        if "encoder/embeddings/" in path:
            return self.num_layers + 1
        block = _BLOCK.search(path)
        return self.num_layers - int(block.group(1)) if block else 0

    def factor(self, path: str, step: Any) -> Any:
        """Returns the factor of the variable with this path at a step, float32."""
        depth = self.depth(path)
        begins = depth * self.unfreeze_every
        learns = ops.cast(step >= begins, "float32") if begins else 1.0
        return self.decay**depth * learns
