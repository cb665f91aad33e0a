//! What a token is for, if the store does not say it.

/// Foundry's own hosts want a token for Foundry; all others, custom ones included, take one for
/// Azure's AI services (Cognitive Services), each national cloud its own.
const FOUNDRY: &str = "https://ai.azure.com/.default";
const SERVICES: &str = "https://cognitiveservices.azure.com/.default";
const SERVICES_US: &str = "https://cognitiveservices.azure.us/.default";
const SERVICES_CHINA: &str = "https://cognitiveservices.azure.cn/.default";

/// The scope for requests to `authority`.
pub(super) fn of_host(authority: &str) -> &'static str {
    let host = authority.split(':').next().unwrap_or_default().to_ascii_lowercase();
    if host.ends_with(".services.ai.azure.com") {
        FOUNDRY
    } else if host.ends_with(".azure.us") {
        SERVICES_US
    } else if host.ends_with(".azure.cn") {
        SERVICES_CHINA
    } else {
        SERVICES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scope_is_that_of_the_host() {
        for (authority, scope) in [
            ("res.openai.azure.com", SERVICES),
            ("res.cognitiveservices.azure.com", SERVICES),
            ("RES.services.ai.azure.com:443", FOUNDRY),
            ("res.openai.azure.us", SERVICES_US),
            ("res.openai.azure.cn", SERVICES_CHINA),
            ("gateway.example:8443", SERVICES),
            ("services.ai.azure.com.example", SERVICES),
            ("127.0.0.1:80", SERVICES),
        ] {
            assert_eq!(of_host(authority), scope, "{authority}");
        }
    }
}
