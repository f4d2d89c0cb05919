// Package frozen fills tables of kernel programs that nobody may change afterwards. Packages probe and contain call it
// before they attach the first program that decides by such a table. What a table means is theirs.
package frozen

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// ErrWritten is a table that holds something else than was written.
var ErrWritten = errors.New("somebody else wrote into it while it was filled: start the sensor again, and find out who")

// Fill writes a table, closes it to system calls, and only then looks whether it holds what it should: root can write into
// any table by its number until it is closed.
func Fill[K, V comparable](m *ebpf.Map, want map[K]V) error {
	for k, v := range want {
		if err := m.Put(k, v); err != nil {
			return fmt.Errorf("put %v: %w", k, err)
		}
	}
	if err := m.Freeze(); err != nil {
		return fmt.Errorf("freeze: %w", err)
	}
	var k K
	var v V
	n := 0
	all := m.Iterate()
	for all.Next(&k, &v) {
		n++
		if have, ok := want[k]; !ok || have != v {
			return ErrWritten
		}
	}
	if err := all.Err(); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if n != len(want) {
		return ErrWritten
	}
	return nil
}
