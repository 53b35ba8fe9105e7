//! Attributes that the codec has no types for, as bytes behind a number. It knows no message.

use std::net::SocketAddr;

use bytecodec::bytes::{BytesEncoder, RemainingBytesDecoder};
use bytecodec::{ByteCount, Decode, Encode, Eos, Result, SizedEncode, TryTaggedDecode};
use stun_codec::{Attribute, AttributeType};

use crate::machine::Icmp;

/// CHANNEL-NUMBER (RFC 8656 section 18.1). The codec takes the numbers of that RFC alone, to
/// 0x4FFF; clients of RFC 5766 (section 11) choose up to 0x7FFF.
pub(super) type ChannelNumber = Opaque<0x000c>;
/// CONNECTION-ID (RFC 6062 section 6.2.1).
pub(super) type ConnectionId = Opaque<0x002a>;
/// ADDRESS-ERROR-CODE (RFC 8656 section 18.12).
pub(super) type AddressErrorCode = Opaque<0x8001>;
/// ADDITIONAL-ADDRESS-FAMILY as coturn's clients up to 4.7 number it, from a draft of RFC 8656.
pub(super) type DraftAdditionalAddressFamily = Opaque<0x8032>;
/// ICMP (RFC 8656 section 18.13).
pub(super) type IcmpError = Opaque<0x8004>;

impl ChannelNumber {
    pub(super) fn number(&self) -> Option<u16> {
        let [high, low, ..] = *self.0.as_slice() else { return None };
        Some(u16::from_be_bytes([high, low])).filter(|number| (0x4000..0x8000).contains(number))
    }
}

impl ConnectionId {
    pub(super) fn new(number: u32) -> Self {
        Opaque(number.to_be_bytes().to_vec())
    }

    pub(super) fn number(&self) -> Option<u32> {
        self.0.as_slice().try_into().ok().map(u32::from_be_bytes)
    }
}

impl DraftAdditionalAddressFamily {
    /// The number of the family.
    pub(super) fn number(&self) -> Option<u8> {
        self.0.first().copied()
    }
}

impl AddressErrorCode {
    /// No relayed address of the family with this number, because of this error.
    pub(super) fn new(family: u8, code: u16) -> Self {
        Opaque(vec![family, 0, (code / 100) as u8, (code % 100) as u8])
    }
}

impl IcmpError {
    pub(super) fn new(icmp: Icmp) -> Self {
        // Seven bits of type, nine of code.
        let [kind, code] = [u16::from(icmp.kind & 0x7f), u16::from(icmp.code)];
        let word = (kind << 9 | code).to_be_bytes();
        Opaque([&[0, 0], &word[..], &icmp.data.to_be_bytes()].concat())
    }

    /// Whether clients want to hear of it (RFC 8656 section 11.5): the types of `peer`'s family.
    pub(super) fn concerns(icmp: Icmp, peer: SocketAddr) -> bool {
        if peer.is_ipv4() { matches!(icmp.kind, 3 | 11) } else { matches!(icmp.kind, 1..=3) }
    }
}

/// An attribute of this type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Opaque<const TYPE: u16>(Vec<u8>);

impl<const TYPE: u16> Opaque<TYPE> {
    pub(super) const CODEPOINT: u16 = TYPE;
}

impl<const TYPE: u16> Attribute for Opaque<TYPE> {
    type Decoder = OpaqueDecoder<TYPE>;
    type Encoder = OpaqueEncoder<TYPE>;

    fn get_type(&self) -> AttributeType {
        AttributeType::new(TYPE)
    }
}

#[derive(Debug, Default)]
pub(super) struct OpaqueDecoder<const TYPE: u16>(RemainingBytesDecoder);

impl<const TYPE: u16> Decode for OpaqueDecoder<TYPE> {
    type Item = Opaque<TYPE>;

    fn decode(&mut self, buf: &[u8], eos: Eos) -> Result<usize> {
        self.0.decode(buf, eos)
    }

    fn finish_decoding(&mut self) -> Result<Self::Item> {
        self.0.finish_decoding().map(Opaque)
    }

    fn requiring_bytes(&self) -> ByteCount {
        self.0.requiring_bytes()
    }

    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

impl<const TYPE: u16> TryTaggedDecode for OpaqueDecoder<TYPE> {
    type Tag = AttributeType;

    fn try_start_decoding(&mut self, tag: AttributeType) -> Result<bool> {
        Ok(tag.as_u16() == TYPE)
    }
}

#[derive(Debug, Default)]
pub(super) struct OpaqueEncoder<const TYPE: u16>(BytesEncoder);

impl<const TYPE: u16> Encode for OpaqueEncoder<TYPE> {
    type Item = Opaque<TYPE>;

    fn encode(&mut self, buf: &mut [u8], eos: Eos) -> Result<usize> {
        self.0.encode(buf, eos)
    }

    fn start_encoding(&mut self, item: Self::Item) -> Result<()> {
        self.0.start_encoding(item.0)
    }

    fn requiring_bytes(&self) -> ByteCount {
        self.0.requiring_bytes()
    }

    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }
}

impl<const TYPE: u16> SizedEncode for OpaqueEncoder<TYPE> {
    fn exact_requiring_bytes(&self) -> u64 {
        self.0.exact_requiring_bytes()
    }
}
