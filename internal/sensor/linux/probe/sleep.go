package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// sleeper waits between two looks at the rings, at the least cost that was found (docs/adr/0012): a timer of Go
// wakes three threads of its runtime at every tick, so the timer is the kernel's, and the calls around it are ones
// that the runtime does not notice. While nothing comes there is no timer either: the kernel programs knock.
type sleeper struct {
	file  *os.File // epoll over timer and rings, waited for by Go's own poller
	conn  syscall.RawConn
	timer int
	// In the mapped settings; see record.h. Mark is what mark holds unless somebody else wrote there.
	mark, asleep *atomic.Uint32
	marked       uint32
	touched      bool // somebody else wrote there since the last look
	page         []byte

	events [rings + 1]unix.EpollEvent
	knock  bool // a knock ends the sleep
	ready  func(fd uintptr) bool
}

// What the kernel programs may knock for, as record.h numbers it.
const (
	awake          = 0
	asleepCritical = 1
	asleepAll      = 2
	knockBytes     = 256 << 10
)

const timerSlot = rings // of an epoll event

func newSleeper(settings *ebpf.Map, rings ...*ebpf.Map) (s *sleeper, err error) {
	s = &sleeper{timer: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.page, err = unix.Mmap(settings.FD(), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return s, fmt.Errorf("map settings: %w", err)
	}
	s.mark, s.asleep = (*atomic.Uint32)(unsafe.Pointer(&s.page[0])), (*atomic.Uint32)(unsafe.Pointer(&s.page[4])) //nolint:gosec // struct settings of record.h
	s.marked = rand.Uint32() | 1                                                                                  //nolint:gosec // whoever can write the table can read it too
	s.mark.Store(s.marked)
	if s.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return s, fmt.Errorf("make timer: %w", err)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return s, fmt.Errorf("make epoll: %w", err)
	}
	if err := unix.SetNonblock(epoll, true); err != nil { // what makes Go's poller take it
		return s, errors.Join(fmt.Errorf("set epoll: %w", err), unix.Close(epoll))
	}
	s.file = os.NewFile(uintptr(epoll), "rings")
	// Edges only: a ring that has data is no news, that its kernel side knocked is.
	for i, m := range rings {
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, m.FD(), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(i)}); err != nil {
			return s, fmt.Errorf("wait for ring: %w", err)
		}
	}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, s.timer, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: timerSlot}); err != nil {
		return s, fmt.Errorf("wait for timer: %w", err)
	}
	if s.conn, err = s.file.SyscallConn(); err != nil {
		return s, fmt.Errorf("wait for rings: %w", err)
	}
	if err := s.file.SetReadDeadline(time.Time{}); err != nil {
		return s, fmt.Errorf("wait for rings: %w", err) // Go's poller did not take it
	}
	s.ready = s.look
	return s, nil
}

// until makes ctx's end the end of every sleep.
func (s *sleeper) until(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) })
}

// nap sleeps for d whatever comes.
func (s *sleeper) nap(d time.Duration) { s.wait(d, false) }

// doze sleeps until a kernel program knocks, at most d. Empty looks at the rings a last time: a record that was
// written before the sleep was announced has not knocked.
func (s *sleeper) doze(level uint32, d time.Duration, empty func() bool) {
	before := s.asleep.Swap(level)
	if empty() {
		s.wait(d, true)
	}
	if after := s.asleep.Swap(awake); before != awake || after != awake && after != level {
		s.touched = true
	}
}

// intruded says whether somebody else wrote into the settings since the last look, and puts them right.
func (s *sleeper) intruded() bool {
	yes := s.mark.Swap(s.marked) != s.marked || s.touched
	s.touched = false
	return yes
}

func (s *sleeper) wait(d time.Duration, knock bool) {
	s.knock = knock
	when := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	// Raw calls: none of them blocks, and the runtime's watch over system calls costs more than they do.
	if _, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(s.timer), 0, uintptr(unsafe.Pointer(&when)), 0, 0, 0); errno != 0 { //nolint:gosec // its argument
		return
	}
	_ = s.conn.Read(s.ready) // an error is ctx's end
}

// look says whether what the sleep waits for has come.
func (s *sleeper) look(epoll uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, epoll, uintptr(unsafe.Pointer(&s.events[0])), uintptr(len(s.events)), 0, 0, 0) //nolint:gosec // its argument
	if errno != 0 {
		return errno != unix.EINTR
	}
	for _, e := range s.events[:n] {
		if e.Fd == timerSlot || s.knock {
			return true
		}
	}
	return false
}

func (s *sleeper) close() error {
	var errs []error
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	if s.timer >= 0 {
		errs = append(errs, unix.Close(s.timer))
	}
	if s.page != nil {
		errs = append(errs, unix.Munmap(s.page))
	}
	return errors.Join(errs...)
}
