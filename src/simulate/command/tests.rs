use clap::{Args as _, FromArgMatches as _};

use super::*;

fn args(line: &str) -> Result<SimulateArgs, clap::Error> {
    let command = SimulateArgs::augment_args(clap::Command::new("simulate").no_binary_name(true));
    SimulateArgs::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
}

fn legal(line: &str) -> SimulateArgs {
    args(line).expect("legal arguments")
}

const TWO: &str = "--listen 127.0.0.1:0 --listen 127.0.0.1:0";

#[test]
fn a_fault_is_for_all_or_for_one() {
    let args = legal(&format!("{TWO} --fault cut=1:end --fault bravo:status=500"));
    let alpha = fault(&args, "alpha");
    assert_eq!(alpha, "cut=1:end".parse().expect("legal"));
    assert_eq!(fault(&args, "bravo").status.map(|status| status.as_u16()), Some(500));
    assert_eq!(names(&args).expect("names"), ["alpha", "bravo"]);
}

#[test]
fn contradictions_are_named() {
    let few = legal("--name a --name b").clone();
    assert!(matches!(names(&few), Err(SimulateError::Names { names: 2, addresses: 1 })));
    let stranger = names(&legal("--fault zulu:reset")).expect_err("a stranger").to_string();
    assert_eq!(stranger, "`--fault zulu:...` names no simulator; names are alpha");
    let wrong = args("--fault stauts=1").expect_err("a typo").to_string();
    assert!(wrong.contains("`stauts=1`: is not known"), "{wrong}");
    assert!(args("--latency 5").is_err());
}

#[test]
fn help_and_module_page_explain_every_option() {
    let (help, page) = (help(), include_str!("../../simulate.rs"));
    for (option, _) in OPTIONS {
        assert!(help.contains(option), "{option}");
        let name = option.split(['=', '[']).next().expect("a name");
        assert!(page.contains(&format!("`{name}")), "{option}");
    }
}

#[tokio::test]
async fn several_simulators_run_until_the_end() {
    let args = legal(&format!("{TWO} --key secret-key"));
    let simulators = start(&args).await.expect("free ports");
    let said = greeting(&simulators, &args);
    for (name, simulator) in &simulators {
        assert!(said.contains(&format!("{name} simulates a provider at {}\n", simulator.url())));
    }
    assert!(said.contains("Bearer KEY") && !said.contains("secret-key"), "{said}");
    assert!(!format!("{args:?}").contains("secret-key"));
    run(legal("--listen 127.0.0.1:0"), async {}).await.expect("it ends");
}

#[tokio::test]
async fn a_taken_address_is_named() {
    let taken = Simulator::builder().start().await.expect("a free port");
    let error = run(legal(&format!("--listen {}", taken.addr())), std::future::pending()).await;
    let error = error.expect_err("taken").to_string();
    assert_eq!(error, format!("the simulated provider `alpha` cannot listen on {}", taken.addr()));
}
