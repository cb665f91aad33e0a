//! Where an installation is at a cloud, and the base URL that follows from it.

use super::Provider;

/// Where an installation is. What it holds was checked to be names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// `{region}`.
    Aws {
        /// Such as `eu-central-1`.
        region: &'a str,
    },
    /// `{resource}`.
    Azure {
        /// The resource's name, which is the first label of its hosts.
        resource: &'a str,
    },
    /// `{project}`, `{location}`, and `{host}`, the location's.
    Google {
        /// The project's id.
        project: &'a str,
        /// A region, `us`, `eu` or `global`.
        location: &'a str,
    },
}

impl Place<'_> {
    /// The field of a target that says it.
    pub fn field(self) -> &'static str {
        match self {
            Self::Aws { .. } => "aws",
            Self::Azure { .. } => "azure",
            Self::Google { .. } => "google",
        }
    }

    /// The template with the place in it; `None` if it is one of another cloud's.
    pub fn fill(self, template: &str) -> Option<String> {
        let filled = match self {
            Self::Aws { region } => template.replace("{region}", region),
            Self::Azure { resource } => template.replace("{resource}", resource),
            Self::Google { project, location } => template
                .replace("{host}", &vertex_host(location))
                .replace("{project}", project)
                .replace("{location}", location),
        };
        (filled != template && !filled.contains('{')).then_some(filled)
    }
}

/// Vertex AI's host for a location (its reference: global, multi-regions, regions).
fn vertex_host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        region => format!("{region}-aiplatform.googleapis.com"),
    }
}

impl Provider {
    /// How a target says where its installation is, where `baseURL` does not; `None` if it cannot.
    pub fn placed_by(&self) -> Option<&'static str> {
        let template = self.template?;
        let known = [
            ("{region}", "`aws.region`"),
            ("{resource}", "`azure.resource`"),
            ("{project}", "`google.project` and `google.location`"),
        ];
        known.into_iter().find(|(part, _)| template.contains(part)).map(|(_, fields)| fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_of_googles_has_the_host_of_its_location() {
        let template = "https://{host}/v1/projects/{project}/locations/{location}";
        let cases = [
            ("global", "https://aiplatform.googleapis.com/v1/projects/p/locations/global"),
            ("eu", "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu"),
            (
                "us-east5",
                "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5",
            ),
        ];
        for (location, url) in cases {
            let place = Place::Google { project: "p", location };
            assert_eq!(place.fill(template).as_deref(), Some(url));
        }
    }

    #[test]
    fn a_place_does_not_fit_another_cloud() {
        let place = Place::Aws { region: "eu-west-1" };
        assert_eq!(place.fill("https://x.{region}.y").as_deref(), Some("https://x.eu-west-1.y"));
        assert_eq!(place.fill("https://{resource}.x"), None);
        assert_eq!(place.fill("https://api.openai.com/v1"), None);
    }
}
