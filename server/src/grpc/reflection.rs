//! Server reflection, v1 and v1alpha. Files are returned byte for byte as they were compiled, so that no option is lost, each with all
//! of its imports. An unknown name gives an `error_response`, and the stream continues.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt as _};
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use tonic_reflection::pb::{v1, v1alpha};

use super::status;

/// A set of encoded files.
#[derive(Clone, PartialEq, Message)]
struct RawSet {
    #[prost(bytes = "vec", repeated, tag = "1")]
    files: Vec<Vec<u8>>,
}

/// Answers reflection requests.
#[derive(Debug, Clone)]
pub struct Reflection(Arc<Index>);

#[derive(Debug, Default)]
struct Index {
    files: Vec<File>,
    by_name: HashMap<String, usize>,
    by_symbol: HashMap<String, usize>,
    /// By the extended message and the field number.
    extensions: HashMap<(String, i32), usize>,
    services: Vec<String>,
}

#[derive(Debug)]
struct File {
    bytes: Vec<u8>,
    imports: Vec<String>,
}

impl Reflection {
    /// Over these encoded `FileDescriptorSet`s; a file that occurs several times is used once.
    pub fn new(sets: &[&[u8]]) -> Result<Self, prost::DecodeError> {
        let mut index = Index::default();
        for set in sets {
            for bytes in RawSet::decode(*set)?.files {
                index.add(bytes)?;
            }
        }
        index.services.sort();
        Ok(Self(Arc::new(index)))
    }
}

impl Index {
    fn add(&mut self, bytes: Vec<u8>) -> Result<(), prost::DecodeError> {
        let file = FileDescriptorProto::decode(bytes.as_slice())?;
        if self.by_name.contains_key(file.name()) {
            return Ok(());
        }
        let at = self.files.len();
        self.by_name.insert(file.name().to_owned(), at);
        let scope = file.package();
        for message in &file.message_type {
            self.add_message(at, scope, message);
        }
        for each in &file.enum_type {
            self.add_enum(at, scope, each);
        }
        self.add_extensions(at, scope, &file.extension);
        for service in &file.service {
            let name = join(scope, service.name());
            for method in &service.method {
                self.by_symbol.insert(join(&name, method.name()), at);
            }
            self.by_symbol.insert(name.clone(), at);
            self.services.push(name);
        }
        self.files.push(File { bytes, imports: file.dependency });
        Ok(())
    }

    fn add_message(&mut self, at: usize, scope: &str, message: &DescriptorProto) {
        let name = join(scope, message.name());
        let fields = message.field.iter().map(FieldDescriptorProto::name);
        for part in fields.chain(message.oneof_decl.iter().map(prost_types::OneofDescriptorProto::name)) {
            self.by_symbol.insert(join(&name, part), at);
        }
        for nested in &message.nested_type {
            self.add_message(at, &name, nested);
        }
        for each in &message.enum_type {
            self.add_enum(at, &name, each);
        }
        self.add_extensions(at, &name, &message.extension);
        self.by_symbol.insert(name, at);
    }

    /// An enum's values are siblings of the enum, not members.
    fn add_enum(&mut self, at: usize, scope: &str, each: &EnumDescriptorProto) {
        for value in &each.value {
            self.by_symbol.insert(join(scope, value.name()), at);
        }
        self.by_symbol.insert(join(scope, each.name()), at);
    }

    fn add_extensions(&mut self, at: usize, scope: &str, extensions: &[FieldDescriptorProto]) {
        for extension in extensions {
            let extended = extension.extendee().trim_start_matches('.').to_owned();
            self.extensions.insert((extended, extension.number()), at);
            self.by_symbol.insert(join(scope, extension.name()), at);
        }
    }

    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let answer = match &request.message_request {
            Some(MessageRequest::FileByFilename(name)) => self.file(self.by_name.get(name), name),
            Some(MessageRequest::FileContainingSymbol(name)) => {
                self.file(self.by_symbol.get(name.trim_start_matches('.')), name)
            }
            Some(MessageRequest::FileContainingExtension(wanted)) => {
                let key = (wanted.containing_type.trim_start_matches('.').to_owned(), wanted.extension_number);
                let name = format!("extension {} of {}", wanted.extension_number, wanted.containing_type);
                self.file(self.extensions.get(&key), &name)
            }
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => self.extension_numbers(name),
            Some(MessageRequest::ListServices(_)) => MessageResponse::ListServicesResponse(ListServiceResponse {
                service: self.services.iter().map(|name| ServiceResponse { name: name.clone() }).collect(),
            }),
            None => error(Code::InvalidArgument, "message_request is missing".into()),
        };
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }

    /// The file, followed by all of its imports.
    fn file(&self, first: Option<&usize>, name: &str) -> MessageResponse {
        let Some(first) = first else { return error(Code::NotFound, format!("{name} is not known here")) };
        let (mut wanted, mut seen, mut bytes) = (vec![*first], HashSet::from([*first]), Vec::new());
        while let Some(file) = wanted.pop().and_then(|at| self.files.get(at)) {
            bytes.push(file.bytes.clone());
            let imports = file.imports.iter().filter_map(|name| self.by_name.get(name).copied());
            wanted.extend(imports.filter(|at| seen.insert(*at)));
        }
        MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto: bytes })
    }

    fn extension_numbers(&self, name: &str) -> MessageResponse {
        let extended = name.trim_start_matches('.');
        if !self.by_symbol.contains_key(extended) {
            return error(Code::NotFound, format!("{name} is not known here"));
        }
        let numbers = self.extensions.keys().filter(|(of, _)| of == extended).map(|(_, number)| *number);
        MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
            base_type_name: name.to_owned(),
            extension_number: numbers.collect(),
        })
    }
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

fn error(code: Code, message: String) -> MessageResponse {
    MessageResponse::ErrorResponse(ErrorResponse { error_code: code.into(), error_message: message })
}

#[tonic::async_trait]
impl v1::server_reflection_server::ServerReflection for Reflection {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let index = Arc::clone(&self.0);
        let answers = request.into_inner().map(move |request| match request {
            Ok(request) => Ok(index.answer(request)),
            Err(error) => Err(status::complete_request(error)),
        });
        Ok(Response::new(answers.boxed()))
    }
}

#[tonic::async_trait]
impl v1alpha::server_reflection_server::ServerReflection for Reflection {
    type ServerReflectionInfoStream = BoxStream<'static, Result<v1alpha::ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<v1alpha::ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let index = Arc::clone(&self.0);
        let answers = request.into_inner().map(move |request| match request {
            Ok(request) => convert(&request).and_then(|request| convert(&index.answer(request))),
            Err(error) => Err(status::complete_request(error)),
        });
        Ok(Response::new(answers.boxed()))
    }
}

/// Both versions' messages have the same fields.
fn convert<To: Message + Default>(from: &impl Message) -> Result<To, Status> {
    To::decode(from.encode_to_vec().as_slice()).map_err(|error| {
        tracing::error!(%error, "a reflection message is not the same in both versions");
        status::internal()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: MessageRequest) -> MessageResponse {
        let Reflection(index) = Reflection::new(&[storeplane_proto::FILE_DESCRIPTOR_SET]).expect("the contract");
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        index.answer(request).message_response.expect("an answer")
    }

    #[test]
    fn every_symbol_kind_resolves_with_imports_and_options() {
        for symbol in [
            "storeplane.v1.StoreService",
            "storeplane.v1.StoreService.GetStore",
            ".storeplane.v1.Store",
            "storeplane.v1.Store.etag",
            "storeplane.v1.STORE_STATE_READY",
            "grpc.health.v1.HealthCheckResponse.ServingStatus",
            "google.api.field_behavior",
        ] {
            let answer = ask(MessageRequest::FileContainingSymbol(symbol.into()));
            assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {answer:?}");
        }
        let MessageResponse::FileDescriptorResponse(files) =
            ask(MessageRequest::FileByFilename("storeplane/v1/store.proto".into()))
        else {
            panic!("no file")
        };
        let name = |bytes: &Vec<u8>| FileDescriptorProto::decode(bytes.as_slice()).expect("a file").name().to_owned();
        let mut names: Vec<_> = files.file_descriptor_proto.iter().map(name).collect();
        assert_eq!(names.remove(0), "storeplane/v1/store.proto");
        assert!(names.contains(&"google/api/field_behavior.proto".to_owned()), "{names:?}");
        // Field 1052 of FieldOptions, packed: OUTPUT_ONLY.
        let option = [0xe2, 0x41, 0x01, 0x03];
        let store = files.file_descriptor_proto.first().expect("a file");
        assert!(store.windows(option.len()).any(|bytes| bytes == option), "the options are served too");
    }

    #[test]
    fn extensions_are_found() {
        let options = "google.protobuf.FieldOptions";
        let MessageResponse::AllExtensionNumbersResponse(numbers) =
            ask(MessageRequest::AllExtensionNumbersOfType(options.into()))
        else {
            panic!("no numbers")
        };
        assert_eq!(numbers.extension_number, [1052]);
        let wanted = v1::ExtensionRequest { containing_type: options.into(), extension_number: 1052 };
        let answer = ask(MessageRequest::FileContainingExtension(wanted));
        assert!(matches!(answer, MessageResponse::FileDescriptorResponse(_)), "{answer:?}");
    }

    #[test]
    fn unknown_symbol_is_an_error_response() {
        for request in [
            MessageRequest::FileContainingSymbol("storeplane.v1.Nonsense".into()),
            MessageRequest::FileByFilename("nonsense.proto".into()),
            MessageRequest::AllExtensionNumbersOfType("nonsense".into()),
            MessageRequest::FileContainingExtension(v1::ExtensionRequest::default()),
        ] {
            let MessageResponse::ErrorResponse(error) = ask(request.clone()) else { panic!("{request:?}") };
            assert_eq!(error.error_code, 5, "{request:?}");
        }
    }
}
