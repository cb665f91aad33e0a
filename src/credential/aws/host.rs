//! Host names of AWS, which tell the region and the service to sign for.

/// The ends of AWS's host names, each behind a region.
const SUFFIXES: &[&str] = &[
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".api.aws",
    ".api.amazonwebservices.com.cn",
    ".api.amazonwebservices.eu",
];

/// Stands between the region and the end in the names of private endpoints.
const PRIVATE: &str = ".vpce";

/// Bedrock's newer door, which is signed for by its own name.
const MANTLE: &str = "bedrock-mantle";
/// Bedrock's other doors.
const RUNTIME: &str = "bedrock";

/// What the name of one of Bedrock's hosts tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwsHost<'h> {
    /// The region that it is in.
    pub region: &'h str,
    /// What it is called in signatures.
    pub service: &'static str,
}

impl<'h> AwsHost<'h> {
    /// Reads a name such as `bedrock-runtime.REGION.amazonaws.com`; `None` for other people's.
    pub fn read(host: &'h str) -> Option<Self> {
        let before = SUFFIXES.iter().find_map(|suffix| host.strip_suffix(suffix))?;
        let before = before.strip_suffix(PRIVATE).unwrap_or(before);
        let (door, region) = before.rsplit_once('.')?;
        let service = if door.split('.').any(|label| label == MANTLE) { MANTLE } else { RUNTIME };
        is_region(region).then_some(Self { region, service })
    }
}

/// Whether it has the form of a region's name: `us-east-1`, `us-gov-west-1`.
pub fn is_region(text: &str) -> bool {
    let Some((words, number)) = text.rsplit_once('-') else { return false };
    let is_number = matches!(number.len(), 1 | 2) && number.bytes().all(|b| b.is_ascii_digit());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    is_number && words.contains('-') && words.split('-').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_aws_tells_its_region_and_service() {
        for (host, region, service) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1", "bedrock"),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1", "bedrock"),
            ("bedrock-runtime.ap-southeast-2.api.aws", "ap-southeast-2", "bedrock"),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1", "bedrock"),
            ("vpce-0a-1b.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "eu-west-1", "bedrock"),
            ("bedrock-mantle.eu-west-1.api.aws", "eu-west-1", "bedrock-mantle"),
        ] {
            assert_eq!(AwsHost::read(host), Some(AwsHost { region, service }), "{host}");
        }
    }

    #[test]
    fn other_hosts_tell_nothing() {
        for host in [
            "bedrock-runtime.amazonaws.com",
            "us-east-1.amazonaws.com",
            "bedrock.internal.example",
            "us-east-1.example",
            "127.0.0.1",
            "",
        ] {
            assert_eq!(AwsHost::read(host), None, "{host}");
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
