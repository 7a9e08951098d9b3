package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/net/http2/hpack"
)

// What HTTP/2 (RFC 9113) and gRPC need for unary calls, and no more.
const (
	preface   = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	windowNow = 65535
	windowMax = 1<<31 - 1
	frameMax  = 16384
	refill    = 1 << 30 // bytes received before the connection's window is opened again
	lastID    = 1<<31 - 1

	frameData         = 0
	frameHeaders      = 1
	frameReset        = 3
	frameSettings     = 4
	framePing         = 6
	frameGoAway       = 7
	frameWindow       = 8
	frameContinuation = 9

	flagEnd, flagAck = 1, 1
	flagHeadersEnd   = 4
	flagPadded       = 8
	flagPriority     = 32

	settingStreams, settingWindow = 3, 4
)

// A call is one stream.
type call struct {
	request *request
	due     int64
	unsent  []byte
	window  int
	body    []byte
	status  int
}

type grpc struct {
	wire        *wire
	calls       map[uint32]*call
	lastID      uint32
	window      int // of the connection, towards the server
	firstWindow int // of a new stream
	mostStreams int
	received    int
	leaving     bool
	encoded     bytes.Buffer
	encoder     *hpack.Encoder
	decoder     *hpack.Decoder
	status      int // grpc-status of the block being read
	block       []byte
	blockID     uint32
	blockEnds   bool
}

func newGRPC(w *wire) *grpc {
	g := &grpc{
		wire:        w,
		calls:       map[uint32]*call{},
		window:      windowNow,
		firstWindow: windowNow,
		mostStreams: w.loop.plan.Streams,
		lastID:      ^uint32(0),
	}
	g.encoder = hpack.NewEncoder(&g.encoded)
	g.decoder = hpack.NewDecoder(4096, func(field hpack.HeaderField) {
		if field.Name == "grpc-status" {
			g.status, _ = strconv.Atoi(field.Value)
		}
	})
	w.out = append(w.out, preface...)
	settings := binary.BigEndian.AppendUint16(nil, settingWindow)
	g.frame(frameSettings, 0, 0, binary.BigEndian.AppendUint32(settings, windowMax))
	g.frame(frameWindow, 0, 0, binary.BigEndian.AppendUint32(nil, windowMax-windowNow))
	return g
}

func (g *grpc) room() int {
	if g.leaving {
		return 0
	}
	return g.mostStreams - len(g.calls)
}

func (g *grpc) pending() int { return len(g.calls) }

func (g *grpc) ending() bool { return g.leaving }

func (g *grpc) frame(kind, flags byte, id uint32, content []byte) {
	out := binary.BigEndian.AppendUint32(g.wire.out, uint32(len(content))<<8|uint32(kind))
	out = append(out, flags)
	out = binary.BigEndian.AppendUint32(out, id)
	g.wire.out = append(out, content...)
}

func (g *grpc) ask(r *request, due int64) {
	g.lastID += 2
	id := g.lastID
	g.encoded.Reset()
	for _, field := range []hpack.HeaderField{
		{Name: ":method", Value: "POST"},
		{Name: ":scheme", Value: "http"},
		{Name: ":path", Value: r.Path},
		{Name: ":authority", Value: g.wire.loop.plan.Address},
		{Name: "content-type", Value: "application/grpc"},
		{Name: "te", Value: "trailers"},
	} {
		g.encoder.WriteField(field)
	}
	for name, value := range r.Headers {
		g.encoder.WriteField(hpack.HeaderField{Name: name, Value: value})
	}
	g.frame(frameHeaders, flagHeadersEnd, id, g.encoded.Bytes())
	c := &call{request: r, due: due, unsent: r.wire, window: g.firstWindow, status: -1}
	g.calls[id] = c
	g.send(id, c)
	if id > lastID-2 {
		g.leaving = true
	}
}

// send writes as much of a call's message as the windows allow.
func (g *grpc) send(id uint32, c *call) {
	for len(c.unsent) > 0 {
		size := min(len(c.unsent), frameMax, c.window, g.window)
		if size <= 0 {
			return
		}
		var flags byte
		if size == len(c.unsent) {
			flags = flagEnd
		}
		g.frame(frameData, flags, id, c.unsent[:size])
		c.unsent = c.unsent[size:]
		c.window -= size
		g.window -= size
	}
}

func (g *grpc) take(content []byte) ([]byte, error) {
	for len(content) >= 9 {
		head := binary.BigEndian.Uint32(content)
		size := int(head >> 8)
		if len(content) < 9+size {
			return content, nil
		}
		id := binary.BigEndian.Uint32(content[5:]) & windowMax
		if err := g.taken(byte(head), content[4], id, content[9:9+size]); err != nil {
			return nil, err
		}
		content = content[9+size:]
	}
	return content, nil
}

func (g *grpc) taken(kind, flags byte, id uint32, content []byte) error {
	switch kind {
	case frameData:
		return g.data(flags, id, content)
	case frameHeaders:
		g.blockID, g.blockEnds = id, flags&flagEnd != 0
		if flags&(flagPadded|flagPriority) != 0 {
			return errors.New("padding and priority are not known here")
		}
		g.block = append(g.block[:0], content...)
		return g.headers(flags)
	case frameContinuation:
		g.block = append(g.block, content...)
		return g.headers(flags)
	case frameReset:
		code := binary.BigEndian.Uint32(content)
		g.finish(id, answer{status: -1, body: fmt.Appendf(nil, "RST_STREAM %d", code)})
	case frameSettings:
		if flags&flagAck == 0 {
			g.settings(content)
		}
	case framePing:
		if flags&flagAck == 0 {
			g.frame(framePing, flagAck, 0, content)
		}
	case frameGoAway:
		g.leaving = true
	case frameWindow:
		g.widen(id, int(binary.BigEndian.Uint32(content)))
	}
	return nil
}

func (g *grpc) settings(content []byte) {
	for ; len(content) >= 6; content = content[6:] {
		value := int(binary.BigEndian.Uint32(content[2:]))
		switch binary.BigEndian.Uint16(content) {
		case settingStreams:
			g.mostStreams = min(g.wire.loop.plan.Streams, value)
		case settingWindow:
			for _, c := range g.calls {
				c.window += value - g.firstWindow
			}
			g.firstWindow = value
		}
	}
	g.frame(frameSettings, flagAck, 0, nil)
	g.widen(0, 0)
}

func (g *grpc) widen(id uint32, by int) {
	if c := g.calls[id]; c != nil {
		c.window += by
		g.send(id, c)
		return
	}
	if id != 0 {
		return
	}
	g.window += by
	for id, c := range g.calls {
		g.send(id, c)
	}
}

func (g *grpc) data(flags byte, id uint32, content []byte) error {
	if g.received += len(content); g.received >= refill {
		g.frame(frameWindow, 0, 0, binary.BigEndian.AppendUint32(nil, uint32(g.received)))
		g.received = 0
	}
	if flags&flagPadded != 0 {
		return errors.New("padding is not known here")
	}
	if c := g.calls[id]; c != nil {
		c.body = append(c.body, content...)
	}
	return nil
}

func (g *grpc) headers(flags byte) error {
	if flags&flagHeadersEnd == 0 {
		return nil
	}
	g.status = -1
	if _, err := g.decoder.Write(g.block); err != nil {
		return err
	}
	if err := g.decoder.Close(); err != nil {
		return err
	}
	c := g.calls[g.blockID]
	if c == nil || !g.blockEnds {
		return nil
	}
	body := c.body
	if len(body) >= 5 {
		body = body[5:]
	}
	g.finish(g.blockID, answer{status: g.status, body: body})
	return nil
}

func (g *grpc) finish(id uint32, a answer) {
	c := g.calls[id]
	if c == nil {
		return
	}
	delete(g.calls, id)
	g.wire.answered(c.request, a, c.due)
}
