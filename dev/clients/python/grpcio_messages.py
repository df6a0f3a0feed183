"""Messages and errors for grpcio, from the server's reflection: no generated code."""

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status, _async

from report import TOKEN

METADATA = (("authorization", f"Bearer {TOKEN}"),)


class Method:
    """How one method is called: its path, and what turns JSON into its request."""

    def __init__(self, pool, service, name):
        method = pool.FindServiceByName(service).methods_by_name[name]
        self.path = f"/{service}/{name}"
        self.request = message_factory.GetMessageClass(method.input_type)
        self.response = message_factory.GetMessageClass(method.output_type)
        self.streams = method.server_streaming

    def message(self, fields):
        return json_format.ParseDict(fields, self.request())

    def on(self, channel):
        make = channel.unary_stream if self.streams else channel.unary_unary
        return make(self.path, request_serializer=self.request.SerializeToString, response_deserializer=self.response.FromString)


def reflected(channel):
    """The services' names, and a descriptor pool that loads missing files from the server."""
    database = ProtoReflectionDescriptorDatabase(channel)
    return list(database.get_services()), DescriptorPool(database)


def details(status):
    """The ErrorInfo's reason and the fields of the BadRequest in a google.rpc.Status; there is none if the client itself gave up."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for detail in status.details if status else []:
        detail.Unpack(info)
        detail.Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


def sync_details(error):
    return details(rpc_status.from_call(error))


async def aio_details(call):
    return details(await _async.from_call(call))
