"""The workloads: their programs, what is compared, and what is to be reached."""
import json
import shutil
import statistics
import tomllib
from pathlib import Path

import common
import floors
import klue_ner
import machine
from harness import HERE, Harness, Program

SEED = 42
FP32 = 'precision = "fp32"'


def measured(title: str, unit: str, programs: list[Program], value, comparisons, notes=()) -> dict:
    """A result to be stored: `value` takes a run to its number of seconds."""
    listed = [{"name": p.name, "ours": p.ours, "values": [value(run) for run in p.runs],
               "peaks": [run["peak_rss_bytes"] for run in p.runs], "floor": p.floor_seconds} for p in programs]
    by_name = {entry["name"]: entry for entry in listed}
    return {"title": title, "unit": unit, "programs": listed, "notes": list(notes),
            "comparisons": [compare(by_name, *comparison) for comparison in comparisons]}


def compare(programs: dict, ours: str, theirs: str, what: str, target: float) -> dict:
    """Times as theirs/ours, to be at least `target`; memory as ours/theirs, to be at most `target`."""
    key = "values" if what == "time" else "peaks"
    mine, other = (statistics.median(programs[name][key]) for name in [ours, theirs])
    ratio = other / mine if what == "time" else mine / other
    reached = ratio >= target if what == "time" else ratio <= target
    return {"ours": ours, "theirs": theirs, "what": what, "ratio": ratio, "target": target, "reached": reached}


def encode(harness: Harness, shape: str, tokenizer: str) -> dict:
    limit = 500 if harness.quick else 8000
    model = harness.model(shape)
    file = harness.rows(model, limit)
    inputs = harness.inputs(model, limit)
    programs = [
        harness.theirs("Python fast tokenizer", "encode_python.py", "--model", model, "--rows", file),
        harness.ours("tokenizers crate, bare", "encode", *inputs, "--bare"),
        harness.ours("re", "encode", *inputs),
        harness.ours("re, window truncation", "encode", *inputs, "--truncation", "window"),
    ]
    programs[1].ours = False
    harness.alternate(programs)
    sizes = [len(row["sentence"].encode()) + 16 * len(row["ids"]) for row in common.read_rows(file)]
    for program in programs:
        program.floor_seconds = sum(sizes) / harness.rates["bandwidth"]
    first = programs[0].runs[0]
    warm = [f"{p.name} {statistics.median(run['seconds_warm'] for run in p.runs):.3f} s" for p in programs]
    return measured(
        f"encode {limit} rows, {tokenizer}, cold memory of words", "s", programs, lambda run: run["seconds"],
        [("re", "Python fast tokenizer", "time", 1.5), ("re", "tokenizers crate, bare", "time", 1.0)],
        [f"Equal token ids in {first['equal_ids']} of {first['rows']} rows, equal entity spans in "
         f"{first['equal_spans']}: where two tokens share a character, as Unigram's word mark does with the first "
         "piece, Python's char_to_token takes the first of them and ours all.",
         "A second pass, in which our encoder finds its words in memory: " + ", ".join(warm) + ".",
         "The floor is reading the sentences and writing the ids."])


def encode_unigram(harness: Harness) -> dict:
    return encode(harness, "e5", "XLM-R's Unigram tokenizer")


def encode_wordpiece(harness: Harness) -> dict:
    return encode(harness, "mbert", "mBERT's WordPiece tokenizer")


def train(harness: Harness, shape: str, title: str, steps: int, warm_up: int, comparisons) -> dict:
    if harness.quick:
        steps, warm_up = 2, 1
    model, limit = harness.model(shape), 16 * (steps + warm_up)
    file = harness.rows(model, limit, seed=SEED)
    ours = ["train", *harness.inputs(model, limit), "--seed", SEED, "--warm-up", warm_up]
    theirs = ["train_transformers.py", "--model", model, "--rows", file, "--seed", SEED, "--warm-up", warm_up]
    programs = [
        harness.theirs("transformers, padded fp32", *theirs, "--mode", "padded-fp32"),
        harness.ours("re", *ours),
        harness.theirs("transformers, tuned", *theirs, "--mode", "tuned"),
        harness.ours("re, fp32", *ours, "--settings", FP32),
    ]
    harness.alternate(programs)
    rows = common.read_rows(file)[16 * warm_up:]
    for program in programs:
        rate = harness.rates["fp32" if "fp32" in program.name else "bf16"]
        program.floor_seconds = floors.training(model, rows, steps, rate, harness.rates["bandwidth"])
    return measured(f"fine-tune {title}, batch 16, max length 100, {steps} steps", "s/step", programs,
                    lambda run: run["seconds"] / run["steps"], comparisons,
                    ["The floor counts the tokens without padding and the parameters that the rows touch."])


def targets(padded: float, tuned: float, memory: float) -> list:
    return [("re", "transformers, padded fp32", "time", padded), ("re", "transformers, tuned", "time", tuned),
            ("re, fp32", "transformers, padded fp32", "time", 1.5),
            ("re", "transformers, padded fp32", "memory", memory), ("re", "transformers, tuned", "memory", memory)]


def train_stand_in(harness: Harness) -> dict:
    return train(harness, "e5", "the stand-in encoder", 20, 2, targets(4.0, 1.6, 0.45))


def train_mbert(harness: Harness) -> dict:
    return train(harness, "mbert", "an mBERT-shaped encoder", 8, 2, targets(4.0, 1.05, 0.6))


def train_large(harness: Harness) -> dict:
    return train(harness, "xlmr", "an XLM-R-large-shaped encoder", 3, 1, targets(3.5, 1.1, 0.6))


def exported(harness: Harness, model: Path) -> Path:
    """The model as ONNX, in 32-bit floats and in eight bits."""
    onnx = harness.cache / "onnx" / model.name
    if not (onnx / "model-int8.onnx").exists():
        harness.run(harness.theirs("export", "export_onnx.py", "--model", model, "--out", onnx))
    return onnx


def answers(harness: Harness, name: str, prefix: str = "") -> list:
    folder = harness.cache / "answers"
    folder.mkdir(exist_ok=True)
    return ["--out", folder / f"{prefix}{name.replace(' ', '-').replace(',', '')}.txt"]


def labels_of(program: Program) -> list[str]:
    return open(program.runs[-1]["labels"], encoding="utf-8").read().split()


def predict(harness: Harness) -> dict:
    limit = 128 if harness.quick else 8000
    model = harness.trained("e5", 4 if harness.quick else 500)
    file = harness.rows(harness.model("e5"), limit)
    onnx = exported(harness, model)

    def python(name: str, script: str, *extra) -> Program:
        return harness.theirs(name, script, "--model", model, "--rows", file, *answers(harness, name), *extra)

    def own(name: str, *extra) -> Program:
        return harness.ours(name, "predict", "--data", harness.data / "train.tsv", "--limit", limit, "--model",
                            model, *answers(harness, name), *extra)

    programs = [
        python("transformers fp32", "predict_transformers.py"),
        own("re, fp32"),
        python("ONNX Runtime fp32", "predict_onnx.py", "--onnx", onnx / "model.onnx"),
        own("re, bf16", "--precision", "bf16"),
        python("ONNX Runtime int8", "predict_onnx.py", "--onnx", onnx / "model-int8.onnx"),
        python("transformers bf16", "predict_transformers.py", "--precision", "bf16"),
    ]
    comparisons = [("re, fp32", "transformers fp32", "time", 1.0), ("re, fp32", "ONNX Runtime fp32", "time", 1.0),
                   ("re, bf16", "ONNX Runtime int8", "time", 1.0), ("re, bf16", "transformers bf16", "time", 1.0)]
    for kind in [*machine.number_formats(), "int8"]:
        name = f"re-infer, {kind}"
        programs += harness.without_libtorch(name, "--model", model, "--rows", file, "--format", kind,
                                             *answers(harness, name))
    if harness.engine:
        comparisons += [("re-infer, int8", "ONNX Runtime int8", "time", 4 / 3),
                        ("re-infer, int8", "ONNX Runtime int8", "memory", 0.5)]
        comparisons += [(f"re-infer, {kind}", f"re, {kind}", "time", 1.0) for kind in machine.number_formats()]
    if harness.candle:
        name = "candle fp32"
        programs.append(harness.other(name, harness.candle, "--model", model, "--rows", file,
                                      *answers(harness, name)))
        comparisons.append(("re, fp32", name, "time", 1.0))
    harness.alternate(programs)
    rows = common.read_rows(file)
    for program in programs:
        if "int8" not in program.name:
            rate = harness.rates["fp32" if "fp32" in program.name else "bf16"]
            program.floor_seconds = floors.prediction(model, rows, rate)

    labels = {p.name: labels_of(p) for p in programs}
    reference = labels["transformers fp32"]
    agreement = {name: sum(map(str.__eq__, found, reference)) / limit for name, found in labels.items()}
    told = ", ".join(f"{name} {100 * share:.2f} %" for name, share in agreement.items())
    result = measured(
        f"predict {limit} rows with the fine-tuned stand-in", "s", programs, lambda run: run["seconds"], comparisons,
        [f"Same label as transformers in fp32: {told}; {len(set(reference))} different labels occur."])
    for name in ["re, bf16", *(["re-infer, int8"] if harness.engine else [])]:
        result["comparisons"].append(
            {"ours": name, "theirs": "transformers fp32", "what": "label agreement", "ratio": agreement[name],
             "target": 0.995, "reached": agreement[name] >= 0.995})
    return result


def pairs(harness: Harness) -> dict:
    """All ordered pairs of eight entities a sentence. What takes a pass for each pair is measured on fewer sentences."""
    sentences, fewer = (4, 2) if harness.quick else (500, 40)
    steps = 4 if harness.quick else 100
    model, marked = harness.trained("e5", steps, plain=True), harness.trained("e5", steps)

    def own(name: str, count: int, *extra) -> Program:
        return harness.ours(name, "pairs", "--data", harness.data / "train.tsv", "--model", model, "--sentences", count,
                            *answers(harness, name, "pairs-"), *extra)

    rows = harness.cache / f"pairs-{fewer}.jsonl"
    harness.run(harness.ours("rows", "pairs", "--rows", "--data", harness.data / "train.tsv", "--model", model,
                             "--sentences", fewer, "--out", rows))
    programs = []
    for kind in machine.number_formats():
        programs += [harness.theirs(f"transformers {kind}, marked pairs", "predict_transformers.py", "--model", marked,
                                    "--rows", rows, *answers(harness, "transformers", "pairs-"), "--precision", kind),
                     own(f"re, {kind}, separate passes", fewer, "--separate", "--precision", kind),
                     own(f"re, {kind}", sentences, "--precision", kind)]
    harness.alternate(programs)

    comparisons, notes = [], []
    for theirs, apart, ours in zip(programs[0::3], programs[1::3], programs[2::3]):
        comparisons += [(ours.name, apart.name, "time", 25.0), (ours.name, theirs.name, "time", 40.0),
                        (ours.name, apart.name, "memory", 1.0)]
        expected = labels_of(apart)
        same = sum(map(str.__eq__, labels_of(ours), expected))
        notes.append(f"{ours.name}: the same label as with separate passes for {same} of {len(expected)} pairs.")
    return measured(
        f"all 56 pairs of {sentences} sentences with 8 entities each, stand-in", "s per 1,000 pairs", programs,
        lambda run: 1000 * run["seconds"] / run["rows"], comparisons,
        [*notes, f"Separate passes and `transformers` judge the pairs of the first {fewer} sentences."])


def single(harness: Harness, shape: str, title: str, limit: int, steps: int) -> dict:
    """One row a call. The peers' tokenizers may do all rows at once before the first one."""
    limit, steps = (16, 4) if harness.quick else (limit, steps)
    model = harness.trained(shape, steps)
    file = harness.rows(harness.model(shape), limit)
    onnx = exported(harness, model)
    peer = ["--model", model, "--rows", file, "--batch", 1]
    own = ["predict", "--data", harness.data / "train.tsv", "--limit", limit, "--model", model, "--batch", 1]
    programs = []
    for kind in machine.number_formats():
        programs += [
            harness.theirs(f"transformers {kind}", "predict_transformers.py", *peer, "--precision", kind,
                           *answers(harness, f"transformers-{kind}", "single-")),
            harness.ours(f"re, {kind}", *own, "--precision", kind, *answers(harness, f"re-{kind}", "single-"))]
    programs += [harness.theirs(f"ONNX Runtime {kind}", "predict_onnx.py", *peer, "--onnx", onnx / file_name,
                                *answers(harness, f"onnx-{kind}", "single-"))
                 for kind, file_name in [("fp32", "model.onnx"), ("int8", "model-int8.onnx")]]
    comparisons = []
    for kind in [*machine.number_formats(), "int8"]:
        name = f"re-infer, {kind}"
        programs += harness.without_libtorch(name, "--model", model, "--rows", file, "--batch", 1, "--format", kind,
                                             *answers(harness, name, "single-"))
    if harness.engine:
        fastest = f"transformers {machine.number_formats()[-1]}"
        comparisons = [("re-infer, fp32", "transformers fp32", "time", 2.5),
                       ("re-infer, fp32", "ONNX Runtime fp32", "time", 2.5),
                       ("re-infer, int8", fastest, "time", 2.5), ("re-infer, int8", "ONNX Runtime int8", "time", 2.5)]
    harness.alternate(programs)
    rows = common.read_rows(file)
    for program in programs:
        if "int8" not in program.name:
            rate = harness.rates["fp32" if "fp32" in program.name else "bf16"]
            program.floor_seconds = 1000 / limit * floors.prediction(model, rows, rate)
    reference = labels_of(programs[0])
    same = ", ".join(f"{p.name} {sum(map(str.__eq__, labels_of(p), reference))}" for p in programs[1:])
    lengths = [len(row["ids"]) for row in rows]
    return measured(
        f"{limit} rows, one at a time, {title}", "ms a row", programs, lambda run: 1000 * run["seconds"] / limit,
        [(f"re, {kind}", f"transformers {kind}", "time", 2.0) for kind in machine.number_formats()]
        + [("re, fp32", "ONNX Runtime fp32", "time", 1.0)] + comparisons,
        [f"Rows of {statistics.mean(lengths):.0f} tokens on average. Same label as transformers, of {limit}: {same}."])


def graph(harness: Harness) -> dict:
    """Texts to mentions to relations. The peer reads each pair with marked entities; ours does so, too, where it has the
    peer's models, and else reads all pairs of a sentence in one pass."""
    limit, steps = (20, ["--steps", 40]) if harness.quick else (1000, [])
    rows = harness.cache / f"texts-{limit}.jsonl"
    parts = {part: json.loads((harness.conll04 / f"conll04_{part}.json").read_text())
             for part in ["train", "dev", "test_blind"]}
    texts = [{"id": str(number), "text": " ".join(item["tokens"])} for number, item in enumerate(sum(parts.values(), []))]
    rows.write_text("".join(json.dumps(text) + "\n" for text in texts[:limit]))
    settings = ["--model", harness.stand_in, *steps, "--set", "data.val_size=0"]
    for key, part in [("train", "train"), ("validation", "dev")]:
        file = harness.cache / f"conll04-{part}-{limit}.json"
        file.write_text(json.dumps(parts[part][:limit]))
        settings += ["--set", f"data.{key}={file}"]

    def run(name: str, *more) -> Path:
        return harness.experiment(f"graph{'-quick' if harness.quick else ''}-{name}", *settings, *more)

    plain = run("plain", "--config", HERE / "graph.toml")
    tagger = plain / "tagger"
    marked = run("marked", "--config", HERE / "graph_marked.toml", "--member", f"tagger={tagger}")
    folders = [run / json.loads((run / "summary.json").read_text())["model"] for run in [tagger, marked / "pairs"]]
    programs = []
    for kind in machine.number_formats():
        def own(name: str, model: Path) -> Program:
            return harness.ours(f"re, {kind}{name}", "graph", "--rows", rows, "--tagger", tagger, "--model", model,
                                "--precision", kind, *answers(harness, kind + name, "graph-"))

        programs += [harness.theirs(f"transformers {kind}", "graph_transformers.py", "--tagger", folders[0], "--model",
                                    folders[1], "--rows", rows, "--max-length", 256, "--precision", kind,
                                    *answers(harness, f"transformers-{kind}", "graph-")),
                     own(", marked pairs", marked), own("", plain)]
    harness.alternate(programs)

    comparisons, notes = [], []
    for theirs, same, ours in zip(programs[0::3], programs[1::3], programs[2::3]):
        comparisons += [(ours.name, theirs.name, "time", 8.0), (ours.name, theirs.name, "memory", 0.5),
                        (same.name, theirs.name, "time", 1.0)]
        expected, found = (common.read_rows(Path(program.runs[-1]["graphs"])) for program in [theirs, same])
        equal = sum(one == other for one, other in zip(expected, found, strict=True))
        relations = sum(len(one["relations"]) for one in expected)
        mentions = sum(len(one["mentions"]) for one in expected)
        notes.append(f"{same.name}: the same graph as {theirs.name} for {equal} of {len(expected)} sentences, which have "
                     f"{mentions} mentions and {relations} relations there.")
        for program in [theirs, same, ours]:
            last = program.runs[-1]
            median = statistics.median(run["seconds"] for run in program.runs)
            notes.append(f"{program.name}: {limit / median:.1f} sentences a second, {1000 * median / last['pairs']:.2f} ms "
                         f"for each of {last['pairs']} pairs.")
    return measured(f"text to graph, {limit} sentences of CoNLL-04, stand-in", "s", programs, lambda run: run["seconds"],
                    comparisons, notes)


def train_tagger(harness: Harness) -> dict:
    """Our KLUE-NER experiment without evaluations in between, and the same training in `transformers`."""
    experiment = tomllib.loads((harness.root / "examples/configs/klue_ner.toml").read_text())["training"]
    steps = 4 if harness.quick else experiment["steps"]
    small = tomllib.loads((harness.root / "examples/configs/base/small_encoder.toml").read_text())
    part = {name: harness.klue_ner / f"klue-ner-part_{name}.tsv" for name in ["train", "dev"]}
    folder = harness.cache / "klue-ner"
    kind = machine.number_formats()[-1]
    batch, rate = small["training"]["batch_size"], experiment["learning_rate"]
    warm_up = max(1, round(steps * small["training"]["warmup_ratio"]))
    theirs = harness.theirs(
        f"transformers {kind}", "train_tagger_transformers.py", "--model", harness.stand_in, "--rows", part["train"],
        "--validation", part["dev"], "--max-length", 512, "--layers", small["model"]["layers"], "--steps", steps, "--batch",
        batch, "--learning-rate", rate, "--head-learning-rate", experiment["head_learning_rate"], "--warmup-steps", warm_up,
        "--precision", kind, "--out", harness.cache / "answers-klue-ner.tsv")
    ours = harness.ours(
        f"re, {kind}", "experiment", "--config", harness.root / "examples/configs/klue_ner.toml", "--model",
        harness.stand_in, "--steps", steps, "--set", f"data.train={part['train']}", "--set",
        f"data.validation={part['dev']}", "--set", "data.val_size=0", "--set", "training.eval_steps=0", "--set", "training.save_steps=0", "--set",
        f"training.precision={kind}", "--out", folder)
    shutil.rmtree(folder, ignore_errors=True)
    harness.alternate([ours, theirs], 1)
    gold = klue_ner.read(part["dev"])
    tags = {ours.name: klue_ner.tags_of_documents(gold, folder / "validation_documents.jsonl"),
            theirs.name: [tags for _, tags in klue_ner.read(Path(theirs.runs[0]["tags"]))]}
    scores = {name: klue_ner.macro_f1([tags for _, tags in gold], found) for name, found in tags.items()}
    result = measured(
        f"KLUE-NER, {steps} steps of {batch} rows, stand-in, tagged at the end", "s", [ours, theirs],
        lambda run: run["seconds"], [(ours.name, theirs.name, "time", 2.0), (ours.name, theirs.name, "memory", 0.5)],
        [f"{name}: macro-F1 {score['entities']:.2f} of names and {score['characters']:.2f} of characters on the "
         f"{len(gold)} validation sentences." for name, score in scores.items()])
    for what in ["entities", "characters"]:
        found, other = scores[ours.name][what], scores[theirs.name][what]
        result["comparisons"].append({"ours": ours.name, "theirs": theirs.name, "what": f"macro-F1 of {what}",
                                      "ratio": found / other if other else 1.0, "target": 1.0, "reached": found >= other})
    return result


def first_prediction(harness: Harness) -> dict:
    model = harness.trained("e5", 4 if harness.quick else 500)
    file = harness.rows(harness.model("e5"), 128 if harness.quick else 8000)
    programs = [
        harness.theirs("transformers", "first_prediction.py", "--model", model, "--rows", file),
        harness.ours("re", "first-prediction", "--model", model, "--data", harness.data / "train.tsv"),
    ]
    programs += harness.without_libtorch("re-infer", "--model", model, "--rows", file, "--limit", 1,
                                         *answers(harness, "re-infer", "first-"))
    comparisons = [("re-infer", "transformers", "time", 40.0), ("re-infer", "transformers", "memory", 1 / 6)]
    harness.alternate(programs, max(5, harness.repetitions))
    for program in programs:
        size = (model / "model.safetensors").stat().st_size
        program.floor_seconds = size / harness.rates["bandwidth"]
    classes = {run["class"] for program in programs for run in program.runs}
    return measured("from the start of the process to the first prediction", "s", programs,
                    lambda run: run["process_seconds"],
                    [("re", "transformers", "time", 8.0), ("re", "transformers", "memory", 0.5)]
                    + (comparisons if harness.engine else []),
                    [f"Both give the same class: {'yes' if len(classes) == 1 else 'NO'}. The file is in the page "
                     "cache; the floor is copying the weights once."])


def stream(harness: Harness) -> dict:
    limit = 10_000 if harness.quick else 1_000_000
    embedded = harness.root / "fixtures/embedded"
    model = harness.cache / "models/tiny-trained"
    if not model.exists():
        harness.run(harness.ours("train", "train", "--data", embedded / "train.tsv", "--labels",
                                 embedded / "labels.json", "--model", harness.model("tiny"), "--limit", 640,
                                 "--learning-rate", 1e-3, "--save", model))
    program = harness.ours("re", "stream", "--data", embedded / "train.tsv", "--limit", limit, "--model", model,
                           "--out", harness.cache / "answers-stream.csv")
    harness.alternate([program], 1)
    marks = program.runs[0]["marks"]
    seconds = [mark["seconds"] for mark in marks]
    parts = [after - before for before, after in zip([0.0, *seconds], seconds)]
    memory = [mark["rss_bytes"] for mark in marks]
    growth = memory[-1] / memory[min(1, len(memory) - 1)]
    result = measured(f"predict {limit} rows from disk to disk, embedded encoder", "s", [program],
                      lambda run: run["seconds"], [],
                      ["Seconds for each tenth: " + ", ".join(f"{part:.1f}" for part in parts) + ".",
                       "Memory after each tenth, MB: " + ", ".join(f"{size / 1e6:.0f}" for size in memory) + "."])
    if not harness.quick:
        result["comparisons"] = [
            {"ours": "last tenth", "theirs": "second tenth", "what": "memory", "ratio": growth, "target": 1.05,
             "reached": growth <= 1.05},
            {"ours": "slowest tenth", "theirs": "fastest tenth", "what": "duration", "ratio":
             max(parts[1:]) / min(parts[1:]), "target": 1.2, "reached": max(parts[1:]) / min(parts[1:]) <= 1.2}]
    return result


def equal_losses(harness: Harness, shape: str, title: str, steps: int) -> dict:
    """Both sides in fp32, without dropout, from the same weights, on the same rows: the same losses.

    The learning rate grows as the report's does, to 5e-5 at step 500, of which these are the first steps. Without
    warm-up AdamW's first updates have the size of the learning rate whatever the gradient's, rounding included.
    """
    steps = 3 if harness.quick else steps
    model, limit = harness.model(f"{shape}-still"), 16 * steps
    file = harness.rows(model, limit, seed=SEED)
    common_settings = ["--seed", SEED, "--warm-up", 1, "--learning-rate", 5e-5 * steps / 500]
    reference = ["train_transformers.py", "--mode", "padded-fp32", "--losses", "--model", model, "--rows", file,
                 *common_settings, "--warmup-steps", steps]
    theirs = harness.theirs("transformers, padded fp32", *reference)
    ours = harness.ours("re, fp32", "train", *harness.inputs(model, limit), *common_settings,
                        "--settings", f"{FP32}\nwarmup_steps = {steps}")
    programs = [theirs, ours]
    if shape == "e5":
        programs.append(harness.theirs("transformers, padded fp32, one thread", *reference, threads=1))
    harness.alternate(programs, 1)
    expected = theirs.runs[0]["losses"]
    result = measured(f"the first {steps} losses of {title}, fp32, no dropout, the report's warm-up", "s/step",
                      programs, lambda run: run["seconds"] / run["steps"], [],
                      [f"First loss {expected[0]:.4f}, last loss {expected[-1]:.4f}."])
    for program in programs[1:]:
        differences = [abs(found - other) / abs(other)
                       for found, other in zip(program.runs[0]["losses"], expected, strict=True)]
        largest = max(differences)
        within = next((step for step, value in enumerate(differences) if value > 1e-4), steps)
        result["notes"].append(f"{program.name}: the first {within} losses agree to 1e-4.")
        result["comparisons"].append({"ours": program.name, "theirs": theirs.name, "what": "largest relative difference",
                                      "ratio": largest, "target": 1e-4, "reached": largest <= 1e-4})
    return result


def accuracy(harness: Harness) -> dict:
    """Our default precision against our fp32: validation accuracy over three seeds.

    On the first 8 layers with means over the entities: from its first token the stand-in encoder learns nothing in a
    thousand steps, and would be equally right in any precision.
    """
    steps = 4 if harness.quick else 350
    model, limit = harness.model("e5"), 16 * steps
    inputs = ["train", *harness.inputs(model, limit), "--learning-rate", 1e-4, "--head-learning-rate", 1e-3,
              "--head", "entity_mean", "--layers", 8, "--validation", validation_rows(harness)]
    programs = []
    for seed in range(1, 2 if harness.quick else 4):
        programs.append(harness.ours(f"re, seed {seed}", *inputs, "--seed", seed))
        programs.append(harness.ours(f"re, fp32, seed {seed}", *inputs, "--seed", seed, "--settings", FP32))
    harness.alternate(programs, 1)
    found = {"reduced": [], "fp32": []}
    for program in programs:
        found["fp32" if "fp32" in program.name else "reduced"].append(100 * program.runs[0]["accuracy"])
    means = {name: statistics.mean(values) for name, values in found.items()}
    listed = "; ".join(f"{name} " + ", ".join(f"{value:.2f}" for value in values) for name, values in found.items())
    gap = abs(means["reduced"] - means["fp32"])
    result = measured(f"validation accuracy on 2,400 rows after {steps} steps, stand-in", "s/step", programs,
                      lambda run: run["seconds"] / run["steps"], [], [f"Accuracy in %: {listed}."])
    result["comparisons"] = [{"ours": "re", "theirs": "re, fp32", "what": "points of accuracy apart",
                              "ratio": gap, "target": 0.5, "reached": gap <= 0.5}]
    return result


def validation_rows(harness: Harness):
    """The last 2,400 training rows; training takes the first ones."""
    file = harness.cache / "validation.tsv"
    lines = (harness.data / "train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[-(100 if harness.quick else 2400):]), encoding="utf-8")
    return file


ALL = {
    "A": encode_unigram,
    "A-wordpiece": encode_wordpiece,
    "B": train_stand_in,
    "C": train_mbert,
    "D": train_large,
    "E": predict,
    "F": first_prediction,
    "G": stream,
    "H": pairs,
    "I": lambda harness: single(harness, "e5", "fine-tuned stand-in", 500, 100),
    "I-mbert": lambda harness: single(harness, "mbert", "mBERT-shaped encoder", 100, 4),
    "J": graph,
    "klue-ner": train_tagger,
    "equal-B": lambda harness: equal_losses(harness, "e5", "B", 50),
    "equal-C": lambda harness: equal_losses(harness, "mbert", "C", 50),
    "equal-D": lambda harness: equal_losses(harness, "xlmr", "D", 50),
    "accuracy": accuracy,
}
# These take most of an hour and more; they are measured when asked for.
DEFAULT = [name for name in ALL if name not in ("klue-ner", "equal-C", "equal-D", "accuracy")]
