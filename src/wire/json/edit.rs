//! Changes to an object's members, written in one pass.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;
use serde_json::{Map, Value};

use super::list::without;
use super::{JsonError, Object, nested};

/// Changes to an [`Object`], in the order in which they are made: each sees what the ones before it
/// left. A member that is replaced stays in its place; a new one goes to the end.
///
/// ```
/// use bytes::Bytes;
/// use pilothouse::wire::json::Object;
///
/// let body = Object::parse(Bytes::from_static(br#"{"model": "a", "x": 1.0, "n": 2}"#))?;
/// let mut edit = body.edit();
/// edit.set("model", &"b".into())?;
/// edit.remove("n")?;
/// edit.set_in("stream_options", "include_usage", &true.into())?;
/// assert_eq!(
///     edit.finish(),
///     r#"{"model": "b", "x": 1.0,"stream_options":{"include_usage":true}}"#,
/// );
/// # Ok::<(), pilothouse::wire::json::JsonError>(())
/// ```
#[derive(Debug)]
pub struct ObjectEdit<'o> {
    object: &'o Object,
    changes: Vec<Change>,
}

#[derive(Debug)]
struct Change {
    name: String,
    /// Which member of the object it concerns; `None` for a new one.
    member: Option<usize>,
    /// The new value's text; `None` takes the member out.
    value: Option<Bytes>,
}

impl<'o> ObjectEdit<'o> {
    pub(super) fn new(object: &'o Object) -> Self {
        Self { object, changes: Vec::new() }
    }

    /// Sets a member, whether it was there or not.
    pub fn set(&mut self, name: &str, value: &Value) -> Result<(), JsonError> {
        self.put(name, Some(value.to_string().into()))
    }

    /// Sets a member to a value that is JSON text already.
    pub fn set_text(&mut self, name: &str, value: Bytes) -> Result<(), JsonError> {
        self.put(name, Some(value))
    }

    /// Sets a member if it is missing or `null`.
    pub fn set_default(&mut self, name: &str, value: &Value) -> Result<(), JsonError> {
        match self.current(name)? {
            Some(current) if current != "null" => Ok(()),
            _ => self.set(name, value),
        }
    }

    /// Takes a member out, if it is there.
    pub fn remove(&mut self, name: &str) -> Result<(), JsonError> {
        self.put(name, None)
    }

    /// Sets a member of the object that is the member `outer`, which is made if it is missing or
    /// `null`. An `outer` of another type is an error: whoever sent it must hear of it.
    pub fn set_in(&mut self, outer: &str, name: &str, value: &Value) -> Result<(), JsonError> {
        let current = self.current(outer)?.filter(|current| current != "null");
        let object = nested(current.unwrap_or(Bytes::from_static(b"{}")), outer)?;
        let mut edit = object.edit();
        edit.set(name, value).map_err(|error| error.inside(outer))?;
        self.put(outer, Some(edit.finish()))
    }

    /// Takes a member out of the object that is the member `outer`; nothing happens if there is no
    /// such object.
    pub fn remove_in(&mut self, outer: &str, name: &str) -> Result<(), JsonError> {
        let Some(current) = self.current(outer)?.filter(|current| current.starts_with(b"{")) else {
            return Ok(());
        };
        let object = nested(current, outer)?;
        let mut edit = object.edit();
        edit.remove(name).map_err(|error| error.inside(outer))?;
        self.put(outer, Some(edit.finish()))
    }

    /// Takes out the member at the end of `path`, everywhere the path leads: `*` stands for each
    /// element of a list. What has another shape than the path says is left alone.
    pub fn remove_at(&mut self, path: &[&str]) -> Result<(), JsonError> {
        let Some((name, rest)) = path.split_first() else { return Ok(()) };
        if rest.is_empty() {
            return self.remove(name);
        }
        let Some(current) = self.current(name)? else { return Ok(()) };
        match without(&current, rest).map_err(|error| error.inside(name))? {
            Some(changed) => self.put(name, Some(changed)),
            None => Ok(()),
        }
    }

    /// Applies a JSON merge patch (RFC 7396): `null` takes a member out, an object is merged into
    /// the member of that name member by member, anything else (lists too) replaces it.
    pub fn merge(&mut self, patch: &Map<String, Value>) -> Result<(), JsonError> {
        // Recursion goes as deep as the patch, which the operator wrote and the API server bounds.
        for (name, value) in patch {
            match value {
                Value::Null => self.remove(name)?,
                Value::Object(patch) => {
                    let current = self.current(name)?.filter(|current| current.starts_with(b"{"));
                    let object = nested(current.unwrap_or(Bytes::from_static(b"{}")), name)?;
                    let mut edit = object.edit();
                    edit.merge(patch).map_err(|error| error.inside(name))?;
                    self.put(name, Some(edit.finish()))?;
                }
                value => self.set(name, value)?,
            }
        }
        Ok(())
    }

    /// The new text. It is the old one, shared and not copied, if nothing came out different.
    pub fn finish(self) -> Bytes {
        let changed = |change: &Change| match (change.member, &change.value) {
            (Some(at), Some(value)) => *value != self.object.value(at),
            (None, None) => false,
            _ => true,
        };
        if self.changes.iter().any(changed) { self.write() } else { self.object.text.clone() }
    }

    fn put(&mut self, name: &str, value: Option<Bytes>) -> Result<(), JsonError> {
        if let Some(change) = self.changes.iter_mut().find(|change| change.name == name) {
            change.value = value;
        } else {
            let member = self.object.find(name)?;
            self.changes.push(Change { name: name.to_owned(), member, value });
        }
        Ok(())
    }

    /// The text of a member's value as the changes so far have left it.
    fn current(&self, name: &str) -> Result<Option<Bytes>, JsonError> {
        if let Some(change) = self.changes.iter().find(|change| change.name == name) {
            return Ok(change.value.clone());
        }
        let member = self.object.find(name)?.map(|at| &self.object.members[at]);
        Ok(member.map(|member| self.object.text.slice(member.value.clone())))
    }

    fn write(&self) -> Bytes {
        let (text, members) = (&self.object.text, &self.object.members);
        let (begin, end) = (self.object.begin(), self.object.end());
        // Quotes, colon, comma and some escapes for each new member.
        let added =
            |change: &Change| change.name.len() + 8 + change.value.as_ref().map_or(0, Bytes::len);
        let mut out =
            BytesMut::with_capacity(text.len() + self.changes.iter().map(added).sum::<usize>());
        out.put_slice(&text[..begin]);

        // What stands between commas is one member with the space around it. A member is copied up
        // to its value's end; its trailing space goes before the comma, or before the brace.
        let mut first = true;
        let mut segment = begin;
        for (at, member) in members.iter().enumerate() {
            let lead = segment..member.value.start;
            let comma =
                memchr(b',', &text[member.value.end..end]).filter(|_| at + 1 < members.len());
            segment = comma.map_or(end, |comma| member.value.end + comma + 1);
            let value = match self.changes.iter().find(|change| change.member == Some(at)) {
                Some(Change { value: None, .. }) => continue,
                Some(Change { value: Some(value), .. }) => value,
                None => &text[member.value.clone()],
            };
            separate(&mut out, &mut first);
            out.put_slice(&text[lead]);
            out.put_slice(value);
            if let Some(comma) = comma {
                out.put_slice(&text[member.value.end..][..comma]);
            }
        }
        for change in self.changes.iter().filter(|change| change.member.is_none()) {
            if let Some(value) = &change.value {
                separate(&mut out, &mut first);
                out.put_slice(Value::from(change.name.as_str()).to_string().as_bytes());
                out.put_u8(b':');
                out.put_slice(value);
            }
        }
        out.put_slice(&text[members.last().map_or(begin, |last| last.value.end)..]);
        out.freeze()
    }
}

fn separate(out: &mut BytesMut, first: &mut bool) {
    if !std::mem::take(first) {
        out.put_u8(b',');
    }
}
