// Package boot reads the one clock that nobody can set: how long ago this machine was booted, suspend included, and
// which boot it is. Sensors stamp events with it, and whoever must not believe a wall clock counts by it.
package boot
