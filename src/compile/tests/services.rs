//! Targets that are Services of the route's namespace.

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::{World, key_store, object};
use crate::compile::{
    self, Pod, Selected, Service, ServiceData, ServicePort, Slice, SliceEndpoint, SlicePort,
};
use crate::state::EndpointState;

/// A route with one target that is the Service `vllm`.
fn route(target: &Value) -> Value {
    let mut whole = json!({
        "name": "own", "provider": "vllm", "model": "m", "service": {"name": "vllm", "port": 80},
    });
    for (name, value) in target.as_object().expect("fields") {
        whole[name] = value.clone();
    }
    json!({"targets": [whole]})
}

/// The Service `a/vllm` with one pod of that UID.
fn serve(world: &mut World, uid: &str) {
    let address = [10, 0, 0, 1].into();
    let endpoint =
        SliceEndpoint { address, pod: uid.into(), ready: true, serving: true, terminating: false };
    let ports = vec![SlicePort { name: "".into(), number: 8000 }];
    let pod = Pod { name: "vllm-0".into(), addresses: [address].into() };
    let service = Service {
        ports: vec![ServicePort { name: "".into(), number: 80 }],
        slices: [("s".into(), Slice { ports, endpoints: vec![endpoint] })].into(),
        pods: Selected::Pods([(uid.into(), pod)].into()),
        ..Service::default()
    };
    let data = ServiceData::Present(Arc::new(service));
    world.snapshot.services.insert(object("a/vllm"), data);
}

fn state(world: &mut World) -> Arc<EndpointState> {
    let outcome = world.compile();
    assert_eq!(outcome.errors(), Vec::<String>::new());
    let upstream = outcome.target("a/r", "own").upstream().expect("resolved");
    assert_eq!(upstream.base_url.to_string(), "http://vllm.a.svc:80/v1");
    let endpoints = upstream.endpoints.as_ref().expect("endpoints");
    let [endpoint] = &endpoints.members[..] else { panic!("{endpoints:?}") };
    assert_eq!(
        (endpoint.address.to_string().as_str(), &*endpoint.name),
        ("10.0.0.1:8000", "vllm-0")
    );
    endpoint.state.clone()
}

#[test]
fn what_is_remembered_of_a_pod_outlives_tables_and_edits_and_not_the_pod() {
    let mut world = World::new();
    world.route("a/r", route(&json!({})));
    serve(&mut world, "one");
    let first = state(&mut world);
    world.route("a/r", route(&json!({"weight": 7, "limits": {"maxConcurrentPerEndpoint": 3}})));
    assert!(Arc::ptr_eq(&first, &state(&mut world)));
    serve(&mut world, "another");
    assert!(!Arc::ptr_eq(&first, &state(&mut world)), "at the same address");
}

#[test]
fn services_of_the_version_that_is_served_are_followed() {
    let mut world = World::new();
    world.route("a/r", route(&json!({})));
    serve(&mut world, "one");
    state(&mut world);
    let mut broken = route(&json!({"service": {"name": "other", "port": 80}}));
    broken["models"] = json!("not a list");
    world.route("a/r", broken);
    let wanted = |world: &World| {
        compile::references(&world.snapshot, &world.tenancy, &world.last_good).services
    };
    let both = ["a/other", "a/vllm"].map(object);
    assert_eq!(wanted(&world).into_iter().collect::<Vec<_>>(), both);
    assert_eq!(world.compile().fault("a/r", "own"), "");
    world.tenancy.operator_owned = true;
    assert!(wanted(&world).is_empty(), "DNS is asked");
}

#[test]
fn a_key_goes_to_a_service_that_its_store_names() {
    let with_key = json!({"credentialRef": {"name": "s"}});
    for (hosts, fault) in [
        (json!([]), "DestinationNotAllowed"),
        (json!(["vllm.a.svc:80"]), "DestinationNotAllowed"),
        (json!(["service/b/vllm"]), "DestinationNotAllowed"),
        (json!(["service/a/vllm"]), ""),
    ] {
        let mut world = World::new();
        world.secret("a/keys", "key", "sk-test");
        let mut store = key_store();
        store["allowedHosts"] = hosts;
        world.store("a/s", store);
        world.route("a/r", route(&with_key));
        serve(&mut world, "one");
        assert_eq!(world.compile().fault("a/r", "own"), fault);
    }
}

#[test]
fn from_files_the_name_is_resolved_and_counts_as_one_endpoint() {
    let mut world = World::new();
    world.tenancy.operator_owned = true;
    world.route("a/r", route(&json!({"limits": {"maxConcurrentPerEndpoint": 3}})));
    let outcome = world.compile();
    let upstream = outcome.target("a/r", "own").upstream().expect("resolved");
    assert_eq!(upstream.base_url.to_string(), "http://vllm.a.svc:80/v1");
    assert!(upstream.endpoints.is_none());
    assert_eq!(upstream.limits.max_concurrent, Some(3));
}

fn metrics(metrics: &Value) -> Value {
    json!({"service": {"name": "vllm", "port": 80, "metrics": metrics}})
}

#[test]
fn servers_are_asked_where_that_is_said_or_where_a_limit_needs_it() {
    let asked = |more: &Value| {
        let mut world = World::new();
        world.route("a/r", route(more));
        serve(&mut world, "one");
        let outcome = world.compile();
        assert_eq!(outcome.errors(), Vec::<String>::new());
        let upstream = outcome.target("a/r", "own").upstream().expect("resolved");
        upstream.endpoints.as_ref().expect("endpoints").metrics.clone()
    };
    assert_eq!(asked(&json!({})), None);
    assert_eq!(asked(&json!({"limits": {"maxConcurrentPerEndpoint": 1}})), None);
    let usual = asked(&json!({"limits": {"maxQueuedPerEndpoint": 0}}));
    assert_eq!(usual, asked(&metrics(&json!({}))));
    let usual = usual.expect("a limit");
    assert_eq!((usual.path.as_str(), usual.interval.as_secs()), ("/metrics", 1));
    let own =
        json!({"path": "/m?a=b", "interval": "2s", "timeout": "3s", "authentication": "Target"});
    let own = asked(&metrics(&own)).expect("it is said");
    assert_eq!((own.path.as_str(), own.authenticated), ("/m?a=b", true));
    assert_eq!((own.interval.as_secs(), own.timeout.as_secs()), (2, 3));
}

#[test]
fn from_files_nobody_is_asked_and_that_is_said() {
    for (more, field) in [
        (json!({"limits": {"maxQueuedPerEndpoint": 3}}), "limits.maxQueuedPerEndpoint"),
        (metrics(&json!({})), "service.metrics"),
    ] {
        let mut world = World::new();
        world.tenancy.operator_owned = true;
        world.route("a/r", route(&more));
        let outcome = world.compile();
        assert_eq!(outcome.errors(), Vec::<String>::new());
        let upstream = outcome.target("a/r", "own").upstream().expect("resolved");
        assert_eq!(upstream.limits.max_queued_per_endpoint, None);
        let path = format!("spec.targets[0].{field}");
        let told = outcome.0.findings.iter().find(|finding| finding.path == path);
        assert!(told.is_some_and(|one| one.message.contains("acts in a cluster")), "{told:?}");
    }
}

#[test]
fn a_queue_needs_servers_that_can_be_asked() {
    let mut world = World::new();
    let mut spec = route(&json!({"limits": {"maxQueuedPerEndpoint": 3}}));
    let target = spec["targets"][0].as_object_mut().expect("a target");
    target.remove("service");
    target.insert("baseURL".into(), json!("https://vllm.example/v1"));
    world.route("a/r", spec);
    let found = world.compile().0.findings;
    let path = "spec.targets[0].limits.maxQueuedPerEndpoint";
    assert!(found.iter().any(|finding| finding.path == path), "{found:?}");
}

#[test]
fn what_contradicts_a_service_is_refused_without_an_api_server_too() {
    for (more, path) in [
        (json!({"baseURL": "https://vllm.example/v1"}), "spec.targets[0].service"),
        (json!({"healthCheck": {"path": "/health"}}), "spec.targets[0].healthCheck"),
        (json!({"service": {"name": "vllm", "port": 0}}), "spec.targets[0].service.port"),
        (json!({"provider": "bedrock"}), "spec.targets[0].service"),
        (metrics(&json!({"path": "metrics"})), "spec.targets[0].service.metrics.path"),
        (metrics(&json!({"interval": "99ms"})), "spec.targets[0].service.metrics.interval"),
        (metrics(&json!({"interval": "61s"})), "spec.targets[0].service.metrics.interval"),
        (metrics(&json!({"timeout": "0s"})), "spec.targets[0].service.metrics.timeout"),
        (
            json!({"limits": {"maxQueuedPerEndpoint": -1}}),
            "spec.targets[0].limits.maxQueuedPerEndpoint",
        ),
    ] {
        let mut world = World::new();
        world.route("a/r", route(&more));
        serve(&mut world, "one");
        let found = world.compile().0.findings;
        assert!(found.iter().any(|finding| finding.path == path), "{more}: {found:?}");
    }
}
