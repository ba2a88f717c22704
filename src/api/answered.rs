//! An answer or why there is none, in JSON as `"plan": {...}` or `"error": {...}` beside the site.

/// A module for `#[serde(flatten, with = "...")]` on a `Result`.
macro_rules! answered {
    ($module:ident, $name:literal) => {
        pub(super) mod $module {
            use serde::{Deserialize, Deserializer, Serialize, Serializer};

            #[derive(Serialize)]
            #[cfg_attr(test, derive(schemars::JsonSchema))]
            pub(crate) enum Shown<'a, T, E> {
                #[serde(rename = $name)]
                Answer(&'a T),
                #[serde(rename = "error")]
                Error(&'a E),
            }

            #[derive(Deserialize)]
            enum Read<T, E> {
                #[serde(rename = $name)]
                Answer(T),
                #[serde(rename = "error")]
                Error(E),
            }

            pub(crate) fn serialize<T: Serialize, E: Serialize, S: Serializer>(
                result: &Result<T, E>,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                match result {
                    Ok(answer) => Shown::<T, E>::Answer(answer).serialize(serializer),
                    Err(error) => Shown::<T, E>::Error(error).serialize(serializer),
                }
            }

            pub(crate) fn deserialize<'de, T, E, D>(
                deserializer: D,
            ) -> Result<Result<T, E>, D::Error>
            where
                T: Deserialize<'de>,
                E: Deserialize<'de>,
                D: Deserializer<'de>,
            {
                Ok(match Read::deserialize(deserializer)? {
                    Read::Answer(answer) => Ok(answer),
                    Read::Error(error) => Err(error),
                })
            }
        }
    };
}

answered!(plan, "plan");
answered!(report, "report");
answered!(status, "status");
answered!(revisions, "revisions");
answered!(diff, "diff");
