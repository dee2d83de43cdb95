//! Trained weights: their availability, and downloading them.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use impasto::vgg::{FoundWeights, Precision};
use serde_json::{Value, json};

use crate::interrupt;
use crate::weights::fetch::{FetchError, Published, fetch};

/// The state of the download.
#[derive(Clone, Default)]
enum State {
    #[default]
    Idle,
    /// The source, the bytes received, and the total if known.
    Fetching {
        source: String,
        bytes: u64,
        total: Option<u64>,
    },
    Failed(String),
}

/// Downloads trained weights, one download at a time.
#[derive(Clone, Default)]
pub(super) struct Training(Arc<Mutex<State>>);

impl Training {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are trained weights, and the state of the download. Blocks.
    pub(super) fn to_json(&self) -> Value {
        let found = FoundWeights::find(None);
        let problem = found.as_ref().err().map(ToString::to_string);
        let (state, source, bytes, total, error) = match self.state().clone() {
            State::Idle => ("idle", None, 0, None, None),
            State::Fetching { source, bytes, total } => ("fetching", Some(source), bytes, total, None),
            State::Failed(why) => ("failed", None, 0, None, Some(why)),
        };
        json!({
            "trained": found.is_ok_and(|found| found.source.is_trained()),
            "state": state,
            "source": source,
            "bytes": bytes,
            "total": total,
            "error": error.or(problem),
        })
    }

    /// Starts a download on another thread, unless one is in progress.
    pub(super) fn begin(&self) {
        {
            let mut state = self.state();
            if matches!(*state, State::Fetching { .. }) {
                return;
            }
            *state = State::Fetching { source: "…".into(), bytes: 0, total: None };
        }
        let training = self.clone();
        std::thread::spawn(move || {
            let outcome = training.fetch();
            *training.state() = outcome.map_or_else(State::Failed, |()| State::Idle);
        });
    }

    fn fetch(&self) -> Result<(), String> {
        let path = FoundWeights::in_cache_folder().ok_or("this system has no cache folder to keep weights in")?;
        let interrupted = interrupt::watch();
        let fetched = fetch(Published::Vgg, &[], &mut |fetching| {
            let (source, bytes, total) = (fetching.source.to_owned(), fetching.bytes, fetching.total);
            *self.state() = State::Fetching { source, bytes, total };
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let fetched = fetched.map_err(|why| match why {
            FetchError::Interrupted => "the studio was ended".to_owned(),
            why => why.to_string(),
        })?;
        let cannot = |why: std::io::Error| format!("the weights cannot be written to {}: {why}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        fetched.weights.save(&path, Precision::Half).map_err(cannot)
    }
}
