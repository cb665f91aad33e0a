use super::super::Loader;
use super::*;

fn read(text: &str) -> (BTreeMap<String, SecretText>, Vec<String>) {
    let mut files = Loader::default();
    files.add("file", &format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{text}"));
    let loaded = files.finish();
    let (values, findings) = data(&loaded.manifests[0]);
    (values, findings.iter().map(ToString::to_string).collect())
}

#[test]
fn string_data_wins_over_data() {
    let (values, findings) = read(
        "data: {a: b25l, b: |-\n  dHdv\n  dHdv\n, c: }\nstringData:\n  a: two\n"
            .replace(", b: |-\n  dHdv\n  dHdv\n", ", b: \"dHdv\\ndHdv\"")
            .as_str(),
    );
    assert_eq!(findings, Vec::<String>::new());
    let read = |key: &str| values[key].expose();
    assert_eq!((read("a"), read("b"), read("c")), ("two", "twotwo", ""));
}

#[test]
fn bytes_that_are_no_text_are_left_out() {
    let (values, findings) = read("data: {a: /w==}\n");
    assert_eq!((values.len(), findings.len()), (0, 0));
}

#[test]
fn what_the_api_server_would_refuse_is_refused_without_the_value() {
    let (_, findings) = read("data: {a: sekrit!, 'b c': ''}\nstringData: {d: 12345}\n");
    assert_eq!(
        findings,
        [
            "file:4: error Secret default/a: data[a]: Invalid value: is not base64; write plain text below `stringData`",
            "file:4: error Secret default/a: data[b c]: Invalid value: a key consists of at most 253 alphanumeric characters, '-', '_' or '.'",
            "file:5: error Secret default/a: stringData[d]: must be a string; quote it",
        ]
    );
    let (_, findings) = read("data: text\n");
    assert_eq!(
        findings,
        ["file:4: error Secret default/a: data: must be a map of keys to strings"]
    );
    let (_, findings) = read(&format!("stringData: {{a: {}}}\n", "x".repeat(MAX_DATA_SIZE + 1)));
    assert_eq!(
        findings,
        ["file:1: error Secret default/a: data: Too long: may not be more than 1048576 bytes"]
    );
}
