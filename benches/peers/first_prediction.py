"""Workload F in Python: load a trained folder and classify one row. The harness measures the whole process."""
import common

parser = common.arguments(__doc__)
args = parser.parse_args()
common.set_threads(args.threads)

import torch  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402


def main() -> None:
    torch.set_num_threads(args.threads)
    [row] = common.read_rows(args.rows, 1)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForSequenceClassification.from_pretrained(args.model).eval()
    inputs = tokenizer(row["first"], row["sentence"], truncation=True, max_length=args.max_length,
                       return_tensors="pt")
    inputs["token_type_ids"] = torch.tensor([row["type_ids"]])
    with torch.inference_mode():
        found = model(**inputs).logits.argmax().item()
    common.report(**{"workload": "first-prediction", "rows": 1, "class": found})


main()
