use serde_json::{Value, json};

use crate::simulate::{
    Simulator,
    tests::client::{Event, post},
};

async fn answered(mut ask: Value) -> (Value, Vec<Event>) {
    let simulator = Simulator::builder().name("alpha").start().await.expect("a free port");
    ask["model"] = json!("gpt-sim");
    let plain = post(&simulator, "/v1/responses", &ask).await;
    assert_eq!(plain.status, 200, "{}", plain.text());
    ask["stream"] = json!(true);
    let events = post(&simulator, "/v1/responses", &ask).await.events();
    for (number, event) in events.iter().enumerate() {
        let data = event.json();
        assert_eq!(data["sequence_number"], json!(number));
        assert_eq!(data["type"].as_str(), event.name.as_deref());
    }
    (plain.json(), events)
}

fn names(events: &[Event]) -> Vec<&str> {
    let mut names: Vec<_> = events.iter().filter_map(|event| event.name.as_deref()).collect();
    names.dedup();
    names.into_iter().map(|name| name.trim_start_matches("response.")).collect()
}

/// Ids and times differ from answer to answer.
fn timeless(mut response: Value) -> Value {
    response["id"] = Value::Null;
    response["created_at"] = Value::Null;
    for item in response["output"].as_array_mut().into_iter().flatten() {
        item["id"] = Value::Null;
        item["call_id"] = Value::Null;
    }
    response
}

#[tokio::test]
async fn a_text_is_the_same_in_both_ways() {
    let (plain, events) = answered(json!({"input": "hi", "instructions": "be brief"})).await;
    assert_eq!(plain["instructions"], "be brief");
    assert_eq!(plain["store"], false);
    assert_eq!(plain["usage"]["input_tokens"], 3 + 2 * 4);
    let expected = [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names(&events), expected);
    let last = events.last().expect("events").json();
    assert_eq!(timeless(last["response"].clone()), timeless(plain.clone()));
    let text: String = events
        .iter()
        .filter_map(|event| Some(event.json()["delta"].as_str()?.to_owned()))
        .collect();
    assert_eq!(json!(text), plain["output"][0]["content"][0]["text"]);
}

#[tokio::test]
async fn reasoning_comes_first_and_calls_in_parallel() {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tool = json!({"type": "function", "name": "weather", "parameters": schema});
    let ask = json!({"input": [{"role": "user", "content": "parallel please"}],
        "tools": [tool], "reasoning": {"effort": "low"}});
    let (plain, events) = answered(ask).await;
    let kinds: Vec<_> = (0..3).map(|index| plain["output"][index]["type"].clone()).collect();
    assert_eq!(kinds, ["reasoning", "function_call", "function_call"]);
    assert_eq!(plain["output"][1]["arguments"], r#"{"city":"example"}"#);
    assert_ne!(plain["output"][1]["call_id"], plain["output"][2]["call_id"]);
    let shown = names(&events);
    assert!(shown.contains(&"reasoning_summary_text.delta"), "{shown:?}");
    assert!(shown.contains(&"function_call_arguments.done"), "{shown:?}");
}

#[tokio::test]
async fn a_tool_s_output_is_answered_and_a_limit_is_kept() {
    let (plain, events) = answered(json!({"max_output_tokens": 4, "input": [
        {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"}]}))
    .await;
    assert_eq!(plain["output"][0]["content"][0]["text"], "The tools returned: \"sunny\". ");
    assert_eq!(plain["status"], "incomplete");
    assert_eq!(plain["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(names(&events).last(), Some(&"incomplete"));
}

#[tokio::test]
async fn tokens_are_counted_of_the_prompt_alone() {
    let simulator = Simulator::builder().name("alpha").start().await.expect("a free port");
    let count = async |members: Value| {
        let mut ask = json!({"model": "gpt-sim", "input": "how are you"});
        ask.as_object_mut().expect("one").extend(members.as_object().expect("one").clone());
        post(&simulator, "/v1/responses/input_tokens", &ask).await
    };
    let counted = json!({"object": "response.input_tokens", "input_tokens": 3 + 4});
    assert_eq!(count(json!({"tool_choice": "auto"})).await.json(), counted);
    let refused = count(json!({"max_output_tokens": 9})).await;
    assert!(refused.status == 400 && refused.text().contains("max_output_tokens"));
}
