package main

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	reflection "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// api calls methods by their names with JSON; the messages come from the server's reflection.
type api struct {
	conn     *grpc.ClientConn
	services []string
	files    *protoregistry.Files
}

func connect(conn *grpc.ClientConn) (*api, error) {
	stream, err := reflection.NewServerReflectionClient(conn).ServerReflectionInfo(context.Background())
	if err != nil {
		return nil, err
	}
	defer stream.CloseSend()
	ask := func(request *reflection.ServerReflectionRequest) (*reflection.ServerReflectionResponse, error) {
		if err := stream.Send(request); err != nil {
			return nil, err
		}
		answer, err := stream.Recv()
		if err == nil && answer.GetErrorResponse() != nil {
			err = fmt.Errorf("reflection: %v", answer.GetErrorResponse())
		}
		return answer, err
	}
	listed, err := ask(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_ListServices{}})
	if err != nil {
		return nil, err
	}
	a, known := &api{conn: conn}, map[string]*descriptorpb.FileDescriptorProto{}
	for _, service := range listed.GetListServicesResponse().GetService() {
		a.services = append(a.services, service.GetName())
	}
	// An unknown symbol is an error on the stream, which continues.
	if _, err := ask(symbol("none.of.Ours")); err == nil {
		return nil, fmt.Errorf("an unknown symbol was found")
	}
	for _, service := range []string{stores, operations} {
		answer, err := ask(symbol(service))
		if err != nil {
			return nil, err
		}
		if err := add(known, answer, ask); err != nil {
			return nil, err
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	for _, file := range known {
		set.File = append(set.File, file)
	}
	a.files, err = protodesc.NewFiles(set)
	return a, err
}

func symbol(name string) *reflection.ServerReflectionRequest {
	return &reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

// add keeps the files of an answer, and asks for those that they import.
func add(known map[string]*descriptorpb.FileDescriptorProto, answer *reflection.ServerReflectionResponse,
	ask func(*reflection.ServerReflectionRequest) (*reflection.ServerReflectionResponse, error)) error {
	for _, bytes := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(bytes, file); err != nil {
			return err
		}
		known[file.GetName()] = file
		for _, name := range file.GetDependency() {
			if known[name] != nil {
				continue
			}
			answer, err := ask(&reflection.ServerReflectionRequest{MessageRequest: &reflection.ServerReflectionRequest_FileByFilename{FileByFilename: name}})
			if err != nil {
				return err
			}
			if err := add(known, answer, ask); err != nil {
				return err
			}
		}
	}
	return nil
}

// method finds a method, and reads its request from JSON.
func (a *api) method(service, name, json string) (string, proto.Message, *dynamicpb.Message, error) {
	found, err := a.files.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return "", nil, nil, err
	}
	method := found.(protoreflect.MethodDescriptor)
	request := dynamicpb.NewMessage(method.Input())
	if err := protojson.Unmarshal([]byte(json), request); err != nil {
		return "", nil, nil, err
	}
	return "/" + service + "/" + name, request, dynamicpb.NewMessage(method.Output()), nil
}

func (a *api) call(ctx context.Context, service, name, json string, options ...grpc.CallOption) (*dynamicpb.Message, error) {
	path, request, answer, err := a.method(service, name, json)
	if err != nil {
		return nil, err
	}
	return answer, a.conn.Invoke(ctx, path, request, answer, options...)
}

// watch opens a stream; next reads from it.
func (a *api) watch(ctx context.Context, name, json string) (next func() (*dynamicpb.Message, error), err error) {
	path, request, answer, err := a.method(stores, name, json)
	if err != nil {
		return nil, err
	}
	stream, err := a.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return nil, err
	}
	if err := stream.SendMsg(request); err != nil {
		return nil, err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, err
	}
	return func() (*dynamicpb.Message, error) {
		message := dynamicpb.NewMessage(answer.Descriptor())
		return message, stream.RecvMsg(message)
	}, nil
}

// drain reads a stream to its end, and gives the sequences of its events.
func drain(next func() (*dynamicpb.Message, error)) (sequences []int64, err error) {
	for {
		message, err := next()
		if err == io.EOF {
			return sequences, nil
		}
		if err != nil {
			return sequences, err
		}
		if message.Has(field(message, "event")) {
			sequences = append(sequences, message.Get(field(message, "sequence")).Int())
		}
	}
}

func field(message *dynamicpb.Message, name string) protoreflect.FieldDescriptor {
	return message.Descriptor().Fields().ByName(protoreflect.Name(name))
}

func text(message *dynamicpb.Message, name string) string {
	value := message.Get(field(message, name))
	if kind := field(message, name).Enum(); kind != nil {
		return string(kind.Values().ByNumber(value.Enum()).Name())
	}
	return value.String()
}
