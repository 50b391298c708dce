//! A receiver that answers every request of OTLP over HTTP and looks at none, in a process of its own: its CPU time is
//! not the service's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// The receiver, as whoever started it sees it.
pub(crate) struct Sink {
    child: Child,
    pub(crate) endpoint: String,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let own = std::env::current_exe().expect("this program is somewhere");
        let mut child = Command::new(own)
            .arg("--sink")
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut port = String::new();
        let output = child.stdout.take().expect("it is piped");
        BufReader::new(output)
            .read_line(&mut port)
            .expect("it says its port");
        let endpoint = format!("http://127.0.0.1:{}", port.trim());
        Self { child, endpoint }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What that process does, until it is ended.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("{}", listener.local_addr().expect("an address").port());
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer_all(&stream));
    }
}

fn answer_all(stream: &TcpStream) -> Option<()> {
    let mut input = BufReader::new(stream);
    let mut body = Vec::new();
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if input.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        body.resize(length, 0);
        input.read_exact(&mut body).ok()?;
        let mut output = stream;
        output
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
            .ok()?;
    }
}
