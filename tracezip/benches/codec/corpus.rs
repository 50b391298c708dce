//! What is compressed.

use std::error::Error;
use std::path::Path;

/// Requests of one or several streams.
pub(crate) struct Corpus {
    pub(crate) name: String,
    pub(crate) streams: Vec<Vec<Vec<u8>>>,
    pub(crate) spans: usize,
}

impl Corpus {
    fn new(name: String, streams: Vec<Vec<Vec<u8>>>) -> Self {
        let mut encoder = tracezip::Encoder::new([0; 16]).with_self_contained(true);
        let requests = streams.iter().flatten();
        let spans = requests.map(|request| encoder.encode(request, &mut Vec::new()).spans);
        Self {
            name,
            spans: spans.sum(),
            streams,
        }
    }
}

pub(crate) fn read_all(folder: &Path) -> Result<Vec<Corpus>, Box<dyn Error>> {
    let mut corpora = Vec::new();
    for path in sorted(folder)? {
        if !path.is_dir() {
            continue;
        }
        let mut streams = Vec::new();
        for file in sorted(&path)? {
            if file.to_string_lossy().ends_with(".pbld.zst") {
                let bytes = zstd::stream::decode_all(&std::fs::read(&file)?[..])?;
                streams.push(requests(&bytes).ok_or("a file that ends within a request")?);
            }
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        corpora.push(Corpus::new(name.into_owned(), streams));
    }
    Ok(corpora)
}

fn sorted(folder: &Path) -> Result<Vec<std::path::PathBuf>, Box<dyn Error>> {
    let entries = folder.read_dir()?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn requests(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut requests, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (mut len, mut at) = (0, 0);
        loop {
            let byte = *rest.get(at)?;
            len |= usize::from(byte & 0x7f) << (7 * at);
            at += 1;
            if byte < 0x80 {
                break;
            }
        }
        requests.push(rest.get(at..at + len)?.to_vec());
        rest = &rest[at + len..];
    }
    Some(requests)
}

/// A service that handles requests, asks a database and answers: 40 requests of 256 spans.
pub(crate) fn made_up() -> Corpus {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let mut now = 1_750_000_000_000_000_000;
    let mut stream = Vec::new();
    for _ in 0..40 {
        let mut spans = Vec::new();
        for _ in 0..64 {
            let trace = [below(u64::MAX), below(u64::MAX)]
                .map(u64::to_le_bytes)
                .concat();
            let ids = [(); 4].map(|()| below(u64::MAX).to_le_bytes());
            now += below(9_000_000);
            let item = below(5_000);
            let (mut start, mut all) = (now, Vec::new());
            for child in 1..4 {
                let end = start + 20_000 + below(400_000);
                let statement = ["SELECT stock", "SELECT price", "UPDATE stock"][child - 1];
                let attributes = [
                    text("db.system", "postgresql"),
                    text("db.statement", statement),
                    number("db.rows", below(20)),
                ];
                let name = statement.as_bytes();
                all.push(span(
                    &trace,
                    &ids[child],
                    Some(&ids[0]),
                    name,
                    start,
                    end,
                    &attributes,
                ));
                start = end + below(30_000);
            }
            let attributes = [
                text("http.request.method", "GET"),
                text("url.path", &format!("/items/{item}")),
                number(
                    "http.response.status_code",
                    if item % 50 == 0 { 404 } else { 200 },
                ),
            ];
            all.push(span(
                &trace,
                &ids[0],
                None,
                b"GET /items/{id}",
                now,
                start,
                &attributes,
            ));
            for span in all {
                field(2, &span, &mut spans);
            }
        }
        let (mut resource, mut attributes, mut request) = (Vec::new(), Vec::new(), Vec::new());
        field(1, &text("service.name", "shop"), &mut attributes);
        field(1, &attributes, &mut resource);
        field(2, &spans, &mut resource);
        field(1, &resource, &mut request);
        stream.push(request);
    }
    Corpus::new("made-up".to_owned(), vec![stream])
}

fn span(
    trace: &[u8],
    id: &[u8],
    parent: Option<&[u8; 8]>,
    name: &[u8],
    start: u64,
    end: u64,
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let mut out = Vec::new();
    field(1, trace, &mut out);
    field(2, id, &mut out);
    if let Some(parent) = parent {
        field(4, parent, &mut out);
    }
    field(5, name, &mut out);
    out.extend_from_slice(&[0x30, 2, 0x39]);
    out.extend_from_slice(&start.to_le_bytes());
    out.push(0x41);
    out.extend_from_slice(&end.to_le_bytes());
    for attribute in attributes {
        field(9, attribute, &mut out);
    }
    out
}

fn text(key: &str, value: &str) -> Vec<u8> {
    let (mut any, mut out) = (Vec::new(), Vec::new());
    field(1, value.as_bytes(), &mut any);
    field(1, key.as_bytes(), &mut out);
    field(2, &any, &mut out);
    out
}

fn number(key: &str, value: u64) -> Vec<u8> {
    let (mut any, mut out) = (vec![0x18], Vec::new());
    varint(value, &mut any);
    field(1, key.as_bytes(), &mut out);
    field(2, &any, &mut out);
    out
}

fn field(number: u8, contents: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    varint(contents.len() as u64, out);
    out.extend_from_slice(contents);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
