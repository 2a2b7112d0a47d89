//! Many threads and tasks with one predictor: answers, batches, turns, room, deadlines, faults and ends.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use common::{Scripted, Stepped, block_on, block_on_all, labels, options, probabilities, row, rows};
use re_data::{Outcomes, PredictError, RelationExample, RowError};
use re_handle::{Counts, Handle, HandleOptions, Pending, RequestError, RequestOptions, StartError, WhenFull};

const ANY: RequestOptions = RequestOptions { deadline: None, when_full: WhenFull::Wait, caller: None };
const REFUSE: RequestOptions = RequestOptions { when_full: WhenFull::Refuse, ..ANY };

fn of(caller: u64) -> RequestOptions {
    RequestOptions { caller: Some(caller), ..ANY }
}

/// Whether these are the outcomes of the rows, in their order.
fn check(outcomes: &Outcomes, rows: &[RelationExample]) {
    assert!(outcomes.ids().eq(rows.iter().map(RelationExample::id)), "{outcomes:?}");
    for (row, outcome) in rows.iter().zip(outcomes.rows()) {
        match outcome {
            Ok(values) => assert_eq!(values, probabilities(row.id())),
            Err(error) => assert!(row.id().contains("bad") && error.id() == row.id(), "{error}"),
        }
    }
}

#[test]
fn a_handle_goes_everywhere() {
    fn everywhere<T: Send + Sync + 'static>() {}
    everywhere::<Handle>();
    everywhere::<Pending>();
    everywhere::<RequestError>();
    let handle = Handle::new(Scripted::default(), HandleOptions::default()).unwrap();
    assert_eq!(handle.labels(), &labels());
    let none = handle.predict([], ANY).unwrap();
    assert!(none.is_empty() && none.labels() == &labels());
}

#[test]
fn many_threads_and_tasks_get_each_their_own_answers() {
    const THREADS: usize = 8;
    const REQUESTS: usize = 40;
    // Little room, so that some wait for it, and small batches, so that requests are cut.
    let handle = Handle::new(Scripted::default(), options(24, 8)).unwrap();
    let asked = |thread: usize, request: usize| -> Vec<RelationExample> {
        let id = |number: usize| {
            format!("{}{thread}-{request}-{number}", if number % 5 == 3 { "bad" } else { "" })
        };
        let text = |number: usize| "x".repeat(1 + (thread + request + number) % 4);
        (0..1 + (thread * 7 + request) % 20).map(|number| row(id(number), &text(number))).collect()
    };
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let handle = handle.clone();
            scope.spawn(move || {
                let all: Vec<_> = (0..REQUESTS).map(|request| asked(thread, request)).collect();
                let answers: Vec<Outcomes> = if thread % 2 == 0 {
                    all.iter().map(|rows| handle.predict(&rows[..], ANY).unwrap()).collect()
                } else {
                    let pending = all.iter().map(|rows| handle.submit(&rows[..], ANY));
                    block_on_all(pending).into_iter().map(Result::unwrap).collect()
                };
                all.iter().zip(&answers).for_each(|(rows, outcomes)| check(outcomes, rows));
            });
        }
    });
    let metrics = handle.metrics();
    let all =
        || (0..THREADS).flat_map(|thread| (0..REQUESTS).flat_map(move |request| asked(thread, request)));
    let failed = all().filter(|row| row.id().contains("bad")).count() as u64;
    let answered = all().count() as u64 - failed;
    assert_eq!(metrics.requests, Counts { answered: (THREADS * REQUESTS) as u64, ..Counts::default() });
    assert_eq!(metrics.rows, Counts { answered, failed, ..Counts::default() });
    assert_eq!(
        (metrics.batch_rows.sum(), metrics.wait.count()),
        (answered + failed, metrics.requests.total())
    );
    assert!(metrics.batch_tokens.max() <= 8 && metrics.batch_rows.max() <= 8, "{metrics:?}");
    assert_eq!((metrics.queued_rows, metrics.waiting_requests, metrics.unanswered_rows), (0, 0, 0));
}

#[test]
fn requests_share_batches_and_callers_take_turns() {
    let mut stepped = Stepped::new(options(100, 4));
    let handle = &stepped.handle;
    let first = handle.submit(rows("first", 1), ANY);
    assert_eq!(stepped.batch(), ["first-0"]);
    // All of these come while the worker is busy.
    let large = handle.submit(rows("large", 9), ANY);
    let behind = handle.submit(rows("behind", 1), ANY);
    let small = handle.clone().submit(rows("small", 2), ANY);
    let keyed = [handle.submit(rows("key", 1), of(7)), handle.clone().submit(rows("same-key", 1), of(7))];
    let metrics = handle.metrics();
    assert_eq!((metrics.queued_requests, metrics.queued_rows, metrics.unanswered_rows), (5, 14, 15));
    stepped.go();
    check(&first.wait().unwrap(), &rows("first", 1));
    assert_eq!(stepped.batch(), ["large-0", "small-0", "key-0", "large-1"]);
    stepped.go();
    assert_eq!(stepped.batch(), ["small-1", "same-key-0", "large-2", "large-3"]);
    // The small ones are answered while the large one is not.
    stepped.go();
    check(&small.wait().unwrap(), &rows("small", 2));
    assert!(keyed.map(Pending::wait).iter().all(Result::is_ok));
    assert_eq!(stepped.batch(), ["large-4", "large-5", "large-6", "large-7"]);
    stepped.go();
    assert_eq!(stepped.batch(), ["large-8", "behind-0"]);
    stepped.go();
    check(&large.wait().unwrap(), &rows("large", 9));
    check(&behind.wait().unwrap(), &rows("behind", 1));
    assert!(stepped.run().is_empty());
    let metrics = stepped.handle.metrics();
    assert_eq!((metrics.batch_rows.count(), metrics.batch_rows.sum(), metrics.batch_rows.max()), (5, 15, 4));
    assert_eq!(metrics.batch_rows.buckets().collect::<Vec<_>>(), [(0, 0), (1, 1), (3, 1), (7, 3)]);
}

#[test]
fn batches_are_filled_by_tokens() {
    let mut stepped = Stepped::new(options(100, 10));
    let first = stepped.handle.submit(rows("first", 1), ANY);
    stepped.batch();
    let lengths = [4, 6, 1, 30, 3, 8, 2];
    let all: Vec<_> =
        lengths.iter().enumerate().map(|(at, &n)| row(at.to_string(), &"x".repeat(n))).collect();
    let pending = stepped.handle.submit(&all[..], ANY);
    let uncounted = stepped.handle.submit([row("uncounted", "x"), row("7", "x")], ANY);
    stepped.go();
    let batches = stepped.run();
    // A row that is too large for any batch, or whose tokens nobody knows, has one for itself.
    let expected: [&[&str]; 6] = [&["0", "1"], &["2"], &["3"], &["4"], &["5", "6"], &["uncounted"]];
    assert_eq!(batches[..6], expected);
    assert_eq!(batches[6], ["7"]);
    check(&first.wait().unwrap(), &rows("first", 1));
    check(&pending.wait().unwrap(), &all);
    assert_eq!(uncounted.wait().unwrap().len(), 2);
}

#[test]
fn a_full_queue_refuses_or_lets_wait() {
    let mut stepped = Stepped::new(options(4, 1));
    let handle = &stepped.handle;
    let first = handle.submit(rows("first", 3), REFUSE);
    stepped.batch();
    // There is room, and what takes it may take more.
    let second = handle.submit(rows("second", 2), REFUSE);
    let busy = handle.predict(rows("busy", 1), REFUSE).unwrap_err();
    assert!(matches!(busy, RequestError::Busy { rows: 1, unanswered: 5, max_rows: 4 }), "{busy}");
    let too_large = handle.predict(rows("large", 5), ANY).unwrap_err();
    assert!(matches!(too_large, RequestError::TooLarge { rows: 5, max_rows: 4, .. }), "{too_large}");
    let waiting = [
        handle.submit(rows("third", 4), of(1)),
        handle.submit(rows("fourth", 4), of(1)),
        handle.submit(rows("fifth", 1), of(2)),
    ];
    assert_eq!((handle.metrics().waiting_requests, handle.metrics().unanswered_rows), (3, 5));
    // A thread waits, too.
    let waits = thread::spawn({
        let handle = handle.clone();
        move || handle.predict(rows("sixth", 1), ANY)
    });
    while handle.metrics().waiting_requests < 4 {
        thread::yield_now();
    }
    // Callers are let in in turn: the second request of one is no obstacle to the others.
    let batches = [
        "first-1", "first-2", "second-0", "third-0", "second-1", "third-1", "third-2", "third-3", "fifth-0",
        "sixth-0", "fourth-0", "fourth-1", "fourth-2", "fourth-3",
    ];
    assert_eq!(stepped.run().concat(), batches);
    check(&first.wait().unwrap(), &rows("first", 3));
    check(&second.wait().unwrap(), &rows("second", 2));
    check(&waits.join().unwrap().unwrap(), &rows("sixth", 1));
    let answers = block_on_all(waiting);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let metrics = stepped.handle.metrics();
    assert_eq!((metrics.requests.rejected, metrics.rows.rejected), (2, 6));
    assert_eq!((metrics.requests.answered, metrics.rows.answered), (6, 15));
}

#[test]
fn texts_take_up_room_as_well() {
    let max_bytes = NonZeroUsize::new(10).unwrap();
    let mut stepped = Stepped::new(HandleOptions { max_bytes, ..HandleOptions::default() });
    let too_large = stepped.handle.predict([row("1", &"x".repeat(11))], ANY).unwrap_err();
    assert!(matches!(too_large, RequestError::TooLarge { bytes: 11, max_bytes: 10, .. }), "{too_large}");
    let first = stepped.handle.submit([row("1", &"x".repeat(9))], REFUSE);
    let second = stepped.handle.submit([row("2", "xx")], REFUSE);
    assert!(matches!(stepped.handle.predict([row("3", "x")], REFUSE), Err(RequestError::Busy { .. })));
    stepped.run();
    assert!(first.wait().is_ok() && second.wait().is_ok());
}

/// Waits until this moment has passed.
fn sleep_until(moment: Instant) {
    while Instant::now() < moment {
        thread::sleep(moment.saturating_duration_since(Instant::now()));
    }
}

#[test]
fn what_has_expired_is_not_computed() {
    let mut stepped = Stepped::new(options(6, 2));
    let handle = &stepped.handle;
    let first = handle.submit(rows("first", 1), ANY);
    stepped.batch();
    let deadline = Instant::now() + Duration::from_millis(20);
    let soon = RequestOptions { deadline: Some(deadline), ..ANY };
    let future = handle.submit(rows("future", 3), soon);
    let full = handle.submit(rows("full", 2), ANY);
    // There is no room for this one.
    let waiting = handle.submit(rows("waiting", 1), soon);
    // The worker holds its batch all the time, and a thread does not wait for it.
    assert!(matches!(handle.predict(rows("thread", 1), soon), Err(RequestError::Expired)));
    sleep_until(deadline);
    let late = RequestOptions { deadline: Some(Instant::now() + Duration::from_secs(3600)), ..ANY };
    let in_time = handle.submit(rows("late", 1), late);
    stepped.go();
    assert_eq!(stepped.batch().len(), 2);
    stepped.go();
    let answers = block_on_all([future, waiting]);
    assert!(answers.iter().all(|answer| matches!(answer, Err(RequestError::Expired))), "{answers:?}");
    assert!(first.wait().is_ok() && full.wait().is_ok());
    let rest = stepped.run().concat();
    assert!(!rest.iter().any(|id| id.starts_with("future") || id.starts_with("waiting")), "{rest:?}");
    assert!(in_time.wait().is_ok());
    let metrics = stepped.handle.metrics();
    assert_eq!((metrics.requests.expired, metrics.rows.expired, metrics.rows.answered), (3, 5, 4));
}

#[test]
fn an_answer_that_comes_before_its_deadline_is_given_however_late_it_is_asked_for() {
    let mut stepped = Stepped::new(HandleOptions::default());
    let deadline = Instant::now() + Duration::from_millis(50);
    let pending = stepped.handle.submit(rows("x", 1), RequestOptions { deadline: Some(deadline), ..ANY });
    // On a busy machine the deadline may be over before the worker begins.
    stepped.run();
    let computed = stepped.handle.metrics().rows.answered == 1;
    sleep_until(deadline);
    assert_eq!(pending.wait().is_ok(), computed);
}

#[test]
fn what_is_cancelled_is_not_computed_and_its_room_is_free_at_once() {
    let mut stepped = Stepped::new(options(3, 1));
    let handle = &stepped.handle;
    let begun = handle.submit(rows("begun", 3), ANY);
    assert_eq!(stepped.batch(), ["begun-0"]);
    let waiting = handle.submit(rows("waiting", 1), ANY);
    let next = handle.submit(rows("next", 1), ANY);
    assert_eq!(handle.metrics().waiting_requests, 2);
    drop(waiting);
    drop(begun);
    let metrics = handle.metrics();
    assert_eq!((metrics.waiting_requests, metrics.unanswered_rows, metrics.queued_rows), (0, 1, 1));
    let more = handle.submit(rows("more", 1), REFUSE);
    stepped.go();
    assert_eq!(stepped.run(), [["next-0"], ["more-0"]]);
    check(&next.wait().unwrap(), &rows("next", 1));
    check(&more.wait().unwrap(), &rows("more", 1));
    let metrics = stepped.handle.metrics();
    assert_eq!((metrics.requests.cancelled, metrics.rows.cancelled), (2, 4));
    assert_eq!((metrics.requests.total(), metrics.rows.total()), (4, 6));
}

#[test]
fn a_panic_fails_its_batch_and_nothing_else() {
    let mut stepped = Stepped::new(options(100, 3));
    let handle = &stepped.handle;
    let first = handle.submit(rows("first", 1), ANY);
    stepped.batch();
    let guilty = handle.submit(rows("panic", 4), of(1));
    let beside = handle.submit(rows("beside", 4), of(2));
    let later = handle.submit([rows("x", 1), rows("bad", 1)].concat(), of(3));
    stepped.go();
    assert_eq!(stepped.batch(), ["panic-0", "beside-0", "x-0"]);
    stepped.go();
    for answer in block_on_all([guilty, beside, later]) {
        let error = answer.unwrap_err();
        assert!(
            matches!(&error, RequestError::Panicked { message } if message == "a row was to panic"),
            "{error}"
        );
    }
    check(&first.wait().unwrap(), &rows("first", 1));
    let after = handle.submit([rows("after", 1), rows("bad", 1)].concat(), ANY);
    // Nothing else of the requests that failed is computed.
    assert_eq!(stepped.run(), [["after-0", "bad-0"]]);
    check(&after.wait().unwrap(), &[rows("after", 1), rows("bad", 1)].concat());
    let metrics = stepped.handle.metrics();
    assert_eq!((metrics.requests.failed, metrics.rows.failed, metrics.rows.answered), (3, 11, 2));
    assert_eq!(metrics.unanswered_rows, 0);
}

#[test]
fn errors_reach_all_requests_of_the_batch() {
    let handle = Handle::new(Scripted::default(), HandleOptions::default()).unwrap();
    let predict = |of| handle.predict([rows("x", 1), rows(of, 1)].concat(), ANY);
    let error = predict("error").unwrap_err();
    assert!(matches!(&error, RequestError::Predict(PredictError::Model(_))), "{error:?}");
    assert_eq!(error.to_string(), "a row was to fail");
    // Outcomes of other rows than were asked about are nobody's.
    for of in ["astray", "short"] {
        let error = predict(of).unwrap_err();
        assert!(matches!(error, RequestError::Predict(PredictError::OtherRows { .. })), "{error:?}");
    }
    let outcomes = predict("bad").unwrap();
    assert_eq!(outcomes.failed().map(RowError::id).collect::<Vec<_>>(), ["bad-0"]);
}

#[test]
fn a_shutdown_answers_what_was_taken_in_and_refuses_the_rest() {
    let mut stepped = Stepped::new(options(3, 1));
    let first = stepped.handle.submit(rows("first", 3), ANY);
    stepped.batch();
    let waiting = stepped.handle.submit(rows("waiting", 2), ANY);
    let clone = stepped.handle.clone();
    thread::scope(|scope| {
        let ends = [(); 3].map(|()| {
            let handle = stepped.handle.clone();
            scope.spawn(move || handle.shutdown())
        });
        let refused = loop {
            match clone.predict(rows("other", 1), REFUSE) {
                Err(RequestError::Busy { .. }) => thread::yield_now(),
                other => break other,
            }
        };
        assert!(matches!(refused, Err(RequestError::ShutDown)), "{refused:?}");
        for _ in 0..5 {
            stepped.go();
        }
        ends.into_iter().for_each(|end| end.join().unwrap());
    });
    check(&block_on(first).unwrap(), &rows("first", 3));
    check(&block_on(waiting).unwrap(), &rows("waiting", 2));
    assert_eq!(stepped.run().len(), 4);
    assert!(matches!(clone.predict(rows("x", 1), ANY), Err(RequestError::ShutDown)));
}

#[test]
fn the_last_handle_ends_the_worker_when_all_is_answered() {
    let stepped = Stepped::new(options(100, 1));
    let clone = stepped.handle.clone();
    let pending = stepped.handle.submit(rows("x", 3), ANY);
    stepped.batch();
    drop(clone);
    let waits = thread::spawn(move || pending.wait());
    assert_eq!(stepped.run_without_handle(), [["x-1"], ["x-2"]]);
    check(&waits.join().unwrap().unwrap(), &rows("x", 3));
}

#[test]
fn what_cannot_be_made_is_told() {
    let start = |make: fn() -> Result<Scripted, &'static str>| Handle::start(make, HandleOptions::default());
    let error = start(|| Err("no such folder")).unwrap_err();
    assert!(matches!(&error, StartError::Predictor(source) if source.to_string() == "no such folder"));
    let error = start(|| panic!("no such device")).unwrap_err();
    assert!(matches!(&error, StartError::Panicked { message } if message == "no such device"), "{error}");
    // It is made on the thread that uses it.
    let (sender, receiver) = channel();
    let make = move || {
        sender.send(thread::current().id()).unwrap();
        Ok::<_, StartError>(Scripted::default())
    };
    let handle = Handle::start(make, HandleOptions::default()).unwrap();
    assert_ne!(receiver.recv().unwrap(), thread::current().id());
    check(&handle.predict(rows("x", 2), ANY).unwrap(), &rows("x", 2));
}
