//! A server of a few lines, for everything that a proper one would not do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::super::log::lock;

/// What the server does with a request that it has read.
pub(crate) enum Answer {
    /// Writes these bytes; keeps the connection if asked to.
    Bytes { bytes: Vec<u8>, keep: bool },
    /// Never answers.
    Hang,
    /// Closes the connection.
    Close,
    /// A 200 whose chunked body never ends.
    Endless,
}

impl Answer {
    pub(crate) fn ok() -> Self {
        Self::body("")
    }

    pub(crate) fn body(body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes { bytes, keep: true }
    }

    pub(crate) fn status(status: u16) -> Self {
        let text = format!("HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n");
        Self::raw(text, true)
    }

    pub(crate) fn raw(text: impl Into<Vec<u8>>, keep: bool) -> Self {
        Self::Bytes {
            bytes: text.into(),
            keep,
        }
    }

    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Bytes { bytes, .. } = &mut self {
            let line = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            bytes.splice(line..line, format!("{name}: {value}\r\n").into_bytes());
        }
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Gives one answer a request, in order; after the last one it closes every connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    answers: Mutex<std::vec::IntoIter<Answer>>,
    requests: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    endless_bytes: AtomicUsize,
}

impl Server {
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            answers: Mutex::new(answers.into_iter()),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            endless_bytes: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let state = Arc::clone(&serving);
                state.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || state.serve(stream.unwrap()));
            }
        });
        Self { address, state }
    }

    pub(crate) fn requests(&self) -> Vec<Received> {
        lock(&self.state.requests).clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// How much of an endless body the client took, buffers of the kernel included.
    pub(crate) fn endless_bytes(&self) -> usize {
        self.state.endless_bytes.load(Ordering::SeqCst)
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader) {
            lock(&self.requests).push(request);
            let answer = lock(&self.answers).next();
            match answer {
                Some(Answer::Bytes { bytes, keep }) => {
                    if writer.write_all(&bytes).is_err() || !keep {
                        return;
                    }
                }
                Some(Answer::Hang) => loop {
                    thread::park();
                },
                Some(Answer::Endless) => {
                    let _ =
                        writer.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    let mut chunk = b"10000\r\n".to_vec();
                    chunk.resize(chunk.len() + 0x10000, b'x');
                    chunk.extend_from_slice(b"\r\n");
                    while writer.write_all(&chunk).is_ok() {
                        self.endless_bytes.fetch_add(chunk.len(), Ordering::SeqCst);
                    }
                    return;
                }
                Some(Answer::Close) | None => return,
            }
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut next_line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        Some(line.trim_end().to_owned())
    };
    let line = next_line()?;
    let mut headers = Vec::new();
    loop {
        let header = next_line()?;
        let Some((name, value)) = header.split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut received = Received {
        line,
        headers,
        body: Vec::new(),
    };
    let length = received.header("content-length").unwrap_or("0");
    received.body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut received.body).ok()?;
    Some(received)
}
