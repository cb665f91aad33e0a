//! A key pair for service account tokens, made anew for each cluster.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use k8s_openapi::ByteString;
use serde_json::json;

/// In PEM: what the API server signs tokens with, and what it checks them with.
pub(super) fn signing() -> (String, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a new key");
    let private = pair.to_pkcs8v1().expect("a new key can be written");
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().expect("its half, too");
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = json!(ByteString(der.to_vec()));
    let base64 = base64.as_str().expect("Kubernetes writes bytes as base64");
    format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n")
}
