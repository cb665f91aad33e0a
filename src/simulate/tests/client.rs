//! An HTTP/1.1 client of few words: one request per connection, read until it closes.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::simulate::Simulator;

/// What came back.
#[derive(Debug)]
pub(in crate::simulate) struct Got {
    pub(in crate::simulate) status: u16,
    head: String,
    pub(in crate::simulate) body: Vec<u8>,
    /// Whether HTTP's own end of the body was there.
    pub(in crate::simulate) whole: bool,
}

#[derive(Debug)]
pub(in crate::simulate) struct Event {
    pub(in crate::simulate) name: Option<String>,
    pub(in crate::simulate) data: String,
}

impl Event {
    pub(in crate::simulate) fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON: {}", self.data))
    }
}

impl Got {
    /// None when the connection ended before the head did.
    fn read(bytes: &[u8]) -> Option<Self> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let (head, rest) = (text(&bytes[..end]), &bytes[end + 4..]);
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut got = Self { status, head, body: rest.to_vec(), whole: true };
        if got.header("transfer-encoding") == Some("chunked") {
            (got.body, got.whole) = unchunked(rest);
        } else {
            let length: usize = got.header("content-length")?.parse().ok()?;
            got.whole = rest.len() == length;
        }
        Some(got)
    }

    pub(in crate::simulate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(in crate::simulate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(in crate::simulate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(in crate::simulate) fn events(&self) -> Vec<Event> {
        let text = self.text();
        text.split_terminator("\n\n")
            .map(|event| {
                let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
                Event {
                    name: field("event: ").map(str::to_owned),
                    data: field("data: ").unwrap_or_default().to_owned(),
                }
            })
            .collect()
    }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = usize::from_str_radix(&size, 16).expect("a chunk size");
        rest = &rest[end + 2..];
        if size == 0 {
            return (body, true);
        }
        body.extend_from_slice(&rest[..size.min(rest.len())]);
        let Some(next) = rest.get(size + 2..) else { return (body, false) };
        rest = next;
    }
}

/// Opens a connection and sends a request.
pub(in crate::simulate) async fn send(
    simulator: &Simulator,
    start: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> TcpStream {
    let mut stream = TcpStream::connect(simulator.addr()).await.expect("it listens");
    let length = body.len().to_string();
    let fixed = [("host", "sim"), ("connection", "close"), ("content-length", &*length)];
    let lines = fixed.iter().chain(headers).map(|(name, value)| format!("{name}: {value}\r\n"));
    let head = format!("{start} HTTP/1.1\r\n{}\r\n", lines.collect::<String>());
    let request = [head.as_bytes(), body].concat();
    stream.write_all(&request).await.expect("it reads");
    stream
}

/// What came before the connection ended, and whether it ended by reset.
pub(in crate::simulate) async fn read(mut stream: TcpStream) -> (Option<Got>, bool) {
    let mut bytes = Vec::new();
    let reset = match stream.read_to_end(&mut bytes).await {
        Ok(_) => false,
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
        Err(error) => panic!("{error}"),
    };
    (Got::read(&bytes), reset)
}

async fn exchange(
    simulator: &Simulator,
    start: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Got {
    read(send(simulator, start, headers, body).await).await.0.expect("an answer")
}

pub(in crate::simulate) async fn get(simulator: &Simulator, path: &str) -> Got {
    get_with(simulator, path, &[]).await
}

pub(in crate::simulate) async fn get_with(
    simulator: &Simulator,
    path: &str,
    headers: &[(&str, &str)],
) -> Got {
    exchange(simulator, &format!("GET {path}"), headers, b"").await
}

pub(in crate::simulate) async fn post(simulator: &Simulator, path: &str, body: &Value) -> Got {
    post_with(simulator, path, body, &[]).await
}

pub(in crate::simulate) async fn post_with(
    simulator: &Simulator,
    path: &str,
    body: &Value,
    headers: &[(&str, &str)],
) -> Got {
    exchange(simulator, &format!("POST {path}"), headers, body.to_string().as_bytes()).await
}

pub(in crate::simulate) async fn raw_post(simulator: &Simulator, path: &str, body: &[u8]) -> Got {
    exchange(simulator, &format!("POST {path}"), &[], body).await
}
