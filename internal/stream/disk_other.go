//go:build !linux

package stream

import "errors"

// disk is not known here; the bound on the log's own size still holds.
func disk(string) (d Disk, err error) { return d, errors.ErrUnsupported }
