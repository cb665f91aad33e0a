//! An upstream that answers with exactly the bytes that a test wrote down.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It closes the connection.
    Close,
    /// It waits for the next request.
    Serve,
    /// It says nothing more and leaves the connection open.
    Hang,
    /// It answers once, takes the next request, and closes without a word: an idle connection that
    /// went stale.
    CloseOnNext,
}

/// A server that gives every request the same answer.
pub struct Scripted {
    pub origin: String,
    requests: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Scripted {
    /// Answers with `bytes`, written `piece` bytes at a time.
    pub async fn start(bytes: impl Into<Vec<u8>>, piece: usize, then: Then) -> Self {
        Self::run(Script { bytes: bytes.into(), refusal: None, piece, then }).await
    }

    async fn run(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let (script, counter) = (Arc::new(script), Arc::clone(&requests));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&script), Arc::clone(&counter)));
            }
        });
        Self { origin, requests, serving }
    }

    /// Answers with `bytes`, except to requests that hold `word`: to them with `refusal`.
    pub async fn refusing(word: &'static str, refusal: &str, bytes: &str) -> Self {
        let script = Script {
            bytes: bytes.into(),
            refusal: Some((word, refusal.into())),
            piece: usize::MAX,
            then: Then::Serve,
        };
        Self::run(script).await
    }

    /// A JSON answer.
    pub async fn json(status: u16, body: &str) -> Self {
        let head = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        Self::start(format!("{head}{body}"), usize::MAX, Then::Serve).await
    }

    /// A stream whose end is the end of the connection.
    pub async fn events(events: &str, piece: usize, then: Then) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        Self::start(format!("{head}{events}"), piece, then).await
    }

    /// Requests that were read whole.
    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

struct Script {
    bytes: Vec<u8>,
    /// What is not liked in a request, and the answer to it.
    refusal: Option<(&'static str, Vec<u8>)>,
    piece: usize,
    then: Then,
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, requests: Arc<AtomicUsize>) {
    stream.set_nodelay(true).unwrap();
    let Script { bytes, refusal, piece, then } = &*script;
    let mut answers = 0;
    while let Some(request) = read_request(&mut stream).await {
        requests.fetch_add(1, Ordering::SeqCst);
        if *then == Then::CloseOnNext && answers > 0 {
            return;
        }
        answers += 1;
        let refused = refusal.as_ref().filter(|(word, _)| request.contains(word));
        let bytes = refused.map_or(bytes, |(_, refusal)| refusal);
        for part in bytes.chunks(*piece) {
            if stream.write_all(part).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        match then {
            Then::Close => return,
            Then::Serve | Then::CloseOnNext => {}
            // Until the peer closes.
            Then::Hang => drop(stream.read(&mut [0]).await),
        }
    }
}

/// A whole request; `None` if it did not come.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let head = read.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read.len() >= head + length.map_or(0, |length| length.parse().unwrap()) {
                return Some(String::from_utf8_lossy(&read).into_owned());
            }
        }
        match stream.read_buf(&mut read).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return None,
        }
    }
}
