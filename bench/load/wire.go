package main

import (
	"errors"
	"fmt"
	"syscall"
)

// A dialect is one connection's protocol. It writes into its wire's out.
type dialect interface {
	ask(r *request, due int64)
	take(content []byte) (rest []byte, err error) // reads what is complete
	room() int                                    // how many more may be asked
	pending() int                                 // how many answers are due
	ending() bool                                 // whether the server wants the connection to end
}

// A wire is one connection.
type wire struct {
	loop    *loop
	fd      int
	talk    dialect
	in, out []byte
	waiting bool // for room to write
	parked  bool
	hangUp  bool
}

// connect opens a connection and begins to ask.
func (l *loop) connect() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(fd, l.target); err != nil {
		return fmt.Errorf("connecting to %s: %w", l.plan.Address, err)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	syscall.SetNonblock(fd, true)
	w := &wire{loop: l, fd: fd}
	if l.plan.Protocol == "grpc" {
		w.talk = newGRPC(w)
	} else {
		w.talk = &http{wire: w}
	}
	l.wires[int32(fd)] = w
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	if err := syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &event); err != nil {
		return err
	}
	w.ask()
	return nil
}

// ask sends as many requests as are due and fit.
func (w *wire) ask() {
	for w.talk.room() > 0 {
		due, ok := w.loop.next()
		if !ok {
			if !w.parked {
				w.parked = true
				w.loop.parked = append(w.loop.parked, w)
			}
			break
		}
		w.talk.ask(w.loop.request(), due)
	}
	w.flush()
}

func (w *wire) flush() {
	for len(w.out) > 0 {
		count, err := syscall.Write(w.fd, w.out)
		if errors.Is(err, syscall.EAGAIN) {
			w.waitToWrite(true)
			return
		}
		if err != nil {
			w.out = w.out[:0] // reading will tell
			return
		}
		w.out = w.out[:copy(w.out, w.out[count:])]
	}
	w.waitToWrite(false)
}

func (w *wire) waitToWrite(waiting bool) {
	if w.waiting == waiting {
		return
	}
	w.waiting = waiting
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(w.fd)}
	if waiting {
		event.Events |= syscall.EPOLLOUT
	}
	syscall.EpollCtl(w.loop.epoll, syscall.EPOLL_CTL_MOD, w.fd, &event)
}

func (w *wire) read() error {
	count, err := syscall.Read(w.fd, w.loop.scratch)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EINTR) {
		return nil
	}
	if err != nil || count == 0 {
		return w.lost(fmt.Sprintf("the connection ended with %d answers due (%v)", w.talk.pending(), err))
	}
	content := w.loop.scratch[:count]
	if len(w.in) > 0 {
		w.in = append(w.in, content...)
		content = w.in
	}
	rest, err := w.talk.take(content)
	if err != nil {
		return w.lost(err.Error())
	}
	w.in = append(w.in[:0], rest...)
	switch {
	case w.hangUp:
		return w.goAway()
	case w.talk.ending() && w.talk.pending() == 0:
		return w.again()
	}
	w.ask()
	return nil
}

// answered is told of every answer by the dialect.
func (w *wire) answered(r *request, a answer, due int64) {
	l := w.loop
	l.seen.answered(r, a, l.plan.Protocol == "grpc", l.now-due)
	if l.plan.Churn > 0 && l.dice.Float64() < l.plan.Churn {
		w.hangUp = true
	}
}

// goAway ends the connection as clients do: with answers due, in the middle of a request, or idle.
func (w *wire) goAway() error {
	w.loop.seen.hungUp++
	if w.talk.room() > 0 && w.loop.dice.IntN(2) == 0 {
		w.talk.ask(w.loop.request(), w.loop.now)
		w.out = w.out[:w.loop.dice.IntN(len(w.out))]
		w.flush()
	}
	return w.again()
}

// lost notes a connection that the server ended, unless nothing went on there.
func (w *wire) lost(why string) error {
	if pending := w.talk.pending(); pending > 0 {
		w.loop.seen.broken += uint64(pending)
		w.loop.seen.note(why)
		if w.loop.seen.broken > mostBroken {
			return fmt.Errorf("too many broken connections: %s", w.loop.seen.first)
		}
	}
	return w.again()
}

// again replaces the connection by a new one.
func (w *wire) again() error {
	delete(w.loop.wires, int32(w.fd))
	syscall.Close(w.fd)
	if w.loop.now >= w.loop.until {
		return nil
	}
	return w.loop.connect()
}
