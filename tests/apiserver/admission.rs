//! What the API server refuses, and that `pilothouse validate` refuses the same.
//!
//! Nothing is listed twice. The limits are read from the schemas and each is broken in turn, in
//! objects that hold every field; for the rules in CEL there is a table of objects, and a rule
//! without an object in it is an error.

mod judge;
mod odd;
mod schema;
mod spoil;

use serde_json::Value;

use self::judge::{Judges, Refusal, fields, objects, title};
use crate::support::{Cluster, Tenant};

fn accepted() -> Vec<Value> {
    objects("accepted.yaml", include_str!("admission/accepted.yaml"))
}

fn refused() -> Vec<Value> {
    objects("refused.yaml", include_str!("admission/refused.yaml"))
}

/// What the table says of one of its objects: fields, and how the message about each begins.
fn expected(object: &Value) -> Vec<Refusal> {
    let annotation = object["metadata"]["annotations"]["refused"].as_str();
    let annotation = annotation.unwrap_or_else(|| panic!("{}: no annotation", title(object)));
    let line = |line: &str| {
        let (field, message) = line.split_once(": ").expect("`field: message`");
        Refusal { field: field.to_owned(), message: message.to_owned() }
    };
    annotation.lines().map(line).collect()
}

#[tokio::test]
async fn examples_of_every_field_are_accepted() {
    let Some(cluster) = Cluster::shared().await else { return };
    let judges = Judges::new(Tenant::new(cluster, "accepted").await);
    for object in accepted() {
        assert_eq!(judges.api_server(&object).await, [], "{}", title(&object));
        assert_eq!(judges.validate(&object), [], "{}", title(&object));
    }
}

#[tokio::test]
async fn rules_refuse_with_their_message_and_validate_agrees() {
    let Some(cluster) = Cluster::shared().await else { return };
    let judges = Judges::new(Tenant::new(cluster, "rules").await);
    for object in refused() {
        let title = title(&object);
        let expected = expected(&object);
        let server = judges.api_server(&object).await;
        let validate = judges.validate(&object);
        for Refusal { field, message } in &expected {
            // The API server quotes the value before the rule's message.
            let says = |found: &Refusal| found.field == *field && found.message.contains(message);
            assert!(server.iter().any(says), "{title}: {field}: {message}: not in {server:#?}");
            assert!(validate.iter().any(says), "{title}: {field}: {message}: not in {validate:#?}");
        }
        assert_eq!(fields(&server), fields(&expected), "{title}: {server:#?}");
        assert_eq!(fields(&validate), fields(&expected), "{title}: {validate:#?}");
    }
}

#[test]
fn every_rule_is_broken_by_an_object_of_the_table() {
    let table = refused();
    let broken = |rule: &schema::Rule| {
        let of_kind = table.iter().filter(|object| object["kind"] == rule.kind);
        of_kind.flat_map(expected).any(|refusal| {
            schema::without_indexes(&refusal.field) == rule.field
                && rule.message.starts_with(&refusal.message)
        })
    };
    let rules = schema::rules();
    assert!(rules.len() > 20, "only {} rules were found", rules.len());
    let untried: Vec<String> = rules
        .iter()
        .filter(|rule| !broken(rule))
        .map(|rule| format!("{} {}: {}", rule.kind, rule.field, rule.message))
        .collect();
    assert!(untried.is_empty(), "add an object that breaks:\n{}", untried.join("\n"));
}

#[tokio::test]
async fn every_limit_holds_and_validate_agrees() {
    let Some(cluster) = Cluster::shared().await else { return };
    let judges = Judges::new(Tenant::new(cluster, "limits").await);
    let examples = accepted();
    let mut tried = 0;
    let mut wrong = Vec::new();
    for node in schema::nodes() {
        let mut of_kind = examples.iter().filter(|object| object["kind"] == node.kind);
        let place = |object: &Value| spoil::locate(object, &node.path);
        let Some((object, place)) = of_kind.find_map(|object| Some((object, place(object)?)))
        else {
            wrong.push(format!("{} {}: no example has it", node.kind, schema::shown(&node.path)));
            continue;
        };
        for spoiled in spoil::spoil(object, &node, &place) {
            tried += 1;
            let server = judges.api_server(&spoiled.object).await;
            let validate = judges.validate(&spoiled.object);
            let says = |found: &Refusal| {
                found.field == spoiled.field && found.message.contains(&spoiled.message)
            };
            let agrees = fields(&validate).contains(&*spoiled.field)
                // The API server may add what a rule says of the same value.
                && fields(&validate).is_subset(&fields(&server));
            if !server.iter().any(says) || !agrees {
                wrong.push(format!(
                    "{} {}: expected `{}`\n  API server {server:?}\n  validate {validate:?}",
                    node.kind, spoiled.field, spoiled.message
                ));
            }
        }
    }
    assert!(tried > 100, "only {tried} limits were found");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn odd_values_are_judged_alike() {
    let Some(cluster) = Cluster::shared().await else { return };
    let judges = Judges::new(Tenant::new(cluster, "odd").await);
    let examples = accepted();
    let mut wrong = Vec::new();
    for odd in odd::table() {
        let example = examples.iter().find(|object| object["kind"] == odd.kind);
        let example = example.expect("an example of every kind");
        let (parent, field) = odd.pointer.rsplit_once('/').expect("a pointer");
        for value in odd.values {
            let mut object = example.clone();
            let parent = object.pointer_mut(parent).expect("every example has every field");
            if let Some(items) = parent.as_array_mut() {
                items[field.parse::<usize>().expect("an index")] = value.clone();
            } else {
                parent[field] = value.clone();
            }
            let server = judges.api_server(&object).await;
            let validate = judges.validate(&object);
            if server.is_empty() != validate.is_empty() {
                wrong.push(format!(
                    "{} {} = {value}\n  API server {server:?}\n  validate {validate:?}",
                    odd.kind, odd.pointer
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}
