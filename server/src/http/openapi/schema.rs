//! Messages as JSON Schema, according to proto3's JSON mapping.

use std::collections::BTreeMap;

use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, Value as Option_};
use serde_json::{Map, Value, json};

use super::comments::comment;

/// `google.api.FieldBehavior` values.
const OPTIONAL: i32 = 1;
const REQUIRED: i32 = 2;
const OUTPUT_ONLY: i32 = 3;

/// The referenced schemas, by name.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: BTreeMap<String, Value>,
}

impl Schemas {
    /// All of them, and the error's.
    pub(super) fn finish(mut self) -> BTreeMap<String, Value> {
        self.known.insert("Error".to_owned(), error());
        self.known
    }

    /// A reference to a message's schema.
    pub(super) fn reference(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.name().to_owned();
        if !self.known.contains_key(&name) {
            // Reserve its place first: messages may refer to themselves.
            self.known.insert(name.clone(), Value::Null);
            let schema = self.message(message);
            self.known.insert(name.clone(), schema);
        }
        reference(&name)
    }

    fn message(&mut self, message: &MessageDescriptor) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        // With a mask, only the fields that it names are read: none is required. Nor is one of a resource that may be left out.
        let is_update = message.get_field_by_name("update_mask").is_some();
        for field in message.fields() {
            let behavior = behavior(&field);
            if behavior.contains(&REQUIRED) {
                required.push(field.json_name().to_owned());
            }
            let mut property = self.property(&field, behavior.contains(&OUTPUT_ONLY));
            if let Kind::Message(resource) = field.kind()
                && (is_update || (behavior.contains(&OPTIONAL) && has_required(&resource)))
                && resource.package_name() == message.package_name()
                && let (Value::Object(fields), Value::Object(update)) = (&mut property, self.partial(&resource))
            {
                fields.extend(update);
            }
            properties.insert(field.json_name().to_owned(), property);
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if let Value::Object(fields) = &mut schema {
            let text = comment(message);
            fields.extend((!text.is_empty()).then(|| ("description".to_owned(), text.into())));
            fields.extend((!required.is_empty()).then(|| ("required".to_owned(), required.into())));
        }
        schema
    }

    /// A reference to the schema of a resource in an update.
    fn partial(&mut self, resource: &MessageDescriptor) -> Value {
        let name = format!("{}Update", resource.name());
        let mut schema = self.message(resource);
        if let Value::Object(fields) = &mut schema {
            fields.remove("required");
        }
        self.known.insert(name.clone(), schema);
        reference(&name)
    }

    fn property(&mut self, field: &FieldDescriptor, read_only: bool) -> Value {
        let mut schema = if field.is_map() {
            let value = match field.kind() {
                Kind::Message(entry) => self.kind(&entry.map_entry_value_field().kind()),
                _ => json!({}),
            };
            json!({"type": "object", "additionalProperties": value})
        } else if field.cardinality() == Cardinality::Repeated {
            json!({"type": "array", "items": self.kind(&field.kind())})
        } else {
            self.kind(&field.kind())
        };
        if let Value::Object(fields) = &mut schema {
            let text = comment(field);
            fields.extend((!text.is_empty()).then(|| ("description".to_owned(), text.into())));
            fields.extend(read_only.then(|| ("readOnly".to_owned(), true.into())));
        }
        schema
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => json!({"type": "boolean"}),
            Kind::String => json!({"type": "string"}),
            Kind::Bytes => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => json!({"type": "integer", "format": "int32"}),
            Kind::Uint32 | Kind::Fixed32 => json!({"type": "integer", "format": "int64", "minimum": 0}),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => json!({"type": ["string", "integer"], "format": "int64"}),
            Kind::Uint64 | Kind::Fixed64 => json!({"type": ["string", "integer"], "format": "uint64"}),
            Kind::Float | Kind::Double => json!({"type": "number"}),
            Kind::Enum(kind) => self.words(kind),
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => json!({"type": "string", "format": "date-time"}),
                "google.protobuf.Duration" => {
                    json!({"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$", "examples": ["60s"]})
                }
                "google.protobuf.Struct" => json!({"type": "object", "additionalProperties": true}),
                "google.protobuf.FieldMask" => json!({"type": "string", "description": "Paths, separated by commas."}),
                _ => self.reference(message),
            },
        }
    }

    /// A reference to an enum's schema.
    fn words(&mut self, kind: &EnumDescriptor) -> Value {
        let name = kind.name().to_owned();
        if !self.known.contains_key(&name) {
            let values: Vec<_> = kind.values().map(|value| value.name().to_owned()).collect();
            let lines = kind.values().map(|value| (value.name().to_owned(), comment(&value)));
            let lines = lines.filter(|(_, text)| !text.is_empty()).map(|(name, text)| format!("- `{name}`: {text}"));
            let text = [comment(kind), lines.collect::<Vec<_>>().join("\n")].join("\n\n");
            let schema = json!({"type": "string", "enum": values, "description": text.trim()});
            self.known.insert(name.clone(), schema);
        }
        reference(&name)
    }
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn has_required(message: &MessageDescriptor) -> bool {
    message.fields().any(|field| behavior(&field).contains(&REQUIRED))
}

/// `(google.api.field_behavior)` of a field.
fn behavior(field: &FieldDescriptor) -> Vec<i32> {
    let extension = field.parent_message().parent_pool().get_extension_by_name("google.api.field_behavior");
    let options = field.options();
    let value = extension.map(|extension| options.get_extension(&extension).into_owned());
    let values = value.as_ref().and_then(Option_::as_list).unwrap_or_default();
    values.iter().filter_map(Option_::as_enum_number).collect()
}

/// An error of the Connect protocol.
fn error() -> Value {
    json!({
        "type": "object",
        "description": "An error of the Connect protocol.",
        "required": ["code"],
        "properties": {
            "code": {"type": "string", "description": "The gRPC code, for example `not_found`."},
            "message": {"type": "string", "description": "One sentence for people."},
            "details": {"type": "array", "items": {
                "type": "object",
                "required": ["type", "value"],
                "properties": {
                    "type": {"type": "string", "description": "Full name of the detail's message, for example `google.rpc.ErrorInfo`."},
                    "value": {"type": "string", "description": "The message in protobuf, as base64 without padding."},
                    "debug": {"type": "object", "description": "The message as JSON, for example with the `reason`."},
                },
            }},
        },
    })
}
