//! Which routes are asked about.

use crate::table::{ObjectName, Route};

/// What `?namespace=` and `?route=` leave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    namespace: Option<String>,
    route: Option<String>,
}

impl Filter {
    /// Reads a query. The error says what is wrong with it.
    pub(super) fn read(query: Option<&str>) -> Result<Self, String> {
        let mut filter = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let field = match &*name {
                "namespace" => &mut filter.namespace,
                "route" => &mut filter.route,
                other => {
                    return Err(format!(
                        "there is no `{other}` to ask by: use `namespace` or `route`"
                    ));
                }
            };
            *field = Some(value.into_owned());
        }
        Ok(filter)
    }

    /// Whether a route is asked about.
    pub(super) fn admits(&self, route: &Route) -> bool {
        self.admits_namespace(&route.name)
            && self.route.as_ref().is_none_or(|wanted| **wanted == *route.name.name)
    }

    /// Whether an object of that name is in the namespace that is asked about.
    pub(super) fn admits_namespace(&self, name: &ObjectName) -> bool {
        self.namespace.as_ref().is_none_or(|wanted| **wanted == *name.namespace)
    }

    /// Whether one route alone is asked about.
    pub(super) fn names_a_route(&self) -> bool {
        self.route.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_refused() {
        assert_eq!(Filter::read(None), Ok(Filter::default()));
        let both = Filter { namespace: Some("a b".into()), route: Some("r".into()) };
        assert_eq!(Filter::read(Some("namespace=a%20b&route=r")), Ok(both));
        let error = Filter::read(Some("model=gpt")).expect_err("no such field");
        assert!(error.contains("`model`") && error.contains("`namespace`"), "{error}");
    }
}
