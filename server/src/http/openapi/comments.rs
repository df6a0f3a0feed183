//! The comments of the proto files.

use prost_reflect::{
    EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

/// Identifies a commented element: its path in its file.
pub(super) trait Commented {
    fn place(&self) -> (FileDescriptor, &[i32]);
}

macro_rules! commented {
    ($($kind:ty),*) => {$(
        impl Commented for $kind {
            fn place(&self) -> (FileDescriptor, &[i32]) {
                (self.parent_file(), self.path())
            }
        }
    )*};
}

commented!(ServiceDescriptor, MethodDescriptor, MessageDescriptor, EnumDescriptor);

impl Commented for FieldDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_message().parent_file(), self.path())
    }
}

impl Commented for EnumValueDescriptor {
    fn place(&self) -> (FileDescriptor, &[i32]) {
        (self.parent_enum().parent_file(), self.path())
    }
}

/// The element's leading comment as paragraphs; empty if there is none.
pub(super) fn comment(item: &impl Commented) -> String {
    let (file, path) = item.place();
    let locations = file.file_descriptor_proto().source_code_info.as_ref().map_or(&[][..], |info| &info.location);
    let found = locations.iter().find(|location| location.path == path);
    let text = found.and_then(|location| location.leading_comments.as_deref()).unwrap_or_default();
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}
