package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"
	"unsafe"
)

const (
	patience   = 15 * time.Second // for answers, once nothing is asked any more
	mostBroken = 1000             // then the server is gone
	chunk      = 256 << 10
	tick       = int64(time.Millisecond) // between two wake-ups for arrivals
)

// A loop keeps connections busy until its time is over.
type loop struct {
	plan    *plan
	seen    seen
	target  syscall.Sockaddr
	epoll   int
	timer   int
	wires   map[int32]*wire
	parked  []*wire // have nothing to do until the next arrival
	armed   bool    // the timer will fire
	began   time.Time
	now     int64 // nanoseconds since then
	until   int64
	due     int64 // the next arrival
	turn    int
	dice    *rand.Rand
	scratch []byte
}

func newLoop(p *plan) (*loop, error) {
	address, err := net.ResolveTCPAddr("tcp4", p.Address)
	if err != nil {
		return nil, err
	}
	target := &syscall.SockaddrInet4{Port: address.Port}
	copy(target.Addr[:], address.IP.To4())
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return nil, err
	}
	l := &loop{
		plan:    p,
		target:  target,
		epoll:   epoll,
		wires:   map[int32]*wire{},
		dice:    rand.New(rand.NewPCG(p.Seed, 0)),
		scratch: make([]byte, chunk),
		until:   int64(p.Seconds * 1e9),
		began:   time.Now(),
	}
	l.seen.statuses = map[int]uint64{}
	return l, l.newTimer()
}

func (l *loop) run() error {
	for range l.plan.Connections {
		if err := l.connect(); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, 64)
	for !l.over() {
		l.wakeForArrival()
		count, err := syscall.EpollWait(l.epoll, events, l.sleep())
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return err
		}
		l.now = int64(time.Since(l.began))
		for _, event := range events[:max(count, 0)] {
			if err := l.woken(event); err != nil {
				return err
			}
		}
	}
	return l.end()
}

// sleep says for how many milliseconds to wait for what comes next. A single request is spun for:
// its latency would be that of waking us up, on a virtual machine dozens of microseconds.
func (l *loop) sleep() int {
	if l.plan.Rate == 0 && l.plan.Connections == 1 && l.plan.Streams == 1 {
		return 0
	}
	return 100
}

func (l *loop) over() bool {
	if l.now < l.until {
		return false
	}
	for _, w := range l.wires {
		if w.talk.pending() > 0 {
			return l.now > l.until+int64(patience)
		}
	}
	return true
}

func (l *loop) end() error {
	l.seen.ended = max(l.now, 1)
	for _, w := range l.wires {
		if left := w.talk.pending(); left > 0 {
			l.seen.broken += uint64(left)
			l.seen.note(fmt.Sprintf("%d requests had no answer after %s", left, patience))
		}
		syscall.Close(w.fd)
	}
	for l.plan.Rate > 0 && l.due < l.until {
		l.seen.unsent++
		l.due += l.gap()
	}
	return nil
}

func (l *loop) woken(event syscall.EpollEvent) error {
	if int(event.Fd) == l.timer {
		l.arrive()
		return nil
	}
	w := l.wires[event.Fd]
	if w == nil { // it ended earlier in this turn
		return nil
	}
	if event.Events&syscall.EPOLLOUT != 0 {
		w.flush()
	}
	if event.Events&^syscall.EPOLLOUT != 0 {
		return w.read()
	}
	return nil
}

// Arrivals.

// next says whether a request is to be sent now, and since when it has been waiting.
func (l *loop) next() (int64, bool) {
	if l.plan.Rate == 0 {
		return l.now, l.now < l.until
	}
	if l.due > l.now || l.due >= l.until {
		return 0, false
	}
	due := l.due
	l.due += l.gap()
	return due, true
}

func (l *loop) gap() int64 {
	return int64(l.dice.ExpFloat64() / l.plan.Rate * 1e9)
}

func (l *loop) request() *request {
	l.turn++
	return &l.plan.Requests[l.turn%len(l.plan.Requests)]
}

func (l *loop) newTimer() error {
	fd, _, problem := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, 1, syscall.O_NONBLOCK, 0)
	if problem != 0 {
		return problem
	}
	l.timer = int(fd)
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, l.timer, &event)
}

// wakeForArrival has the next arrivals sent when the first is due, or a moment later with others:
// to wake up for each would take CPU time from a server that shares the CPUs. They count as late.
func (l *loop) wakeForArrival() {
	if l.plan.Rate == 0 || l.armed || len(l.parked) == 0 || l.due >= l.until {
		return
	}
	l.armed = true
	wait := max(l.due-int64(time.Since(l.began)), tick)
	spec := [2]syscall.Timespec{{}, syscall.NsecToTimespec(wait)}
	syscall.Syscall6(
		syscall.SYS_TIMERFD_SETTIME, uintptr(l.timer), 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0,
	)
}

func (l *loop) arrive() {
	var count [8]byte
	syscall.Read(l.timer, count[:])
	l.armed = false
	for len(l.parked) > 0 && l.due <= l.now && l.due < l.until {
		w := l.parked[len(l.parked)-1]
		l.parked = l.parked[:len(l.parked)-1]
		w.parked = false
		if l.wires[int32(w.fd)] == w {
			w.ask()
		}
	}
}
