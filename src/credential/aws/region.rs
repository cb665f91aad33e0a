//! Names of regions, alone and in host names.

/// The ends of AWS's host names, each behind a region.
const SUFFIXES: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
];

/// Stands between the region and the end in the names of private endpoints.
const PRIVATE: &str = ".vpce";

/// Whether it has the form of a region's name: `us-east-1`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let is_number = matches!(number.len(), 1 | 2) && number.bytes().all(|b| b.is_ascii_digit());
    let mut count = 0;
    let are_words = words.split('-').all(|word| {
        count += 1;
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase())
    });
    is_number && are_words && count > 1
}

/// The region in the name of one of AWS's hosts: `bedrock-runtime.REGION.amazonaws.com`.
pub fn of_host(host: &str) -> Option<&str> {
    let before = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))?;
    let before = before.strip_suffix(PRIVATE).unwrap_or(before);
    let (_, region) = before.rsplit_once('.')?;
    is_region(region).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_aws_tells_its_region() {
        for (host, region) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", Some("us-east-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("bedrock-runtime.ap-southeast-2.api.aws", Some("ap-southeast-2")),
            ("vpce-0a-1b.bedrock-runtime.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("bedrock-runtime.amazonaws.com", None),
            ("us-east-1.amazonaws.com", None),
            ("bedrock.internal.example", None),
            ("us-east-1.example", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(of_host(host), region, "{host}");
        }
    }

    #[test]
    fn what_is_no_region_is_not_taken_for_one() {
        for text in ["", "us", "us-1", "us-east", "us-east-100", "US-EAST-1", "us--1", "a.b-c-1"] {
            assert!(!is_region(text), "{text}");
        }
        assert!(is_region("us-iso-east-1") && is_region("eusc-de-east-1") && is_region("a-b-12"));
    }
}
