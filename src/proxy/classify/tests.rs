use super::*;

fn facts(kind: &str, code: &str, message: &str) -> ErrorFacts {
    ErrorFacts {
        kind: kind.into(),
        code: code.into(),
        message: message.into(),
        ..ErrorFacts::default()
    }
}

fn class(status: u16, code: &str, message: &str) -> Class {
    let status = StatusCode::from_u16(status).expect("a status");
    classify(status, &facts("", code, message), Some("gpt-x"), &BreakerPolicy::built_in())
}

#[test]
fn every_failure_has_its_class() {
    let cases = [
        (500, "", "", Class::Failure),
        (408, "", "", Class::Failure),
        (302, "", "", Class::Failure),
        (429, "rate_limit_exceeded", "", Class::Throttled),
        (529, "", "Overloaded", Class::Overloaded),
        (429, "insufficient_quota", "", Class::CredentialFault),
        (429, "credit_balance_exhausted", "", Class::CredentialFault),
        (400, "", "Your credit balance is too low", Class::CredentialFault),
        (401, "invalid_api_key", "", Class::CredentialFault),
        (403, "unsupported_country_region_territory", "", Class::CredentialFault),
        (403, "model_not_found", "no access to model gpt-x", Class::Permanent),
        (403, "", "<html>blocked</html>", Class::Failure),
        (403, "", "flagged by moderation", Class::Refused),
        (404, "model_not_found", "", Class::Permanent),
        (404, "", "model: gpt-x", Class::Permanent),
        (404, "", "The model `gpt-x` does not exist.", Class::Permanent),
        (404, "", "Publisher Model `projects/p/models/gpt-x` was not found", Class::Permanent),
        (404, "ResourceNotFoundException", "", Class::Permanent),
        (404, "not_found", "No vector store `gpt-x`", Class::ClientFault),
        (404, "", "{\"detail\":\"Not Found\"}", Class::Failure),
        (400, "context_length_exceeded", "", Class::TooLong),
        (400, "", "prompt is too long: 200001 tokens", Class::TooLong),
        (400, "content_filter", "", Class::Refused),
        (400, "unsupported_value", "", Class::ClientFault),
        (422, "", "", Class::ClientFault),
    ];
    for (status, code, message, expected) in cases {
        assert_eq!(class(status, code, message), expected, "{status} {code} {message}");
    }
}

#[test]
fn a_client_cannot_blame_the_target_or_its_key_by_what_it_writes() {
    for words in [
        "model_not_found",
        "insufficient_quota",
        "invalid_api_key",
        "credit balance is too low",
        "API key not valid",
        "billing_error",
        "The model `gpt-x` does not exist",
    ] {
        let message = format!("Invalid value: '{words}'. Supported values are: 'user'");
        for status in [400, 404, 422] {
            let class = class(status, "invalid_value", &message);
            assert_eq!(class, Class::ClientFault, "{status} {message}");
        }
    }
}

#[test]
fn a_model_that_the_client_chose_is_the_clients_fault() {
    let status = StatusCode::NOT_FOUND;
    let facts = facts("", "model_not_found", "The model `x` does not exist");
    assert_eq!(classify(status, &facts, None, &BreakerPolicy::built_in()), Class::ClientFault);
}

#[test]
fn an_identity_that_may_not_use_a_model_may_use_others() {
    let class = |kind, message, configured| {
        let facts = facts(kind, "", message);
        classify(StatusCode::FORBIDDEN, &facts, configured, &BreakerPolicy::built_in())
    };
    let policy = "User: arn:aws:sts::1:assumed-role/a is not authorized to perform: \
                  bedrock:InvokeModel on resource: arn:aws:bedrock:::foundation-model/m";
    let access = "You don't have access to the model with the specified model ID.";
    for message in [policy, access] {
        let kind = "AccessDeniedException";
        assert_eq!(class(kind, message, Some("m")), Class::Permanent, "{message}");
        assert_eq!(class(kind, message, None), Class::ClientFault, "{message}");
    }
    for (kind, message) in [
        ("AccessDeniedException", "Authentication failed"),
        ("ExpiredTokenException", "User: arn:"),
        ("InvalidSignatureException", "Signature expired"),
        ("UnrecognizedClientException", "The security token is invalid."),
    ] {
        assert_eq!(class(kind, message, Some("m")), Class::CredentialFault, "{kind}");
    }
}

#[test]
fn in_band_errors_are_classified_by_type_and_code() {
    let policy = BreakerPolicy::built_in();
    let class = |kind, code| classify_in_band(&facts(kind, code, ""), None, &policy);
    assert_eq!(class("overloaded_error", ""), Class::Overloaded);
    assert_eq!(class("", "502"), Class::Failure);
    assert_eq!(class("", "429"), Class::Throttled);
    assert_eq!(class("invalid_request_error", ""), Class::ClientFault);
    assert_eq!(class("api_error", ""), Class::Failure);
    assert_eq!(class("throttlingException", ""), Class::Throttled);
    assert_eq!(class("validationException", ""), Class::ClientFault);
    assert_eq!(class("modelStreamErrorException", ""), Class::Failure);
}

#[test]
fn retry_after_is_read_in_all_its_forms() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
    let read = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a value"));
        retry_after(&headers, now)
    };
    assert_eq!(read("retry-after", "2"), Some(Duration::from_secs(2)));
    assert_eq!(read("retry-after", "0.5"), Some(Duration::from_millis(500)));
    assert_eq!(read("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
    assert_eq!(read("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(read("retry-after", "-5"), Some(Duration::ZERO));
    assert_eq!(read("retry-after", "NaN"), None);
    assert_eq!(read("retry-after", "soon"), None);
}
