//! A host of the web with some pages.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A file.
pub struct Bytes(Vec<u8>);

impl Bytes {
    pub fn base64(&self) -> String {
        BASE64_STANDARD.encode(&self.0)
    }

    /// The same with so many bytes more.
    pub fn padded(mut self, more: usize) -> Self {
        self.0.resize(self.0.len() + more, 0);
        self
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

pub fn png() -> Bytes {
    let data = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    Bytes(BASE64_STANDARD.decode(data).unwrap())
}

pub fn gif() -> Bytes {
    Bytes(BASE64_STANDARD.decode("R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs=").unwrap())
}

pub fn pdf() -> Bytes {
    Bytes(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n".to_vec())
}

/// What a path answers with.
pub struct Page(Vec<u8>);

impl Page {
    pub fn of(media_type: &str, bytes: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let bytes = bytes.as_ref();
        let length = bytes.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n"
        );
        Self([head.as_bytes(), bytes].concat())
    }

    /// The same with a header more.
    pub fn with(self, header: &str) -> Self {
        let line_end = self.0.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let (status, rest) = self.0.split_at(line_end);
        Self([status, header.as_bytes(), b"\r\n", rest].concat())
    }

    pub fn status(status: u16) -> Self {
        Self(format!("HTTP/1.1 {status} So\r\ncontent-length: 0\r\n\r\n").into_bytes())
    }

    pub fn redirect(location: &str) -> Self {
        Self::status(302).with(&format!("location: {location}"))
    }

    /// A picture that is to come.
    pub fn announcing(bytes: usize) -> Self {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: ";
        Self(format!("{head}{bytes}\r\n\r\n").into_bytes())
    }

    /// Nothing at all.
    pub fn silence() -> Self {
        Self(Vec::new())
    }
}

/// A host at `127.0.0.1`.
pub struct Host {
    origin: String,
    heads: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Host {
    pub async fn start<const N: usize>(pages: [(&'static str, Page); N]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let pages: Arc<HashMap<_, _>> = Arc::new(pages.into_iter().collect());
        let seen = Arc::clone(&heads);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&pages), Arc::clone(&seen)));
            }
        });
        Self { origin, heads, serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Requests so far.
    pub fn count(&self) -> usize {
        self.heads.lock().len()
    }

    /// What they said.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    pages: Arc<HashMap<&'static str, Page>>,
    heads: Arc<Mutex<Vec<String>>>,
) {
    let mut read = Vec::new();
    loop {
        let Some(end) = read.windows(4).position(|end| end == b"\r\n\r\n") else {
            match stream.read_buf(&mut read).await {
                Ok(1..) => continue,
                Ok(0) | Err(_) => return,
            }
        };
        let head = String::from_utf8(read.drain(..end + 4).collect()).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        heads.lock().push(head);
        let missing = Page::status(404);
        let page = pages.get(&*path).unwrap_or(&missing);
        if stream.write_all(&page.0).await.is_err() {
            return;
        }
    }
}
