"""Workload E in `transformers`: rows sorted by length, batches padded to their longest row, no gradients."""
import contextlib
import time
from pathlib import Path

import common

parser = common.arguments(__doc__)
parser.add_argument("--batch", type=int, default=32)
parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
parser.add_argument("--out", type=Path, required=True, help="file for the class of each row")
args = parser.parse_args()
common.set_threads(args.threads)

import torch  # noqa: E402
from transformers import AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

from inference import classify, write_classes  # noqa: E402


def main() -> None:
    torch.set_num_threads(args.threads)
    rows = common.read_rows(args.rows)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForSequenceClassification.from_pretrained(args.model).eval()
    reduced = torch.autocast("cpu", torch.bfloat16) if args.precision == "bf16" else contextlib.nullcontext()

    def logits(batch):
        return model(**{name: torch.from_numpy(array) for name, array in batch.items()}).logits.float().numpy()

    with torch.inference_mode(), reduced:
        classify(tokenizer, logits, rows[:64], args)
        began = time.perf_counter()
        classes = classify(tokenizer, logits, rows, args)
        seconds = time.perf_counter() - began
    write_classes(args.out, classes)
    common.report(workload="predict", rows=len(rows), seconds=seconds, labels=str(args.out))


main()
