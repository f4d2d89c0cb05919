// Package registry is the one table of what an event may hold: every kind, every field, once.
//
// make generate writes from it the Go struct with its codec (internal/event), event.proto
// (api/sensor/v1) and docs/events.md. Store columns, hunt columns and Sigma fields are read from it
// too, so a field has one name everywhere. It holds data and no behaviour; package event, its generator
// and the event store read it.
//
// Numbers are append-only: a field is never renamed, retyped or renumbered. To replace one, add a new
// one, mark the old one Retired, and stop writing it.
package registry

// Version is the registry version that segments and Hello record. It grows with every added field or kind.
const Version = 4

// Type says how a field is kept in Go, on the wire and in the store.
type Type uint8

// The field types. Zero values mean "absent" except where a kind lists the field in Always.
const (
	Uint       Type = iota + 1 // uint64; varint; UBIGINT
	Int                        // int64; zigzag varint; BIGINT
	Bool                       // bool; varint; BOOLEAN
	Text                       // string made on a host: any bytes until ingest, Text form after; bytes; VARCHAR
	Texts                      // list of Text, at most 64; repeated bytes; VARCHAR[]
	Key                        // process key, 128 opaque bits; bytes; UUID-sized BLOB in hex (VARCHAR)
	Addr                       // netip.Addr; 4 or 16 bytes; VARCHAR
	Hash                       // SHA-256 as 32 bytes; VARCHAR in lower-case hex
	Attributes                 // names with typed values, at most 256; repeated message; VARCHAR[] of JSON members
)

// OS is a set of operating systems; a field outside the host's OS is "not applicable", never "blind".
type OS uint8

// The operating systems, as bits.
const (
	Linux OS = 1 << iota
	Windows
	MacOS
	AllOS = Linux | Windows | MacOS
)

// Source says where a sensor takes a field from.
type Source string

// The sources.
const (
	Kernel   Source = "kernel"       // a kernel object: cannot be changed under our eyes
	UserPtr  Source = "user pointer" // user memory: racy
	FileSrc  Source = "file"         // read from a file by the sensor
	Sensor   Source = "sensor"       // computed by the sensor
	Server   Source = "server"       // stamped at ingest
	Imported Source = "import"       // only imported recordings carry it
)

// Field is one row of the table.
type Field struct {
	Number  int    // 1..4095, append-only
	Go      string // Go path inside event.Event: "Actor.Path"
	Name    string // wire and store column name: "actor_path"
	Type    Type
	Unit    string // "µs UTC", "ns", "bytes", …; empty when it has none
	OS      OS
	Source  Source
	OCSF    string // OCSF attribute, empty when OCSF has none
	Hunt    string // column of the hunting tables
	Since   int
	Retired int // registry version that stopped writing it; 0 while it lives
	En, Ja  string
}

// Shape is a group of fields that stands in several places of an event, such as Process.
type Shape struct {
	Go     string // Go type name
	En     string // doc comment of the Go type
	Fields []Field
}

// Place puts a shape at a base number, Go field and name prefix.
type Place struct {
	Base   int
	Go     string
	Prefix string
	OCSF   string
	Hunt   string
	Shape  *Shape
	En, Ja string
}

// Classes are the classes of what happens on a host, in the order in which people read them. Coverage is kept for each.
// A kind of no such class is of ClassSensor: the sensor's word on itself.
var Classes = []string{"process", "file", "network", "dns", "memory"}

// ClassSensor is the class of what a sensor tells of itself, ClassLog that of records of other programs' logs. Whether a
// log comes is not the sensor's sight.
const (
	ClassSensor = "sensor"
	ClassLog    = "log"
)

// Kind is one kind of event.
type Kind struct {
	Number int
	Name   string // "process.exec"
	Go     string // "ProcessExec"
	Class  string // one of Classes, ClassSensor or ClassLog
	Group  string // segment group: process, network, file, other
	Lane   string // critical, network, bulk
	Since  int
	Sigma  string // Sigma logsource category, empty when none
	Hunt   string // hunt table
	Hook   string // hook by OS, in words
	ATTACK []string
	Always []string // names of fields that are present even when zero
	En, Ja string
}

// SigmaField maps a Sigma field name to a field of the event, by category ("" = every category).
type SigmaField struct {
	Category string
	Name     string
	Field    string
}
