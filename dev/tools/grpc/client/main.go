// Client asks an inference server over gRPC, as programs with grpc-go do.
//
//	client HOST:PORT MODEL COUNT    predicts COUNT times, from 8 goroutines over one connection
//
// It knows the messages only from the server: it asks for their descriptors by reflection. The
// model answers y with what comes as x (FP32, [1, 3]); anything else is an error.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	service = "inference.GRPCInferenceService"
	method  = "/" + service + "/ModelInfer"
	askers  = 8
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: client HOST:PORT MODEL COUNT")
		os.Exit(2)
	}
	count, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = run(os.Args[1], os.Args[2], count)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(address, model string, count int) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	health, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil || health.Status != healthpb.HealthCheckResponse_SERVING {
		return fmt.Errorf("health is %v, %v", health, err)
	}
	found, err := find(ctx, connection)
	if err != nil {
		return err
	}
	return ask(ctx, connection, found, model, count)
}

// Find asks for the descriptor of the service's method.
func find(ctx context.Context, connection *grpc.ClientConn) (protoreflect.MethodDescriptor, error) {
	stream, err := reflectpb.NewServerReflectionClient(connection).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	asked := &reflectpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}
	if err := stream.Send(&reflectpb.ServerReflectionRequest{MessageRequest: asked}); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	var files descriptorpb.FileDescriptorSet
	for _, content := range answer.GetFileDescriptorResponse().GetFileDescriptorProto() {
		var file descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(content, &file); err != nil {
			return nil, err
		}
		files.File = append(files.File, &file)
	}
	return descriptor(&files)
}

func descriptor(files *descriptorpb.FileDescriptorSet) (protoreflect.MethodDescriptor, error) {
	known, err := protodesc.NewFiles(files)
	if err != nil {
		return nil, err
	}
	found, err := known.FindDescriptorByName(service)
	if errors.Is(err, protoregistry.NotFound) {
		return nil, fmt.Errorf("the server does not know %s", service)
	}
	return found.(protoreflect.ServiceDescriptor).Methods().ByName("ModelInfer"), nil
}

func ask(ctx context.Context, connection *grpc.ClientConn, found protoreflect.MethodDescriptor, model string, count int) error {
	failed := make(chan error, askers)
	var group sync.WaitGroup
	for first := range askers {
		group.Add(1)
		go func() {
			defer group.Done()
			for number := first; number < count; number += askers {
				if err := predict(ctx, connection, found, model, number); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	group.Wait()
	close(failed)
	return <-failed
}

func predict(ctx context.Context, connection *grpc.ClientConn, found protoreflect.MethodDescriptor, model string, number int) error {
	sent := floats(float32(number), 1, -1)
	request := dynamicpb.NewMessage(found.Input())
	fields := found.Input().Fields()
	input := request.Mutable(fields.ByName("inputs")).List().AppendMutable().Message()
	of := input.Descriptor().Fields()
	request.Set(fields.ByName("model_name"), protoreflect.ValueOfString(model))
	input.Set(of.ByName("name"), protoreflect.ValueOfString("x"))
	input.Set(of.ByName("datatype"), protoreflect.ValueOfString("FP32"))
	shape := input.Mutable(of.ByName("shape")).List()
	shape.Append(protoreflect.ValueOfInt64(1))
	shape.Append(protoreflect.ValueOfInt64(3))
	request.Mutable(fields.ByName("raw_input_contents")).List().Append(protoreflect.ValueOfBytes(sent))
	answer := dynamicpb.NewMessage(found.Output())
	var options []grpc.CallOption
	if number%2 == 1 {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	if err := connection.Invoke(ctx, method, request, answer, options...); err != nil {
		return err
	}
	raw := answer.Get(found.Output().Fields().ByName("raw_output_contents")).List()
	if raw.Len() != 1 || string(raw.Get(0).Bytes()) != string(sent) {
		return fmt.Errorf("request %d got another answer: %v", number, answer)
	}
	return nil
}

func floats(values ...float32) []byte {
	var content []byte
	for _, value := range values {
		content = binary.LittleEndian.AppendUint32(content, math.Float32bits(value))
	}
	return content
}
