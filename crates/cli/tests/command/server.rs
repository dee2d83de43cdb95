//! A web server for tests, which serves one file correctly or with faults.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::thread;

/// What the server does with requests.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a manner of its own")]
pub struct Manner {
    /// The whole file is sent whatever is asked for.
    pub ignores_ranges: bool,
    /// No length is said of whole files; their end is that of the connection.
    pub hides_length: bool,
    /// Every answer breaks off after so many bytes.
    pub cuts_after: Option<usize>,
    /// The file ends so many bytes before its length is over, however often it is asked for.
    pub withholds: usize,
    /// This status is answered to the first so many requests.
    pub refuses: Option<(u16, usize)>,
    /// Requests for `/moved` are sent on to `/file`.
    pub moves: bool,
    /// Every answer names another version of the file.
    pub changes: bool,
    /// Parts begin a byte late.
    pub shifts: bool,
}

/// A server that runs until the process ends.
pub struct Server {
    address: String,
    seen: Arc<Mutex<Seen>>,
}

/// The requests that the server received.
#[derive(Default)]
struct Seen {
    requests: Vec<String>,
    sent: usize,
}

impl Server {
    pub fn new(file: Vec<u8>, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (file, shared) = (Arc::new(file), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (file, seen) = (Arc::clone(&file), Arc::clone(&shared));
                // A client that goes away is no failure of the server's.
                thread::spawn(move || drop(answer(&stream, &file, manner, &seen)));
            }
        });
        Self { address, seen }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// The first lines of all requests.
    pub fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().requests.clone()
    }

    /// How many bytes of files were sent.
    pub fn sent(&self) -> usize {
        self.seen.lock().unwrap().sent
    }
}

fn answer(mut stream: &TcpStream, file: &[u8], manner: Manner, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut first, mut range) = request(&mut reader)?;
    let mut count = record(seen, &first);
    if first.starts_with("CONNECT") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        (first, range) = request(&mut reader)?;
        count = record(seen, &first);
    }
    if manner.moves && first.contains("/moved") {
        return stream
            .write_all(b"HTTP/1.1 302 Found\r\nLocation: /file\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    if let Some((status, times)) = manner.refuses
        && count <= times
    {
        let body = "no such luck";
        let head = format!("HTTP/1.1 {status} No\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
        return stream.write_all(head.as_bytes());
    }
    let range = range.filter(|_| !manner.ignores_ranges).map(|range| {
        let start = range.start + usize::from(manner.shifts);
        start..range.end.min(file.len())
    });
    let part = range.clone().unwrap_or(0..file.len());
    let mut head = match range {
        Some(Range { start, end }) => format!(
            "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{}/{}\r\nContent-Length: {}\r\n",
            end - 1,
            file.len(),
            end - start
        ),
        None if manner.hides_length => "HTTP/1.1 200 OK\r\n".into(),
        None => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", file.len()),
    };
    let version = if manner.changes { count } else { 1 };
    head.push_str(&["ETag: \"", &version.to_string(), "\"\r\nConnection: close\r\n\r\n"].concat());
    stream.write_all(head.as_bytes())?;
    let end = part.end.min(file.len() - manner.withholds).max(part.start);
    // A server that starts again each time is cut once; otherwise it would never finish.
    let cut = manner.cuts_after.filter(|_| !manner.ignores_ranges || count == 1);
    let end = end.min(part.start + cut.unwrap_or(file.len()));
    seen.lock().unwrap().sent += end - part.start;
    stream.write_all(&file[part.start..end])
}

/// Remembers a request and gives its number, from 1.
fn record(seen: &Mutex<Seen>, first: &str) -> usize {
    let mut seen = seen.lock().unwrap();
    seen.requests.push(first.into());
    seen.requests.len()
}

/// The first line of a request, and the range that it asks for.
fn request(reader: &mut impl BufRead) -> std::io::Result<(String, Option<Range<usize>>)> {
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut range = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            return Ok((first.trim().into(), range));
        }
        if let Some(bytes) = line.trim().to_lowercase().strip_prefix("range: bytes=") {
            let (start, last) = bytes.split_once('-').unwrap();
            range = Some(start.parse().unwrap()..last.parse::<usize>().unwrap() + 1);
        }
    }
}
