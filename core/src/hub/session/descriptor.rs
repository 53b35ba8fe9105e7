//! AV1's dependency descriptor among str0m's header extensions, as bytes; what they mean says
//! `media::av1`.

use std::sync::Arc;

use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues};

use crate::media::av1::{self, Dependency};

/// Values that the one-byte form can hold (RFC 8285 section 4.2).
const SHORT: usize = 16;

/// The extension.
pub(super) fn extension() -> Extension {
    Extension::with_serializer(av1::URI, Descriptor)
}

/// The descriptor that came with a packet.
pub(super) fn received(values: &ExtensionValues) -> Option<&[u8]> {
    values.user_values.get::<Received>().map(|Received(bytes)| &**bytes)
}

/// Sends a descriptor with a packet.
pub(super) fn attach(dependency: Arc<Dependency>, values: &mut ExtensionValues) {
    values.user_values.set_arc(dependency);
}

#[derive(Debug)]
struct Descriptor;

struct Received(Box<[u8]>);

impl ExtensionSerializer for Descriptor {
    fn write_to(&self, buf: &mut [u8], values: &ExtensionValues) -> usize {
        let bytes = values.user_values.get::<Dependency>().map_or(&[][..], |found| &found.bytes);
        let Some(place) = buf.get_mut(..bytes.len()) else { return 0 };
        place.copy_from_slice(bytes);
        bytes.len()
    }

    fn parse_value(&self, buf: &[u8], values: &mut ExtensionValues) -> bool {
        values.user_values.set(Received(buf.into()));
        true
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }

    fn requires_two_byte_form(&self, values: &ExtensionValues) -> bool {
        values.user_values.get::<Dependency>().is_some_and(|found| found.bytes.len() > SHORT)
    }
}
