//! Runs a job on threads of its own, while Python's thread looks after the callback and Ctrl-C.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::thread;
use std::time::Duration;

use impasto::run::{Outcome, Run, Stop, Watcher};
use impasto::{Error, Picture};
use ndarray::Array3;
use numpy::PyArray3;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::to_python;
use crate::pictures::to_bytes;

/// How often Ctrl-C is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// How much an iterate counts in the mean of iterates, as a share of the one after it: as the command has it.
const AVERAGE: f64 = 0.99;

/// One iteration, as callbacks see it.
#[pyclass(frozen, module = "impasto")]
pub(crate) struct Progress {
    progress: impasto::Progress,
    picture: Array3<u8>,
}

#[pymethods]
impl Progress {
    /// The number of the iteration, from 1.
    #[getter]
    fn iteration(&self) -> usize {
        self.progress.iteration
    }

    /// The largest number of iterations.
    #[getter]
    fn iterations(&self) -> usize {
        self.progress.iterations
    }

    /// The longer side, in pixels, of the scale being painted.
    #[getter]
    fn size(&self) -> usize {
        self.progress.scale.side
    }

    /// The objective's value at the picture so far.
    #[getter]
    fn loss(&self) -> f64 {
        self.progress.total
    }

    /// The values of the groups of terms by name: of a transfer "content", "style" and "tv".
    #[getter]
    fn terms<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let terms = PyDict::new(py);
        for group in &self.progress.groups {
            terms.set_item(&group.name, group.value)?;
        }
        Ok(terms)
    }

    /// Seconds since the run began.
    #[getter]
    fn elapsed(&self) -> f64 {
        self.progress.elapsed.as_secs_f64()
    }

    /// The share of the run's time that has passed, 0 to 1.
    #[getter]
    fn done(&self) -> f64 {
        self.progress.done
    }

    /// The picture so far, at the size being painted: uint8, height x width x 3.
    #[getter]
    fn picture<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray3<u8>> {
        PyArray3::from_array(py, &self.picture)
    }

    fn __repr__(&self) -> String {
        let impasto::Progress { iteration, iterations, total, .. } = &self.progress;
        format!("<impasto.Progress: iteration {iteration} of {iterations}, loss {total:.6}>")
    }
}

/// How a job runs and ends.
pub(crate) struct Manner {
    pub(crate) threads: Option<usize>,
    pub(crate) tolerance: Option<f64>,
    pub(crate) average: bool,
}

/// Tells Python's thread of each iteration, and waits for its answer where there is a callback.
struct Teller<'a> {
    stopped: &'a AtomicBool,
    tell: Option<(Sender<Progress>, std::sync::mpsc::Receiver<()>)>,
}

impl Watcher for Teller<'_> {
    fn see(&mut self, run: &Run<'_>, progress: &impasto::Progress) -> ControlFlow<Stop> {
        if let Some((tell, answered)) = &self.tell {
            let picture = to_bytes(&run.picture().rgb);
            if tell.send(Progress { progress: progress.clone(), picture }).is_ok() {
                // Nobody answers if the other side is gone, which means to stop.
                self.stopped.fetch_or(answered.recv().is_err(), Ordering::Relaxed);
            }
        }
        if self.stopped.load(Ordering::Relaxed) { ControlFlow::Break(Stop::Asked) } else { ControlFlow::Continue(()) }
    }
}

/// Runs the job that `start` gives and returns its picture, also where the callback stopped it by returning False.
///
/// # Errors
/// If the job cannot be done, the callback raises an exception, or Ctrl-C was pressed.
pub(crate) fn complete<'py, 'a>(
    py: Python<'py>,
    manner: &Manner,
    callback: Option<&Bound<'py, PyAny>>,
    start: &(dyn Fn() -> Result<Run<'a>, Error> + Sync),
) -> PyResult<Bound<'py, PyArray3<u8>>> {
    let callback = callback.map(|callback| callback.clone().unbind());
    let rgb = py.detach(|| attended(manner, callback.as_ref(), start))?;
    Ok(PyArray3::from_owned_array(py, to_bytes(&rgb.rgb)))
}

fn attended<'a>(
    manner: &Manner,
    callback: Option<&Py<PyAny>>,
    start: &(dyn Fn() -> Result<Run<'a>, Error> + Sync),
) -> PyResult<Picture> {
    let stopped = AtomicBool::new(false);
    let (tell, told) = channel();
    let (answer, answered): (SyncSender<()>, _) = sync_channel(1);
    let mut raised = None;
    let painted = thread::scope(|scope| {
        let teller = Teller { stopped: &stopped, tell: callback.is_some().then(|| (tell.clone(), answered)) };
        let (done, end) = channel::<()>();
        // Its end is seen by `done` going out of scope.
        let worker = scope.spawn(move || {
            let _done = done;
            paint(manner, teller, start)
        });
        drop(tell);
        let mut attend = |progress: Option<Progress>| {
            let stop = Python::attach(|py| {
                py.check_signals()?;
                let (Some(progress), Some(callback)) = (progress, callback) else { return Ok(false) };
                let said = callback.call1(py, (progress,))?;
                Ok::<_, PyErr>(said.bind(py).extract::<bool>().is_ok_and(|go_on| !go_on))
            });
            let stop = stop.unwrap_or_else(|error| {
                raised.get_or_insert(error);
                true
            });
            stopped.fetch_or(stop, Ordering::Relaxed);
        };
        loop {
            // Whether a callback waits or none is there, one of the two channels tells.
            let heard = if callback.is_some() {
                told.recv_timeout(LOOK).map(Some)
            } else {
                end.recv_timeout(LOOK).map(|()| None)
            };
            match heard {
                Ok(progress) => {
                    attend(progress);
                    // The worker may have ended.
                    let _ = answer.send(());
                }
                Err(RecvTimeoutError::Timeout) => attend(None),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        worker.join()
    });
    if let Some(error) = raised {
        return Err(error);
    }
    painted.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Makes all iterations on as many threads as asked for.
fn paint<'a>(
    manner: &Manner,
    mut teller: Teller<'_>,
    start: &(dyn Fn() -> Result<Run<'a>, Error> + Sync),
) -> PyResult<Picture> {
    in_threads(manner.threads, move || {
        let mut run = start().map_err(to_python)?;
        run.tolerate(manner.tolerance.unwrap_or(0.0));
        if manner.average {
            run.average(AVERAGE);
        }
        match run.finish(&mut teller).map_err(to_python)? {
            Outcome::NotFinite => Err(PyRuntimeError::new_err(format!(
                "{} became NaN or infinite after {} iterations; give a smaller lr, or weights that are less extreme",
                run.not_finite().unwrap_or("the objective"),
                run.iterations()
            ))),
            _ => Ok(run.finished()),
        }
    })?
}

/// Runs `work` on so many threads, or on all cores.
///
/// # Errors
/// If the system does not start them.
pub(crate) fn in_threads<R: Send>(threads: Option<usize>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    let pool = pool.map_err(|why| PyRuntimeError::new_err(format!("cannot start the threads: {why}")))?;
    Ok(pool.install(work))
}
