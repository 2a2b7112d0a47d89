"""From strings to classes, the same way for transformers and ONNX Runtime."""
import numpy as np


def classify(tokenizer, logits, rows: list[dict], args) -> list[int]:
    """The class of each row. `logits` maps a padded batch of arrays to an array of logits."""
    sentences, limits = [row["sentence"] for row in rows], {"truncation": True, "max_length": args.max_length}
    pairs = rows[0]["first"] is not None
    ids = tokenizer([row["first"] for row in rows], sentences, **limits) if pairs else tokenizer(sentences, **limits)
    ids = ids["input_ids"]
    order = sorted(range(len(rows)), key=lambda row: len(ids[row]))
    classes = [0] * len(rows)
    for start in range(0, len(rows), args.batch):
        group = order[start:start + args.batch]
        # The tokenizer of XLM-R gives no types; the model was trained with those of our rows.
        types = [rows[row].get("type_ids", [0] * len(ids[row])) for row in group]
        batch = pad([ids[row] for row in group], types, tokenizer.pad_token_id)
        for row, found in zip(group, logits(batch).argmax(axis=1).tolist()):
            classes[row] = found
    return classes


def pad(ids: list[list[int]], types: list[list[int]], pad_id: int) -> dict[str, np.ndarray]:
    shape = (len(ids), max(map(len, ids)))
    batch = {"input_ids": np.full(shape, pad_id, np.int64), "attention_mask": np.zeros(shape, np.int64),
             "token_type_ids": np.zeros(shape, np.int64)}
    for at, (row, kinds) in enumerate(zip(ids, types)):
        batch["input_ids"][at, :len(row)] = row
        batch["attention_mask"][at, :len(row)] = 1
        batch["token_type_ids"][at, :len(row)] = kinds
    return batch


def write_classes(path, classes: list[int]) -> None:
    path.write_text("".join(f"{found}\n" for found in classes))
