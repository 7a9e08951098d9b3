// Load asks an inference server the same questions again and again, and checks every answer.
//
// It reads a plan (JSON) from stdin and writes what it saw (JSON) to stdout. It is made to cost
// much less than what it measures: one thread, epoll, requests that are written once and sent as
// they are, answers that are compared byte for byte with those already found right.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// A plan says whom to ask what, how often, and what the answers must be.
type plan struct {
	Protocol    string    `json:"protocol"` // "http" or "grpc"
	Address     string    `json:"address"`  // IPv4 address and port
	Connections int       `json:"connections"`
	Streams     int       `json:"streams"` // requests in flight per connection; HTTP/1.1 has one
	Seconds     float64   `json:"seconds"`
	Rate        float64   `json:"rate"`  // arrivals per second (open loop); 0 asks again when answered
	Churn       float64   `json:"churn"` // share of answers after which the connection ends, rudely or not
	Seed        uint64    `json:"seed"`
	Requests    []request `json:"requests"` // taken in turn
}

func main() {
	runtime.GOMAXPROCS(1)
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// yield asks the scheduler not to take a CPU from the server for every answer that wakes us:
// where the two share CPUs, each request would cost them two more context switches. Not for
// arrivals, which have to come in time.
func yield() {
	const batch = 3
	var priority int32
	syscall.Syscall(
		syscall.SYS_SCHED_SETSCHEDULER, 0, batch, uintptr(unsafe.Pointer(&priority)),
	)
}

func work() error {
	wanted := plan{Streams: 1, Connections: 1}
	if err := json.NewDecoder(os.Stdin).Decode(&wanted); err != nil {
		return fmt.Errorf("the plan on stdin: %w", err)
	}
	for number := range wanted.Requests {
		if err := wanted.Requests[number].prepare(&wanted); err != nil {
			return fmt.Errorf("request %d of the plan: %w", number, err)
		}
	}
	if wanted.Rate == 0 {
		yield()
	}
	ran, err := newLoop(&wanted)
	if err != nil {
		return err
	}
	if err := ran.run(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(ran.seen.report())
}
