use proptest::prelude::*;

use super::*;

fn read(page: &[u8]) -> Option<LoadReport> {
    let mut reader = Reader::default();
    reader.read(page);
    reader.finish()
}

fn said(page: &str) -> Option<(u32, Option<u32>)> {
    read(page.as_bytes()).map(|report| (report.waiting, report.running))
}

#[test]
fn every_server_says_it_in_its_own_words() {
    let vllm = "# HELP vllm:num_requests_waiting Number of requests waiting to be processed.\n\
                # TYPE vllm:num_requests_waiting gauge\n\
                vllm:num_requests_waiting{engine=\"0\",model_name=\"llama\"} 3.0\n\
                vllm:num_requests_waiting{engine=\"1\",model_name=\"llama\"} 4.0\n\
                vllm:num_requests_running{engine=\"0\",model_name=\"llama\"} 8.0\n\
                vllm:num_requests_running{engine=\"1\",model_name=\"llama\"} 7.0\n";
    let sglang = "sglang:num_running_reqs{model_name=\"m\"} 162.0\n\
                  sglang:num_queue_reqs{model_name=\"m\"} 2826.0\n";
    let llama_cpp = "# TYPE llamacpp:requests_deferred gauge\nllamacpp:requests_deferred 46\n\
                     llamacpp:requests_processing 4\n";
    let tgi = "tgi_queue_size 2\ntgi_batch_current_size 5\n";
    let expected = [(7, 15), (2826, 162), (46, 4), (2, 5)];
    for (page, (waiting, running)) in [vllm, sglang, llama_cpp, tgi].into_iter().zip(expected) {
        assert_eq!(said(page), Some((waiting, Some(running))), "{page}");
    }
    assert_eq!(said("sglang_num_queue_reqs 1"), Some((1, None)), "no end of line");
}

#[test]
fn only_samples_of_these_very_names_count() {
    for line in [
        "",
        "tgi_queue_size",
        "tgi_queue_size ",
        "# tgi_queue_size 3",
        "#tgi_queue_size 3",
        "tgi_queue_size_total 3",
        "tgi_queue_size_created 1.7e9",
        "tgi_queue_size_bucket{le=\"+Inf\"} 3",
        "my_tgi_queue_size 3",
        "vllm:num_requests_waiting_by_reason{reason=\"capacity\"} 3",
        "{\"tgi_queue_size\"} 3",
        "tgi_queue_size{a=\"b} 3",
        "tgi_queue_size{a=\"b\\\"} 3",
        "tgi_queue_size many",
        "tgi_queue_size NaN",
        "tgi_queue_size +Inf",
        "tgi_queue_size -Inf",
        "tgi_queue_size -1",
        "tgi_queue_size 0x10",
    ] {
        assert_eq!(said(line), None, "{line}");
    }
}

#[test]
fn labels_times_and_exemplars_are_no_part_of_the_value() {
    for line in [
        "tgi_queue_size 3",
        "  tgi_queue_size\t3 1700000000000\r",
        "tgi_queue_size 3e0 1700000000.5 # {trace_id=\"x\"} 99 1.5",
        "tgi_queue_size{} 3 # {a=\"}\"} 9",
        "tgi_queue_size {a=\"1\",} 2.1",
        "tgi_queue_size{a=\"}\",b=\"\\\"}\",c=\"{\\\\\"} +3.0",
    ] {
        assert_eq!(said(line), Some((3, None)), "{line}");
    }
    assert_eq!(said("tgi_queue_size 1\ntgi_queue_size{a=\"b\"} NaN\n"), Some((1, None)));
    assert_eq!(said("tgi_queue_size 1e300\ntgi_queue_size -0\n"), Some((u32::MAX, None)));
}

#[test]
fn a_line_without_an_end_takes_no_memory_and_hides_nothing_else() {
    let mut reader = Reader::default();
    reader.read(b"tgi_queue_size{a=\"");
    for _ in 0..100 {
        reader.read(&[b'x'; 4096]);
        assert!(reader.begun.len() <= LONGEST_LINE);
    }
    reader.read(b"\"} 9\ntgi_queue_size 2\n");
    assert_eq!(reader.finish(), Some(LoadReport { waiting: 2, running: None }));
}

proptest! {
    #[test]
    fn any_bytes_are_read_alike_however_they_are_cut(
        lines in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..64),
                "tgi_queue_size(\\{[a-z\"=,}\\\\]{0,12}\\})? [0-9NaInf+.e-]{1,6}( [0-9]{0,4})?"
                    .prop_map(String::into_bytes),
                "(vllm:num_requests_running|# TYPE tgi_queue_size) [0-9]{1,4}"
                    .prop_map(String::into_bytes),
            ],
            0..20,
        ),
        cuts in proptest::collection::vec(1_usize..40, 1..40),
    ) {
        let page = lines.join(&b'\n');
        let whole = read(&page);
        let mut reader = Reader::default();
        let (mut rest, mut cuts) = (&*page, cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().expect("a cycle")).min(rest.len()));
            reader.read(piece);
            rest = after;
        }
        prop_assert_eq!(reader.finish(), whole);
    }

    #[test]
    fn every_count_is_read_back(waiting in any::<u32>(), running in any::<u32>(), label in ".*") {
        let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let page = format!(
            "vllm:num_requests_waiting{{model_name=\"{label}\"}} {waiting}\n\
             vllm:num_requests_running{{model_name=\"{label}\"}} {running}.0\n"
        );
        prop_assert_eq!(said(&page), Some((waiting, Some(running))));
    }
}
