//! Why a request is refused, and the error that says so. It knows no state.

use std::net::SocketAddr;

use super::message::{Answer, Transaction};

/// Errors (RFC 8489 section 14.8, RFC 8656 section 19, RFC 6062 section 6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is another server for new allocations.
    TryAlternate(SocketAddr),
    /// With what is bad about it.
    BadRequest(&'static str),
    /// Nobody whom we know has sealed it.
    Unauthenticated,
    /// Nobody may reach this peer.
    Forbidden,
    /// The request wants attributes understood that are not.
    UnknownAttribute(Vec<u16>),
    /// There is no allocation, or one too many.
    AllocationMismatch,
    StaleNonce,
    FamilyNotSupported,
    WrongCredentials,
    TransportNotSupported,
    FamilyMismatch,
    ConnectionExists,
    ConnectionFailed,
    QuotaReached,
    InsufficientCapacity,
}

impl Refusal {
    pub(super) fn code(&self) -> u16 {
        use Refusal::*;
        match self {
            TryAlternate(_) => 300,
            BadRequest(_) => 400,
            Unauthenticated => 401,
            Forbidden => 403,
            UnknownAttribute(_) => 420,
            AllocationMismatch => 437,
            StaleNonce => 438,
            FamilyNotSupported => 440,
            WrongCredentials => 441,
            TransportNotSupported => 442,
            FamilyMismatch => 443,
            ConnectionExists => 446,
            ConnectionFailed => 447,
            QuotaReached => 486,
            InsufficientCapacity => 508,
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        use Refusal::*;
        match self {
            TryAlternate(_) => "Try Alternate",
            BadRequest(what) => what,
            // 12 letters: an answer to a stranger must stay short.
            Unauthenticated => "Unauthorized",
            Forbidden => "Forbidden",
            UnknownAttribute(_) => "Unknown Attribute",
            AllocationMismatch => "Allocation Mismatch",
            StaleNonce => "Stale Nonce",
            FamilyNotSupported => "Address Family not Supported",
            WrongCredentials => "Wrong Credentials",
            TransportNotSupported => "Unsupported Transport Protocol",
            FamilyMismatch => "Peer Address Family Mismatch",
            ConnectionExists => "Connection Already Exists",
            ConnectionFailed => "Connection Timeout or Failure",
            QuotaReached => "Allocation Quota Reached",
            InsufficientCapacity => "Insufficient Capacity",
        }
    }

    /// The answer to somebody who is known.
    pub(super) fn answer(&self, method: u16, transaction: Transaction) -> Answer {
        let answer = Answer::error(method, transaction, self.code(), self.reason());
        match self {
            Refusal::TryAlternate(server) => answer.alternate(*server),
            Refusal::UnknownAttribute(kinds) => answer.unknown(kinds),
            _ => answer,
        }
    }
}
