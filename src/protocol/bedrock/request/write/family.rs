//! Whose model it is: each family has parameters of its own beside Converse's.

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's.
    Claude,
    /// Amazon's.
    Nova,
    /// OpenAI's with open weights, and DeepSeek's: they share the parameter for effort.
    OpenWeights,
    /// OpenAI's others.
    Gpt,
    /// A model whose id does not tell, such as an application's inference profile. It is spoken to
    /// like Claude where the request itself asks for what only Claude has.
    Unknown,
    /// Known to have no parameters of its own.
    Other,
}

/// What ids hold, and whose they are then. The first that is found counts.
const MARKS: &[(&str, Family)] = &[
    ("anthropic.", Family::Claude),
    ("claude", Family::Claude),
    ("nova", Family::Nova),
    ("openai.gpt-oss", Family::OpenWeights),
    ("deepseek", Family::OpenWeights),
    ("openai.", Family::Gpt),
    ("meta.", Family::Other),
    ("mistral.", Family::Other),
    ("cohere.", Family::Other),
    ("ai21.", Family::Other),
    ("qwen.", Family::Other),
    ("amazon.titan", Family::Other),
    ("writer.", Family::Other),
    ("google.", Family::Other),
    ("moonshot", Family::Other),
    ("minimax.", Family::Other),
    ("nvidia.", Family::Other),
    ("zai.", Family::Other),
];

impl Family {
    /// The family of a model's id, profile or ARN.
    pub(super) fn of(model: &str) -> Self {
        MARKS
            .iter()
            .find(|(mark, _)| model.contains(mark))
            .map_or(Self::Unknown, |(_, family)| *family)
    }

    /// It may be Claude.
    pub(super) fn takes_claude(self) -> bool {
        matches!(self, Self::Claude | Self::Unknown)
    }

    /// It may know marks of the prompt's cache, which others refuse.
    pub(super) fn caches(self) -> bool {
        matches!(self, Self::Claude | Self::Nova | Self::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_profiles_and_arns_tell_their_family() {
        for (model, family) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", Family::Claude),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude),
            ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", Family::Nova),
            (
                "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
                Family::Unknown,
            ),
            ("openai.gpt-oss-120b-1:0", Family::OpenWeights),
            ("us.meta.llama3-3-70b-instruct-v1:0", Family::Other),
        ] {
            assert_eq!(Family::of(model), family, "{model}");
        }
    }
}
