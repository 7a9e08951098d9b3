package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// An http is HTTP/1.1 without pipelining, and with Content-Length only.
type http struct {
	wire  *wire
	asked *request
	due   int64
	close bool
}

var (
	headEnd    = []byte("\r\n\r\n")
	lineEnd    = []byte("\r\n")
	length     = []byte("content-length")
	jsonLength = []byte("inference-header-content-length")
	connection = []byte("connection")
)

func (h *http) room() int {
	if h.asked != nil || h.close {
		return 0
	}
	return 1
}

func (h *http) pending() int {
	if h.asked != nil {
		return 1
	}
	return 0
}

func (h *http) ending() bool { return h.close }

func (h *http) ask(r *request, due int64) {
	h.asked, h.due = r, due
	h.wire.out = append(h.wire.out, r.wire...)
}

func (h *http) take(content []byte) ([]byte, error) {
	end := bytes.Index(content, headEnd)
	if end < 0 {
		return content, nil
	}
	if h.asked == nil {
		return nil, fmt.Errorf("an answer that nobody asked for: %.100q", content)
	}
	a, size, err := h.head(content[:end])
	if err != nil {
		return nil, err
	}
	body := content[end+len(headEnd):]
	if len(body) < size {
		return content, nil
	}
	a.body = body[:size]
	r := h.asked
	h.asked = nil
	h.wire.answered(r, a, h.due)
	return body[size:], nil
}

func (h *http) head(head []byte) (answer, int, error) {
	a := answer{jsonLength: -1}
	size := -1
	if len(head) < 12 {
		return a, 0, fmt.Errorf("no HTTP: %.100q", head)
	}
	a.status, _ = strconv.Atoi(string(head[9:12]))
	for len(head) > 0 {
		var line []byte
		line, head, _ = bytes.Cut(head, lineEnd)
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case len(name) == len(length) && bytes.EqualFold(name, length):
			size, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case len(name) == len(jsonLength) && bytes.EqualFold(name, jsonLength):
			a.jsonLength, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
		case len(name) == len(connection) && bytes.EqualFold(name, connection):
			h.close = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	if size < 0 {
		return a, 0, fmt.Errorf("an answer without Content-Length: %.200q", head)
	}
	return a, size, nil
}
