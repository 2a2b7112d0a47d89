//! Layouts that settings, flags and messages call by their names.

/// Lets an enum with `ALL`, `EXPECTED` and `name` be displayed, parsed and stored by its name.
macro_rules! by_name {
    ($format:ty) => {
        impl std::fmt::Display for $format {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl From<$format> for &'static str {
            fn from(format: $format) -> Self {
                format.name()
            }
        }

        impl std::str::FromStr for $format {
            type Err = $crate::error::Error;

            fn from_str(name: &str) -> $crate::error::Result<Self> {
                Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
                    $crate::error::Error::Data(re_data::Error::Argument {
                        name: "format",
                        found: name.to_owned(),
                        expected: Self::EXPECTED,
                    })
                })
            }
        }

        impl TryFrom<String> for $format {
            type Error = $crate::error::Error;

            fn try_from(name: String) -> $crate::error::Result<Self> {
                name.parse()
            }
        }
    };
}

pub(crate) use by_name;
