//! Enums with a stable text on the wire, in the database and in JSON: one table for variant, text and documentation.

/// Declares the enum with `ALL`, `as_str` and `parse`, all from the same list, so that no variant can be missing from one.
/// A variant after `;` represents texts that this server does not know: it is not in `ALL`, and `parse` never
/// returns it.
macro_rules! wire_enum {
    ($(#[$outer:meta])* pub enum $name:ident { $($(#[$inner:meta])* $variant:ident = $wire:literal,)+
        $(; $(#[$unknown_meta:meta])* $unknown:ident = $unknown_wire:literal,)?
    }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$inner])* #[serde(rename = $wire)] $variant,)+
            $($(#[$unknown_meta])* #[serde(rename = $unknown_wire)] $unknown,)?
        }

        impl $name {
            /// All variants, in the order of the proto file.
            pub const ALL: [Self; [$(Self::$variant),+].len()] = [$(Self::$variant),+];

            /// The wire form.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $wire,)+ $(Self::$unknown => $unknown_wire,)? }
            }

            /// Parses the wire form.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == text)
            }
        }
    };
}

pub(crate) use wire_enum;
