use std::net::SocketAddr;

use rustls::RootCertStore;
use tokio::net::TcpListener;

use super::super::AddressPolicy;
use super::*;
use crate::table::BaseUrl;

fn pool(idle_timeout: Duration) -> Pool {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let connector = Connector::with_roots(AddressPolicy::Any, RootCertStore::empty());
    Pool::new(connector, PoolLimits { idle_timeout, ..PoolLimits::default() })
}

fn base(address: SocketAddr) -> BaseUrl {
    format!("http://{address}").parse().expect("a base URL")
}

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_origin_that_somebody_holds_is_not_forgotten() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = base(listener.local_addr().expect("an address"));
    let pool = pool(LIMIT);
    let held = pool.origin((&base).into());
    pool.sweep(Instant::now());
    let lease = pool.lease((&base).into(), LIMIT).await.expect("a connection");
    assert_eq!(held.open.load(Ordering::Relaxed), 1, "the count is the one that was held");
    drop((held, lease));
    pool.sweep(Instant::now());
    assert!(pool.origins.lock().is_empty());
}

#[tokio::test]
async fn an_idle_connection_does_not_keep_its_origin() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = base(listener.local_addr().expect("an address"));
    let pool = pool(LIMIT);
    let lease = pool.lease((&base).into(), LIMIT).await.expect("a connection");
    let origin = Arc::downgrade(&pool.origin((&base).into()));
    lease.give_back();
    pool.sweep(Instant::now());
    assert!(origin.upgrade().is_some(), "its connection is still good");
    drop(pool);
    assert!(origin.upgrade().is_none(), "nothing but the pool holds it");
}
