//! Objects of a client's request, read member by member.
//!
//! JSON as Google reads it takes a name in camelCase and in snake_case, a number as a string, and
//! the only element of a list without the list. Members stay raw until they are asked for, so that
//! schemas and arguments keep their bytes, and what nobody asked for can be named.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::protocol::dialect::Unreadable;
use crate::wire::json::MAX_MEMBERS;

/// The members of one object that have not been taken yet.
#[derive(Debug)]
pub(super) struct Members<'a> {
    path: String,
    list: Vec<(String, &'a RawValue)>,
}

impl<'a> Members<'a> {
    /// Reads a whole body.
    pub(super) fn of_body(body: &'a [u8]) -> Result<Self, Unreadable> {
        let raw = serde_json::from_slice::<&RawValue>(body)
            .map_err(|_| Unreadable::new("body", "must be valid JSON"))?;
        Self::read(raw, String::new()).map_err(|error| match error.param.as_str() {
            "" => Unreadable { param: "body".to_owned(), ..error },
            _ => error,
        })
    }

    /// Reads the object that stands at `path`.
    pub(super) fn read(raw: &'a RawValue, path: String) -> Result<Self, Unreadable> {
        let Ok(List(list)) = serde_json::from_str(raw.get()) else {
            return Err(Unreadable::new(path, "must be an object"));
        };
        if list.len() > MAX_MEMBERS {
            return Err(Unreadable::new(path, "has too many members"));
        }
        let mut names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Unreadable::new(join(&path, twice[0]), "must not be given twice"));
        }
        Ok(Self { path, list })
    }

    /// Where the object stands.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Where a member of it stands.
    pub(super) fn at(&self, name: &str) -> String {
        join(&self.path, name)
    }

    pub(super) fn raw(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.list.iter().position(|(known, _)| known == name)?;
        Some(self.list.remove(at).1)
    }

    /// A member as whatever `T` is; `expected` is what it must be, with its article.
    pub(super) fn take<T: Deserialize<'a>>(
        &mut self,
        name: &str,
        expected: &'static str,
    ) -> Result<Option<T>, Unreadable> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get())
            .map(Some)
            .map_err(|_| Unreadable::new(self.at(name), format!("must be {expected}")))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Unreadable> {
        self.take(name, "a string")
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Unreadable> {
        self.take(name, "`true` or `false`")
    }

    /// A number, or a string that holds one.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Unreadable> {
        let number = self.take(name, "a number")?.map(|Number(number)| number);
        match number {
            Some(number) if !number.is_finite() => {
                Err(Unreadable::new(self.at(name), "must be a number"))
            }
            number => Ok(number),
        }
    }

    /// A whole number, or a string that holds one.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Unreadable> {
        // Beyond it a float is not exact, and none of these fields has a meaning.
        const MOST: f64 = 9_007_199_254_740_992.0;
        let Some(number) = self.number(name)? else { return Ok(None) };
        if number.fract() != 0.0 || number.abs() > MOST {
            return Err(Unreadable::new(self.at(name), "must be a whole number"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole, and not too large")]
        Ok(Some(number as i64))
    }

    /// A whole number that is not negative.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Unreadable> {
        let whole = self.integer(name)?;
        whole
            .map(u64::try_from)
            .transpose()
            .map_err(|_| Unreadable::new(self.at(name), "must not be negative"))
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Unreadable> {
        self.raw(name).map(|raw| Self::read(raw, self.at(name))).transpose()
    }

    /// A list of objects, or a single one.
    pub(super) fn objects(&mut self, name: &str) -> Result<Vec<Self>, Unreadable> {
        let Some(raw) = self.raw(name) else { return Ok(Vec::new()) };
        let path = self.at(name);
        if raw.get().starts_with('{') {
            return Ok(vec![Self::read(raw, path)?]);
        }
        let list = serde_json::from_str::<Vec<&RawValue>>(raw.get())
            .map_err(|_| Unreadable::new(path.as_str(), "must be an array of objects"))?;
        let numbered = list.into_iter().enumerate();
        numbered.map(|(at, raw)| Self::read(raw, format!("{path}[{at}]"))).collect()
    }

    /// What nobody has taken: where it stands, and its value.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        self.list.into_iter().map(move |(name, raw)| (join(&self.path, &name), raw))
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A name in camelCase, whichever way it was written.
pub(super) fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '_' if !camel.is_empty() => {
                camel.extend(letters.next().map(|next| next.to_ascii_uppercase()));
            }
            other => camel.push(other),
        }
    }
    camel
}

/// Members that are not `null`, by their names in camelCase.
struct List<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for List<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = List<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<'de>, A::Error> {
                let mut list = Vec::new();
                while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    // One more than there may be says that there are too many.
                    if raw.get() != "null" && list.len() <= MAX_MEMBERS {
                        list.push((camel(&name), raw));
                    }
                }
                Ok(List(list))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }

        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self(number)),
            Either::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_are_one_name() {
        for name in ["system_instruction", "systemInstruction"] {
            assert_eq!(camel(name), "systemInstruction");
        }
        assert_eq!(camel("_responseJsonSchema"), "_responseJsonSchema");
        let error = Members::of_body(br#"{"top_k":1,"topK":2}"#).expect_err("twice");
        assert_eq!(error.param, "topK");
    }

    #[test]
    fn numbers_may_be_strings_and_null_is_absent() {
        let mut members =
            Members::of_body(br#"{"a":"12","b":1.5,"c":null,"d":-3}"#).expect("an object");
        assert_eq!(members.count("a"), Ok(Some(12)));
        assert_eq!(members.integer("b").expect_err("not whole").param, "b");
        assert_eq!(members.count("c"), Ok(None));
        assert_eq!(members.count("d").expect_err("negative").param, "d");
    }
}
