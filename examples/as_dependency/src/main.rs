//! Trains a relation classifier with a markup and a head of its own: the best step is found on a split, then everything is
//! trained on up to there. An observer of its own watches. The run's model predicts beside a predictor of its own, and is
//! served to several threads.
//!
//! usage: my-relations FOLDER_OF_MODEL_AND_DATA RUN_FOLDER

use std::path::Path;
use std::sync::Arc;

use re_data::markup::{MarkedText, Markup};
use re_data::{ByteSpan, LabelSet, Outcomes, PredictError, Predictor, RelationExample};
use re_experiment::{DataConfig, Experiment, ModelConfig, OwnHead, OwnParts, Plan, RunFolder, load_predictor_with};
use re_formats::read::{self, ReadOptions};
use re_handle::{Handle, HandleOptions, RequestOptions};
use re_model::ops::Linear;
use re_model::{Builder, EncoderConfig, Head, HeadInput, Mode};
use re_train::{Event, Observer, Start, TrainConfig};
use tch::Tensor;

/// Writes `«` and `»` around the entity that comes first in the text, so that it stands out without new tokens.
#[derive(Debug)]
struct Guillemets;

impl Markup for Guillemets {
    fn name(&self) -> &'static str {
        "guillemets"
    }

    fn write(&self, example: &RelationExample, _separator: &str) -> re_data::Result<MarkedText> {
        let spans = [0, 1].map(|entity: usize| example.entities()[entity].span());
        let first = usize::from(spans[1] < spans[0]);
        let (open, close) = ("«", "»");
        // Offsets behind an inserted mark move by its length.
        let moved = |at: usize, end: bool| {
            let opened = at > spans[first].start() || (!end && at == spans[first].start());
            let closed = at > spans[first].end() || (!end && at == spans[first].end());
            at + if opened { open.len() } else { 0 } + if closed { close.len() } else { 0 }
        };
        let text = example.text();
        let sentence = [
            &text[..spans[first].start()],
            open,
            &text[spans[first].range()],
            close,
            &text[spans[first].end()..],
        ]
        .concat();
        let entities = spans.map(|s| ByteSpan::with_len(moved(s.start(), false), moved(s.end(), true) - moved(s.start(), false)));
        Ok(MarkedText { first: None, sentence, entities, marked: entities })
    }
}

/// The difference of the entities' means, and nothing else.
#[derive(Debug)]
struct Difference(Linear);

impl Head for Difference {
    fn forward(&self, input: &HeadInput<'_>, _mode: Mode) -> re_model::Result<Tensor> {
        self.0.forward(&input.entity_mean(0)?.f_sub(&input.entity_mean(1)?)?)
    }
}

fn difference(builder: &mut Builder<'_>, config: &EncoderConfig, classes: i64) -> re_model::Result<Box<dyn Head>> {
    Ok(Box::new(Difference(builder.linear("head.difference", config.hidden_size, classes, 0.02)?)))
}

struct PrintLoss;

impl Observer for PrintLoss {
    fn notify(&mut self, event: &Event<'_>) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if let Event::Step(step) = event {
            println!("step {} loss {:.3}", step.step, step.loss);
        }
        Ok(())
    }
}

/// Answers with the same class for every row.
struct Always {
    labels: Arc<LabelSet>,
    class: usize,
}

impl Predictor for Always {
    fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    fn outcomes(&self, examples: &[RelationExample]) -> Result<Outcomes, PredictError> {
        let mut row = vec![0.0; self.labels.len()];
        row[self.class] = 1.0;
        let rows = examples.iter().map(|example| Ok((example.id().to_owned(), &row)));
        Ok(Outcomes::new(Arc::clone(&self.labels), rows)?)
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, run] = arguments.as_slice() else { anyhow::bail!("usage: my-relations FOLDER RUN") };
    let folder = Path::new(folder);

    let parts = OwnParts {
        head: Some(OwnHead::new("difference", difference)),
        markup: Some(Arc::new(Guillemets)),
        ..OwnParts::default()
    };
    let experiment = Experiment {
        model: ModelConfig { folder: folder.join("model"), random_weights: true, ..ModelConfig::default() },
        data: DataConfig {
            train: folder.join("train.tsv"),
            labels: Some(folder.join("labels.json")),
            val_size: 0.1,
            ..DataConfig::default()
        },
        training: TrainConfig { steps: 10, learning_rate: 1e-3, ..TrainConfig::default() },
        plan: Plan::StepTransfer { split: None },
        ..Experiment::default()
    };
    let experiment = experiment.with_parts(parts.clone());
    let summary = RunFolder::new(run).run(&experiment, Start::Fresh, vec![Box::new(PrintLoss)], Arc::default())?;
    println!("{summary}");

    let dev = read::examples(folder.join("dev.tsv"), &ReadOptions::default())?.examples;
    let trained = load_predictor_with(run, &experiment.training, &parts)?;
    let always = Always { labels: Arc::clone(trained.labels()), class: 0 };
    for predictor in [&*trained, &always] {
        let probabilities = predictor.predict(&dev)?;
        println!("predicted {} rows, first: {}", probabilities.len(), probabilities.predictions().next().unwrap().label);
    }

    // The model moves to a thread of its own; each of these threads has a handle.
    let handle = Handle::new(trained, HandleOptions::default())?;
    let threads: Vec<_> = dev
        .chunks(dev.len().div_ceil(3))
        .map(|part| {
            let (handle, part) = (handle.clone(), part.to_vec());
            std::thread::spawn(move || handle.predict(part, RequestOptions::default()))
        })
        .collect();
    for thread in threads {
        println!("served {} rows", thread.join().expect("no thread panics")?.answered().len());
    }
    handle.shutdown();
    println!("{} rows a batch", handle.metrics().batch_rows.mean());
    Ok(())
}
