//! The admin listener's pages: `/healthz`, `/readyz`, `/metrics`, `/privacy`.
//!
//! It changes nothing and asks nobody who they are; that is why it listens on loopback unless told otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use relay_plane::web::{Decrypted, Stream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::limits::{ADMIN_CONNECTION_MS_MAX, ADMIN_HEADER_MS_MAX};
use crate::metrics::Metrics;
use crate::privacy::Inventory;

/// What the pages tell.
pub(crate) struct Admin {
    metrics: Metrics,
    inventory: Inventory,
    ready: AtomicBool,
}

impl Admin {
    /// Ready until told otherwise.
    pub(crate) fn new(metrics: Metrics, inventory: Inventory) -> Arc<Self> {
        Arc::new(Self { metrics, inventory, ready: AtomicBool::new(true) })
    }

    /// From here on `/readyz` sends clients elsewhere.
    pub(crate) fn stopping(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    /// Serves the connections of the queue until it ends or the task is aborted.
    pub(crate) async fn serve(self: Arc<Self>, mut queue: mpsc::Receiver<Decrypted>) {
        let router = Router::new()
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .route("/privacy", get(privacy))
            .with_state(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                decrypted = queue.recv() => match decrypted {
                    Some(decrypted) => drop(connections.spawn(serve_one(decrypted.stream, router.clone()))),
                    None => break,
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn serve_one(stream: Stream, router: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(ADMIN_HEADER_MS_MAX))
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    // How a scraper's connection ended is of no consequence to anything here.
    let _ = tokio::time::timeout(Duration::from_millis(ADMIN_CONNECTION_MS_MAX), connection).await;
}

async fn readyz(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    if admin.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    }
}

async fn privacy(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("application/json")) {
        let json = admin.inventory.json().await.to_string();
        return ([(header::CONTENT_TYPE, "application/json")], json).into_response();
    }
    Html(admin.inventory.html().await).into_response()
}

async fn metrics(State(admin): State<Arc<Admin>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], admin.metrics.text())
}
