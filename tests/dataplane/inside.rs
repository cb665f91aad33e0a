//! The rig's admin port.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use http::{Method, StatusCode};
use pilothouse::admin::{Access, Admin, TokenFile};
use pilothouse::control::Report;
use pilothouse::proxy::server;
use pilothouse::table::TableCell;
use pilothouse::telemetry::{AccessLog, Metrics};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::answer::Answer;
use crate::support::Rig;

/// Opens an admin port; with a token, if one is given.
pub fn open(
    cell: &Arc<TableCell>,
    metrics: &Arc<Metrics>,
    access_log: &Arc<AccessLog>,
    token: Option<&Path>,
    stop: &CancellationToken,
) -> (SocketAddr, watch::Sender<Arc<Report>>) {
    let report = watch::Sender::new(Arc::new(Report::default()));
    let listener = server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let access =
        token.map_or(Access::Loopback, |path| Access::Token(TokenFile::open(path).unwrap()));
    let admin = Admin {
        cell: Arc::clone(cell),
        metrics: Arc::clone(metrics),
        access_log: Arc::clone(access_log),
        report: report.subscribe(),
        draining: stop.clone(),
        access,
    };
    tokio::spawn(Arc::new(admin).serve(listener, stop.clone()));
    (address, report)
}

impl Rig {
    /// Asks the admin port.
    pub async fn ask_admin(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.open_at(self.admin, method, path, headers, "").await.finish().await
    }

    /// What the admin API says at that path.
    pub async fn admin(&self, path: &str) -> Value {
        let answer = self.ask_admin(Method::GET, path, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.json()
    }
}
