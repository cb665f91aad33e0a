//! Pictures and documents that a client names by URL, fetched for targets that want their bytes.
//!
//! The URL is a stranger's, and what it leads to is shown to a model that answers the stranger: so
//! the gateway goes only where [`crate::upstream::AddressPolicy`] lets it, at every hop, and takes
//! only what begins as a picture or a PDF does. Nothing of the client's or of the gateway's own goes
//! along.

mod download;
mod kind;
mod passage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::time::timeout_at;

use super::Gateway;
use super::budget::{Budget, Exhausted, Reservation};
use super::deadline::Deadline;
use super::error::{ProxyError, Reason};
use super::prepare::operation;
use super::resolve::Resolved;
use crate::protocol::dialect::{Dialect, DialectId};
use crate::protocol::neutral::{Fetched, MediaKind, Request};
use crate::table::Upstream;
use crate::upstream::Client;
use download::{Fault, download};

pub(super) use passage::pass_with_bytes;

/// Different URLs of one request. Amazon Bedrock takes 20 pictures in a request, and whoever names
/// more wants others to be loaded with requests.
const MAX_FILES: usize = 20;
/// Bytes of one file. More than any provider takes of a picture (Gemini 20 MB in a whole request,
/// Anthropic 5 MB, Bedrock 3.75 MB); together they are bounded as if the client had sent them.
const MAX_FILE: usize = 20 << 20;
/// How long all of them may take: what a stream is given for its first output.
const FETCH_TIME: Duration = Duration::from_secs(10);
/// Fetched at the same time for one request.
const AT_ONCE: usize = 4;

/// What was fetched for one request, by its URL; each is fetched once, however many targets are
/// tried.
#[derive(Debug, Default)]
pub(super) struct Files(Mutex<BTreeMap<String, File>>);

#[derive(Debug)]
struct File {
    fetched: Fetched,
    /// Its base64 counts as long as the request may be sent again.
    _reservation: Reservation,
}

impl Files {
    /// Puts bytes in the place of URLs, where the target wants them and they were fetched.
    pub fn inline(&self, request: &mut Request, wants: impl Fn(MediaKind) -> bool) {
        let files = self.0.lock();
        if !files.is_empty() {
            request.inline(|kind, url| {
                files.get(url).filter(|_| wants(kind)).map(|file| file.fetched.clone())
            });
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// The file as a `data:` URL.
    fn data_url(&self, url: &str) -> Option<String> {
        let files = self.0.lock();
        let Fetched { data, media_type } = &files.get(url)?.fetched;
        Some(format!("data:{media_type};base64,{data}"))
    }

    /// The file as the source of a picture in messages, in JSON.
    fn source(&self, url: &str) -> Option<String> {
        let files = self.0.lock();
        let Fetched { data, media_type } = &files.get(url)?.fetched;
        // Neither needs escapes.
        Some(format!(r#"{{"type":"base64","media_type":"{media_type}","data":"{data}"}}"#))
    }

    /// Bytes of base64.
    fn size(&self) -> usize {
        self.0.lock().values().map(|file| file.fetched.data.len()).sum()
    }
}

/// Whose bytes the target has to be sent: of a request that is translated for it, or of one that
/// passes to a vendor that fetches nothing.
pub(super) fn wanting(resolved: &Resolved, upstream: &Upstream) -> Option<&'static dyn Dialect> {
    let operation = operation(resolved, upstream)?;
    let dialect = operation.dialect.map(DialectId::dialect)?;
    let quirks = &upstream.provider.quirks;
    let wants = |kind| dialect.wants_bytes(kind, quirks);
    if !wants(MediaKind::Image) && !wants(MediaKind::Document) {
        return None;
    }
    let passes = std::ptr::eq(operation, resolved.operation);
    (!passes || passage::names_urls(resolved, upstream)).then_some(dialect)
}

/// Whether there may be something to fetch: a glance, for every request.
pub(super) fn may_be_needed(gateway: &Gateway, resolved: &Resolved, upstream: &Upstream) -> bool {
    gateway.fetcher.is_some() && wanting(resolved, upstream).is_some()
}

/// Fetches what a target has to be sent and was not fetched yet. A file that cannot be had is the
/// client's affair, and nobody else is asked for it.
pub(super) async fn fetch(
    gateway: &Gateway,
    resolved: &Resolved,
    upstream: &Upstream,
    deadline: Deadline,
) -> Result<(), ProxyError> {
    let Some(client) = &gateway.fetcher else { return Ok(()) };
    let Some(dialect) = wanting(resolved, upstream) else { return Ok(()) };
    // A request that cannot be read is refused where it is translated.
    let Some(Ok(request)) = resolved.neutral() else { return Ok(()) };
    let missing = missing(request, resolved, dialect, upstream)?;
    if missing.is_empty() {
        return Ok(());
    }
    let left = gateway
        .max_body
        .saturating_sub(resolved.object.text().len())
        .saturating_sub(resolved.files.size());
    let until = deadline.at.min(Instant::now() + FETCH_TIME);
    let room = Mutex::new(left);
    let mut fetching = Vec::with_capacity(missing.len());
    for (url, field) in &missing {
        fetching.push(fetch_one(client, &gateway.budget, &room, url, field));
    }
    let all = stream::iter(fetching).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>();
    let files = match timeout_at(until.into(), all).await {
        Ok(files) => files?,
        Err(_) if deadline.is_over() => {
            let message = format!("pictures were not fetched within `{}`", deadline.name);
            return Err(ProxyError::new(Reason::ProviderTimeout, message));
        }
        Err(_) => {
            let field = missing.first().map_or("", |(_, field)| field);
            return Err(refusal(field, &Fault::TooSlow));
        }
    };
    resolved.files.0.lock().extend(files);
    Ok(())
}

/// The URLs that are still to be fetched, each with the field where it stands first.
fn missing(
    request: &Request,
    resolved: &Resolved,
    dialect: &dyn Dialect,
    upstream: &Upstream,
) -> Result<Vec<(String, String)>, ProxyError> {
    let model = upstream.model_for(&resolved.model);
    // Who sees no pictures is sent none.
    let blind = upstream.facts(&model).refuses_images;
    let files = resolved.files.0.lock();
    let mut seen = BTreeSet::new();
    let mut missing = Vec::new();
    for (kind, media) in request.media() {
        let Some(url) = media.web_url() else { continue };
        let wanted = dialect.wants_bytes(kind, &upstream.provider.quirks)
            && !(kind == MediaKind::Image && blind);
        if !wanted || !seen.insert(url) {
            continue;
        }
        if seen.len() > MAX_FILES {
            return Err(refusal(&media.field, &Fault::TooMany(MAX_FILES)));
        }
        if !files.contains_key(url) {
            missing.push((url.to_owned(), media.field.clone()));
        }
    }
    Ok(missing)
}

async fn fetch_one(
    client: &Client,
    budget: &Budget,
    room: &Mutex<usize>,
    url: &str,
    field: &str,
) -> Result<(String, File), ProxyError> {
    let fetched = download(client, url, MAX_FILE, budget).await;
    let file = fetched.and_then(|raw| encode(&raw.bytes, raw.media_type, room, budget));
    file.map(|file| (url.to_owned(), file)).map_err(|fault| refusal(field, &fault))
}

/// Writes a file in base64, which all of a request's files share the room for.
fn encode(
    bytes: &[u8],
    media_type: &'static str,
    room: &Mutex<usize>,
    budget: &Budget,
) -> Result<File, Fault> {
    let length = bytes.len().div_ceil(3) * 4;
    let mut room = room.lock();
    *room = room.checked_sub(length).ok_or(Fault::TooLargeTogether)?;
    drop(room);
    let reservation = budget.reserve(length)?;
    let data = BASE64_STANDARD.encode(bytes);
    Ok(File { fetched: Fetched { data, media_type }, _reservation: reservation })
}

fn refusal(field: &str, fault: &Fault) -> ProxyError {
    if let Fault::NoMemory(Exhausted) = fault {
        return super::admit::full(Exhausted);
    }
    let message = format!("`{field}` cannot be fetched: {fault}");
    ProxyError::new(Reason::InvalidRequest, message).permanent().about(Some(field.to_owned()))
}
