use super::*;
use crate::protocol::registry::OPERATIONS;
use crate::provider::place::Place;
use crate::table::BaseUrl;

#[test]
fn rows_are_sorted_and_their_urls_are_base_urls() {
    assert!(PROVIDERS.is_sorted_by(|a, b| a.name < b.name), "binary search needs the order");
    for row in PROVIDERS {
        if let Some(url) = row.base_url {
            let parsed: BaseUrl = url.parse().expect(row.name);
            assert!(parsed.is_https(), "{}", row.name);
            assert!(row.owns_host(parsed.host()), "{}", row.name);
        }
    }
}

#[test]
fn a_key_of_bedrock_goes_to_bedrock_and_to_no_customers_host() {
    let bedrock = find("bedrock").expect("a row");
    assert!(bedrock.owns_host("bedrock-runtime.eu-west-1.amazonaws.com"));
    assert!(bedrock.owns_host("bedrock-runtime-fips.us-east-1.amazonaws.com"));
    for host in [
        "evil.execute-api.eu-west-1.amazonaws.com",
        "bedrock-runtime.evil.s3.amazonaws.com",
        "bedrock-runtime..amazonaws.com",
        "bedrock-runtime.amazonaws.com",
        "bedrock-runtime.eu-west-1.amazonaws.com.evil.example",
    ] {
        assert!(!bedrock.owns_host(host), "{host}");
    }
}

#[test]
fn a_token_of_vertex_goes_to_vertex_and_to_no_customers_host() {
    let vertex = find("vertex").expect("a row");
    assert!(vertex.owns_host("europe-west1-aiplatform.googleapis.com"));
    assert!(vertex.owns_host("aiplatform.googleapis.com"));
    assert!(vertex.owns_host("aiplatform.eu.rep.googleapis.com"));
    for host in [
        "evil.storage.googleapis.com",
        "evil.example-aiplatform.googleapis.com",
        "-aiplatform.googleapis.com",
        "aiplatform.evil.rep.googleapis.com",
        "123.europe-west1-1.prediction.vertexai.goog",
    ] {
        assert!(!vertex.owns_host(host), "{host}");
    }
}

#[test]
fn wherever_a_place_leads_is_the_vendors_own() {
    let places = [
        Place::Aws { region: "eu-central-1" },
        Place::Azure { resource: "my-resource" },
        Place::Google { project: "p", location: "europe-west1" },
        Place::Google { project: "p", location: "global" },
        Place::Google { project: "p", location: "us" },
    ];
    for row in PROVIDERS.iter().filter(|row| row.template.is_some()) {
        let dated = row.dated.map(|dated| dated.template);
        let urls: Vec<String> = [row.template, dated]
            .into_iter()
            .flatten()
            .flat_map(|template| places.iter().filter_map(|place| place.fill(template)))
            .collect();
        assert!(!urls.is_empty() && row.placed_by().is_some(), "{}", row.name);
        for url in urls {
            let url: BaseUrl = url.parse().expect(row.name);
            assert!(url.is_https() && row.owns_host(url.host()), "{url}");
        }
    }
}

#[test]
fn doors_are_of_operations_that_the_vendor_has() {
    for row in PROVIDERS {
        let transports = [Some(row.transport), row.dated.map(|dated| dated.transport)];
        for door in transports.into_iter().flatten().flat_map(|transport| transport.doors) {
            let operation = OPERATIONS.iter().find(|other| other.name == door.operation);
            let operation = operation.expect(door.operation);
            assert_eq!(operation.protocol, row.protocol, "{}", row.name);
            assert!(!row.lacks.contains(&operation.upstream_path), "{}", row.name);
        }
    }
}

#[test]
fn a_vendor_with_doors_has_one_for_each_of_its_operations() {
    for row in PROVIDERS {
        for transport in [Some(row.transport), row.dated.map(|dated| dated.transport)] {
            let Some(transport) = transport.filter(|transport| !transport.doors.is_empty()) else {
                continue;
            };
            // Where tokens are counted, `counts` says; without a door they are estimated.
            let own = OPERATIONS.iter().filter(|operation| {
                operation.protocol == row.protocol
                    && operation.counts.is_none()
                    && !row.lacks.contains(&operation.upstream_path)
            });
            for operation in own {
                let name = operation.name;
                assert!(transport.door(operation).is_some(), "{}: no door to {name}", row.name);
            }
        }
    }
}

#[test]
fn a_suffix_host_does_not_match_a_lookalike() {
    let openai = find("openai").expect("a row");
    assert!(openai.owns_host("eu.api.openai.com"));
    assert!(!openai.owns_host("evilapi.openai.com"));
    assert!(!openai.owns_host(".api.openai.com.evil.example"));
}
