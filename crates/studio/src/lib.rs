//! The studio of impasto: a page to paint with in the browser, and its HTTP interface (`openapi.json`).
//!
//! The studio keeps pictures and jobs, shows them, and decides when to paint; the program that starts it paints, as a [`Painter`].
//! One thread serves requests (axum), one paints (`worker`); they communicate through the `queue`. Each job has a
//! folder, see `record` and `keep`.

#![allow(
    clippy::result_large_err,
    reason = "answers are as large as axum makes them, and one is made for each request"
)]

mod addresses;
mod answer;
mod api;
mod bundle;
mod error;
mod events;
mod forecast;
mod guard;
mod job_watcher;
mod keep;
mod kept;
mod lock;
mod names;
mod note;
mod page;
mod painter;
mod queue;
mod record;
mod training;
mod trash;
mod upload;
mod votes;
mod worker;

use std::io::{IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::RngExt;
use tokio::net::TcpListener;

pub use crate::error::Error;
use crate::guard::Guard;
use crate::lock::Lock;
use crate::note::note;
pub use crate::painter::{Paint, Painter, Painting, Pictures, PlannedPicture, Prepared, Settings, Start};
use crate::queue::Queue;

/// The default port.
pub const PORT: u16 = 4700;

/// The time between checks for an interruption.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The time between searches of the trash for expired jobs.
const SWEEP: Duration = Duration::from_secs(3600);

/// Where a studio works.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder for pictures and jobs, created if missing.
    pub folder: PathBuf,
    /// The page's port, 0 for any free one; by default [`PORT`], or any free one.
    pub port: Option<u16>,
    /// The address that other machines may connect to, with the token that is printed; by default only this machine may.
    pub listen: Option<IpAddr>,
    /// Whether to open the page in the browser.
    pub open: bool,
}

/// Serves the page and paints what is asked for, until `interrupted`. Prints the page's address on standard output and notes
/// on standard error.
///
/// # Errors
/// If the folder cannot be used, another studio works in it, or the port is taken.
pub fn serve(place: &Place, painter: Arc<dyn Painter>, interrupted: &AtomicBool) -> Result<(), Error> {
    let folder = &place.folder;
    std::fs::create_dir_all(folder).map_err(|why| Error::file("create the folder", folder, why))?;
    let root = folder.canonicalize().map_err(|why| Error::file("open the folder", folder, why))?;
    let mut lock = Lock::take(&root)?;
    let queue = Queue::open(root, painter).map_err(|why| Error::file("read the folder", folder, why))?;
    for why in &queue.unreadable {
        note(format_args!("note: {why}"));
    }
    let queue = Arc::new(queue);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|why| Error::Other(format!("cannot start the server: {why}")))?;
    let (listener, address) = runtime.block_on(place.bind())?;
    let token = place.listen.map(|_| format!("{:032x}", rand::rng().random::<u128>()));
    lock.note(&format!("http://{}/", addresses::here(address)));
    let page = announce(address, token.as_deref());
    note(format_args!("pictures and jobs are kept in {}; Ctrl-C ends the studio", queue.root.display()));
    let worker = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || worker::work(&queue)
    });
    if place.open && open::that_detached(&page).is_err() {
        note(format_args!("no browser could be opened; open the address above"));
    }
    let routes = page::with_fallbacks(api::routes(Arc::clone(&queue)).merge(page::routes()));
    let routes = routes.layer(axum::middleware::from_fn_with_state(Guard { token }, guard::check));
    runtime.block_on(async {
        let ended = async {
            while !interrupted.load(Ordering::Relaxed) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        tokio::select! {
            served = axum::serve(listener, routes).into_future() => {
                served.map_err(|why| Error::Other(format!("the server failed: {why}")))
            }
            () = sweep_trash(&queue) => Ok(()),
            () = ended => Ok(()),
        }
    })?;
    queue.jobs().ending = true;
    queue.wake();
    note(format_args!("the iteration is finished; unfinished jobs continue at the next start"));
    let _ = worker.join();
    drop(lock);
    Ok(())
}

/// Prints the addresses of the page, and returns the one for this machine.
fn announce(address: SocketAddr, token: Option<&str>) -> String {
    let query = token.map_or_else(String::new, |token| format!("?token={token}"));
    let url = |address: SocketAddr| format!("http://{address}/{query}");
    let here = url(addresses::here(address));
    let elsewhere = addresses::elsewhere(address);
    // A single write that may fail: a program that starts the studio may read the first line and close the pipe.
    let print = |text: String| drop(std::io::stdout().write_all(text.as_bytes()));
    let [first, others @ ..] = elsewhere.as_slice() else {
        print(format!("impasto studio: {here}\n"));
        if token.is_some() && !address.ip().is_loopback() {
            note(format_args!("note: this machine is in no network, so no other can open the page"));
        }
        return here;
    };
    let mut text = format!("impasto studio: {}\n", url(*first));
    for other in others {
        text += &format!("also at {}\n", url(*other));
    }
    if addresses::here(address) != *first {
        text += &format!("on this machine {here}\n");
    }
    if std::io::stdout().is_terminal()
        && let Some(code) = addresses::qr_code(&url(*first))
    {
        text += &format!("{code}\nScan the code to open the page on a phone in the same network.\n");
    }
    print(text);
    here
}

/// Regularly deletes expired jobs from the trash for good.
async fn sweep_trash(queue: &Arc<Queue>) {
    loop {
        let queue = Arc::clone(queue);
        let swept = tokio::task::spawn_blocking(move || queue.empty_trash(false)).await;
        if let Ok(Err(why)) = swept {
            note(format_args!("the trash cannot be emptied: {why}"));
        }
        tokio::time::sleep(SWEEP).await;
    }
}

impl Place {
    /// Binds the requested port, or by default the usual one, or any if that is taken.
    async fn bind(&self) -> Result<(TcpListener, SocketAddr), Error> {
        let ip = self.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut bound = TcpListener::bind((ip, self.port.unwrap_or(PORT))).await;
        if bound.is_err() && self.port.is_none() {
            bound = TcpListener::bind((ip, 0)).await;
        }
        let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        bound.map_err(|why| Error::Listen(format!("cannot listen at {ip}, port {}: {why}", self.port.unwrap_or(PORT))))
    }
}
