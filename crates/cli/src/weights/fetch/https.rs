//! Downloads over HTTP or HTTPS, by ranges if the server supports them, with retries.

use std::fs::File;
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::{Fetching, Stopped, Watcher, partial, place};

/// The size of the first request: enough to recognise the format, and for the header of safetensors.
const FIRST: u64 = 1 << 16;

/// No file with VGG19 in it is larger.
const LARGEST: u64 = 2 << 30;

/// How many requests in a row may fail without any data.
const TRIES: u32 = 4;

/// The pause before the second try; it doubles before each further one.
const PAUSE: Duration = Duration::from_millis(250);

/// Time limits for connecting, and for an answer.
const CONNECT: Duration = Duration::from_secs(15);
const SILENCE: Duration = Duration::from_secs(30);

/// The number of bytes read at a time.
const BLOCK: usize = 1 << 16;

/// Downloads a file into the folder; of safetensors only the needed tensors, if the server supports ranges.
pub(super) fn download(url: &str, folder: &Path, watch: &mut Watcher<'_>) -> Result<PathBuf, Stopped> {
    let path = place(folder);
    let mut remote = Remote::new(url, watch);
    let mut start = Vec::new();
    remote.read(0..FIRST, &mut start)?;
    if remote.serves_parts && partial::is_safetensors(&start) {
        partial::download(&mut remote, start, &path)?;
        return Ok(path);
    }
    remote.expected = remote.total;
    let mut file = File::create(&path)?;
    file.write_all(&start)?;
    if remote.total != Some(start.len() as u64) {
        remote.read(start.len() as u64..LARGEST, &mut file)?;
    }
    Ok(path)
}

/// A file on a server.
pub(super) struct Remote<'a, 'w> {
    url: &'a str,
    agent: Agent,
    watch: &'a mut Watcher<'w>,
    /// The length of the file, once it is known.
    pub(super) total: Option<u64>,
    /// The server's identifier of this version of the file.
    version: Option<String>,
    /// Whether the server answers with the requested range.
    pub(super) serves_parts: bool,
    /// Bytes received, and bytes expected in all.
    done: u64,
    pub(super) expected: Option<u64>,
}

/// A request failed.
enum Broken {
    /// Another try may succeed.
    Passing(String),
    /// Another try will not succeed.
    For(Stopped),
}

impl Broken {
    fn finally(reason: impl Into<String>) -> Self {
        Self::For(Stopped::Failed(reason.into()))
    }
}

impl<'a, 'w> Remote<'a, 'w> {
    fn new(url: &'a str, watch: &'a mut Watcher<'w>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("impasto/", env!("CARGO_PKG_VERSION")));
        let agent = config.build().into();
        Self { url, agent, watch, total: None, version: None, serves_parts: false, done: 0, expected: None }
    }

    /// Writes a part of the file, or as much of it as the file has, to `out`.
    pub(super) fn read(&mut self, part: Range<u64>, out: &mut dyn Write) -> Result<(), Stopped> {
        let mut at = part.start;
        let mut tries = 0;
        loop {
            let before = at;
            match self.stream(&mut at, part.end, out) {
                Ok(()) => return Ok(()),
                Err(Broken::For(stopped)) => return Err(stopped),
                Err(Broken::Passing(reason)) => {
                    tries = if at > before { 1 } else { tries + 1 };
                    if tries > TRIES {
                        return Err(Stopped::Failed(format!("{reason} (tried {TRIES} times)")));
                    }
                }
            }
            thread::sleep(PAUSE * 2u32.pow(tries - 1));
        }
    }

    /// [`read`](Self::read) with a single request. `at` is the position reached.
    fn stream(&mut self, at: &mut u64, end: u64, out: &mut dyn Write) -> Result<(), Broken> {
        let response = self.request(*at, end)?;
        // A server without ranges sends the whole file again.
        let mut skipped = if response.status() == StatusCode::PARTIAL_CONTENT { *at } else { 0 };
        let mut body = response.into_body().into_reader();
        let mut block = vec![0; BLOCK];
        loop {
            let end = self.total.map_or(end, |total| end.min(total));
            if *at == end {
                return Ok(());
            }
            let count = body.read(&mut block).map_err(|error| Broken::Passing(broken_off(&error)))?;
            if count == 0 {
                let Some(total) = self.total else {
                    self.total = Some(*at);
                    return Ok(());
                };
                return Err(Broken::Passing(format!("the server sent {at} of {total} bytes and no more")));
            }
            let fresh = (*at - skipped).min(count as u64) as usize;
            skipped += fresh as u64;
            let wanted = &block[fresh..count];
            let wanted = &wanted[..wanted.len().min((end - *at) as usize)];
            out.write_all(wanted).map_err(|error| Broken::For(error.into()))?;
            *at += wanted.len() as u64;
            skipped += wanted.len() as u64;
            self.done += wanted.len() as u64;
            if *at >= LARGEST {
                return Err(Broken::finally(too_large(*at)));
            }
            let state = Fetching { source: self.url, bytes: self.done, total: self.expected };
            if (self.watch)(&state).is_break() {
                return Err(Broken::For(Stopped::Interrupted));
            }
        }
    }

    /// Asks for a part of the file.
    fn request(&mut self, start: u64, end: u64) -> Result<Response<Body>, Broken> {
        let request = self.agent.get(self.url).header(header::ACCEPT_ENCODING, "identity");
        let request = request.header(header::RANGE, format!("bytes={start}-{}", end - 1));
        let response = request.call().map_err(unanswered)?;
        let field = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let total = match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let stated = field(header::CONTENT_RANGE).unwrap_or_default();
                let (first, total) = content_range(stated)
                    .ok_or_else(|| Broken::finally(format!("the server sent a part without saying which: {stated}")))?;
                if first != start {
                    return Err(Broken::finally(format!("asked for byte {start}, the server sent byte {first}")));
                }
                self.serves_parts = true;
                total
            }
            StatusCode::OK => {
                self.serves_parts = false;
                field(header::CONTENT_LENGTH).and_then(|len| len.parse().ok())
            }
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => return Err(Broken::Passing(format!("the server answers {status}"))),
            status => return Err(Broken::finally(format!("the server answers {status}"))),
        };
        let version = field(header::ETAG).map(String::from);
        let changed = self.total.is_some_and(|known| total.is_some_and(|total| total != known))
            || self.version.is_some() && version.is_some() && self.version != version;
        if changed {
            return Err(Broken::finally("the file changed while it was fetched"));
        }
        if let Some(total) = total.filter(|&total| total > LARGEST) {
            return Err(Broken::finally(too_large(total)));
        }
        self.total = self.total.or(total);
        self.version = self.version.take().or(version);
        Ok(response)
    }
}

/// The first byte and the file's length out of `bytes 0-99/1000`.
fn content_range(stated: &str) -> Option<(u64, Option<u64>)> {
    let (part, total) = stated.strip_prefix("bytes ")?.split_once('/')?;
    let first = part.split_once('-')?.0.parse().ok()?;
    Some((first, total.parse().ok()))
}

fn too_large(bytes: u64) -> String {
    format!("the file has {bytes} bytes or more, which is too large to be VGG19's weights")
}

/// The reason why there was no answer.
fn unanswered(error: ureq::Error) -> Broken {
    match error {
        ureq::Error::HostNotFound => Broken::finally("the host cannot be found (is this machine online?)"),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => Broken::finally("not a URL; give one as in https://HOST/FILE"),
        ureq::Error::TooManyRedirects => Broken::finally("the server redirects again and again"),
        ureq::Error::Tls(_) | ureq::Error::Rustls(_) => Broken::finally(format!("no secure connection: {error}")),
        // A retry does not help if a name does not resolve or a certificate is not trusted.
        ureq::Error::Io(error) if error.to_string().contains("lookup address") => {
            Broken::finally("the host cannot be found (is this machine online?)")
        }
        ureq::Error::Io(error) if error.to_string().contains("certificate") => {
            Broken::finally(format!("no secure connection: {error}"))
        }
        ureq::Error::Timeout(_) => Broken::Passing("the server does not answer".into()),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Broken::finally("the connection was refused")
        }
        other => Broken::Passing(format!("no connection: {other}")),
    }
}

/// The reason why an answer ended early.
fn broken_off(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => "the server stopped sending".into(),
        _ => format!("the connection broke off ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(content_range("bytes 0-99/1000"), Some((0, Some(1000))));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, None)));
        for wrong in ["", "bytes", "bytes */1000", "bytes 1/2", "items 0-9/10", "bytes -5-9/10"] {
            assert_eq!(content_range(wrong), None, "{wrong}");
        }
    }
}
