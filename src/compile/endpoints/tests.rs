use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::compile::{Pod, ServicePort, Slice, SliceEndpoint, SlicePort};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn endpoint(address: &str, pod: &str) -> SliceEndpoint {
    let (ready, serving, terminating) = (true, true, false);
    SliceEndpoint { address: ip(address), pod: pod.into(), ready, serving, terminating }
}

fn slice(port: (&str, u16), endpoints: Vec<SliceEndpoint>) -> Slice {
    Slice { ports: vec![SlicePort { name: port.0.into(), number: port.1 }], endpoints }
}

fn pods(of: &[(&str, &[&str])]) -> Selected {
    let pod = |(uid, addresses): &(&str, &[&str])| {
        let addresses = addresses.iter().map(|address| ip(address)).collect();
        (Arc::from(*uid), Pod { name: format!("pod-{uid}").into(), addresses })
    };
    Selected::Pods(of.iter().map(pod).collect())
}

/// A Service whose port `http` is 80.
fn service(slices: Vec<Slice>, pods: Selected) -> Service {
    let slices = slices.into_iter().enumerate();
    Service {
        ports: vec![
            ServicePort { name: "http".into(), number: 80 },
            ServicePort { name: "metrics".into(), number: 9090 },
        ],
        slices: slices.map(|(at, slice)| (format!("slice-{at}").into(), slice)).collect(),
        pods,
        ..Service::default()
    }
}

fn tenancy(allowed: &[&str]) -> Tenancy {
    Tenancy {
        gateway_name: "default".into(),
        operator_owned: false,
        shared_namespaces: Vec::new(),
        anonymous: false,
        anonymous_namespace: None,
        ambient_namespace: None,
        private_upstreams: allowed.iter().map(|range| range.parse().unwrap()).collect(),
    }
}

fn found(service: &Service, port: Port<'_>, allowed: &[&str]) -> Result<Vec<String>, Fault> {
    let tenancy = tenancy(allowed);
    let data = ServiceData::Present(Arc::new(service.clone()));
    let name = ObjectName::new("ai", "vllm");
    let found = find("spec.targets[0].service", &name, port, Some(&data), &tenancy)?;
    Ok(found.ready.iter().map(|one| one.address.to_string()).collect())
}

fn refused(service: &Service, allowed: &[&str]) -> (Reason, String) {
    let fault = found(service, Port::Name("http"), allowed).expect_err("a fault");
    (fault.reason, fault.message)
}

#[test]
fn a_port_is_found_by_its_name_and_by_its_number_at_the_service() {
    let mut other = slice(("http", 8001), vec![endpoint("10.0.0.2", "b")]);
    other.ports.push(SlicePort { name: "metrics".into(), number: 9400 });
    let slices = vec![slice(("http", 8000), vec![endpoint("10.0.0.1", "a")]), other];
    let service = service(slices, pods(&[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])]));
    // Pods of one Service may listen at different numbers under one name.
    let both = ["10.0.0.1:8000", "10.0.0.2:8001"];
    assert_eq!(found(&service, Port::Name("http"), &[]).unwrap(), both);
    assert_eq!(found(&service, Port::Number(80), &[]).unwrap(), both);
    assert_eq!(found(&service, Port::Number(9090), &[]).unwrap(), ["10.0.0.2:9400"]);
    for port in [Port::Number(8000), Port::Name("grpc")] {
        let fault = found(&service, port, &[]).expect_err("no such port");
        assert_eq!(
            (fault.reason, &*fault.path),
            (Reason::PortNotFound, "spec.targets[0].service.port")
        );
        assert_eq!(
            fault.message,
            "Service `ai/vllm` has no such port; it has `http` (80), `metrics` (9090)"
        );
    }
}

#[test]
fn a_service_without_ready_endpoints_says_so() {
    let (reason, message) = refused(&service(Vec::new(), pods(&[])), &[]);
    assert_eq!(
        (reason, &*message),
        (Reason::NoReadyEndpoints, "no endpoint of Service `ai/vllm` is ready: see its pods")
    );
    let mut unready = endpoint("10.0.0.1", "a");
    unready.ready = false;
    let service = service(vec![slice(("http", 80), vec![unready])], pods(&[("a", &["10.0.0.1"])]));
    assert_eq!(refused(&service, &["10.0.0.0/8"]).0, Reason::NoReadyEndpoints);
}

#[test]
fn what_is_missing_or_forbidden_is_told_apart() {
    let name = ObjectName::new("ai", "vllm");
    let external = Service { is_external: true, ..Service::default() };
    for (read, reason, words) in [
        (None, Reason::Pending, "has not been read yet"),
        (Some(ServiceData::Absent), Reason::ServiceNotFound, "there is no Service `ai/vllm`"),
        (
            Some(ServiceData::Forbidden("endpointslices")),
            Reason::ServiceNotFound,
            "allow `list` and `watch` on endpointslices",
        ),
        (Some(ServiceData::Present(Arc::new(external))), Reason::ServiceNotFound, "ExternalName"),
    ] {
        let tenancy = tenancy(&[]);
        let fault = find("p", &name, Port::Number(80), read.as_ref(), &tenancy).expect_err("none");
        assert_eq!(fault.reason, reason);
        assert!(fault.message.contains(words), "{}", fault.message);
    }
}

#[test]
fn an_address_is_believed_only_if_a_selected_pod_says_it_itself() {
    let slices = || {
        let listed = ["10.0.0.1", "10.9.9.9", "169.254.169.254", "127.0.0.1", "::1"];
        vec![slice(("http", 80), listed.map(|address| endpoint(address, "a")).into())]
    };
    let own = service(slices(), pods(&[("a", &["10.0.0.1"])]));
    assert_eq!(found(&own, Port::Name("http"), &[]).unwrap(), ["10.0.0.1:80"]);

    // Not even a pod's word makes these a pod's.
    let liar = pods(&[("a", &["169.254.169.254", "127.0.0.1", "::1", "::ffff:127.0.0.1"])]);
    assert_eq!(refused(&service(slices(), liar), &[]).0, Reason::AddressNotPermitted);

    for (pods, words) in [
        (Selected::Nothing, "the Service has no selector"),
        (Selected::Unreadable, "role does not let it read pods"),
        (pods(&[]), "do not belong to pods that the Service selects"),
    ] {
        let service = service(slices(), pods);
        let (reason, message) = refused(&service, &[]);
        assert_eq!(reason, Reason::AddressNotPermitted);
        assert!(message.contains(words) && message.contains("--allow-upstream-cidr"), "{message}");
        let operators = found(&service, Port::Name("http"), &["10.9.0.0/16"]).unwrap();
        assert_eq!(operators, ["10.9.9.9:80"], "the operator's word is enough");
    }
}

#[test]
fn a_pod_of_both_families_counts_once() {
    let slices = vec![
        slice(("http", 80), vec![endpoint("10.0.0.1", "a"), endpoint("10.0.0.2", "b")]),
        slice(("http", 80), vec![endpoint("fd00::1", "a"), endpoint("fd00::3", "c")]),
    ];
    let pods = pods(&[("a", &["10.0.0.1", "fd00::1"]), ("b", &["10.0.0.2"]), ("c", &["fd00::3"])]);
    let mut service = service(slices, pods);
    let all = |service: &Service| found(service, Port::Name("http"), &[]).unwrap();
    assert_eq!(all(&service), ["10.0.0.1:80", "10.0.0.2:80", "[fd00::3]:80"]);
    service.prefers_ipv6 = true;
    assert_eq!(all(&service), ["10.0.0.2:80", "[fd00::1]:80", "[fd00::3]:80"]);
}

#[test]
fn a_copy_in_another_slice_neither_doubles_an_endpoint_nor_brings_it_back() {
    let ending = SliceEndpoint { terminating: true, ..endpoint("10.0.0.1", "a") };
    let starting = SliceEndpoint { ready: false, ..endpoint("10.0.0.2", "b") };
    let slices = vec![
        slice(("http", 80), vec![endpoint("10.0.0.1", "a"), starting]),
        slice(("http", 80), vec![ending, endpoint("10.0.0.2", "b")]),
    ];
    let service = service(slices, pods(&[("a", &["10.0.0.1"]), ("b", &["10.0.0.2"])]));
    assert_eq!(found(&service, Port::Name("http"), &[]).unwrap(), ["10.0.0.2:80"]);
}

fn any_endpoint() -> impl Strategy<Value = SliceEndpoint> {
    // Few addresses and pods, so that many are in several slices and addresses change hands.
    let parts = (0_u8..8, 0_u8..3, any::<bool>(), any::<bool>(), any::<bool>());
    parts.prop_map(|(host, pod, ready, serving, terminating)| SliceEndpoint {
        address: IpAddr::from([10, 0, 0, host]),
        pod: format!("pod-{host}-{pod}").into(),
        ready,
        serving,
        terminating,
    })
}

proptest! {
    #[test]
    fn exactly_the_ready_that_do_not_terminate_each_once(
        listed in proptest::collection::vec(proptest::collection::vec(any_endpoint(), 0..6), 0..5),
    ) {
        let slices: Vec<_> = listed.iter().map(|all| slice(("http", 80), all.clone())).collect();
        let all = || listed.iter().flatten();
        let expected: BTreeSet<IpAddr> = all()
            .filter(|one| one.ready && one.serving)
            .filter(|one| {
                !all().any(|other| {
                    other.terminating && (other.address, &other.pod) == (one.address, &one.pod)
                })
            })
            .map(|one| one.address)
            .collect();
        // Slices may be in any order.
        for slices in [slices.clone(), slices.into_iter().rev().collect()] {
            let service = service(slices, Selected::Nothing);
            let found = found(&service, Port::Name("http"), &["10.0.0.0/8"]);
            let found = found.unwrap_or_default();
            let unique: BTreeSet<_> = found.iter().collect();
            prop_assert_eq!(unique.len(), found.len());
            let found: BTreeSet<IpAddr> =
                found.iter().map(|one| one.parse::<SocketAddr>().unwrap().ip()).collect();
            prop_assert_eq!(&found, &expected);
        }
    }
}
