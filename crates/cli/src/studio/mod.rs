//! `impasto studio`: a page to paint with, and the interface behind it.
//!
//! One thread serves (axum), one paints ([`worker`]); between them is the [`queue`]. Each job has a folder of its own, see
//! [`record`] and [`keep`].

#![allow(
    clippy::result_large_err,
    reason = "answers are as large as axum makes them, and one is made for each request"
)]

mod answer;
mod api;
mod events;
mod forecast;
mod guard;
mod keep;
mod onlooker;
mod options;
mod page;
mod queue;
mod record;
mod upload;
mod worker;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use rand::RngExt;
use tokio::net::TcpListener;

use self::guard::Guard;
use self::queue::Queue;
use super::error::Error;
use super::interrupt;

/// The port where none is asked for.
const PORT: u16 = 4700;

/// How soon Ctrl-C is seen.
const LOOK: Duration = Duration::from_millis(100);

/// Paint on a page in the browser
///
/// Opens a page where you drop pictures, choose settings and watch the painting. Everything stays on this machine: pictures
/// and settings in FOLDER, the page in impasto itself. Jobs queue, and continue at the next start. Programs can do what the
/// page does: docs/studio.md.
#[derive(Args)]
pub(super) struct Arguments {
    /// The folder for pictures and jobs, created if missing
    #[arg(default_value = "studio")]
    folder: PathBuf,

    /// The page's port; 0 takes any free one [default: 4700, or any free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    /// Do not open the browser
    #[arg(long)]
    no_open: bool,

    /// Let other machines connect, at this address of this machine's (0.0.0.0 for all); they need the token that is printed
    #[arg(long, value_name = "ADDR")]
    listen: Option<IpAddr>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Error> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder).map_err(|why| Error::file("make the folder", folder, why))?;
    let folder = folder.canonicalize().map_err(|why| Error::file("open the folder", folder, why))?;
    let (queue, wrong) = Queue::open(folder);
    for why in &wrong {
        eprintln!("note: {why}");
    }
    let queue = Arc::new(queue);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|why| Error::Failure(format!("cannot start the server: {why}")))?;
    let (listener, address) = runtime.block_on(arguments.bind())?;
    let token = arguments.listen.map(|_| format!("{:032x}", rand::rng().random::<u128>()));
    let query = token.as_ref().map_or_else(String::new, |token| format!("?token={token}"));
    let page = format!("http://{address}/{query}");
    // Whoever reads the address may press Ctrl-C at once.
    let interrupted = interrupt::watch();
    println!("impasto studio: {page}");
    eprintln!("pictures and jobs are kept in {}; Ctrl-C ends the studio", queue.root.display());
    let worker = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || worker::work(&queue)
    });
    if !arguments.no_open && open::that_detached(&page).is_err() {
        eprintln!("no browser could be opened; open the address above");
    }
    let routes = page::with_fallbacks(api::routes(Arc::clone(&queue)).merge(page::routes()));
    let routes = routes.layer(axum::middleware::from_fn_with_state(Guard { token }, guard::check));
    runtime.block_on(async {
        let ended = async {
            while !interrupted.load(Ordering::Relaxed) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            served = axum::serve(listener, routes).into_future() => {
                served.map_err(|why| Error::Failure(format!("the server failed: {why}")))
            }
            () = ended => Ok(()),
        }
    })?;
    queue.jobs().ending = true;
    queue.wake();
    eprintln!("the iteration is finished; what is not painted yet goes on at the next start");
    let _ = worker.join();
    Ok(ExitCode::from(interrupt::EXIT_CODE))
}

impl Arguments {
    /// Takes the port asked for; without one the usual, or if that is taken any.
    async fn bind(&self) -> Result<(TcpListener, SocketAddr), Error> {
        let ip = self.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let mut bound = TcpListener::bind((ip, self.port.unwrap_or(PORT))).await;
        if bound.is_err() && self.port.is_none() {
            bound = TcpListener::bind((ip, 0)).await;
        }
        let bound = bound.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        bound.map_err(|why| {
            let port = self.port.unwrap_or(PORT);
            Error::Failure(format!(
                "cannot listen at {ip}, port {port}: {why}; give another --port, or --port 0 for any"
            ))
        })
    }
}
