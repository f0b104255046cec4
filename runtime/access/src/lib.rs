//! Tokens in and out, authorization and admission: the only maker of permits.
//!
//! A call climbs three steps, each a type with private fields that only the step before can produce:
//! [`VerifiedToken`] (the text is genuine and current), [`Authorized`] (it covers what is asked, by name),
//! [`Admitted`] (limits and grants are fixed and the call has a place among those that run). Forgetting a step does not compile.
//!
//! Signatures are checked by `aws-lc-rs` on keys that were parsed once; what surrounds them (RFC 7515, 7517, 7519, 8725)
//! is read here, strictly, because a general JWT library tolerates what it does not look at.

mod admission;
mod attenuate;
mod authz;
mod bytes;
mod checkpoint;
mod dpop;
mod identity;
mod inspect;
mod keys;
mod mint;
mod rights;
mod sender;
mod signature;
mod strict_json;
mod verify;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod fixture;

pub use admission::{
    Admission, AdmissionConfig, Admitted, Clock, DayUsage, Foreseen, Holding, Holdings, HoldingsConfig, Sleep, Terms,
};
pub use attenuate::{Minted, Narrowing, TokenIssuer};
pub use authz::{Authorized, Control, Invoke, authorize_control, authorize_invoke, expect_control, expect_invoke};
pub use checkpoint::{CheckpointClaims, CheckpointRefusal, sign_checkpoint, sign_cut, verify_checkpoint, verify_cut};
pub use dpop::{Proof, ProofClaims, ProofRefusal, ProvenRequest, UsedProofs, prove};
pub use identity::{Identity, IdentityProvider, IdentityRefusal};
pub use inspect::{Expectations, Inspection, Verdict, claims_unverified, inspect, inspect_unverified};
pub use keys::{Algorithm, Algorithms, KeyError, KeySet, KeyTag, Pkcs8, PublishedKeys, SigningKey, public_jwks};
pub use mint::{Claims, Validity, mint, mint_foreign};
pub use rights::{AccessRule, Grounds, Member, Rights, Selection, Wish};
pub use sender::{Confirmation, Presented, Sender, SenderPolicy, SenderRefusal, Thumbprint};
pub use signature::{SIGNATURE_BYTES, SignatureRefusal, SignedComponent, SignerKey, sign_component, verify_component};
pub use verify::{
    Authenticator, Claim, ClaimFault, Functions, Issuer, JsonFault, KeyName, LEEWAY_MAX_S, LIFETIME_MAX_S,
    LIFETIME_WRITE_MAX_S, Link, MissingKey, PolicyError, Segment, TokenPolicy, TokenRefusal, VerifiedToken,
    bearer_token,
};
