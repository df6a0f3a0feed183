"""Writes a FileDescriptorSet of the server's services, of health and of error details, read by reflection, to standard output."""

import sys

import grpc
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from report import ADDRESS

database = ProtoReflectionDescriptorDatabase(grpc.insecure_channel(ADDRESS))
known, whole = set(), descriptor_pb2.FileDescriptorSet()


def add(file):
    if file.name not in known:
        known.add(file.name)
        for name in file.dependency:
            add(database.FindFileByName(name))
        whole.file.append(file)


services = [service for service in database.get_services() if "reflection" not in service]
for symbol in [*services, "google.rpc.Status", "google.rpc.ErrorInfo"]:
    add(database.FindFileContainingSymbol(symbol))
sys.stdout.buffer.write(whole.SerializeToString())
