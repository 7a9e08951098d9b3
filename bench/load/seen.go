package main

import (
	"math/bits"
	"strconv"
	"syscall"
	"time"
)

// A histogram counts nanoseconds in 64 steps per power of two: off by 1.6 % at most.
type histogram struct {
	counts [64 * 64]uint64
	total  uint64
	max    int64
}

func (h *histogram) observe(nanoseconds int64) {
	value := uint64(max(nanoseconds, 64))
	shift := bits.Len64(value) - 7
	h.counts[shift<<6+int(value>>shift)&63]++
	h.total++
	h.max = max(h.max, nanoseconds)
}

// quantile returns the upper end of the step in which a share of all observations is reached.
func (h *histogram) quantile(share float64) float64 {
	left := uint64(share * float64(h.total))
	for step, count := range h.counts {
		if count > left {
			end := int64(uint64(step&63)+65) << (step >> 6)
			return float64(min(end, h.max)) / 1e3
		}
		left -= count
	}
	return float64(h.max) / 1e3
}

func (h *histogram) report() map[string]float64 {
	return map[string]float64{
		"count": float64(h.total),
		"p50":   h.quantile(0.5),
		"p90":   h.quantile(0.9),
		"p99":   h.quantile(0.99),
		"p999":  h.quantile(0.999),
		"max":   float64(h.max) / 1e3,
	}
}

// Seen is all that is remembered of the answers.
type seen struct {
	ended           int64
	statuses        map[int]uint64
	right, wrong    uint64
	broken, hungUp  uint64
	expired, unsent uint64
	good, refused   histogram
	first           string
}

// refusal tells whether a server said that it has too much to do.
func refusal(status int, grpc bool) bool {
	if grpc {
		return status == 8 || status == 14
	}
	return status == 503 || status == 429
}

// expiry tells whether a server gave up because its time was over.
func expiry(status int, grpc bool) bool {
	return grpc && status == 4 || !grpc && status == 504
}

func (s *seen) answered(r *request, a answer, grpc bool, nanoseconds int64) {
	s.statuses[a.status]++
	if a.status != r.Status && refusal(a.status, grpc) {
		s.refused.observe(nanoseconds)
		return
	}
	if a.status != r.Status && expiry(a.status, grpc) {
		s.expired++
		return
	}
	if problem := r.problem(a, grpc); problem != "" {
		s.wrong++
		s.note(problem)
		return
	}
	s.right++
	s.good.observe(nanoseconds)
}

func (s *seen) note(problem string) {
	if s.first == "" {
		s.first = problem
	}
}

func (s *seen) report() map[string]any {
	statuses := map[string]uint64{}
	for status, count := range s.statuses {
		statuses[strconv.Itoa(status)] = count
	}
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	cpu := time.Duration(used.Utime.Nano() + used.Stime.Nano())
	return map[string]any{
		"seconds":       float64(s.ended) / 1e9,
		"statuses":      statuses,
		"right":         s.right,
		"wrong":         s.wrong,
		"broken":        s.broken,
		"hung_up":       s.hungUp,
		"expired":       s.expired,
		"unsent":        s.unsent,
		"latency_us":    s.good.report(),
		"refused_us":    s.refused.report(),
		"cpu_seconds":   cpu.Seconds(),
		"first_problem": s.first,
	}
}
