"""Workloads B, C and D: `transformers.Trainer` on the rows and in the order that our trainer has.

padded-fp32  as the report used it: 32-bit floats, every row padded to the maximum length
tuned        what a careful user reaches: bf16 autocast, batches padded to their longest row and made of rows of
             similar length, fused AdamW

The rows' token ids are given, so that tokenization is no part of the time. The first steps are not timed; in the
mode `tuned` they take rows of their own, so that grouping by length neither gains nor loses by leaving them out.
"""
import tempfile
import time

import common

parser = common.arguments(__doc__)
parser.add_argument("--mode", choices=["padded-fp32", "tuned"], required=True)
parser.add_argument("--batch", type=int, default=16)
parser.add_argument("--warm-up", type=int, default=2)
parser.add_argument("--learning-rate", type=float, default=5e-5)
parser.add_argument("--warmup-steps", type=int, default=0, help="steps in which the learning rate grows")
parser.add_argument("--seed", type=int, default=42)
parser.add_argument("--losses", action="store_true", help="report the loss of every step")
args = parser.parse_args()
common.set_threads(args.threads)

import torch  # noqa: E402
from transformers import (AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding,  # noqa: E402
                          PrinterCallback, Trainer, TrainerCallback, TrainingArguments)
from transformers.trainer_pt_utils import get_length_grouped_indices  # noqa: E402

tuned = args.mode == "tuned"


class Clock(TrainerCallback):
    """Notes when each step ends."""

    def __init__(self):
        self.times = []

    def on_step_end(self, *_, **__):
        self.times.append(time.perf_counter())


class OrderedTrainer(Trainer):
    """The Trainer, with rows in a given order and with the losses of the steps kept."""

    order: list[int] = []
    losses: list[torch.Tensor] = []

    def _get_train_sampler(self, *_):
        return self.order

    def compute_loss(self, *positional, **named):
        loss = super().compute_loss(*positional, **named)
        if args.losses:
            self.losses.append(loss.detach())
        return loss


def order(rows: list[dict]) -> list[int]:
    if not tuned:
        return list(range(len(rows)))
    warm_up = args.warm_up * args.batch
    lengths = [len(row["ids"]) for row in rows[warm_up:]]
    generator = torch.Generator().manual_seed(args.seed)
    grouped = get_length_grouped_indices(lengths, args.batch, generator=generator)
    return list(range(warm_up)) + [warm_up + at for at in grouped]


def main() -> None:
    torch.set_num_threads(args.threads)
    rows = common.read_rows(args.rows)
    features = [{"input_ids": row["ids"], "token_type_ids": row["type_ids"], "labels": row["class"],
                 "attention_mask": [1] * len(row["ids"])} for row in rows]
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    collator = DataCollatorWithPadding(tokenizer, padding="longest" if tuned else "max_length",
                                       max_length=args.max_length)
    model = AutoModelForSequenceClassification.from_pretrained(args.model)
    speed = {"bf16": True, "optim": "adamw_torch_fused"} if tuned else {}
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, use_cpu=True, num_train_epochs=1, per_device_train_batch_size=args.batch,
            learning_rate=args.learning_rate, lr_scheduler_type="linear", warmup_steps=args.warmup_steps, weight_decay=0.01,
            max_grad_norm=1.0, seed=args.seed, save_strategy="no", logging_strategy="no", report_to="none",
            disable_tqdm=True, remove_unused_columns=False, dataloader_drop_last=False, **speed)
        clock = Clock()
        trainer = OrderedTrainer(model=model, args=settings, train_dataset=features, data_collator=collator,
                                 callbacks=[clock])
        trainer.remove_callback(PrinterCallback)
        trainer.order = order(rows)
        trainer.train()
    steps = len(clock.times) - args.warm_up
    common.report(workload="train", mode=args.mode, rows=len(rows), steps=steps,
                  seconds=clock.times[-1] - clock.times[args.warm_up - 1],
                  losses=[loss.item() for loss in trainer.losses],
                  attention=model.config._attn_implementation, optimizer=str(settings.optim))


main()
