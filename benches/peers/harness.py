"""Runs programs, and prepares the models and rows that they need."""
import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass
class Program:
    """One of the programs that a workload compares."""

    name: str
    command: list
    ours: bool
    runs: list[dict] = field(default_factory=list)
    floor_seconds: float | None = None


class Harness:
    """The settings of a run, its prepared files, and the way to run a program."""

    def __init__(self, args: argparse.Namespace, root: Path, stand_in: Path):
        self.quick, self.repetitions, self.threads = args.quick, args.repetitions, args.threads
        self.root, self.stand_in, self.cache = root, stand_in, args.cache
        self.workload = args.workload
        self.candle = args.candle if args.candle and args.candle.exists() else None
        self.engine = args.engine if args.engine and args.engine.exists() else None
        self.data = args.shared / "data/p-stage2"
        self.conll04, self.klue_ner = args.shared / "data/conll04", args.shared / "data/klue-ner"
        self.vocabulary = args.shared / "data/bert-base-multilingual-cased/vocab.txt"
        self.rates: dict = {}

    # Programs

    def ours(self, name: str, *arguments) -> Program:
        return Program(name, [self.workload, *arguments, "--threads", self.threads], True)

    def without_libtorch(self, name: str, *arguments) -> list[Program]:
        """Our engine in Rust, where it was built."""
        return [Program(name, [self.engine, *arguments, "--threads", self.threads], True)] if self.engine else []

    def theirs(self, name: str, script: str, *arguments, threads: int | None = None) -> Program:
        return self.other(name, sys.executable, HERE / script, *arguments, threads=threads)

    def other(self, name: str, *command, threads: int | None = None) -> Program:
        return Program(name, [*command, "--threads", threads or self.threads], False)

    def run(self, program: Program) -> dict:
        """What the program reports, with the seconds from its start to its end."""
        command = [str(part) for part in program.command]
        environment = os.environ | {"OMP_NUM_THREADS": str(self.threads), "RAYON_NUM_THREADS": str(self.threads)}
        if not program.ours:
            # Ours keeps what `.cargo/config.toml` sets, as under `cargo run`; theirs has its own default.
            for name in ["OMP_WAIT_POLICY", "GLIBC_TUNABLES"]:
                environment.pop(name, None)
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wall = time.perf_counter() - began
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode or not lines:
            sys.exit(f"{' '.join(command)}\nended with {done.returncode}:\n{done.stderr[-4000:]}")
        return json.loads(lines[-1]) | {"process_seconds": wall}

    def alternate(self, programs: list[Program], repetitions: int | None = None) -> None:
        for repetition in range(1 if self.quick else repetitions or self.repetitions):
            for program in programs:
                found = self.run(program)
                program.runs.append(found)
                shown = {key: found[key] for key in ["seconds", "process_seconds", "peak_rss_bytes"] if key in found}
                print(f"  {repetition + 1}. {program.name}: {shown}", file=sys.stderr, flush=True)

    def rate(self) -> dict:
        """Floating-point operations and bytes a second that this machine reaches."""
        return self.run(self.theirs("rates", "machine_rates.py", "--seconds", 0.5 if self.quick else 5))

    # Models and rows

    def model(self, name: str) -> Path:
        """A folder that training begins with; see make_shapes.py."""
        folder = self.cache / "models" / name
        if not folder.exists():
            subprocess.run([sys.executable, HERE / "make_shapes.py", name.removesuffix("-still"),
                            "--out", self.cache / "models", "--e5", self.stand_in, "--sentences", self.data / "train.tsv",
                            "--vocabulary", self.vocabulary, "--tiny", self.root / "fixtures/embedded/model"],
                           check=True, stderr=subprocess.DEVNULL)
        return folder

    def rows(self, model: Path, limit: int, *, seed: int | None = None) -> Path:
        """The first `limit` rows as token ids of `model`: in training's order with `seed`, else the file's."""
        order = "file" if seed is None else f"seed{seed}"
        file = self.cache / f"rows-{model.name}-{limit}-{order}.jsonl"
        if not file.exists():
            partial = file.with_suffix(".part")
            extra = [] if seed is None else ["--seed", seed]
            self.run(self.ours("rows", "rows", *self.inputs(model, limit), *extra, "--out", partial))
            partial.rename(file)
        return file

    def inputs(self, model: Path, limit: int) -> list:
        """Rows, labels and model for our own program."""
        return ["--data", self.data / "train.tsv", "--labels", self.data / "label_type.pkl", "--limit", limit,
                "--model", model]

    def trained(self, model: str, steps: int, *, plain: bool = False) -> Path:
        """A classifier that our trainer has made of `model`: as the peers have it, or `plain`, with the sentence alone as
        input and means over the entities as head."""
        folder = self.cache / "models" / f"{model}-{'plain-' if plain else ''}trained-{steps}"
        if not folder.exists():
            print(f"training {folder.name}", file=sys.stderr)
            partial = folder.with_suffix(".part")
            # Narrow encoders learn nothing at the report's rates; see examples/configs/small_encoder.toml.
            how = ["--markup", "plain", "--head", "entity_mean"] if plain else []
            self.run(self.ours("train", "train", *self.inputs(self.model(model), 16 * steps), *how, "--learning-rate",
                               1e-4, "--head-learning-rate", 1e-3, "--save", partial))
            partial.rename(folder)
        return folder

    def experiment(self, name: str, *arguments) -> Path:
        """The run of an experiment of ours, which makes models for a workload."""
        folder = self.cache / "models" / name
        if not folder.exists():
            print(f"training {name}", file=sys.stderr)
            partial = folder.with_suffix(".part")
            shutil.rmtree(partial, ignore_errors=True)
            self.run(self.ours("experiment", "experiment", *arguments, "--out", partial))
            partial.rename(folder)
        return folder
