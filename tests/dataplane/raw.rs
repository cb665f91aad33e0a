//! A client that writes its own bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::KEY;

/// A connection on which a test writes what no client library would.
pub struct Raw(TcpStream);

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Reads until what came holds `needle` for the `times`th time.
    pub async fn read_until(&mut self, needle: &str, times: usize) -> String {
        let mut read = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&read);
            if text.matches(needle).count() >= times {
                return text.into_owned();
            }
            let count = self.0.read_buf(&mut read).await.unwrap();
            assert_ne!(count, 0, "closed after {:?}", String::from_utf8_lossy(&read));
        }
    }
}

/// The head of a chat request with the test Consumer's key; `framing` says how long the body is.
pub fn chat_head(framing: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-api-key: {KEY}\r\n\
         content-type: application/json\r\n{framing}\r\n\r\n"
    )
}
