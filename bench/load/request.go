package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"sort"
)

const mostKnown = 256

// A request is one question and what a right answer to it is.
type request struct {
	Path      string            `json:"path"`
	Headers   map[string]string `json:"headers"`
	Body      []byte            `json:"body"`   // base64 in the plan
	Status    int               `json:"status"` // expected: of HTTP, or grpc-status
	Expected  []float64         `json:"expected"`
	Tolerance float64           `json:"tolerance"` // relative to numbers beyond 1, else absolute

	wire  []byte
	known map[string]struct{} // bodies that were found right
}

// An answer is what came back.
type answer struct {
	status     int
	jsonLength int // of the binary tensor extension; -1 without it
	body       []byte
}

func (r *request) prepare(p *plan) error {
	r.known = map[string]struct{}{}
	switch p.Protocol {
	case "http":
		r.wire = httpWire(p.Address, r)
	case "grpc":
		r.wire = binary.BigEndian.AppendUint32([]byte{0}, uint32(len(r.Body)))
		r.wire = append(r.wire, r.Body...)
	default:
		return fmt.Errorf("protocol %q is neither http nor grpc", p.Protocol)
	}
	return nil
}

func httpWire(host string, r *request) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "POST %s HTTP/1.1\r\nHost: %s\r\n", r.Path, host)
	names := make([]string, 0, len(r.Headers))
	for name := range r.Headers {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Fprintf(&out, "%s: %s\r\n", name, r.Headers[name])
	}
	fmt.Fprintf(&out, "Content-Length: %d\r\n\r\n", len(r.Body))
	out.Write(r.Body)
	return out.Bytes()
}

// problem says what is wrong with an answer; nothing is "".
func (r *request) problem(a answer, grpc bool) string {
	if a.status != r.Status {
		return fmt.Sprintf("status %d instead of %d: %.300q", a.status, r.Status, a.body)
	}
	if r.Expected == nil {
		return ""
	}
	if _, ok := r.known[string(a.body)]; ok {
		return ""
	}
	numbers, err := read(a, grpc)
	if err != nil {
		return fmt.Sprintf("unreadable answer (%v): %.300q", err, a.body)
	}
	if len(numbers) != len(r.Expected) {
		return fmt.Sprintf("%d numbers instead of %d", len(numbers), len(r.Expected))
	}
	for at, number := range numbers {
		wanted := r.Expected[at]
		if !(math.Abs(number-wanted) <= r.Tolerance*math.Max(1, math.Abs(wanted))) {
			return fmt.Sprintf("number %d is %v instead of %v", at, number, wanted)
		}
	}
	if len(r.known) < mostKnown {
		r.known[string(a.body)] = struct{}{}
	}
	return ""
}

// read returns the numbers of all outputs, one after the other.
func read(a answer, grpc bool) ([]float64, error) {
	if grpc {
		return readMessage(a.body)
	}
	if a.jsonLength >= 0 {
		if a.jsonLength > len(a.body) {
			return nil, fmt.Errorf("%d bytes of JSON in a body of %d", a.jsonLength, len(a.body))
		}
		return floats(a.body[a.jsonLength:]), nil
	}
	var parsed struct {
		Outputs []struct{ Data any }
	}
	if err := json.Unmarshal(a.body, &parsed); err != nil {
		return nil, err
	}
	var numbers []float64
	for _, output := range parsed.Outputs {
		numbers = flatten(numbers, output.Data)
	}
	return numbers, nil
}

func flatten(into []float64, value any) []float64 {
	switch value := value.(type) {
	case float64:
		return append(into, value)
	case []any:
		for _, each := range value {
			into = flatten(into, each)
		}
	}
	return into
}

func floats(content []byte) []float64 {
	numbers := make([]float64, 0, len(content)/4)
	for ; len(content) >= 4; content = content[4:] {
		bits := binary.LittleEndian.Uint32(content)
		numbers = append(numbers, float64(math.Float32frombits(bits)))
	}
	return numbers
}

// readMessage reads a ModelInferResponse: raw_output_contents (6), or outputs (5) with their
// contents (5) and fp32_contents (6) in there.
func readMessage(message []byte) ([]float64, error) {
	var raw, typed []float64
	err := fields(message, func(number uint64, content []byte) error {
		switch number {
		case 6:
			raw = append(raw, floats(content)...)
		case 5:
			return fields(content, func(number uint64, content []byte) error {
				if number != 5 {
					return nil
				}
				return fields(content, func(number uint64, content []byte) error {
					if number == 6 {
						typed = append(typed, floats(content)...)
					}
					return nil
				})
			})
		}
		return nil
	})
	if raw != nil {
		return raw, err
	}
	return typed, err
}

// fields calls back for every field of a protobuf message that has a length.
func fields(message []byte, each func(number uint64, content []byte) error) error {
	for len(message) > 0 {
		tag, size := binary.Uvarint(message)
		if size <= 0 {
			return fmt.Errorf("no protobuf")
		}
		message = message[size:]
		length, size := binary.Uvarint(message)
		switch tag & 7 {
		case 0:
			length = 0
		case 1:
			length, size = 8, 0
		case 5:
			length, size = 4, 0
		}
		if size < 0 || uint64(len(message)) < uint64(size)+length {
			return fmt.Errorf("protobuf is cut short")
		}
		content := message[size : uint64(size)+length]
		message = message[uint64(size)+length:]
		if tag&7 == 2 {
			if err := each(tag>>3, content); err != nil {
				return err
			}
		}
	}
	return nil
}
