//! Trained weights: their availability, and downloading them.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use impasto::vgg::FoundWeights;
use serde_json::{Value, json};

use crate::error::Error;
use crate::painter::Painter;

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
pub(crate) struct Training(Arc<Mutex<State>>);

impl Training {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there are trained weights, and the state of the download. Blocks.
    pub(crate) fn to_json(&self) -> Value {
        // Before the search: a download that ends meanwhile is still in progress, not over without weights.
        let state = self.state().clone();
        let found = FoundWeights::find(None);
        let problem = found.as_ref().err().map(ToString::to_string);
        let (state, source, bytes, total, error) = match state {
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
    pub(crate) fn begin(&self, painter: Arc<dyn Painter>) {
        {
            let mut state = self.state();
            if matches!(*state, State::Fetching { .. }) {
                return;
            }
            *state = State::Fetching { source: "…".into(), bytes: 0, total: None };
        }
        let training = self.clone();
        std::thread::spawn(move || {
            let outcome = training.fetch(&*painter);
            *training.state() = outcome.map_or_else(|why| State::Failed(why.to_string()), |()| State::Idle);
        });
    }

    fn fetch(&self, painter: &dyn Painter) -> Result<(), Error> {
        painter.fetch_weights(&mut |source, bytes, total| {
            *self.state() = State::Fetching { source: source.to_owned(), bytes, total };
            ControlFlow::Continue(())
        })
    }
}
