//! Which requests belong together.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use crate::balance::affinity::Session;
use crate::table::{Affinity, Caller};
use crate::wire::json::Object;

/// What agents and SDKs send by themselves, the more exact first.
const HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-session-id"),
    HeaderName::from_static("session-id"),
    HeaderName::from_static("x-claude-code-session-id"),
];

/// The session of a request, if it names one. A member of the body of another type than a text says
/// nothing here; whether it is an error the provider decides.
pub(super) fn session(
    affinity: &Affinity,
    caller: &Caller,
    headers: &HeaderMap,
    object: &Object,
) -> Option<Session> {
    let header = |name: &HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        (!value.is_empty()).then_some(Cow::Borrowed(value))
    };
    let consumer = caller.consumer.as_deref();
    let name = match affinity {
        Affinity::Auto => {
            HEADERS.iter().find_map(header).or_else(|| text(object, "prompt_cache_key"))
        }
        Affinity::Header(name) => header(name),
        // Callers without a key are not one.
        Affinity::Consumer => return Some(Session::of(&[&caller.namespace, consumer?])),
        Affinity::User => user(object),
    }?;
    Some(Session::of(&[&caller.namespace, consumer.unwrap_or_default(), &name]))
}

/// The end user: OpenAI's old name, Anthropic's, OpenAI's new one.
fn user(object: &Object) -> Option<Cow<'_, str>> {
    let in_metadata = || {
        let metadata = object.object("metadata").ok()??;
        text(&metadata, "user_id").map(|user| Cow::Owned(user.into_owned()))
    };
    text(object, "user").or_else(in_metadata).or_else(|| text(object, "safety_identifier"))
}

fn text<'o>(object: &'o Object, name: &str) -> Option<Cow<'o, str>> {
    object.string(name).ok()?.filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;
    use crate::table::ModelSet;

    fn caller(consumer: Option<&str>) -> Caller {
        Caller {
            namespace: "ns".into(),
            consumer: consumer.map(Into::into),
            models: ModelSet::default(),
            admitted_everywhere: false,
        }
    }

    fn of(affinity: &Affinity, headers: &[(&'static str, &str)], body: &str) -> Option<Session> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let object = Object::parse(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        session(affinity, &caller(Some("team")), &map, &object)
    }

    fn named(name: &str) -> Session {
        Session::of(&["ns", "team", name])
    }

    #[test]
    fn what_agents_send_is_a_session() {
        let auto = |headers: &[(&'static str, &str)], body| of(&Affinity::Auto, headers, body);
        for header in ["x-session-id", "session-id", "x-claude-code-session-id"] {
            assert_eq!(auto(&[(header, "s")], r#"{"prompt_cache_key":"k"}"#), Some(named("s")));
        }
        let both = [("session-id", "second"), ("x-session-id", "first")];
        assert_eq!(auto(&both, "{}"), Some(named("first")));
        assert_eq!(auto(&[("x-session-id", "")], r#"{"prompt_cache_key":"k"}"#), Some(named("k")));
        for body in ["{}", r#"{"prompt_cache_key":""}"#, r#"{"prompt_cache_key":7}"#] {
            assert_eq!(auto(&[], body), None, "{body}");
        }
    }

    #[test]
    fn the_user_is_found_under_each_of_its_names() {
        for body in [
            r#"{"user":"u","safety_identifier":"x"}"#,
            r#"{"metadata":{"user_id":"u"}}"#,
            r#"{"safety_identifier":"u","metadata":{"team":"t"}}"#,
            r#"{"user":{"name":"x"},"metadata":null,"safety_identifier":"u"}"#,
        ] {
            assert_eq!(
                of(&Affinity::User, &[("x-session-id", "s")], body),
                Some(named("u")),
                "{body}"
            );
        }
        assert_eq!(of(&Affinity::User, &[], "{}"), None);
    }

    #[test]
    fn a_header_or_the_consumer_alone_counts_where_the_route_says_so() {
        let header = Affinity::Header(HeaderName::from_static("x-conversation"));
        assert_eq!(
            of(&header, &[("x-conversation", "c"), ("x-session-id", "s")], "{}"),
            Some(named("c"))
        );
        assert_eq!(of(&header, &[("x-session-id", "s")], "{}"), None);
        let consumer = of(&Affinity::Consumer, &[("x-session-id", "s")], "{}");
        assert_eq!(consumer, Some(Session::of(&["ns", "team"])));
        let (headers, object) =
            (HeaderMap::new(), Object::parse(Bytes::from_static(b"{}")).unwrap());
        assert_eq!(session(&Affinity::Consumer, &caller(None), &headers, &object), None);
    }
}
