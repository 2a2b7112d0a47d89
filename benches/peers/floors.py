"""The least time that a workload can take on this machine: operations over the rate of matrix products, and
bytes over the bandwidth of memory."""
import json
from pathlib import Path

# AdamW in one pass: parameter, gradient and both moments are read, all but the gradient written, 4 bytes each.
OPTIMIZER_BYTES = 28


def shape(model: Path) -> tuple[int, int, int, int]:
    config = json.loads((model / "config.json").read_text())
    return tuple(config[key] for key in
                 ["num_hidden_layers", "hidden_size", "intermediate_size", "max_position_embeddings"])


def forward_operations(model: Path, lengths: list[int]) -> float:
    """Multiplications and additions of the encoder on rows of these lengths, without padding."""
    layers, hidden, inner, _ = shape(model)
    linear = 2 * sum(lengths) * (4 * hidden**2 + 2 * hidden * inner)
    attention = 4 * hidden * sum(length**2 for length in lengths)
    return layers * (linear + attention)


def updated_parameters(model: Path, rows: list[dict]) -> int:
    """Parameters outside of the word embeddings, and those of the words that the rows hold."""
    layers, hidden, inner, positions = shape(model)
    touched = len({token for row in rows for token in row["ids"]})
    return layers * (4 * hidden**2 + 2 * hidden * inner) + hidden * (positions + touched)


def training(model: Path, rows: list[dict], steps: int, rate: float, bandwidth: float) -> float:
    """Seconds for one step. The backward pass takes twice the operations of the forward pass."""
    operations = 3 * forward_operations(model, [len(row["ids"]) for row in rows])
    return operations / rate / steps + OPTIMIZER_BYTES * updated_parameters(model, rows) / bandwidth


def prediction(model: Path, rows: list[dict], rate: float) -> float:
    return forward_operations(model, [len(row["ids"]) for row in rows]) / rate
