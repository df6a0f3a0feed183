// The cases of dev/clients with grpc-go.
package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	health "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	stores     = "storeplane.v1.StoreService"
	operations = "storeplane.v1.OperationService"
	tooLarge   = 5 * 1024 * 1024  // more than a request may have
	burst      = 25               // more than the 20 reset streams that HTTP/2 servers tolerate by default
	patience   = 90 * time.Second // how long an operation may take on a busy machine
)

func main() {
	conn, err := grpc.NewClient(os.Getenv("STOREPLANE_ADDR"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+os.Getenv("STOREPLANE_TOKEN")), 3*time.Minute)
	defer cancel()
	c := &cases{report: report{client: "grpc-go"}, ctx: ctx, conn: conn, id: fmt.Sprintf("go-%08x", rand.Uint32())}
	c.run("lists services by reflection (v1)", c.reflection)
	if c.api != nil {
		c.run("health by service name", c.health)
		c.run("validate_only changes nothing", c.validateOnly)
		c.run("all violations of a request are readable", c.violations)
		c.run("creates a store and watches it until it has settled", c.create)
		c.run("lists with a filter (gzip in both directions)", c.list)
		c.run("waits for an operation", c.wait)
		c.run("a request that is too large is RESOURCE_EXHAUSTED", c.tooLarge)
		c.run("a deadline ends a watch", c.deadline)
		c.run("a watch survives 25 calls cancelled at once, and sees the deletion", c.burst)
	}
	c.end()
}

type cases struct {
	report
	*api
	ctx  context.Context
	conn *grpc.ClientConn
	id   string
}

func (c *cases) reflection() (err error) {
	if c.api, err = connect(c.conn); err == nil && !slices.Contains(c.services, stores) {
		err = fmt.Errorf("listed: %v", c.services)
	}
	return err
}

func (c *cases) health() error {
	client := health.NewHealthClient(c.conn)
	answer, err := client.Check(c.ctx, &health.HealthCheckRequest{Service: stores})
	if err != nil {
		return err
	}
	if err := equal(answer.GetStatus(), health.HealthCheckResponse_SERVING); err != nil {
		return err
	}
	listed, err := client.List(c.ctx, &health.HealthListRequest{})
	if err != nil {
		return err
	}
	return equal(listed.GetStatuses()[stores].GetStatus(), health.HealthCheckResponse_SERVING)
}

func (c *cases) wanted(more string) string {
	return fmt.Sprintf(`{"store_id": %q, "store": {"display_name": "Tee & Söhne", "admin_email": "owner@example.com"}%s}`, c.id, more)
}

func (c *cases) byId(more string) string { return fmt.Sprintf(`{"store_id": %q%s}`, c.id, more) }

func (c *cases) validateOnly() error {
	if _, err := c.call(c.ctx, stores, "CreateStore", c.wanted(`, "validate_only": true`)); err != nil {
		return err
	}
	_, err := c.call(c.ctx, stores, "GetStore", c.byId(""))
	return refused(err, codes.NotFound, "STORE_NOT_FOUND", nil)
}

func (c *cases) violations() error {
	_, err := c.call(c.ctx, stores, "CreateStore", `{"store_id": "-", "store": {"admin_email": "x"}}`)
	return refused(err, codes.InvalidArgument, "", []string{"store_id", "store.display_name", "store.admin_email"})
}

// refused checks an error: its code, and of its details the reason and the fields, where they are given.
func refused(err error, code codes.Code, reason string, fields []string) error {
	if status.Code(err) != code {
		return fmt.Errorf("expected %v: %v", code, err)
	}
	var gotReason string
	var gotFields []string
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			gotReason = detail.GetReason()
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				gotFields = append(gotFields, violation.GetField())
			}
		}
	}
	if gotReason == "" {
		return fmt.Errorf("no ErrorInfo: %v", err)
	}
	if reason != "" && reason != gotReason {
		return equal(gotReason, reason)
	}
	return equal(gotFields, fields)
}

func (c *cases) create() error {
	if _, err := c.call(c.ctx, stores, "CreateStore", c.wanted("")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	next, err := c.watch(ctx, "WatchStore", c.byId(`, "until": "WATCH_UNTIL_SETTLED"`))
	if err != nil {
		return err
	}
	sequences, err := drain(next)
	if err != nil {
		return err
	}
	for at, sequence := range sequences {
		if err := equal(sequence, at+1); err != nil {
			return err
		}
	}
	return c.state("STORE_STATE_READY")
}

func (c *cases) state(expected string) error {
	store, err := c.call(c.ctx, stores, "GetStore", c.byId(""))
	if err != nil {
		return err
	}
	return equal(text(store, "state"), expected)
}

func (c *cases) list() error {
	filter := fmt.Sprintf(`{"filter": "state = STORE_STATE_READY AND store_id = %s"}`, c.id)
	page, err := c.call(c.ctx, stores, "ListStores", filter, grpc.UseCompressor(gzip.Name))
	if err != nil {
		return err
	}
	return equal(page.Get(field(page, "stores")).List().Len(), 1)
}

func (c *cases) wait() error {
	store, err := c.call(c.ctx, stores, "GetStore", c.byId(""))
	if err != nil {
		return err
	}
	ended, err := c.call(c.ctx, operations, "WaitOperation", fmt.Sprintf(`{"operation_id": %q, "timeout": "10s"}`, text(store, "operation")))
	if err != nil {
		return err
	}
	return equal(text(ended, "state"), "OPERATION_STATE_SUCCEEDED")
}

func (c *cases) tooLarge() error {
	_, err := c.call(c.ctx, stores, "ListStores", fmt.Sprintf(`{"filter": %q}`, strings.Repeat("x", tooLarge)))
	return refused(err, codes.ResourceExhausted, "REQUEST_TOO_LARGE", nil)
}

func (c *cases) deadline() error {
	ctx, cancel := context.WithTimeout(c.ctx, 300*time.Millisecond)
	defer cancel()
	next, err := c.watch(ctx, "WatchStore", c.byId(""))
	if err == nil {
		_, err = drain(next)
	}
	return equal(status.Code(err), codes.DeadlineExceeded)
}

func (c *cases) burst() error {
	next, err := c.watch(c.ctx, "WatchStore", c.byId(`, "until": "WATCH_UNTIL_DELETED"`))
	if err != nil {
		return err
	}
	if _, err := next(); err != nil {
		return err
	}
	for _, pause := range []time.Duration{0, 50 * time.Millisecond} {
		ctx, cancel := context.WithCancel(c.ctx)
		for range burst {
			if _, err := c.watch(ctx, "WatchStores", `{"from_now": true}`); err != nil {
				cancel()
				return err
			}
		}
		time.Sleep(pause)
		cancel()
	}
	if _, err := c.call(c.ctx, stores, "DeleteStore", c.byId("")); err != nil {
		return err
	}
	if _, err := drain(next); err != nil {
		return err
	}
	return c.state("STORE_STATE_DELETED")
}
