//! Every client API before the doors of clouds, behind which the APIs of others are.

use pilothouse::simulate::Flavor;

use super::{Upstream, run};

/// A place at Google Cloud, in a path.
const IN_VERTEX: &str = "/v1/projects/p/locations/europe-west1";

pub static DOORS: [Upstream; 7] = [
    Upstream {
        name: "Azure OpenAI, dated",
        provider: "azure-openai",
        flavor: Flavor::Azure,
        base: "",
        fields: "azure: {apiVersion: 2024-10-21},",
        model: "gpt-sim",
        thinks: ";reasoning=12",
        signs: false,
        in_a_call: 5,
    },
    Upstream {
        name: "Foundry project",
        provider: "azure-openai",
        flavor: Flavor::Azure,
        base: "/api/projects/p/openai/v1",
        fields: "azure: {apiVersion: preview},",
        model: "gpt-sim",
        thinks: ";reasoning=12",
        signs: false,
        in_a_call: 5,
    },
    Upstream {
        name: "Claude on Foundry",
        provider: "azure-anthropic",
        flavor: Flavor::Azure,
        base: "/anthropic",
        fields: "",
        model: "claude-sonnet-4-6",
        thinks: "",
        signs: true,
        in_a_call: 5,
    },
    Upstream {
        name: "Claude by Bedrock's invoke",
        provider: "bedrock-anthropic",
        flavor: Flavor::Bedrock,
        base: "",
        fields: "",
        model: "us.anthropic.claude-sonnet-4-6-v1:0",
        thinks: "",
        signs: true,
        in_a_call: 5,
    },
    Upstream {
        name: "Claude on Vertex AI",
        provider: "vertex-anthropic",
        flavor: Flavor::Vertex,
        base: IN_VERTEX,
        fields: "",
        model: "claude-sonnet-4-6",
        thinks: "",
        signs: true,
        in_a_call: 5,
    },
    Upstream {
        name: "Gemini on Vertex AI",
        provider: "vertex",
        flavor: Flavor::Vertex,
        base: IN_VERTEX,
        fields: "",
        model: "gemini-3.1-pro",
        thinks: "",
        signs: true,
        in_a_call: 1,
    },
    Upstream {
        name: "Vertex AI, OpenAI-compatible",
        provider: "vertex-openai",
        flavor: Flavor::Vertex,
        base: "/v1/projects/p/locations/europe-west1/endpoints/openapi",
        fields: "",
        model: "gemini-2.5-pro",
        thinks: ";reasoning=12",
        signs: false,
        in_a_call: 4,
    },
];

#[tokio::test]
async fn every_client_api_speaks_through_every_door_of_a_cloud() {
    // What they do is in the tests of the doors themselves: here nothing may fail.
    let rows = run(&DOORS).await;
    assert_eq!(rows.len(), 6 * DOORS.len());
}
