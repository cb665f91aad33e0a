//! Paths that hold the model and what is asked of it.

use crate::simulate::endpoint::decoded;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Generate,
    Stream,
    Count,
    Embed,
    EmbedBatch,
    /// Of Vertex AI alone.
    Predict,
    List,
    Get,
}

/// A path of Google's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::simulate) struct Path {
    pub(super) method: Method,
    /// As it stands in the path, with the fault it may bring; empty for the list.
    pub(in crate::simulate) model: String,
    /// Vertex AI's, which is stricter in some points.
    pub(super) vertex: bool,
}

impl Path {
    /// Reads a path, unless it is not one of Google's alone. `keyed` says that the caller is one of
    /// Google's, which tells a stable version's path from OpenAI's.
    pub(in crate::simulate) fn read(path: &str, keyed: bool) -> Option<Self> {
        let beta = path.strip_prefix("/v1beta/models");
        let known = beta.is_some() || keyed;
        let (vertex, rest) = match path.split_once("/publishers/google/models/") {
            Some((before, rest)) if before.starts_with("/v1") => (true, rest),
            Some(_) => return None,
            None => match beta.or_else(|| path.strip_prefix("/v1/models"))? {
                "" if known => return Some(Self::of(Method::List, "", false)),
                rest => (false, rest.strip_prefix('/')?),
            },
        };
        let (model, method) = match rest.rsplit_once(':') {
            Some((model, "generateContent")) => (model, Method::Generate),
            Some((model, "streamGenerateContent")) => (model, Method::Stream),
            Some((model, "countTokens")) => (model, Method::Count),
            Some((model, "embedContent")) => (model, Method::Embed),
            Some((model, "batchEmbedContents")) if !vertex => (model, Method::EmbedBatch),
            Some((model, "predict")) if vertex => (model, Method::Predict),
            // OpenAI's path too, but for the method behind the model.
            _ if known => (rest, Method::Get),
            _ => return None,
        };
        (!model.is_empty()).then(|| Self::of(method, model, vertex))
    }

    fn of(method: Method, model: &str, vertex: bool) -> Self {
        Self { method, model: decoded(model), vertex }
    }

    /// Whether it is one of Vertex AI's.
    pub(in crate::simulate) fn is_vertex(&self) -> bool {
        self.vertex
    }

    /// The method of HTTP that it takes.
    pub(in crate::simulate) fn http_method(&self) -> http::Method {
        match self.method {
            Method::List | Method::Get => http::Method::GET,
            _ => http::Method::POST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_googles_paths_are_its_own() {
        let read =
            |path| Path::read(path, false).map(|read| (read.method, read.model, read.vertex));
        let vertex = "/v1/projects/p/locations/global/publishers/google/models/m:generateContent";
        assert_eq!(read(vertex), Some((Method::Generate, "m".into(), true)));
        assert_eq!(
            read("/v1beta/models/a%2Fb;cut=1:reset:streamGenerateContent"),
            Some((Method::Stream, "a/b;cut=1:reset".into(), false))
        );
        assert_eq!(read("/v1beta/models"), Some((Method::List, String::new(), false)));
        assert_eq!(read("/v1beta/models/m"), Some((Method::Get, "m".into(), false)));
        assert_eq!(read("/v1/models/m:countTokens"), Some((Method::Count, "m".into(), false)));
        for other in ["/v1/models", "/v1/models/m", "/v1/models/ft:m", "/v1beta/models/", "/x"] {
            assert_eq!(read(other), None, "{other}");
        }
        let keyed = |path| Path::read(path, true).map(|read| (read.method, read.model));
        assert_eq!(keyed("/v1/models"), Some((Method::List, String::new())));
        assert_eq!(keyed("/v1/models/m"), Some((Method::Get, "m".into())));
        assert_eq!(keyed("/v1/chat/completions"), None);
    }
}
